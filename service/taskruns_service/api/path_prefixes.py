"""The path under which a proxy serves the service: proxies pass it on or strip it, and clients see it."""

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send


class WithoutPrefix:
    """Strips the prefix from the paths of requests that have it, and adds it to the locations in responses."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection, as ASGI has it."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        if scope["path"] == self._prefix or scope["path"].startswith(f"{self._prefix}/"):
            path = scope["path"].removeprefix(self._prefix) or "/"
            scope["path"], scope["raw_path"] = path, path.encode()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [self._with_prefix(name, value) for name, value in message["headers"]]
            await send(message)

        await self._app(scope, receive, answer)

    def _with_prefix(self, name: bytes, value: bytes) -> tuple[bytes, bytes]:
        prefix = self._prefix.encode()
        if name == b"location" and value.startswith(b"/") and not value.startswith(prefix + b"/"):
            return name, prefix + value
        return name, value
