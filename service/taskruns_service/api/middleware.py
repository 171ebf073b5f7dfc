"""The front of the application: what happens to every request before Litestar sees it, and to every response after."""

import random
import re
import time
from collections.abc import Callable, Iterable, Mapping

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from taskruns_service.api.response_headers import with_defaults
from taskruns_service.api.shutdown import Requests
from taskruns_service.logs import current_request_id

POSITION = "X-Taskruns-Position"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_UUID_FIXED = 0xF000C000 << 48
_UUID_4 = 0x40008000 << 48
"""The bits that say that a UUID is random (RFC 9562, 5.4)."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Those that change nothing."""

log = structlog.get_logger()


class RequestMiddleware:
    """Gives each request an id, answers HEAD as GET without the body, counts it until it is answered, and logs a line.

    It stands outside of Litestar because Litestar's own middleware does not see paths that have no route.
    """

    def __init__(
        self, app: ASGIApp, methods: Mapping[str, str], requests: Requests, position: Callable[[], int | None]
    ) -> None:
        """`methods` has for each path template what an Allow header says of it.

        `position` is what answers to changes have for the readers of standbys; None where there are none.
        """
        self._app = app
        self._methods = methods
        self._requests = requests
        self._position = position

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection, as ASGI has it."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["request_id"] = request_id  # type: ignore[typeddict-unknown-key]
        method, status, began = scope["method"], 500, time.perf_counter()
        is_answered = False
        if method == "HEAD":
            scope = {**scope, "method": "GET"}
            scope["is_head"] = True  # type: ignore[typeddict-unknown-key]

        async def answer(message: Message) -> None:
            nonlocal status, is_answered
            if message["type"] == "http.response.start":
                status = int(message["status"])
                headers = with_defaults(message["headers"])
                headers.append((b"x-request-id", request_id.encode()))
                if method == "OPTIONS" and (allowed := self._methods.get(scope.get("path_template", ""))):
                    headers = [header for header in headers if header[0] != b"allow"] + [(b"allow", allowed.encode())]
                if may_change(scope) and (position := self._position()) is not None:
                    headers.append((POSITION.lower().encode(), str(position).encode()))
                message["headers"] = headers
                self._requests.unanswered -= 1
                is_answered = True
            elif method == "HEAD":
                message["body"] = b""  # type: ignore[typeddict-unknown-key]
            await send(message)

        self._requests.unanswered += 1
        logged = current_request_id.set(request_id)
        try:
            await self._app(scope, receive, answer)
        finally:
            if not is_answered:
                self._requests.unanswered -= 1
            seconds = time.perf_counter() - began
            if scope.get("is_stream"):  # how long it was open tells nothing about how quick the service is
                log.info("stream ended", path=scope["path"], seconds=round(seconds, 1))
            else:
                milliseconds = round(seconds * 1000, 2)
                log.info("request", method=method, path=scope["path"], status=status, milliseconds=milliseconds)
            current_request_id.reset(logged)


def may_change(scope: Scope) -> bool:
    """Whether a request may have changed anything: by its method, unless its handler knows better, as of GraphQL."""
    return bool(scope.get("is_change", scope.get("method") not in SAFE_METHODS))


def allow_header(methods: Iterable[str]) -> str:
    """What an Allow header says: HEAD wherever GET."""
    listed = set(methods)
    return ", ".join(sorted(listed | {"HEAD"} if "GET" in listed else listed))


def _request_id(scope: Scope) -> str:
    """The id that the client gave, if it is a plain one; otherwise a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value.decode()
    # Unique, not secret: `uuid4` asks the system for each.
    return f"{random.getrandbits(128) & ~_UUID_FIXED | _UUID_4:032x}"
