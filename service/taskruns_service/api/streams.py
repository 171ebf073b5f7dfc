"""Streams over HTTP: responses that go on, with what they send as it comes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import structlog
from litestar.types import Receive, Scope, Send

from taskruns_service.api.response_headers import Headers
from taskruns_service.live import events
from taskruns_service.live.traffic import Traffic
from taskruns_service.live.watchers import Watcher
from taskruns_service.storage.deadlines import current_client

MEDIA_TYPE = "text/event-stream"
_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    # What nginx and others that have learned it from nginx would wait with.
    (b"x-accel-buffering", b"no"),
]

log = structlog.get_logger()

Begin = Callable[[], AbstractAsyncContextManager[AsyncIterator[bytes]]]
"""Begins a stream: what is to be sent, for the time of a `with` block; raises what is wrong with the request."""


class EventStream:
    """A response that lasts until its watcher has nothing to send any more or its client is gone.

    Litestar's own looks for a client that has gone away with a group of tasks, and encodes each event for each client.
    """

    def __init__(self, watcher: Watcher, begin: Begin, traffic: Traffic) -> None:
        self._watcher = watcher
        self._begin = begin
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it, as ASGI has it; what `begin` raises is answered as a problem."""
        current_client.set(None)  # what is read for a stream is not for it alone
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
                await self._send(events.HELLO, send)
                async for chunk in chunks:
                    await self._send(chunk, send)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            except asyncio.CancelledError:
                if not self._watcher.was_given_up or task.uncancel():
                    raise
            finally:
                departure.cancel()

    async def _send(self, chunk: bytes, send: Send) -> None:
        self._traffic.deliveries += 1
        self._traffic.bytes += len(chunk)
        self._watcher.begin_sending()
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        self._watcher.end_sending()


async def _give_up_when_gone(receive: Receive, watcher: Watcher) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    watcher.give_up()
