"""The ledger: the runs that one transaction is about, locked and read together, changed in memory, written together."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import Connection, Table, func, select

from taskruns_service import counts, references, tables
from taskruns_service.counts import Cell, Deltas
from taskruns_service.dialects import (
    ListOfIds,
    ListOfTexts,
    Prepared,
    RowsParameter,
    Writes,
    any_of,
    any_of_or_in,
    constant,
    insert_for,
    natural_key_in,
    placeholder,
)
from taskruns_service.errors import StateIdConflict, TerminalState, VersionConflict
from taskruns_service.ids import new_id
from taskruns_service.models import CurrentState
from taskruns_service.states import FINISHED, Kind, PastState, Report, Run, StateType, advance

_flow_run, _task_run, _task = tables.flow_run, tables.task_run, tables.task

NaturalKey = tuple[UUID, str, int]
"""What a task run is known by: its flow run, its task slug and its map index."""


class FlowRunEntry:
    """A flow run in the ledger, locked."""

    def __init__(self, row: Sequence[Any]) -> None:
        identifier, flow_id, sequence, state_counts, *run = row
        self.id: UUID = identifier
        self.flow_id: UUID = flow_id
        self.sequence: int = sequence
        self.state_counts: Counter[str] = Counter(state_counts)
        self.run = _read_run(run)
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


class _Task(NamedTuple):
    id: UUID
    flow_id: UUID
    slug: str
    tags: list[str] | None
    cache_key: str | None


class _History(NamedTuple):
    entry: FlowRunEntry | TaskRunEntry
    row: dict[str, Any]


class Ledger:
    """One transaction's view of the runs that it changes.

    `lock` the flow runs first: every change to a flow run or its task runs is made under the lock of its row, so what
    is read after that stays true until the transaction ends.
    """

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self.flow_runs: dict[UUID, FlowRunEntry] = {}
        self.task_runs: dict[UUID, TaskRunEntry] = {}
        self.by_key: dict[NaturalKey, TaskRunEntry] = {}
        self._owners: dict[type, dict[UUID, UUID]] = {TaskRunEntry: {}, FlowRunEntry: {}}
        self._settings: dict[UUID, dict[str, Any]] = {}
        self._history: list[_History] = []
        self._promoted: dict[type, list[dict[str, Any]]] = {TaskRunEntry: [], FlowRunEntry: []}
        self._deltas: Deltas = Counter()

    def lock(self, flow_run_ids: set[UUID], task_run_ids: Sequence[UUID] = ()) -> None:
        """Locks flow runs, and those of task runs, in the order of their ids, so that no two writers deadlock."""
        asked = {"flow_run_ids": list(flow_run_ids), "task_run_ids": list(task_run_ids)}
        for row in _lock_flow_runs.rows(self._connection, asked):
            self.flow_runs[row[0]] = FlowRunEntry(row)

    def read(self, task_run_ids: Sequence[UUID], keys: Sequence[NaturalKey]) -> None:
        """Reads the task runs with these ids and natural keys, as far as they exist."""
        if task_run_ids:
            self._keep_rows(_read_by_id.rows(self._connection, {"ids": list(task_run_ids)}))
        if keys:
            self._keep_rows(_read_by_key.rows(self._connection, {"keys": keys}))

    def read_states(self, task_run_states: Sequence[Report], flow_run_states: Sequence[Report]) -> None:
        """Reads which of these states are in the histories already, and whose they are."""
        for kind, statement, reports in (
            (TaskRunEntry, _task_run_states, task_run_states),
            (FlowRunEntry, _flow_run_states, flow_run_states),
        ):
            if ids := [report.id for report in reports if not report.id_is_new]:
                rows = statement.rows(self._connection, {"ids": ids})
                self._owners[kind] |= {row[0]: row[1] for row in rows}

    def has_task_run_state(self, state_id: UUID) -> bool:
        """Whether a task run has this state in its history already."""
        return state_id in self._owners[TaskRunEntry]

    def read_unfinished(self, flow_run: FlowRunEntry) -> list[TaskRunEntry]:
        """The task runs of a flow run that are not finished, those too that this ledger has made."""
        self._keep_rows(_read_unfinished.rows(self._connection, {"flow_run_id": flow_run.id}))
        return [one for one in self.task_runs.values() if one.flow_run is flow_run and one.run.state not in FINISHED]

    def locks_versions(self, flow_id: UUID) -> bool:
        """Whether the settings of a flow ask for versions to be checked; by default they do not."""
        if flow_id not in self._settings:
            row = _read_settings.first(self._connection, {"flow_id": flow_id})
            self._settings[flow_id] = row[0] if row else {}
        return self._settings[flow_id].get("version_locking_enabled") is True

    def create(self, key: NaturalKey, *, name: str | None, tags: list[str], task_name: str) -> TaskRunEntry:
        """A new task run, in the flow run of its natural key."""
        flow_run_id, task_slug, map_index = key
        flow_run = self.flow_runs[flow_run_id]
        entry = TaskRunEntry(flow_run, new_id(flow_run_id), task_slug, map_index, Run())
        entry.created = {"name": name, "tags": tags, "task_name": task_name}
        entry.read_history = []
        self._keep(entry)
        self._changed(entry)
        self._count(entry, entry.run.state, 1)
        return entry

    def change(self, entry: FlowRunEntry | TaskRunEntry, changes: dict[str, Any], *, versions: bool = True) -> None:
        """Changes columns that states have nothing to do with; without `versions` the run keeps its version."""
        entry.changed |= changes
        entry.run = replace(entry.run, version=entry.run.version + versions)
        entry.aged = True
        self._changed(entry)

    def record(self, entry: FlowRunEntry | TaskRunEntry, report: Report) -> Kind:
        """Brings a run to a state, as `states.advance` decides.

        Raises StateIdConflict, VersionConflict or TerminalState; the run is as it was then.
        """
        owners = self._owners[type(entry)]
        if owners.get(report.id, entry.id) != entry.id:
            raise StateIdConflict
        before, sequence = entry.run, entry.flow_run.sequence
        kind, run, past_state = advance(
            before,
            report,
            now=self._now,
            seen=owners,
            sequence=sequence,
            history=partial(self._history_of, entry),
        )
        if kind is Kind.version_conflict:
            raise VersionConflict(current=current_state(before))
        if kind is Kind.terminal_state:
            raise TerminalState(
                f"The run is {before.state} and would not be finished any more if it became {report.type}. "
                "Send `force` if that is what you want.",
                current=current_state(before),
            )
        if past_state is None:
            return kind
        entry.new_history.append(past_state)
        if report.timestamp is None:
            # After a state that another transaction dated a moment later than this one began.
            entry.updated = max(self._now, past_state.timestamp)
        owners[report.id] = entry.id
        accepted = kind is Kind.recorded
        if run.state_id not in (before.state_id, report.id):
            run = self._promote(entry, run)
        entry.advanced |= run.state_id != before.state_id
        # A late state that changes nothing is in the history only, or the same version would be shown in two ways.
        if run != before:
            entry.run = run
            entry.aged = True
            self._changed(entry)
        else:
            self._next_sequence(entry)
        if isinstance(entry, TaskRunEntry) and run.state != before.state:
            self._count(entry, before.state, -1)
            self._count(entry, run.state, 1)
        row = {
            "id": report.id,
            "start_time": report.start_time,
            "sequence": entry.flow_run.sequence,
            "version": run.version if accepted else None,
            "type": report.type,
            "message": report.message,
            "timestamp": past_state.timestamp,
            "forced": past_state.forced,
            "received_at": self._now,
            "result": report.result,
            "details": report.details or None,
            "accepted": accepted,
        }
        self._history.append(_History(entry, row))
        return kind

    def _history_of(self, entry: FlowRunEntry | TaskRunEntry) -> Iterable[PastState]:
        """The history of a run; those of all other runs in the ledger are read with it, since they may be asked for."""
        if entry.read_history is None:
            is_task_run = isinstance(entry, TaskRunEntry)
            entries: dict[UUID, Any] = self.task_runs if is_task_run else self.flow_runs
            unread = {identifier: one for identifier, one in entries.items() if one.read_history is None}
            for one in unread.values():
                one.read_history = []
            statement = _task_run_history if is_task_run else _flow_run_history
            for run_id, identifier, type_, timestamp, forced in statement.rows(
                self._connection, {"run_ids": list(unread)}
            ):
                unread[run_id].read_history.append(PastState(timestamp, StateType[type_], identifier, forced))
        return [*(entry.read_history or ()), *entry.new_history]

    def _promote(self, entry: FlowRunEntry | TaskRunEntry, run: Run) -> Run:
        """Makes an earlier state of the history the current one; gives the run with its message and result."""
        accepted = {"accepted": True, "version": run.version}
        row = next((one.row for one in self._history if one.row["id"] == run.state_id), None)
        if row is None:
            statement = _task_run_state if isinstance(entry, TaskRunEntry) else _flow_run_state
            message, start_time, result = statement.rows(self._connection, {"id": run.state_id})[0]
            self._promoted[type(entry)].append({**accepted, "id": run.state_id})
        else:
            row |= accepted
            message, start_time, result = row["message"], row["start_time"], row["result"]
        return replace(run, state_message=message, state_start_time=start_time, result=result)

    def write(self) -> None:
        """Writes all that has changed, in the order of keys."""
        task_runs = sorted(self.task_runs.values(), key=_in_order)
        flow_runs = sorted((one for one in self.flow_runs.values() if one.touched), key=_in_order)
        with Writes(self._connection) as writes:
            self._write_runs(writes, task_runs, flow_runs)
            self._write_history(writes)
            counts.record(writes, self._deltas)
        for table, entries in ((_task_run, task_runs), (_flow_run, flow_runs)):
            for entry in entries:
                if entry.changed:
                    self._connection.execute(table.update().where(table.c.id == entry.id).values(entry.changed))

    def _write_runs(self, writes: Writes, task_runs: Sequence[TaskRunEntry], flow_runs: Sequence[FlowRunEntry]) -> None:
        if created := [one for one in task_runs if one.created is not None]:
            tasks = self._tasks(created)
            writes.insert(_task_run, [self._new_row(one, tasks) for one in created])
        old = [one for one in task_runs if one.created is None]
        changed: tuple[tuple[Table, Callable[[Any], dict[str, Any]], Iterable[Any]], ...] = (
            (_task_run, self._advanced, (one for one in old if one.advanced)),
            (_flow_run, self._advanced, (one for one in flow_runs if one.advanced)),
            (_flow_run, self._touched, (one for one in flow_runs if not one.aged)),
            (_task_run, self._aged, (one for one in old if one.aged and not one.advanced)),
            (_flow_run, self._aged, (one for one in flow_runs if one.aged and not one.advanced)),
        )
        for table, columns, entries in changed:
            writes.update(table, [{**columns(one), "id": one.id} for one in entries])

    def _write_history(self, writes: Writes) -> None:
        for table, kind, owner in (
            (tables.task_run_state, TaskRunEntry, "task_run_id"),
            (tables.flow_run_state, FlowRunEntry, "flow_run_id"),
        ):
            history = sorted(
                (one for one in self._history if isinstance(one.entry, kind)), key=lambda one: one.row["id"].int
            )
            writes.insert(table, [{**row, owner: entry.id} for entry, row in history])
            writes.update(table, sorted(self._promoted[kind], key=lambda row: row["id"].int))

    def _keep_rows(self, rows: Iterable[Sequence[Any]]) -> None:
        for identifier, flow_run_id, task_slug, map_index, *run in rows:
            if identifier not in self.task_runs and flow_run_id in self.flow_runs:
                self._keep(TaskRunEntry(self.flow_runs[flow_run_id], identifier, task_slug, map_index, _read_run(run)))

    def _keep(self, entry: TaskRunEntry) -> None:
        self.task_runs[entry.id] = entry
        self.by_key[entry.flow_run.id, entry.task_slug, entry.map_index] = entry

    def _changed(self, entry: FlowRunEntry | TaskRunEntry) -> None:
        entry.sequence = self._next_sequence(entry)

    def _next_sequence(self, entry: FlowRunEntry | TaskRunEntry) -> int:
        entry.flow_run.sequence += 1
        entry.flow_run.touched = True
        return entry.flow_run.sequence

    def _count(self, entry: TaskRunEntry, state: StateType, change: int) -> None:
        entry.flow_run.state_counts[state] += change
        self._deltas[Cell(entry.flow_run.flow_id, entry.task_slug, state)] += change

    def _new_row(self, entry: TaskRunEntry, tasks: dict[tuple[UUID, str], _Task]) -> dict[str, Any]:
        created = entry.created or {}
        task = tasks[entry.flow_run.flow_id, entry.task_slug]
        return {
            **self._advanced(entry),
            "id": entry.id,
            "flow_run_id": entry.flow_run.id,
            "flow_id": entry.flow_run.flow_id,
            "task_id": task.id,
            "task_slug": entry.task_slug,
            "map_index": entry.map_index,
            "name": created["name"],
            "tags": created["tags"] or task.tags or [],
            "cache_key": task.cache_key,
            "created": self._now,
        }

    def _touched(self, entry: FlowRunEntry) -> dict[str, Any]:
        counted = {state: count for state, count in entry.state_counts.items() if count}
        return {"sequence": entry.sequence, "state_counts": counted, "updated": entry.updated or self._now}

    def _aged(self, entry: TaskRunEntry | FlowRunEntry) -> dict[str, Any]:
        run = entry.run
        return {
            **(self._touched(entry) if isinstance(entry, FlowRunEntry) else {}),
            "version": run.version,
            "run_count": run.run_count,
            "first_timestamp": run.first_timestamp,
            "start_time": run.start_time,
            "duration": run.duration,
            "queue_time": run.queue_time,
            "sequence": entry.sequence,
            "updated": entry.updated or self._now,
        }

    def _advanced(self, entry: TaskRunEntry | FlowRunEntry) -> dict[str, Any]:
        run = entry.run
        columns = {
            **self._aged(entry),
            "state": run.state,
            "state_id": run.state_id,
            "state_message": run.state_message,
            "state_timestamp": run.state_timestamp,
            "state_start_time": run.state_start_time,
            "end_time": run.end_time,
        }
        if isinstance(entry, TaskRunEntry):
            columns |= {"result": run.result, "has_result": references.is_kept(run.result)}
        return columns

    def _tasks(self, created: Sequence[TaskRunEntry]) -> dict[tuple[UUID, str], _Task]:
        """The tasks of new task runs, by flow and slug; tasks that are new are made."""
        names = {(entry.flow_run.flow_id, entry.task_slug): (entry.created or {})["task_name"] for entry in created}
        known = self._known_tasks(names)
        if missing := sorted(names.keys() - known.keys()):
            rows = [
                {"id": new_id(), "flow_id": flow_id, "slug": slug, "name": names[flow_id, slug], "created": self._now}
                for flow_id, slug in missing
            ]
            self._connection.execute(insert_for(self._connection, _task).on_conflict_do_nothing(), rows)
            known = self._known_tasks(names)
        return known

    def _known_tasks(self, names: Iterable[tuple[UUID, str]]) -> dict[tuple[UUID, str], _Task]:
        flow_ids, slugs = ({key[0] for key in names}, {key[1] for key in names})
        rows = _read_tasks.rows(self._connection, {"flow_ids": list(flow_ids), "slugs": list(slugs)})
        return {(task.flow_id, task.slug): task for task in (_Task(*row) for row in rows)}


def current_state(run: Run) -> CurrentState:
    """What a problem says of a run."""
    return CurrentState(version=run.version, state=run.state, state_timestamp=run.state_timestamp)


def _in_order(entry: TaskRunEntry | FlowRunEntry) -> int:
    """The order of ids, in which all writers write."""
    return entry.id.int


# What `advance` needs to know of a run; the message and the result it only replaces.
_RUN_COLUMNS = (
    "version",
    "state",
    "state_id",
    "state_timestamp",
    "run_count",
    "first_timestamp",
    "start_time",
    "end_time",
)


def _read_run(values: Sequence[Any]) -> Run:
    """A run of the values of _RUN_COLUMNS."""
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


def _ids(column: Any) -> Any:
    return any_of(column, placeholder("ids", ListOfIds))


_flow_runs_of_task_runs = select(_task_run.c.flow_run_id).where(
    any_of(_task_run.c.id, placeholder("task_run_ids", ListOfIds))
)
_lock_flow_runs = Prepared(
    select(_flow_run.c.id, _flow_run.c.flow_id, _flow_run.c.sequence, _flow_run.c.state_counts)
    .add_columns(*(_flow_run.c[name] for name in _RUN_COLUMNS))
    .where(
        any_of_or_in(_flow_run.c.id, placeholder("flow_run_ids", ListOfIds), _flow_runs_of_task_runs.scalar_subquery())
    )
    .order_by(_flow_run.c.id)
    .with_for_update(of=_flow_run)
)
_read_task_runs = select(
    _task_run.c.id, _task_run.c.flow_run_id, _task_run.c.task_slug, _task_run.c.map_index
).add_columns(*(_task_run.c[name] for name in _RUN_COLUMNS))
_read_by_id = Prepared(_read_task_runs.where(_ids(_task_run.c.id)))
_read_by_key = Prepared(
    _read_task_runs.where(
        natural_key_in(
            _task_run.c.flow_run_id, _task_run.c.task_slug, _task_run.c.map_index, placeholder("keys", RowsParameter)
        )
    )
)
_read_unfinished = Prepared(
    _read_task_runs.where(
        _task_run.c.flow_run_id == placeholder("flow_run_id"), _task_run.c.state.not_in(map(constant, sorted(FINISHED)))
    )
)
_read_settings = Prepared(
    select(tables.flow_group.c.settings)
    .join_from(tables.flow, tables.flow_group, tables.flow.c.flow_group_id == tables.flow_group.c.id)
    .where(tables.flow.c.id == placeholder("flow_id"))
)
_read_tasks = Prepared(
    select(_task.c.id, _task.c.flow_id, _task.c.slug, _task.c.tags, _task.c.cache_key).where(
        any_of(_task.c.flow_id, placeholder("flow_ids", ListOfIds)),
        any_of(_task.c.slug, placeholder("slugs", ListOfTexts)),
    )
)
_task_run_states = Prepared(
    select(tables.task_run_state.c.id, tables.task_run_state.c.task_run_id).where(_ids(tables.task_run_state.c.id))
)
_flow_run_states = Prepared(
    select(tables.flow_run_state.c.id, tables.flow_run_state.c.flow_run_id).where(_ids(tables.flow_run_state.c.id))
)


def _history_statement(table: Table, owner: str) -> Prepared:
    """The histories of runs. What was taken before states were marked as forced keeps its place."""
    columns = table.c
    return Prepared(
        select(
            columns[owner], columns.id, columns.type, columns.timestamp, func.coalesce(columns.forced, columns.accepted)
        ).where(any_of(columns[owner], placeholder("run_ids", ListOfIds)))
    )


def _state_statement(table: Table) -> Prepared:
    return Prepared(select(table.c.message, table.c.start_time, table.c.result).where(table.c.id == placeholder("id")))


_task_run_history = _history_statement(tables.task_run_state, "task_run_id")
_flow_run_history = _history_statement(tables.flow_run_state, "flow_run_id")
_task_run_state = _state_statement(tables.task_run_state)
_flow_run_state = _state_statement(tables.flow_run_state)
