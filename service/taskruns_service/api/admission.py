"""Admission: what every request has to pass before its handler, by what the handler's operation declares."""

from taskruns_service.api.key_ring import KeyRing
from taskruns_service.api.operations import Scope, operation_of
from taskruns_service.api.requests import ApiRequest
from taskruns_service.domain.errors import DatabaseUnavailable, Forbidden, InvalidRequest, Unauthenticated
from taskruns_service.storage.deadlines import Client, current_client


async def admit(request: ApiRequest) -> None:
    """Runs before every handler; not as guards, since Litestar copies the handler for each of them.

    See docs/decisions/0025-litestar-is-the-router.md. Raises what `authorize` raises, or InvalidRequest.
    """
    current_client.set(Client(request.receive))
    declared = operation_of(request.route_handler)
    if declared is not None:
        await authorize(request, declared.scope)
    # What has no parameters takes no query string, rather than ignoring it.
    if request.scope["query_string"] and not (declared and declared.parameters):
        name = request.scope["query_string"].split(b"=")[0].decode("latin-1")[:100]
        raise InvalidRequest(f"This operation takes no parameters, but the request has `{name}`.")


async def authorize(request: ApiRequest, needed: Scope) -> None:
    """Lets a request pass, where keys are needed with one of the scope that it needs.

    Where none are needed, the application has no key ring. Raises Unauthenticated or Forbidden, and
    DatabaseUnavailable while the service may not use the database.
    """
    if needed is Scope.public:
        return
    if (refusal := request.app.state.watch.refusal) is not None:
        raise DatabaseUnavailable(refusal)
    ring: KeyRing | None = request.app.state.key_ring
    if ring is None:
        return
    if (token := bearer_token(request)) is None:
        raise Unauthenticated
    scope = await ring.scope_of(token)
    if scope is None:
        raise Unauthenticated("This API key is unknown or revoked.")
    if needed is Scope.write and scope != Scope.write:
        raise Forbidden


def bearer_token(request: ApiRequest) -> str | None:
    """The API key that a request has."""
    scheme, _, token = (request.header(b"authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None
