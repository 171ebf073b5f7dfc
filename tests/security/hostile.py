"""Services that mean harm, on loopback: they answer as a test says, byte by byte."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

SECONDS = 20.0
"""How long a slow answer takes: far longer than any deadline of the tests, and not for ever where they fail."""
PAUSE = 0.05

Answer: TypeAlias = Callable[["Connection"], None]


class Connection:
    """The connection of one client."""

    def __init__(self, connection: socket.socket, closing: threading.Event) -> None:
        self._socket = connection
        self._closing = closing

    def read_request(self) -> bytes:
        """Reads a request; nothing if the client has gone."""
        request, size = b"", None
        while size is None or len(request) < size:
            if not (data := self._socket.recv(65536)):
                return b""
            request += data
            head, end, _ = request.partition(b"\r\n\r\n")
            if end:
                length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
                size = len(head + end) + (int(length[1]) if length else 0)
        return request

    def send(self, data: bytes) -> None:
        """Sends at once."""
        self._socket.sendall(data)

    def drip(self, data: bytes, seconds: float = SECONDS) -> None:
        """Sends in pieces, spread over some seconds."""
        count = int(seconds / PAUSE)
        size = max(1, len(data) // count)
        for start in range(0, len(data), size):
            if self._closing.wait(PAUSE):
                return
            self._socket.sendall(data[start : start + size])

    @property
    def is_wanted(self) -> bool:
        """Whether the test goes on."""
        return not self._closing.is_set()


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Serves each connection with `answer` in a thread of its own; yields the URL."""
    closing = threading.Event()
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        # The client goes away when it has had enough.
        with connection, suppress(OSError):
            answer(Connection(connection, closing))

    def accept() -> None:
        while not closing.is_set():
            with suppress(TimeoutError):
                connection, _ = server.accept()
                connections.append(connection)
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PAUSE)
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            closing.set()
            accepting.join()
            for connection in connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def every_request(*pieces: bytes) -> Answer:
    """Answers every request of a connection with the same bytes."""

    def answer(connection: Connection) -> None:
        while connection.read_request():
            for piece in pieces:
                connection.send(piece)

    return answer


def response(body: bytes, status: str = "200 OK", **headers: Any) -> bytes:
    """Returns an answer with a length."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in named.items())]
    if "Content-Length" not in named:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
