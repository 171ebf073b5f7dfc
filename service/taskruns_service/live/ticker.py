"""The ticker: finds the changes of all watched flow runs with one query."""

import asyncio
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from uuid import UUID

import structlog

from taskruns_service.domain.errors import ServiceError
from taskruns_service.live.hubs import Hub
from taskruns_service.live.present import FLOW_RUNS_PER_QUERY, PresentReader, batched
from taskruns_service.live.traffic import Traffic
from taskruns_service.live.watchers import Watcher
from taskruns_service.queries import changes
from taskruns_service.queries.changes import FlowRunNow
from taskruns_service.queries.lines import LineKey
from taskruns_service.storage.database import Database
from taskruns_service.storage.dialects import DATABASE_ERRORS

INTERVALS = ((200, 0.1), (1_000, 0.25))
LONGEST_INTERVAL = 1.0
"""How often to look for the changes of other processes: up to so many watched flow runs, every so many seconds."""
REST = 9
"""After a tick, the ticker rests for this many times as long as the tick kept the event loop busy."""
LONGEST_REST = 2.0
IDS_PER_QUERY = 1_000

log = structlog.get_logger()


class Ticker:
    """The watched flow runs of one process, and the queries that find their changes.

    It queries nothing while nobody watches. `hint` tells it of the commits of this process; for those of other
    processes it polls.
    """

    def __init__(self, database: Database, traffic: Traffic, *, is_shared: bool) -> None:
        """`is_shared` is whether other processes use the same database."""
        self._database = database
        self._present = PresentReader(database)
        self._traffic = traffic
        self._is_shared = is_shared
        self._hubs: dict[UUID, Hub] = {}
        self._unpublished: set[Hub] = set()
        self._is_watched = asyncio.Event()
        self._has_work = asyncio.Event()

    @property
    def hubs(self) -> Collection[Hub]:
        """The hubs of the watched flow runs."""
        return self._hubs.values()

    @contextmanager
    def joined(self, flow_run_id: UUID, watcher: Watcher) -> Iterator[Hub]:
        """Adds a watcher to the hub of a flow run, for the time of a `with` block."""
        hub = self._hubs.get(flow_run_id)
        if hub is None or hub.is_gone:
            hub = self._hubs[flow_run_id] = Hub(flow_run_id, self._database, self._traffic)
        hub.watchers.add(watcher)
        self._is_watched.set()
        try:
            yield hub
        finally:
            hub.watchers.discard(watcher)
            # A new hub may have taken its place, with watchers of its own.
            if not hub.watchers and self._hubs.get(flow_run_id) is hub:
                del self._hubs[flow_run_id]
                self._unpublished.discard(hub)
                if not self._hubs:
                    self._is_watched.clear()

    async def read_present(self, hubs: Sequence[Hub]) -> list[FlowRunNow | None]:
        """Reads the flow runs of hubs now; None for one that does not exist. Raises what a look-up raises."""
        present = await self._present.read([hub.flow_run_id for hub in hubs])
        flow_runs = [present.flow_runs.get(hub.flow_run_id) for hub in hubs]
        for hub, flow_run in zip(hubs, flow_runs, strict=True):
            if flow_run is not None:
                self._move(hub, flow_run, present.began)
        if self._unpublished:
            self.hint()
        return flow_runs

    def note_lines(self, flow_run_id: UUID, reported: Iterable[LineKey]) -> None:
        """Notes log lines that this process has recorded."""
        hub = self._hubs.get(flow_run_id)
        if hub is not None and hub.lines is not None:
            hub.lines.note(reported)
            self.hint()

    def hint(self) -> None:
        """Tells the ticker that this process has committed something."""
        self._has_work.set()

    async def run(self) -> None:
        """Looks for changes, forever."""
        while True:
            await self._is_watched.wait()
            self._has_work.clear()
            began, before = time.monotonic(), self._traffic.cost
            try:
                await self._tick(began)
            except (ServiceError, *DATABASE_ERRORS) as error:
                log.debug("tick failed", error=type(error).__name__)  # the database has logged the details
            await asyncio.sleep(0)  # so that the watchers begin to send
            cost = max(REST * (self._traffic.cost - before), time.monotonic() - began)
            await asyncio.sleep(min(cost, LONGEST_REST))
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval()):
                    await self._has_work.wait()

    def _interval(self) -> float:
        """The seconds until the next tick if there is no hint."""
        longest = LONGEST_INTERVAL
        if self._is_shared:
            longest = next((seconds for count, seconds in INTERVALS if len(self._hubs) <= count), longest)
        if not self._unpublished:
            return longest
        return max(0.0, min(longest, min(hub.next_summary for hub in self._unpublished) - time.monotonic()))

    async def _tick(self, began: float) -> None:
        self._traffic.ticks += 1
        hubs = {flow_run_id: hub for flow_run_id, hub in self._hubs.items() if hub.sequence is not None}
        moved = []
        for flow_run_ids in batched(hubs, IDS_PER_QUERY):
            sequences = await self._database.read_back(changes.read_sequences, flow_run_ids)
            for flow_run_id in flow_run_ids:
                if flow_run_id not in sequences:
                    hubs[flow_run_id].end()
                elif sequences[flow_run_id] != hubs[flow_run_id].sequence:
                    moved.append(flow_run_id)
        for flow_run_ids in batched(moved, FLOW_RUNS_PER_QUERY):
            flow_runs = await self._database.read_back(changes.read_flow_runs, flow_run_ids)
            reads = [
                read
                for flow_run_id, flow_run in flow_runs.items()
                for read in self._move(hubs[flow_run_id], flow_run, began)
            ]
            if reads:
                await asyncio.wait(reads, timeout=LONGEST_REST)

        now = time.monotonic()
        # After the changes, with which a summary travels: one that is sent alone costs as much as a batch.
        for hub in [hub for hub in self._unpublished if hub.publish(now)]:
            self._unpublished.discard(hub)
            hub.wake()
        looks = [
            asyncio.create_task(hub.look_for_lines(hub.lines))
            for hub in hubs.values()
            if hub.lines is not None and hub.lines.is_due(now)
        ]
        if looks:
            await asyncio.wait(looks, timeout=LONGEST_REST)

    def _move(self, hub: Hub, flow_run: FlowRunNow, began: float) -> list[asyncio.Task[None]]:
        reads = hub.move(flow_run, began)
        if hub.summary is None or hub.summary.sequence != hub.sequence:
            self._unpublished.add(hub)
        else:
            self._unpublished.discard(hub)
        return reads
