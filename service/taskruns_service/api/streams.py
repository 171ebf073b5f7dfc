"""Streams over HTTP: responses that stay open and send events as they occur."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress

import structlog
from litestar.types import Receive, Scope, Send

from taskruns_service.api.response_headers import Headers
from taskruns_service.domain.errors import ServiceError
from taskruns_service.live import events
from taskruns_service.live.traffic import Traffic
from taskruns_service.live.watchers import Watcher
from taskruns_service.storage.deadlines import current_client

MEDIA_TYPE = "text/event-stream"
_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    # nginx and proxies that follow it do not buffer such a response.
    (b"x-accel-buffering", b"no"),
]

log = structlog.get_logger()

Begin = Callable[[], AbstractAsyncContextManager[AsyncIterator[bytes]]]
"""Begins a stream: yields its chunks, for the time of a `with` block. Raises the errors of the request."""


class EventStream:
    """A response that lasts until its watcher ends or its client leaves.

    Litestar's own streaming response encodes each event for each client, and needs a task group to see a client leave.
    """

    def __init__(self, watcher: Watcher, begin: Begin, traffic: Traffic) -> None:
        self._watcher = watcher
        self._begin = begin
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response as an ASGI application; an error that `begin` raises becomes a problem."""
        current_client.set(None)  # a read for a stream is shared, so it does not end when this client leaves
        async with self._begin() as chunks:
            await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
            if scope.get("is_head"):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            scope["is_stream"] = True  # type: ignore[typeddict-unknown-key]
            log.info("stream began", path=scope["path"])
            task = asyncio.current_task()
            assert task is not None
            departure = asyncio.create_task(_give_up_when_gone(receive, self._watcher))
            try:
                # In a task of its own: whenever one resumes, Python enters all its frames, of which this one has many.
                await asyncio.create_task(self._deliver(chunks, send))
            except asyncio.CancelledError:
                if not self._watcher.was_given_up or task.uncancel():
                    raise
            finally:
                departure.cancel()

    async def _deliver(self, chunks: AsyncIterator[bytes], send: Send) -> None:
        await self._send(events.HELLO, send)
        async for chunk in chunks:
            await self._send(chunk, send)
        await self._send(b"", send, is_last=True)

    async def _send(self, chunk: bytes, send: Send, *, is_last: bool = False) -> None:
        self._traffic.deliveries += 1
        self._traffic.bytes += len(chunk)
        self._watcher.begin_sending()
        await send({"type": "http.response.body", "body": chunk, "more_body": not is_last})
        self._watcher.end_sending()


async def _give_up_when_gone(receive: Receive, watcher: Watcher) -> None:
    with suppress(ServiceError):  # the body does not arrive, and without it nothing shows whether the client is there
        while (await receive())["type"] != "http.disconnect":
            pass
    watcher.give_up()
