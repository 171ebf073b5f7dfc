"""Overviews: the stream of lists and of all runs at a glance, for pages that show many flow runs."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b

from taskruns_service.domain.errors import ServiceError
from taskruns_service.live import events
from taskruns_service.live.hubs import Hub, Summary
from taskruns_service.live.traffic import Traffic
from taskruns_service.live.watchers import Watcher
from taskruns_service.queries.now import read_now
from taskruns_service.storage.database import Database
from taskruns_service.storage.dialects import DATABASE_ERRORS

NOW_SECONDS = 1.0
"""How often all runs are looked at, while somebody watches them."""
_DIGEST_BYTES = 8


class Now:
    """All runs at a glance, read once for all streams of a process."""

    def __init__(self, database: Database, traffic: Traffic) -> None:
        self.event: bytes | None = None
        """What it is now, as an event; None before it is known."""
        self._database = database
        self._traffic = traffic
        self._watchers: set[Watcher] = set()
        self._is_watched = asyncio.Event()

    @contextmanager
    def watched(self, watcher: Watcher) -> Iterator["Now"]:
        """Wakes a watcher when it has changed, for the time of a `with` block."""
        self._watchers.add(watcher)
        self._is_watched.set()
        try:
            yield self
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                self._is_watched.clear()
                self.event = None  # it is not kept up to date any more

    async def run(self) -> None:
        """Looks at all runs again and again, for ever."""
        while True:
            await self._is_watched.wait()
            began = time.monotonic()
            with suppress(ServiceError, *DATABASE_ERRORS):
                await self._look()
            await asyncio.sleep(max(NOW_SECONDS, time.monotonic() - began))

    async def _look(self) -> None:
        self._traffic.reads += 1
        data = await self._database.scan(read_now)
        event = events.event("now", data, blake2b(data.encode(), digest_size=_DIGEST_BYTES).hexdigest())
        if event != self.event:
            self.event = event
            for watcher in self._watchers:
                watcher.wake()


class OverviewStream(Watcher):
    """What one client gets of many flow runs."""

    async def chunks(self, present: Sequence[tuple[Hub, Summary]], now: Now | None) -> AsyncIterator[bytes]:
        """Yields what to send, for as long as the stream lasts: all that is `present` first, then what has changed."""
        sequences = [summary.sequence for _, summary in present]
        event: bytes | None = None
        chunks = [summary.event for _, summary in present]
        while self.farewell is None:
            for place, (hub, _) in enumerate(present):
                if not hub.is_gone and hub.summary is not None and hub.summary.sequence > sequences[place]:
                    sequences[place] = hub.summary.sequence
                    chunks.append(hub.summary.event)
            if now is not None and now.event is not None and now.event != event:
                event = now.event
                chunks.append(event)
            if chunks:
                yield b"".join(chunks)
                chunks = []
            else:
                await self.wait()
                if self.is_silent(time.monotonic()):
                    yield events.HEARTBEAT
        yield self.farewell
