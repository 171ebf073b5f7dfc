"""The iterators of events that the clients return, and their connections."""

import socket
import threading
import warnings
from collections import deque
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import anyio
import httpx
from msgspec.structs import replace

from taskruns import deadlines, logs
from taskruns._generated.types import Call
from taskruns.errors import ConnectionFailed, TaskRunsError
from taskruns.exchange import UNBUILDABLE, Exchange, Options
from taskruns.live.connection import NoStream, run
from taskruns.live.feed import SILENCE_SECONDS, Feed, Limits, Source
from taskruns.printable import excerpt

if TYPE_CHECKING:
    from taskruns.client import AsyncClient, Client

T = TypeVar("T")
E = TypeVar("E")

_STREAM_TYPE = "text/event-stream"


class EventStream(Generic[E]):
    """An iterator of events, each of which comes once, however often the connection is lost.

    It connects when the first event is requested. Close it, or use it as a context manager, to release its connection.
    Another thread can close it to end a wait for the next event.
    """

    def __init__(self, client: "Client", source: Source[E], limits: Limits) -> None:
        """Iterates over what changes in a source."""
        self._feed = Feed(source, client.options.policy, limits, was_reached=client.position.was_reached)
        self._connection = _Connection(client)
        self._events: deque[E] = deque()
        self._is_closed = False

    @property
    def is_polling(self) -> bool:
        """Whether it polls at present, because it cannot get a stream."""
        return self._feed.is_polling

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> E:
        while not self._events:
            if self._feed.is_over or self._is_closed:
                run(self._connection.close())  # which may have been opened while another thread closed it
                raise StopIteration
            try:
                self._events += run(self._feed.step(self._connection))
            except TaskRunsError:
                if not self._is_closed:
                    raise
        return self._events.popleft()

    def close(self) -> None:
        """Closes the connection; there are no further events then."""
        self._is_closed = True
        self._connection.interrupt()
        self._events.clear()
        run(self._connection.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_is_closed"):
            self.close()


class AsyncEventStream(Generic[E]):
    """The same for asyncio: an asynchronous iterator and context manager."""

    def __init__(self, client: "AsyncClient", source: Source[E], limits: Limits) -> None:
        """Iterates over what changes in a source."""
        self._feed = Feed(source, client.options.policy, limits, was_reached=client.position.was_reached)
        self._connection = _AsyncConnection(client)
        self._events: deque[E] = deque()
        self._is_closed = False

    @property
    def is_polling(self) -> bool:
        """Whether it polls at present, because it cannot get a stream."""
        return self._feed.is_polling

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        while not self._events:
            if self._feed.is_over or self._is_closed:
                raise StopAsyncIteration
            self._events += await self._feed.step(self._connection)
        return self._events.popleft()

    async def aclose(self) -> None:
        """Closes the connection; there are no further events then."""
        self._is_closed = True
        self._events.clear()
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if hasattr(self, "_is_closed") and self._connection.is_open:
            warnings.warn(
                "An event stream was not closed: use `async with`.", ResourceWarning, stacklevel=1, source=self
            )


class _Attempt:
    """One request for a stream, and what becomes of it; without I/O."""

    def __init__(self, call: Call[object], client: "Client | AsyncClient") -> None:
        self.exchange = Exchange(call, _stream_options(client.options), None, client.position)

    @contextmanager
    def failing(self) -> Generator[None, None, None]:
        """Raises what httpx raises as errors of the client."""
        try:
            with logs.requesting():
                yield
        except UNBUILDABLE as cause:
            raise self.exchange.unbuildable(cause) from cause
        except TimeoutError:
            self.exchange.failed(httpx.ReadTimeout("nothing came in time"))
        except httpx.RequestError as cause:
            self.exchange.failed(cause)

    def is_stream(self, response: httpx.Response) -> bool:
        """Whether a response is a success, so that its body is to be read as a stream; raises if it is none."""
        if not response.is_success:
            self.exchange.bound(response)
            return False
        self.exchange.received(response)
        kind = response.headers.get("Content-Type", "")
        coding = response.headers.get("Content-Encoding", "identity")
        if kind.partition(";")[0].strip().lower() != _STREAM_TYPE or coding.strip().lower() not in ("", "identity"):
            raise NoStream(
                f"{response.url} responded with {excerpt(kind)!r} ({excerpt(coding)}) instead of {_STREAM_TYPE}."
            )
        return True

    def refused(self, response: httpx.Response) -> Exception:
        """The error for a response that is no success, whose body was read."""
        self.exchange.received(response)
        return NoStream(f"{response.url} responded with {response.status_code} instead of an event stream.")


class _Connection:
    """A connection of the synchronous client, which waits in its coroutines and suspends none of them."""

    def __init__(self, client: "Client") -> None:
        self._client = client.with_options(max_retries=0)
        self._response: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._attempt: _Attempt | None = None
        self._is_interrupted = threading.Event()

    @property
    def is_open(self) -> bool:
        return self._response is not None

    async def open(self, call: Call[object], seconds: float) -> bytes:
        attempt = self._attempt = _Attempt(call, self._client)
        http = self._client.http
        with attempt.failing(), deadlines.deadline_after(seconds):
            response = self._response = http.send(http.build_request(**attempt.exchange.request()), stream=True)
            if not attempt.is_stream(response):
                response.read()
                raise attempt.refused(response)
            self._chunks = response.iter_raw()
        return _expect_bytes(await self.read(seconds))

    async def read(self, seconds: float) -> bytes:
        assert self._attempt is not None
        with self._attempt.failing(), deadlines.deadline_after(seconds):
            return next(self._chunks, b"")

    async def send(self, call: Call[T]) -> T:
        return self._client.send(call)

    async def sleep(self, seconds: float) -> None:
        self._is_interrupted.wait(seconds)

    def interrupt(self) -> None:
        """Ends the wait of another thread, for a moment or for a stream, which closing the stream does not end."""
        self._is_interrupted.set()
        network_stream = None if self._response is None else self._response.extensions.get("network_stream")
        if network_stream is not None:
            with suppress(OSError):  # as of a connection that is lost
                network_stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.close()


class _AsyncConnection:
    """A connection of the client for asyncio."""

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client.with_options(max_retries=0)
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._attempt: _Attempt | None = None

    @property
    def is_open(self) -> bool:
        return self._response is not None

    async def open(self, call: Call[object], seconds: float) -> bytes:
        attempt = self._attempt = _Attempt(call, self._client)
        http = self._client.http
        with attempt.failing(), anyio.fail_after(seconds):
            request = http.build_request(**attempt.exchange.request())
            response = self._response = await http.send(request, stream=True)
            if not attempt.is_stream(response):
                await response.aread()
                raise attempt.refused(response)
            self._chunks = response.aiter_raw()
        return _expect_bytes(await self.read(seconds))

    async def read(self, seconds: float) -> bytes:
        assert self._attempt is not None
        assert self._chunks is not None
        with self._attempt.failing(), anyio.fail_after(seconds):
            return await anext(self._chunks, b"")

    async def send(self, call: Call[T]) -> T:
        return await self._client.send(call)

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def close(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            with anyio.CancelScope(shield=True):
                await response.aclose()


def _stream_options(options: Options) -> Options:
    """The same without deadlines and retries, which are for the feed to decide."""
    return replace(options, policy=replace(options.policy, timeout=SILENCE_SECONDS, max_retries=0, deadline=None))


def _expect_bytes(chunk: bytes) -> bytes:
    if not chunk:
        raise ConnectionFailed("The event stream ended before it began.")
    return chunk
