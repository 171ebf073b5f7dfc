"""Entries: a flow run and a task run in the ledger, as they were read and as they have become."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from taskruns_service.maps import Children, is_mapped_parent, shown
from taskruns_service.models import CurrentState
from taskruns_service.states import History, Run, StateType

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
        self.history = History()
        self.has_history = False
        self.updated: datetime | None = None
        self.touched = False
        self.changed: dict[str, Any] = {}
        self.advanced = False
        self.aged = False

    @property
    def flow_run(self) -> "FlowRunEntry":
        """The entry whose sequence counts the changes."""
        return self

    @property
    def shown(self) -> Run:
        """The run as it is shown."""
        return self.run


class TaskRunEntry:
    """A task run in the ledger; its flow run is locked."""

    def __init__(
        self, flow_run: FlowRunEntry, identifier: UUID, task_slug: str, map_index: int, *, run: Run, sequence: int = 0
    ) -> None:
        self.id = identifier
        self.flow_run = flow_run
        self.task_slug = task_slug
        self.map_index = map_index
        self.run = run
        self.read_run: Run | None = None
        self.read_updated: datetime | None = None
        self.history = History()
        self.has_history = False
        self.updated: datetime | None = None
        self.sequence = sequence
        self.children: Children | None = None
        """What a mapped parent keeps of its children; None for all others, and until it is known."""
        self.recounts = False
        """Whether its children have to be counted again, once they are written."""
        self.created: dict[str, Any] | None = None
        self.changed: dict[str, Any] = {}
        self.advanced = False
        self.aged = False
        self.counted = False

    @property
    def key(self) -> NaturalKey:
        """What it is known by."""
        return self.flow_run.id, self.task_slug, self.map_index

    @property
    def is_mapped_parent(self) -> bool:
        """Whether it is the parent of a map, which is shown with the times of its children."""
        return is_mapped_parent(self.run.state, self.map_index)

    @property
    def shown(self) -> Run:
        """The run with the times with which it is shown."""
        return shown(self.run, self.children)


Entry = FlowRunEntry | TaskRunEntry


CHILDREN_COLUMNS = ("children_open", "start_time", "children_end", "children_end_is_exact")
"""What a mapped parent keeps of its children."""

PARENT_COLUMNS = ("state_message", "state_start_time", "result", "updated")
"""What is read of a mapped parent besides, so that it is written in one statement with its children."""


def read_task_run(flow_run: FlowRunEntry, row: Sequence[Any]) -> TaskRunEntry:
    """A task run of its id, flow run, slug, map index, sequence, RUN_, CHILDREN_ and PARENT_COLUMNS."""
    identifier, _, task_slug, map_index, sequence, *values = row
    run = read_run(values[: len(RUN_COLUMNS)])
    open_children, start_time, last_end, exact, message, due, result, updated = values[len(RUN_COLUMNS) :]
    children = None if open_children is None else Children(open_children, start_time, last_end, exact)
    if children is not None:
        # Its own start, if it has one, is in its history.
        run = replace(
            run,
            start_time=None,
            end_time=run.state_timestamp,
            state_message=message,
            state_start_time=due,
            result=result,
        )
    entry = TaskRunEntry(flow_run, identifier, task_slug, map_index, run=run, sequence=sequence)
    entry.read_run, entry.children, entry.read_updated = run, children, updated
    return entry


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
