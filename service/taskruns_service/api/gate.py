"""The gate: what every request has to pass before it is routed, so that no handler can forget it."""

from collections.abc import Iterable

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from taskruns_service.api.bodies import BodyLimits, BodyReceiver
from taskruns_service.api.problems import problem_response
from taskruns_service.api.responses import JsonResponse
from taskruns_service.errors import (
    HostNotAllowed,
    InvalidRequest,
    OriginNotAllowed,
    ServiceError,
    UnsupportedMediaType,
)
from taskruns_service.front import SAFE_METHODS
from taskruns_service.hosts import HostPolicy, read_authority


class Gate:
    """Refuses requests that were not meant for the service, and bounds what is received of the others."""

    def __init__(self, app: ASGIApp, hosts: HostPolicy, limits: BodyLimits) -> None:
        self._app = app
        self._hosts = hosts
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection, as ASGI has it."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        body = BodyReceiver(self._limits, receive)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and _has_body(scope) and not await body.discard():
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        app = self._refusal(scope) or self._app
        try:
            await app(scope, body, answer)
        finally:
            body.release()

    def _refusal(self, scope: HTTPScope) -> JsonResponse | None:
        try:
            self._check(scope)
        except ServiceError as error:
            return problem_response(error, scope)
        return None

    def _check(self, scope: HTTPScope) -> None:
        """Raises InvalidRequest, HostNotAllowed, OriginNotAllowed or UnsupportedMediaType."""
        headers: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            if name in _CHECKED:
                headers.setdefault(name, []).append(value.decode("latin-1"))
        hosts = headers.get(b"host", [])
        host = read_authority(hosts[0]) if len(hosts) == 1 else None
        if host is None:
            raise InvalidRequest("A request needs one Host header with a host name, and with a port if there is one.")
        if not self._hosts.takes_host(host):
            raise HostNotAllowed(
                f"This service does not answer to the host {host.host[:100]}. If that is a name of it, "
                "add it to TASKRUNS_ALLOWED_HOSTS."
            )
        if scope["method"] in SAFE_METHODS:
            return
        origins = headers.get(b"origin", [])
        is_foreign = "cross-site" in headers.get(b"sec-fetch-site", [])
        if is_foreign or not all(self._hosts.takes_origin(origin, host) for origin in origins):
            raise OriginNotAllowed
        _require_json(headers.get(b"content-type", []))


def _has_body(scope: HTTPScope) -> bool:
    return any(name in _BODY_HEADERS for name, _ in scope["headers"])


_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})
_CHECKED = frozenset({b"host", b"origin", b"sec-fetch-site", b"content-type"})


def _require_json(media_types: Iterable[str]) -> None:
    """A page may send other types to any address without asking; what nothing here reads is refused everywhere."""
    if any(media_type.partition(";")[0].strip().lower() != "application/json" for media_type in media_types):
        raise UnsupportedMediaType
