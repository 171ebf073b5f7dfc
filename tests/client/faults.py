"""What may go wrong between a client and the service, on purpose: at the seam that httpx has for it, or on loopback."""

import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

import httpx

from taskruns.client import AsyncClient, Client

Ask: TypeAlias = Callable[[Callable[[Any], Any]], Awaitable[Any]]
"""Uses a client of either kind: `await ask(lambda client: client.service.health())`."""


def asking(client: Client | AsyncClient) -> Ask:
    """Lets a test use either kind of client in the same way."""

    async def ask(use: Callable[[Any], Any]) -> Any:
        answer = use(client)
        return await answer if isinstance(client, AsyncClient) else answer

    return ask


class Losing(httpx.HTTPTransport):
    """Sends requests to the service, and loses some of the answers after the service has done its work."""

    def __init__(self, losses: int) -> None:
        """The first `losses` answers get lost."""
        super().__init__()
        self.losses = losses
        self.bodies: list[bytes] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(request.content)
        response = super().handle_request(request)
        if self.losses:
            self.losses -= 1
            response.read()
            response.close()
            raise httpx.ReadError("The connection was lost.", request=request)
        return response


class AsyncLosing(httpx.AsyncHTTPTransport):
    """The same for asyncio."""

    def __init__(self, losses: int) -> None:
        """The first `losses` answers get lost."""
        super().__init__()
        self.losses = losses
        self.bodies: list[bytes] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(request.content)
        response = await super().handle_async_request(request)
        if self.losses:
            self.losses -= 1
            await response.aread()
            await response.aclose()
            raise httpx.ReadError("The connection was lost.", request=request)
        return response


@contextmanager
def stalling() -> Iterator[str]:
    """The URL of something that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def refusing() -> Iterator[str]:
    """The URL of a port that nothing listens on; it is kept, so that nothing else comes to do so."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def counting_connections() -> Iterator[tuple[str, list[Any]]]:
    """The URL of something that is well, and the addresses that have connected to it."""
    connected: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            connected.append(self.client_address)

        def do_GET(self) -> None:
            body = b'{"status": "ok", "version": "1"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", connected
        finally:
            server.shutdown()
            thread.join()
