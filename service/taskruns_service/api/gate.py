"""The gate: what every request has to pass before it is routed, so that no handler can forget it."""

from collections.abc import Sequence
from functools import lru_cache

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from taskruns_service.api.bodies import BodyLimits, BodyReceiver
from taskruns_service.api.middleware import SAFE_METHODS
from taskruns_service.api.problems import problem_response
from taskruns_service.domain.errors import (
    HostNotAllowed,
    InvalidRequest,
    OriginNotAllowed,
    ServiceError,
    UnsupportedMediaType,
)
from taskruns_service.domain.hosts import Authority, HostPolicy, read_authority

VALUES_REMEMBERED = 256
LONGEST_VALUE = 300
_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})
_NO_BODY = (b"content-length", b"0")
_CHECKED_HEADERS = _BODY_HEADERS | {b"host", b"origin", b"sec-fetch-site", b"content-type", b"content-encoding"}

Headers = Sequence[tuple[bytes, bytes]]


class Gate:
    """Refuses requests that were not meant for the service, and bounds what is received of the others."""

    def __init__(self, app: ASGIApp, hosts: HostPolicy, limits: BodyLimits) -> None:
        self._app = app
        self._hosts = hosts
        self._limits = limits
        self._check_host = lru_cache(VALUES_REMEMBERED)(self._read_host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection, as ASGI has it."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        checked = [
            (name, value[:LONGEST_VALUE])
            for name, value in scope["headers"]
            if name in _CHECKED_HEADERS and (name, value) != _NO_BODY
        ]
        error = self._error(scope["method"], checked)
        app = self._app if error is None else problem_response(error, scope)
        if len(checked) > 1 and any(name in _BODY_HEADERS for name, _ in checked):
            await self._with_body(app, scope, receive, send)
        else:
            await app(scope, receive, send)

    async def _with_body(self, app: ASGIApp, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Handles a request with a body, all of which is received before the answer, so that its sender reads that."""
        body = BodyReceiver(self._limits, receive)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and not (body.is_complete or await body.discard()):
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        try:
            await app(scope, body, answer)
        finally:
            body.release()

    def _error(self, method: str, headers: Headers) -> ServiceError | None:
        """What is wrong with a request; None if it may pass."""
        hosts = [value for name, value in headers if name == b"host"]
        host = self._check_host(hosts[0] if len(hosts) == 1 else b"")
        if isinstance(host, ServiceError):
            return host
        if len(headers) == 1:  # as of nearly all that only ask
            return None
        is_safe = method in SAFE_METHODS
        for name, value in headers:
            if name == b"content-encoding" and not _is_plain(value):
                return UnsupportedMediaType("The body must not be compressed. Send it without `Content-Encoding`.")
            if not is_safe and self._is_foreign(name, value, host):
                return OriginNotAllowed()
            # A page may send other types to any address without asking.
            if not is_safe and name == b"content-type" and not _is_json(value):
                return UnsupportedMediaType()
        return None

    def _is_foreign(self, name: bytes, value: bytes, host: Authority) -> bool:
        """Whether a header says that a page of another origin sent the request."""
        if name == b"origin":
            return not self._hosts.takes_origin(value.decode("latin-1"), host)
        return name == b"sec-fetch-site" and value == b"cross-site"

    def _read_host(self, value: bytes) -> Authority | ServiceError:
        if (host := read_authority(value.decode("latin-1"))) is None:
            return InvalidRequest("A request needs exactly one Host header, with a host name and an optional port.")
        if self._hosts.takes_host(host):
            return host
        return HostNotAllowed(
            f"The service does not accept requests for the host {host.host[:100]}. If that is a name of the service, "
            f"add it to TASKRUNS_ALLOWED_HOSTS."
        )


@lru_cache(VALUES_REMEMBERED)
def _is_json(media_type: bytes) -> bool:
    return media_type.partition(b";")[0].strip().lower() == b"application/json"


def _is_plain(encodings: bytes) -> bool:
    """Whether a body is sent as it is, which is how bodies are read."""
    return all(encoding.strip().lower() in (b"", b"identity") for encoding in encodings.split(b","))
