"""Hubs: the state that the watchers of one flow run share, so that each change is read and encoded once."""

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
"""How many batches a hub keeps, and their bytes. Watchers that are further behind read from the database."""
SUMMARY_SECONDS = 0.25
"""The shortest time between two summaries of a flow run."""
RETRY_SECONDS = 1.0
"""How long to wait after a read that failed."""


class Batch(NamedTuple):
    """The bytes that take a watcher from one sequence to another."""

    sequence: int
    chunks: tuple[bytes, ...]
    is_last: bool = False
    """Whether the stream ends after it."""


class Summary(NamedTuple):
    """A flow run at one sequence, as an event without an id."""

    sequence: int
    event: bytes


class Hub:
    """A watched flow run in one process.

    A batch is kept under the point where it begins, whichever watcher it was read for. A watcher takes only a batch
    that begins at its own point, so it gets no change twice and misses none, however far ahead others are.
    """

    def __init__(self, flow_run_id: UUID, database: Database, traffic: Traffic) -> None:
        self.flow_run_id = flow_run_id
        self.watchers: set[Watcher] = set()
        self.sequence: int | None = None
        """The sequence of the flow run; None until it has been read."""
        self.summary: Summary | None = None
        """The summary that was published last."""
        self.is_gone = False
        self.is_finished = False
        self.last_change = time.monotonic()
        self.lines: LineFeed | None = None
        """The new log lines, while a client requests them."""
        self._line_watchers = 0
        self._database = database
        self._traffic = traffic
        self._seen_at = 0.0
        self._latest: FlowRunNow | None = None
        self._published_at = -SUMMARY_SECONDS
        self._batches: dict[Point, Batch] = {}
        self._bytes = 0
        self._batch_limit = changes.MAX_CHANGES
        self._reads: dict[Point, asyncio.Task[None]] = {}

    @property
    def next_summary(self) -> float:
        """The time from which the next summary may be published, as `time.monotonic` counts."""
        return self._published_at + SUMMARY_SECONDS

    def move(self, flow_run: FlowRunNow, began: float) -> list[asyncio.Task[None]]:
        """Updates the hub from a query that `began` at a time, and returns the reads that it starts.

        The watchers at the previous sequence wake when the batch for them has been read.
        """
        before = self.sequence
        if not self._is_news(flow_run, began):
            return []
        self._seen_at = self.last_change = time.monotonic()
        is_restored = before is not None and flow_run.sequence < before
        if is_restored:  # what was read before does not fit what follows
            self._batches.clear()
            self._bytes = 0
        self.sequence = flow_run.sequence
        self.is_finished = flow_run.is_finished
        self._latest = flow_run
        self.publish(self._seen_at)
        reads = []
        for watcher in self.watchers:
            point = watcher.point
            if point is None or point[0] != before or point in self._batches or is_restored:
                watcher.wake()
            elif (read := self._begin_reading(point)) is not None:
                reads.append(read)
        return reads

    def _is_news(self, flow_run: FlowRunNow, began: float) -> bool:
        if self.sequence is None or flow_run.sequence > self.sequence:
            return True
        # A backup was restored, or a standby that lacked changes was promoted.
        return flow_run.sequence < self.sequence and began > self._seen_at

    def publish(self, now: float) -> bool:
        """Publishes the latest summary, unless the previous one is too recent; returns whether it is published."""
        if now < self.next_summary:
            return False
        if self._latest is not None:
            self._published_at = now
            self.summary = summary_of(self._latest)
        return True

    @contextmanager
    def following_lines(self) -> Iterator[LineFeed]:
        """Finds new log lines as well, for the time of a `with` block."""
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
        """Wakes all watchers."""
        for watcher in self.watchers:
            watcher.wake()

    def end(self) -> None:
        """Tells the watchers that the flow run was deleted."""
        self.is_gone = True
        self.wake()

    def batch(self, point: Point) -> Batch | None:
        """The batch that begins at a point, which is a reset if the flow run is at an earlier sequence.

        None if it has yet to be read, which wakes the watchers there.
        """
        if self.sequence is not None and point[0] > self.sequence:
            self._traffic.resyncs += 1
            return Batch(self.sequence, (events.resync_event(self.sequence, "reset"),), is_last=True)
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
        """Reads the batch that begins at a point; if that fails, the watchers there try again."""
        until = self.sequence
        assert until is not None
        try:
            batch = await self._read_batch(point, until)
            # Unless a backup was restored meanwhile.
            if self.sequence is not None and point[0] < until <= self.sequence:
                self._keep(point, batch)
        except (ServiceError, *DATABASE_ERRORS):
            await asyncio.sleep(RETRY_SECONDS)
        finally:
            del self._reads[point]
            for watcher in self.watchers:
                if watcher.point == point:
                    watcher.wake()

    async def _read_batch(self, point: Point, until: int) -> Batch:
        after, selection = point
        self._traffic.reads += 1
        batch = await self._database.read(
            changes.read_batch, self.flow_run_id, after, until, selection, limit=self._batch_limit
        )
        if batch is None:
            self._traffic.resyncs += 1
            return Batch(until, (events.resync_event(until, "behind"),), is_last=True)
        self._batch_limit = batch.next_limit
        return Batch(batch.sequence, events.chunks_of(events.task_runs_event(after, batch.sequence, batch.items)))

    def _keep(self, point: Point, batch: Batch) -> None:
        """Keeps a batch, and drops the oldest ones beyond the limits; the new one stays, however large it is."""
        self._batches[point] = batch
        self._bytes += _size(batch)
        while len(self._batches) > MAX_BATCHES or (self._bytes > MAX_BYTES and len(self._batches) > 1):
            oldest = next(iter(self._batches))
            self._bytes -= _size(self._batches.pop(oldest))


def summary_of(flow_run: FlowRunNow) -> Summary:
    """Encodes the summary of a flow run."""
    return Summary(flow_run.sequence, events.event("flow_run", flow_run.summary))


class Summaries:
    """The summaries of a flow run that one client gets."""

    def __init__(self, hub: Hub, present: Summary) -> None:
        """`present` is the summary from the start of the stream; that of the hub may be older."""
        self._hub = hub
        self._published = hub.summary
        is_older = hub.summary is None or hub.summary.sequence < present.sequence
        self._latest = present if is_older or hub.summary is None else hub.summary
        self._sequence: int | None = None

    def next_event(self, until: int | None = None) -> bytes | None:
        """The next summary, as an event without an id; None if there is none, or if it is later than `until`.

        What the hub publishes is newer than what it published before, even at a lower sequence: after a restore.
        """
        if self._hub.summary is not None and self._hub.summary is not self._published:
            self._published = self._latest = self._hub.summary
        sequence = self._latest.sequence
        if sequence == self._sequence or (until is not None and sequence > until):
            return None
        self._sequence = sequence
        return self._latest.event


def _size(batch: Batch) -> int:
    return sum(map(len, batch.chunks))
