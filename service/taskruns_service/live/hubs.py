"""Hubs: what the watchers of one flow run share, so that each change is read and encoded once for all of them."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple
from uuid import UUID

from taskruns_service.domain.errors import ServiceError
from taskruns_service.live import events
from taskruns_service.live.lines import LineFeed
from taskruns_service.live.traffic import Traffic
from taskruns_service.live.watchers import Point, Watcher
from taskruns_service.queries import changes
from taskruns_service.queries.changes import FlowRunNow
from taskruns_service.storage.database import Database
from taskruns_service.storage.dialects import DATABASE_ERRORS

MAX_BATCHES = 64
MAX_BYTES = 1024 * 1024
"""How many batches a hub keeps, and their bytes; whoever is further behind reads from the database."""
SUMMARY_SECONDS = 0.25
"""At most once in this time the flow run itself is sent."""
RETRY_SECONDS = 1.0
"""After a read that failed: the database may not have answered."""
CHUNK_BYTES = 64 * 1024
"""What is sent at a time, so that clients that do not read hold little memory."""


class Batch(NamedTuple):
    """What is sent to watchers that are at one sequence, to bring them to another."""

    sequence: int
    chunks: tuple[bytes, ...]
    is_last: bool = False
    """Whether the stream ends after it."""


class Summary(NamedTuple):
    """A flow run at one sequence, as an event without an id."""

    sequence: int
    event: bytes


class Hub:
    """One flow run that is watched, as one process knows it.

    A batch is kept under the point where it begins, whoever read it, and a watcher takes only one that begins where it
    is itself: so that nobody gets a change twice or misses one, however far ahead others are.
    """

    def __init__(self, flow_run_id: UUID, database: Database, traffic: Traffic) -> None:
        self.flow_run_id = flow_run_id
        self.watchers: set[Watcher] = set()
        self.sequence: int | None = None
        """How far the flow run is; None until somebody has read it."""
        self.summary: Summary | None = None
        """The flow run as it was sent last."""
        self.is_gone = False
        self.is_finished = False
        self.last_change = time.monotonic()
        self.lines: LineFeed | None = None
        """The new log lines, while somebody wants them."""
        self._line_watchers = 0
        self._database = database
        self._traffic = traffic
        self._seen_at = 0.0
        self._latest: FlowRunNow | None = None
        self._published_at = -SUMMARY_SECONDS
        self._batches: dict[Point, Batch] = {}
        self._bytes = 0
        self._reads: dict[Point, asyncio.Task[None]] = {}

    @property
    def next_summary(self) -> float:
        """When the watchers may get the flow run again, as `time.monotonic` has it."""
        return self._published_at + SUMMARY_SECONDS

    def move(self, flow_run: FlowRunNow, began: float) -> list[asyncio.Task[None]]:
        """Takes a flow run as it was read by a query that `began` at a time.

        Watchers that are where the hub was are awake when the batch for them has been read; returns these reads.
        """
        before = self.sequence
        if not self._is_news(flow_run, began):
            return []
        self._seen_at = self.last_change = time.monotonic()
        self.sequence = flow_run.sequence
        self.is_finished = flow_run.is_finished
        self._latest = flow_run
        self.publish(self._seen_at)
        reads = []
        for watcher in self.watchers:
            if watcher.point is None or watcher.point[0] != before or watcher.point in self._batches:
                watcher.wake()
            elif (read := self._begin_reading(watcher.point)) is not None:
                reads.append(read)
        return reads

    def _is_news(self, flow_run: FlowRunNow, began: float) -> bool:
        if self.sequence is None or flow_run.sequence > self.sequence:
            return True
        # The database may be that of a backup by now, or of a standby that had not seen everything.
        return flow_run.sequence < self.sequence and began > self._seen_at

    def publish(self, now: float) -> bool:
        """Lets the watchers have the flow run as it is, unless they got it a moment ago; whether they have it."""
        if now < self.next_summary:
            return False
        if self._latest is not None:
            self._published_at = now
            self.summary = summary_of(self._latest)
        return True

    @contextmanager
    def following_lines(self) -> Iterator[LineFeed]:
        """Looks for new log lines as well for the time of a `with` block."""
        if self.lines is None:
            self.lines = LineFeed(self.flow_run_id, self._database, self._traffic)
        self._line_watchers += 1
        try:
            yield self.lines
        finally:
            self._line_watchers -= 1
            if not self._line_watchers:
                self.lines = None

    async def look_for_lines(self, feed: LineFeed) -> None:
        """Looks for new log lines, and wakes the watchers if there are any."""
        feed.looked_at = time.monotonic()
        with suppress(ServiceError, *DATABASE_ERRORS):
            if await feed.look():
                self.wake()

    def wake(self) -> None:
        """Has all watchers look at the hub."""
        for watcher in self.watchers:
            watcher.wake()

    def end(self) -> None:
        """Tells the watchers that the flow run is gone."""
        self.is_gone = True
        self.wake()

    def batch(self, point: Point) -> Batch | None:
        """The batch that begins at a point where the hub is not; None if it has to be read: that wakes who is there."""
        batch = self._batches.get(point)
        if batch is None:
            self._begin_reading(point)
        return batch

    def _begin_reading(self, point: Point) -> asyncio.Task[None] | None:
        if point in self._batches or point in self._reads:
            return None
        read = self._reads[point] = asyncio.create_task(self._read(point))
        return read

    async def _read(self, point: Point) -> None:
        """Reads the batch that begins at a point; where that fails, those who wait for it try again."""
        assert self.sequence is not None
        try:
            self._keep(point, await self._read_batch(point, self.sequence))
        except (ServiceError, *DATABASE_ERRORS):
            await asyncio.sleep(RETRY_SECONDS)
        finally:
            del self._reads[point]
            for watcher in self.watchers:
                if watcher.point == point:
                    watcher.wake()

    async def _read_batch(self, point: Point, until: int) -> Batch:
        after, task_slugs = point
        if after > until:
            return Batch(until, (events.resync_event(until, "reset"),), is_last=True)
        self._traffic.reads += 1
        batch = await self._database.read(changes.read_batch, self.flow_run_id, after, until, task_slugs)
        if batch is None:
            self._traffic.resyncs += 1
            return Batch(until, (events.resync_event(until, "behind"),), is_last=True)
        return Batch(batch.sequence, chunks_of(events.task_runs_event(after, batch.sequence, batch.items)))

    def _keep(self, point: Point, batch: Batch) -> None:
        """Keeps a batch in place of the oldest ones; those that are in use now stay, however large they are."""
        self._batches[point] = batch
        self._bytes += _size(batch)
        while len(self._batches) > MAX_BATCHES or (self._bytes > MAX_BYTES and len(self._batches) > 1):
            oldest = next(iter(self._batches))
            self._bytes -= _size(self._batches.pop(oldest))


def summary_of(flow_run: FlowRunNow) -> Summary:
    """A flow run as watchers get it."""
    return Summary(flow_run.sequence, events.event("flow_run", flow_run.summary))


def chunks_of(encoded: bytes) -> tuple[bytes, ...]:
    """The bytes of an event, in the order in which they are sent."""
    if len(encoded) <= CHUNK_BYTES:
        return (encoded,)
    return tuple(encoded[start : start + CHUNK_BYTES] for start in range(0, len(encoded), CHUNK_BYTES))


def _size(batch: Batch) -> int:
    return sum(map(len, batch.chunks))
