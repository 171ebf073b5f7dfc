"""The present: the flow runs at the start of streams, many of which start at once after a restart."""

import asyncio
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple
from uuid import UUID

from taskruns_service.queries import changes
from taskruns_service.queries.changes import FlowRunNow
from taskruns_service.storage.database import Database

FLOW_RUNS_PER_QUERY = 100


class Present(NamedTuple):
    """Flow runs at one moment; those that do not exist are missing."""

    flow_runs: Mapping[UUID, FlowRunNow]
    began: float
    """When the query began, as `time.monotonic` counts."""


class PresentReader:
    """Reads flow runs in batches: all requests that arrive during one read share the next."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._flow_run_ids: set[UUID] = set()
        self._current: asyncio.Task[Present] | None = None
        self._next: asyncio.Task[Present] | None = None

    async def read(self, flow_run_ids: Collection[UUID]) -> Present:
        """Reads flow runs at this moment or later, together with other requests. Raises what a look-up raises."""
        self._flow_run_ids.update(flow_run_ids)
        if self._next is None:
            self._next = asyncio.create_task(self._read(self._current))
        return await asyncio.shield(self._next)  # other requests wait for it too

    async def _read(self, before: asyncio.Task[Present] | None) -> Present:
        if before is not None:
            await asyncio.wait([before])
        flow_run_ids, self._flow_run_ids = self._flow_run_ids, set()
        self._current, self._next = self._next, None
        began = time.monotonic()
        flow_runs: dict[UUID, FlowRunNow] = {}
        for part in batched(flow_run_ids, FLOW_RUNS_PER_QUERY):
            flow_runs |= await self._database.look_up(changes.read_flow_runs, part)
        return Present(flow_runs, began)


def batched(flow_run_ids: Iterable[UUID], size: int) -> Iterator[list[UUID]]:
    """Splits ids into lists of at most a size."""
    listed = list(flow_run_ids)
    return (listed[start : start + size] for start in range(0, len(listed), size))
