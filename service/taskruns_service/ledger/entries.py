"""Entries: a flow run and a task run in the ledger, as they were read and as they have become."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from taskruns_service.models import CurrentState
from taskruns_service.states import PastState, Run, StateType

NaturalKey = tuple[UUID, str, int]
"""What a task run is known by: its flow run, its task slug and its map index."""

RUN_COLUMNS = (
    "version",
    "state",
    "state_id",
    "state_timestamp",
    "run_count",
    "first_timestamp",
    "start_time",
    "end_time",
)
"""What `advance` needs to know of a run; the message and the result it only replaces."""


class FlowRunEntry:
    """A flow run in the ledger, locked."""

    def __init__(self, row: Sequence[Any]) -> None:
        identifier, flow_id, sequence, state_counts, *run = row
        self.id: UUID = identifier
        self.flow_id: UUID = flow_id
        self.sequence: int = sequence
        self.state_counts: Counter[str] = Counter(state_counts)
        self.run = read_run(run)
        self.read_history: list[PastState] | None = None
        self.new_history: list[PastState] = []
        self.updated: datetime | None = None
        self.touched = False
        self.changed: dict[str, Any] = {}
        self.advanced = False
        self.aged = False

    @property
    def flow_run(self) -> "FlowRunEntry":
        """The entry whose sequence counts the changes."""
        return self


class TaskRunEntry:
    """A task run in the ledger; its flow run is locked."""

    def __init__(self, flow_run: FlowRunEntry, identifier: UUID, task_slug: str, map_index: int, run: Run) -> None:
        self.id = identifier
        self.flow_run = flow_run
        self.task_slug = task_slug
        self.map_index = map_index
        self.run = run
        self.read_history: list[PastState] | None = None
        self.new_history: list[PastState] = []
        self.updated: datetime | None = None
        self.sequence = 0
        self.created: dict[str, Any] | None = None
        self.changed: dict[str, Any] = {}
        self.advanced = False
        self.aged = False


Entry = FlowRunEntry | TaskRunEntry


def read_run(values: Sequence[Any]) -> Run:
    """A run of the values of RUN_COLUMNS."""
    version, state, state_id, state_timestamp, run_count, first_timestamp, start_time, end_time = values
    return Run(
        version=version,
        state=StateType[state],
        state_id=state_id,
        state_timestamp=state_timestamp,
        run_count=run_count,
        first_timestamp=first_timestamp,
        start_time=start_time,
        end_time=end_time,
    )


def order_of(entry: Entry) -> int:
    """The order of ids, in which all writers write."""
    return entry.id.int


def current_state(run: Run) -> CurrentState:
    """What a problem says of a run."""
    return CurrentState(version=run.version, state=run.state, state_timestamp=run.state_timestamp)
