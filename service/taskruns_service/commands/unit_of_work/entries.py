"""Entries: a flow run and a task run in the unit of work, as they were read and as they have become."""

from collections import Counter
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from taskruns_service.domain.history import History
from taskruns_service.domain.liveness import Liveness
from taskruns_service.domain.runs import PastState, Run
from taskruns_service.domain.states import StateType
from taskruns_service.schemas import CurrentRun
from taskruns_service.storage.dialects import Row
from taskruns_service.storage.maps import NO_TIMES, MapKey, Times, is_mapped_parent, shown

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
    "run_time",
)
"""What `advance` needs to know of a run; the message and the result it only replaces."""


class RunEntry:
    """What a flow run and a task run have in common in the unit of work."""

    def __init__(self, identifier: UUID, run: Run, sequence: int) -> None:
        self.id = identifier
        self.run = run
        self.sequence = sequence
        self.history: History | None = None
        """None until it is read: few reports ask for it."""
        self.new_states: list[PastState] = []
        """What is added to the history before that is read."""
        self.has_later_states: bool | None = None
        """Whether the history may have states after the current one; None until that is read or a late state comes."""
        self.updated: datetime | None = None
        self.changed: dict[str, object] = {}
        self.has_new_state = False
        self.has_new_times = False

    def add_state(self, past_state: PastState) -> None:
        """Adds a state to the history."""
        if self.history is None:
            self.new_states.append(past_state)
        else:
            self.history.add(past_state)


class FlowRunEntry(RunEntry):
    """A flow run in the unit of work, locked."""

    def __init__(self, row: Row) -> None:
        identifier, flow_id, sequence, state_counts, liveness, *run = row
        super().__init__(identifier, read_run(run), sequence)
        self.flow_id: UUID = flow_id
        self.state_counts: Counter[str] = Counter(state_counts)
        self.liveness = None if liveness is None else Liveness(liveness)
        self.has_new_sequence = False

    @property
    def flow_run(self) -> "FlowRunEntry":
        """The entry whose sequence counts the changes."""
        return self

    @property
    def shown(self) -> Run:
        """The run as it is shown."""
        return self.run


class TaskRunEntry(RunEntry):
    """A task run in the unit of work; its flow run is locked."""

    def __init__(
        self, flow_run: FlowRunEntry, identifier: UUID, task_slug: str, map_index: int, *, run: Run, sequence: int = 0
    ) -> None:
        super().__init__(identifier, run, sequence)
        self.flow_run = flow_run
        self.task_slug = task_slug
        self.map_index = map_index
        self.read_run: Run | None = None
        self.was_mapped_parent = False
        """Whether it was the parent of a map when it was read."""
        self.times = NO_TIMES
        """Those of its children, with which a mapped parent is shown."""
        self.created: dict[str, object] | None = None

    @property
    def key(self) -> NaturalKey:
        """What it is known by."""
        return self.flow_run.id, self.task_slug, self.map_index

    @property
    def map_key(self) -> MapKey:
        """What the map is known by of which it is the parent or a child."""
        return self.flow_run.id, self.task_slug

    @property
    def is_mapped_parent(self) -> bool:
        """Whether it is the parent of a map, which is shown with the times of its children."""
        return is_mapped_parent(self.run.state, self.map_index)

    @property
    def shown(self) -> Run:
        """The run with the times with which it is shown."""
        return shown(self.run, self.times) if self.is_mapped_parent else self.run


Entry = FlowRunEntry | TaskRunEntry


def read_task_run(flow_run: FlowRunEntry, row: Row) -> TaskRunEntry:
    """A task run of its id, flow run, slug, map index, sequence and RUN_COLUMNS."""
    identifier, _, task_slug, map_index, sequence, *values = row
    run = read_run(values)
    entry = TaskRunEntry(flow_run, identifier, task_slug, map_index, run=run, sequence=sequence)
    if is_mapped_parent(run.state, map_index):
        entry.was_mapped_parent = True
        entry.times = Times(run.start_time, run.end_time, run.run_time)
        # Its own start and run time, if it has them, are in its history.
        entry.run = replace(run, start_time=None, end_time=run.state_timestamp, run_time=None)
    entry.read_run = entry.run
    return entry


def read_run(values: Row) -> Run:
    """A run of the values of RUN_COLUMNS."""
    version, state, state_id, state_timestamp, run_count, first_timestamp, start_time, end_time, run_time = values
    return Run(
        version=version,
        state=StateType[state],
        state_id=state_id,
        state_timestamp=state_timestamp,
        run_count=run_count,
        first_timestamp=first_timestamp,
        start_time=start_time,
        end_time=end_time,
        run_time=run_time,
        attempt_start_time=state_timestamp if state == StateType.Running else None,
    )


def order_of(entry: Entry) -> int:
    """The order of ids, in which all writers write."""
    return entry.id.int


def current_run(run: Run) -> CurrentRun:
    """What a problem says of a run."""
    return CurrentRun(version=run.version, state=run.state, state_timestamp=run.state_timestamp)
