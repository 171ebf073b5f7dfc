"""Overviews: the stream of several flow runs and of all runs at a glance, for pages that show many flow runs."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b

from taskruns_service.domain.errors import ServiceError
from taskruns_service.live import events
from taskruns_service.live.hubs import Hub, Summaries, Summary
from taskruns_service.live.traffic import Traffic
from taskruns_service.live.watchers import Watcher
from taskruns_service.queries.now import read_now
from taskruns_service.storage.database import Database
from taskruns_service.storage.dialects import DATABASE_ERRORS

NOW_SECONDS = 1.0
"""How often all runs are read, while a client watches them."""
_DIGEST_BYTES = 8


class Now:
    """All runs at a glance, read once for all streams of a process."""

    def __init__(self, database: Database, traffic: Traffic) -> None:
        self.chunks: tuple[bytes, ...] = ()
        """The latest event, in the parts in which it is sent; empty until it has been read."""
        self._database = database
        self._traffic = traffic
        self._watchers: set[Watcher] = set()
        self._is_watched = asyncio.Event()

    @contextmanager
    def watched(self, watcher: Watcher) -> Iterator["Now"]:
        """Wakes a watcher at each change, for the time of a `with` block."""
        self._watchers.add(watcher)
        self._is_watched.set()
        try:
            yield self
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                self._is_watched.clear()
                self.chunks = ()  # it is not kept up to date any more

    async def run(self) -> None:
        """Reads all runs again and again, forever."""
        while True:
            await self._is_watched.wait()
            began = time.monotonic()
            with suppress(ServiceError, *DATABASE_ERRORS):
                await self.look()
            await asyncio.sleep(max(NOW_SECONDS, time.monotonic() - began))

    async def look(self) -> None:
        """Reads all runs once, for the present watchers."""
        self._traffic.reads += 1
        data = await self._database.scan(read_now)
        event = events.event("now", data, blake2b(data.encode(), digest_size=_DIGEST_BYTES).hexdigest())
        if self._watchers and (chunks := events.chunks_of(event)) != self.chunks:
            self.chunks = chunks
            for watcher in self._watchers:
                watcher.wake()


class OverviewStream(Watcher):
    """An open stream of several flow runs."""

    async def chunks(self, present: Sequence[tuple[Hub, Summary]], now: Now | None) -> AsyncIterator[bytes]:
        """Yields the bytes to send until the stream ends: first the `present` flow runs, then each change."""
        summaries = [Summaries(hub, summary) for hub, summary in present]
        last: tuple[bytes, ...] = ()
        while self.farewell is None:
            chunks: tuple[bytes, ...] = ()
            for event in [summary.next_event() for summary in summaries]:
                chunks = chunks if event is None else events.joined(chunks, event)
            if now is not None and now.chunks and now.chunks != last:
                last = now.chunks
                chunks = (*chunks, *last)
            for chunk in chunks:
                yield chunk
            if not chunks:
                await self.wait()
                if self.is_silent(time.monotonic()):
                    yield events.HEARTBEAT
        yield self.farewell
