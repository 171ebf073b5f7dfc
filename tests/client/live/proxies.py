"""A proxy between the client and the service, which cuts streams, keeps them back or answers in their place."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import urlsplit

EVENT_STREAM = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: hello\n\n"
BAD_GATEWAY = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}
_CHUNK_BYTES = 1 << 16

Answer: TypeAlias = str | Callable[[threading.Event], None] | None
"""What answers the request for a stream: bytes as text, something that is waited for, or, with None, the service."""


class StreamProxy:
    """Forwards requests to the service; `answers` are for the next requests for streams, the last one for all later."""

    def __init__(self, target: str) -> None:
        self.url = ""
        self.answers: list[Answer] = []
        self.requests: list[dict[str, str]] = []
        """The headers of the requests for streams, with lower-case names, and their path."""
        self.holds_streams = False
        """Whether a stream stays open, and silent, after the text that answers it."""
        self.failing: list[str] = []
        """Parts of URLs: the next request that has one in its URL fails, once for each time that it is here."""
        self.has_ended = threading.Event()
        self._netloc = urlsplit(target).netloc
        self._open: set[Any] = set()
        self._lock = threading.Lock()

    def cut(self) -> int:
        """Cuts all streams that are open; how many there were."""
        with self._lock:
            streams, self._open = self._open, set()
        for stream in streams:
            with suppress(OSError):
                stream.shutdown(2)
        return len(streams)

    def next_answer(self) -> Answer:
        """What answers the next request for a stream."""
        with self._lock:
            return (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]) if self.answers else None

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answers one request."""
        for part in filter(handler.path.__contains__, list(self.failing)):
            self.failing.remove(part)
            handler.wfile.write(BAD_GATEWAY.encode())
            return
        is_stream = handler.path.partition("?")[0].endswith("/events")
        if is_stream:
            headers = {name.lower(): value for name, value in handler.headers.items()}
            self.requests.append({**headers, "path": handler.path})
            match self.next_answer():
                case None:
                    pass
                case str(text):
                    handler.wfile.write(text.encode())
                    if self.holds_streams:
                        self.has_ended.wait(60)
                    return
                case wait:
                    wait(self.has_ended)
                    return
        with suppress(OSError, http.client.HTTPException):
            self._forward(handler, is_stream=is_stream)

    def _forward(self, handler: BaseHTTPRequestHandler, *, is_stream: bool) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        service = http.client.HTTPConnection(self._netloc, timeout=60)
        try:
            service.request(handler.command, handler.path, body, dict(handler.headers.items()))
            response = service.getresponse()
            handler.send_response_only(response.status)
            for name, value in response.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    handler.send_header(name, value)
            handler.send_header("Connection", "close")
            handler.end_headers()
            if is_stream:
                with self._lock:
                    self._open.add(handler.connection)
            while chunk := response.read1(_CHUNK_BYTES):
                handler.wfile.write(chunk)
        finally:
            service.close()


@contextmanager
def proxied(target: str, *answers: Answer) -> Iterator[StreamProxy]:
    """Runs a proxy to a service."""
    proxy = StreamProxy(target)
    proxy.answers = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.close_connection = True
            proxy.answer(self)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.has_ended.set()
            proxy.cut()
            server.shutdown()
            thread.join()
