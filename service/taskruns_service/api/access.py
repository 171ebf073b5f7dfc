"""Access: the guard that asks for an API key with the scope that an operation declares."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from taskruns_service.api.operations import Scope, operation_of
from taskruns_service.errors import Forbidden, Unauthenticated
from taskruns_service.keys import KeyRing


async def ask_for_key(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A guard; raises Unauthenticated or Forbidden. Where no keys are asked for, the application has no key ring."""
    ring: KeyRing | None = connection.app.state.key_ring
    declared = operation_of(handler)
    if ring is None or declared is None or declared.scope is Scope.public:
        return
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    scope = await ring.scope_of(token.strip())
    if scope is None:
        raise Unauthenticated("This API key is unknown or was revoked.")
    if declared.scope is Scope.write and scope != Scope.write:
        raise Forbidden
