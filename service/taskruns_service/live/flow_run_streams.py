"""The stream of one flow run: the changes after a sequence, new log lines, and the event that ends it."""

import re
import time
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from taskruns_service.domain.errors import ServiceError
from taskruns_service.live import events
from taskruns_service.live.hubs import Batch, Hub, Summaries, Summary
from taskruns_service.live.lines import EPOCH, LineFeed, lines_event, portions, start_of
from taskruns_service.live.watchers import Watcher
from taskruns_service.queries import changes
from taskruns_service.storage.dialects import DATABASE_ERRORS

MICROSECOND = timedelta(microseconds=1)
_EVENT_ID = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,17}))?")


class EventId(NamedTuple):
    """The `id` of an event: the position of a client."""

    sequence: int
    newest_line: datetime | None = None
    """The greatest timestamp of the log lines that the client has; None if it requests none."""

    def __str__(self) -> str:
        if self.newest_line is None:
            return f"{self.sequence}"
        return f"{self.sequence}.{(self.newest_line - EPOCH) // MICROSECOND}"


def read_event_id(text: str) -> EventId | None:
    """Parses the id that a client sends back; None if it is malformed."""
    if (match := _EVENT_ID.fullmatch(text)) is None:
        return None
    newest_line = None if match[2] is None else EPOCH + int(match[2]) * MICROSECOND
    return EventId(int(match[1]), newest_line)


class FlowRunStream(Watcher):
    """An open stream of one flow run."""

    def __init__(self, token: str | None, task_slugs: Iterable[str], fields: Iterable[str]) -> None:
        """`task_slugs` are the tasks that the client watches, `fields` the members that it gets; all if empty."""
        super().__init__(token)
        self._selection = changes.selection_of(task_slugs, fields)

    async def chunks(self, hub: Hub, summary: Summary, start: EventId, feed: LineFeed | None) -> AsyncIterator[bytes]:
        """Yields the bytes to send until the stream ends: all changes after `start`.

        `summary`, the flow run at present, comes after the batches that lead to it. `feed` has the log lines, if the
        client requests them.
        """
        self.point = (start.sequence, self._selection)
        summaries = Summaries(hub, summary)
        lines = None if feed is None else _Lines(feed, start.newest_line)
        while self.farewell is None and not hub.is_gone:
            batch = self._next_batch(hub)
            chunks = () if batch is None else batch.chunks if lines is None else _with_line_position(batch, lines)
            if batch is not None and batch.is_last:
                yield chunks[0]
                return
            if (event := summaries.next_event(self.point[0])) is not None:
                chunks = events.joined(chunks, events.identified(self._event_id(lines), event))
            if lines is not None and (event := await lines.next_event()) is not None:
                chunks = events.joined(chunks, events.identified(self._event_id(lines), event))
            for chunk in chunks:
                yield chunk
            if not chunks:
                await self.wait()
                if self.is_silent(time.monotonic()):
                    yield events.HEARTBEAT
        yield self.farewell or events.GONE

    def _next_batch(self, hub: Hub) -> Batch | None:
        """The batch at the position of the client; None if there is nothing new, or if it has yet to be read."""
        assert self.point is not None
        if self.point[0] == hub.sequence or (batch := hub.batch(self.point)) is None:
            return None
        self.point = (batch.sequence, self.point[1])
        return batch

    def _event_id(self, lines: "_Lines | None") -> EventId:
        assert self.point is not None
        return EventId(self.point[0], None if lines is None else lines.newest)


class _Lines:
    """The log lines that one client gets: those that it missed while it was away, then those of the feed."""

    def __init__(self, feed: LineFeed, newest: datetime | None) -> None:
        """`newest` is the greatest timestamp of the lines that the client has; None for a new client."""
        self._feed = feed
        self._count = feed.count
        self.newest = feed.newest if newest is None else newest
        self._missed_from = None if newest is None else start_of(newest)

    async def next_event(self) -> bytes | None:
        """The next lines, as an event without an id; None if there are none, or if they could not be read."""
        if self._missed_from is not None:
            try:
                missed = await self._feed.read_after(self._missed_from)
            except (ServiceError, *DATABASE_ERRORS):
                return None
            missed = next(portions(missed), [])
            self._missed_from = missed[-1].key if missed else None
            if missed:
                self.newest = max(self.newest, missed[-1].key.timestamp)
                return lines_event(missed)
        if self._count == self._feed.count:
            return None
        batch = self._feed.batch(self._count)
        if batch is None:  # the client reads more slowly than lines arrive
            self._count = self._feed.count
            self._missed_from = start_of(self.newest)
            return await self.next_event()
        self._count += 1
        self.newest = max(self.newest, batch.newest)
        return batch.event


def _with_line_position(batch: Batch, lines: _Lines) -> tuple[bytes, ...]:
    """The chunks of a batch with an id that includes the position in the log lines."""
    first, *others = batch.chunks
    return (events.identified(EventId(batch.sequence, lines.newest), events.without_identifier(first)), *others)
