"""Log lines: those that arrive while a flow run is watched, found by their timestamps.

Lines have no sequence, since their writers would then wait for each other. So a feed reads the keys of the last seconds
again and again, and sends the lines that it has not seen.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from taskruns_service.live import events
from taskruns_service.live.traffic import Traffic
from taskruns_service.queries import lines
from taskruns_service.queries.lines import Line, LineKey
from taskruns_service.storage.database import Database

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WINDOW = timedelta(seconds=10)
"""A line is found if its timestamp is at most this much older than that of the newest line."""
MAX_KNOWN = 2_000
"""How many ids of lines a feed remembers; if the window has more, it becomes shorter."""
MAX_FOUND = 1_000
LOOK_SECONDS = 0.5
MAX_BATCHES = 64
MAX_BYTES = 1024 * 1024
"""How many batches a feed keeps, and their bytes."""
MAX_EVENT_BYTES = 512 * 1024
_FIRST_ID = UUID(int=0)


class LineBatch(NamedTuple):
    """Encoded lines."""

    event: bytes
    newest: datetime
    """The greatest timestamp of all lines up to this batch."""


class LineFeed:
    """The new lines of one flow run, for all watchers that request them."""

    def __init__(self, flow_run_id: UUID, database: Database, traffic: Traffic) -> None:
        self.count = 0
        """The number of batches so far."""
        self.newest = EPOCH
        """The greatest timestamp of a line so far, at most the present: the clocks of writers differ."""
        self.looked_at = 0.0
        self._flow_run_id = flow_run_id
        self._database = database
        self._traffic = traffic
        self._horizon = self.newest - WINDOW
        """The start of the window."""
        self._known: set[UUID] | None = None
        """The ids of the lines in the window; None until it has been read."""
        self._late: set[UUID] = set()
        self._lock = asyncio.Lock()
        self._batches: deque[LineBatch] = deque()
        self._bytes = 0

    def batch(self, number: int) -> LineBatch | None:
        """The batch with a number, from 0 on; None if it has been dropped."""
        first = self.count - len(self._batches)
        return self._batches[number - first] if number >= first else None

    def note(self, reported: Iterable[LineKey]) -> None:
        """Notes lines that this process has recorded, so that those with older timestamps are found too."""
        self._late.update(key.id for key in reported if key.timestamp <= self._horizon)

    def is_due(self, now: float) -> bool:
        """Whether it is time to look. While a look goes on it is not, or looks at a slow database would pile up."""
        return not self._lock.locked() and now - self.looked_at >= LOOK_SECONDS

    async def begin(self) -> None:
        """Notes the lines that exist, so that only later ones are new. Raises what a read raises."""
        if self._known is None:
            newest = await self._database.read(lines.find_newest_line, self._flow_run_id)
            if newest is not None:
                self._move_on(newest)
            await self.look()

    async def look(self) -> bool:
        """Looks for new lines; returns whether there are any. Raises what a read raises."""
        async with self._lock:  # or two looks would find the same lines
            count, limit = self.count, MAX_KNOWN + MAX_FOUND
            while True:
                self._traffic.reads += 1
                keys = await self._database.read(lines.find_lines, self._flow_run_id, self._horizon, limit)
                new = [] if self._known is None else [key.id for key in keys if key.id not in self._known]
                late = self._late.copy()
                await self._send([*new, *late])
                self._late -= late
                self._remember(keys)
                if len(keys) < limit:
                    return self.count > count

    async def read_after(self, key: LineKey) -> list[Line]:
        """Reads the first lines after a key. Raises what a read raises."""
        self._traffic.reads += 1
        return await self._database.read(lines.read_lines_after, self._flow_run_id, key)

    def _remember(self, keys: list[LineKey]) -> None:
        """Notes all lines of the window, in the order of their timestamps, and moves the window on."""
        if keys:
            self._move_on(keys[-1])
        if len(keys) > MAX_KNOWN:
            self._horizon = max(self._horizon, keys[-MAX_KNOWN].timestamp)
        self._known = {key.id for key in keys if key.timestamp > self._horizon}

    async def _send(self, line_ids: list[UUID]) -> None:
        """Reads lines and keeps them for the watchers."""
        for start in range(0, len(line_ids), lines.MAX_LINES):
            part = line_ids[start : start + lines.MAX_LINES]
            for portion in portions(await self._database.read(lines.read_lines, self._flow_run_id, part)):
                self._keep(portion)

    def _move_on(self, newest: LineKey) -> None:
        self.newest = max(self.newest, min(newest.timestamp, datetime.now(UTC)))
        self._horizon = max(self._horizon, self.newest - WINDOW)

    def _keep(self, batch: list[Line]) -> None:
        self._move_on(batch[-1].key)
        self._batches.append(LineBatch(lines_event(batch), self.newest))
        self.count += 1
        self._bytes += len(self._batches[-1].event)
        while len(self._batches) > MAX_BATCHES or (self._bytes > MAX_BYTES and len(self._batches) > 1):
            self._bytes -= len(self._batches.popleft().event)


def lines_event(batch: list[Line]) -> bytes:
    """Encodes lines as an event without an id."""
    return events.event("logs", '{"items":[' + ",".join(line.text for line in batch) + "]}")


def portions(batch: Iterable[Line]) -> Iterator[list[Line]]:
    """Splits lines into lists whose events have at most about MAX_EVENT_BYTES, or one line."""
    portion: list[Line] = []
    size = 0
    for line in batch:
        length = len(line.text.encode())
        if portion and size + length > MAX_EVENT_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(line)
        size += length
    if portion:
        yield portion


def start_of(newest: datetime) -> LineKey:
    """The key after which a client reads that has lines up to a timestamp: some before it may have arrived later."""
    return LineKey(newest - WINDOW, _FIRST_ID)
