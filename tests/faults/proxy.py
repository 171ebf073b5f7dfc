"""A proxy between the service and its database on loopback, which stops forwarding, and lies, on request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_CHUNK = 65536


class Proxy:
    """Forwards bytes in both directions until it is told otherwise."""

    def __init__(self, port: int) -> None:
        """`port` is that of the server on 127.0.0.1 that it leads to first."""
        self.target = port
        self.port = 0
        self._open = asyncio.Event()
        self._open.set()
        self._markers: tuple[bytes, ...] = ()
        self._answer: bytes | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def swallow(self) -> None:
        """Is a black hole from now on: takes everything, forwards nothing and closes nothing."""
        self._open.clear()

    def swallow_after(self, *markers: bytes) -> None:
        """Is a black hole once the service has sent these on one connection, one after another; they still arrive."""
        self._markers = markers

    def forward(self) -> None:
        """Forwards again, what came meanwhile first."""
        self._open.set()

    def say(self, message: bytes) -> None:
        """Sends bytes to the service on every connection, as if they came from the server."""
        for client in self._clients:
            client.write(message)

    def answer(self, message: bytes | None) -> None:
        """Says this in place of what the server says from now on, and closes; None ends that."""
        self._answer = message

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handles one connection."""
        self._clients.add(writer)
        ends = [writer]
        try:
            await self._open.wait()
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
            ends.append(server_writer)
            await asyncio.gather(self._copy(reader, server_writer), self._copy(server_reader, writer, answers=True))
        except OSError:
            pass  # as the client sees from its end
        finally:
            self._clients.discard(writer)
            for end in ends:
                end.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False) -> None:
        passed = 0
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                await self._open.wait()
                if answers and self._answer is not None:
                    writer.write(self._answer)
                    break
                writer.write(chunk)
                if passed < len(self._markers) and self._markers[passed] in chunk:
                    passed += 1
                    if passed == len(self._markers):
                        self.swallow()
                await writer.drain()
        writer.close()

    def begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handles one connection in a task of its own."""
        task = asyncio.create_task(self.serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Ends all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def proxied(port: int) -> AsyncIterator[Proxy]:
    """Runs a proxy to a server on 127.0.0.1."""
    proxy = Proxy(port)
    server = await asyncio.start_server(proxy.begin, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()
