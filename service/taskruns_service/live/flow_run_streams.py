"""The stream of one flow run: its changes from a sequence on, its new log lines, and what ends it."""

import re
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import NamedTuple

from taskruns_service.domain.errors import ServiceError
from taskruns_service.live import events
from taskruns_service.live.hubs import CHUNK_BYTES, Batch, Hub, Summary
from taskruns_service.live.lines import EPOCH, LineFeed, lines_event, start_of
from taskruns_service.live.watchers import Watcher
from taskruns_service.queries.lines import MAX_LINES

MICROSECOND = timedelta(microseconds=1)
_EVENT_ID = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,17}))?")


class EventId(NamedTuple):
    """How far a client is: the `id` of an event."""

    sequence: int
    newest_line: datetime | None = None
    """The greatest timestamp of a log line that it has; None if it wants none."""

    def __str__(self) -> str:
        if self.newest_line is None:
            return f"{self.sequence}"
        return f"{self.sequence}.{(self.newest_line - EPOCH) // MICROSECOND}"


def read_event_id(text: str) -> EventId | None:
    """The id that a client sends back; None if it is none."""
    if (match := _EVENT_ID.fullmatch(text)) is None:
        return None
    newest_line = None if match[2] is None else EPOCH + int(match[2]) * MICROSECOND
    return EventId(int(match[1]), newest_line)


class FlowRunStream(Watcher):
    """What one client gets of a flow run."""

    async def chunks(
        self, hub: Hub, summary: Summary, start: EventId, task_slugs: tuple[str, ...], feed: LineFeed | None
    ) -> AsyncIterator[bytes]:
        """Yields what to send, for as long as the stream lasts: all that changes after `start`.

        It begins with `summary`, the flow run as it is, or with the batches that lead there. `feed` has the log lines,
        if the client wants any.
        """
        self.point = (start.sequence, task_slugs)
        summaries = _Summaries(hub, summary)
        lines = None if feed is None else _Lines(feed, start.newest_line)
        while self.farewell is None and not hub.is_gone:
            batch = self._next_batch(hub)
            chunks = () if batch is None else batch.chunks if lines is None else _renamed(batch, lines)
            if batch is not None and batch.is_last:
                yield chunks[0]
                return
            if (event := summaries.next_event(self.point[0])) is not None:
                chunks = _joined(chunks, events.identified(self._event_id(lines), event))
            if lines is not None and (event := await lines.next_event()) is not None:
                chunks = (*chunks, events.identified(self._event_id(lines), event))
            for chunk in chunks:
                yield chunk
            if not chunks:
                await self.wait()
                if self.is_silent(time.monotonic()):
                    yield events.HEARTBEAT
        yield self.farewell or events.GONE

    def _next_batch(self, hub: Hub) -> Batch | None:
        """The batch that leads on, if there is anything new and it has been read already."""
        assert self.point is not None
        if self.point[0] == hub.sequence or (batch := hub.batch(self.point)) is None:
            return None
        self.point = (batch.sequence, self.point[1])
        return batch

    def _event_id(self, lines: "_Lines | None") -> EventId:
        assert self.point is not None
        return EventId(self.point[0], None if lines is None else lines.newest)


class _Summaries:
    """The flow run itself as one client gets it: after all changes that led there."""

    def __init__(self, hub: Hub, present: Summary) -> None:
        """`present` is the first one; that of the hub may be older."""
        self._hub = hub
        self._present = present
        self._last: Summary | None = None

    def next_event(self, sequence: int) -> bytes | None:
        """What to send to a client that has all changes up to a sequence: an event without an id, or None."""
        summary = self._hub.summary
        if summary is None or summary.sequence < self._present.sequence:
            summary = self._present
        if summary is self._last or summary.sequence > sequence:
            return None
        self._last = summary
        return summary.event


class _Lines:
    """The log lines that one client gets: those of the feed, after those that it missed if it was away."""

    def __init__(self, feed: LineFeed, newest: datetime | None) -> None:
        """`newest` is the greatest timestamp of a line that the client has; None if it has seen none."""
        self._feed = feed
        self._count = feed.count
        self.newest = feed.newest if newest is None else newest
        self._missed_from = None if newest is None else start_of(newest)

    async def next_event(self) -> bytes | None:
        """The next lines, as an event without an id; None if there are none, or if the database does not answer."""
        if self._missed_from is not None:
            try:
                missed = await self._feed.read_after(self._missed_from)
            except ServiceError:
                return None
            self._missed_from = missed[-1].key if len(missed) == MAX_LINES else None
            if missed:
                self.newest = max(self.newest, missed[-1].key.timestamp)
                return lines_event(missed)
        if self._count == self._feed.count:
            return None
        batch = self._feed.batch(self._count)
        if batch is None:  # the client reads more slowly than lines come
            self._count = self._feed.count
            self._missed_from = start_of(self.newest)
            return await self.next_event()
        self._count += 1
        self.newest = max(self.newest, batch.newest)
        return batch.event


def _renamed(batch: Batch, lines: _Lines) -> tuple[bytes, ...]:
    """The chunks of a batch with an id that says how far the client is with the log lines too."""
    first, *others = batch.chunks
    return (events.identified(EventId(batch.sequence, lines.newest), events.without_identifier(first)), *others)


def _joined(chunks: tuple[bytes, ...], event: bytes) -> tuple[bytes, ...]:
    """Chunks and an event after them, which costs nothing extra to send with a small one."""
    if chunks and len(chunks[-1]) + len(event) <= CHUNK_BYTES:
        return (*chunks[:-1], chunks[-1] + event)
    return (*chunks, event)
