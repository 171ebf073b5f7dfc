"""The unit of work itself: locks, reads, changes and writes the runs of one transaction."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import Connection, bindparam, select, update

from taskruns_service.commands.unit_of_work.entries import (
    RUN_COLUMNS,
    Entry,
    FlowRunEntry,
    NaturalKey,
    TaskRunEntry,
    current_run,
    order_of,
    read_task_run,
)
from taskruns_service.commands.unit_of_work.history import Histories, flow_run_histories, task_run_histories
from taskruns_service.commands.unit_of_work.parents import changes_of, parent_key, times_of
from taskruns_service.commands.unit_of_work.rows import write_changed, write_new, write_times
from taskruns_service.commands.unit_of_work.tasks import ensure_tasks
from taskruns_service.domain.errors import TerminalState, VersionConflict
from taskruns_service.domain.ids import as_number, new_id
from taskruns_service.domain.liveness import Liveness
from taskruns_service.domain.runs import Report, Run
from taskruns_service.domain.states import FINISHED, StateType
from taskruns_service.domain.transitions import Verdict, advance
from taskruns_service.storage import dialects, maps, tables, tally
from taskruns_service.storage.dialects import (
    ListOfIds,
    Prepared,
    Row,
    RowsParameter,
    Writes,
    any_of,
    any_of_or_in,
    constant,
    natural_key_in,
    placeholder,
)
from taskruns_service.storage.maps import NO_TIMES, MapKey, Times
from taskruns_service.storage.tally import Cell, Deltas, FlowRunCell, FlowRunDeltas

_flow_run, _task_run = tables.flow_run, tables.task_run


class UnitOfWork:
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
        self._task_run_histories = task_run_histories(connection, self.task_runs)
        self._flow_run_histories = flow_run_histories(connection, self.flow_runs)
        self._settings: dict[UUID, dict[str, object]] = {}
        self._deltas: Deltas = Counter()
        self._flow_run_deltas: FlowRunDeltas = Counter()
        self._heard: set[UUID] = set()
        self._livenesses: dict[UUID, Liveness | None] = {}

    def lock(self, flow_run_ids: set[UUID], task_run_ids: Sequence[UUID] = ()) -> None:
        """Locks flow runs, and those of task runs, in the order of their ids, so that no two writers deadlock."""
        ids = {"flow_run_ids": list(flow_run_ids), "task_run_ids": list(task_run_ids)}
        for row in lock_flow_runs.rows(self._connection, ids):
            self.flow_runs[row[0]] = FlowRunEntry(row)

    def read(self, task_run_ids: Sequence[UUID], keys: Sequence[NaturalKey]) -> None:
        """Reads the task runs with these ids and natural keys."""
        if task_run_ids:
            self._keep_rows(read_by_id.rows(self._connection, {"ids": list(task_run_ids)}))
        if keys:
            self._keep_rows(read_by_key.rows(self._connection, {"keys": list(keys)}))

    def read_states(self, task_run_states: Sequence[Report], flow_run_states: Sequence[Report]) -> None:
        """Reads which of these states are in the histories already."""
        self._task_run_histories.read_known(task_run_states)
        self._flow_run_histories.read_known(flow_run_states)

    def has_task_run_state(self, state_id: UUID) -> bool:
        """Whether a task run has this state in its history already."""
        return self._task_run_histories.has(state_id)

    def read_unfinished(self, flow_run: FlowRunEntry) -> list[TaskRunEntry]:
        """The task runs of a flow run that are not finished, those too that this unit of work has made."""
        self._keep_rows(_read_unfinished.rows(self._connection, {"flow_run_id": flow_run.id}))
        return [
            entry for entry in self.task_runs.values() if entry.flow_run is flow_run and entry.run.state not in FINISHED
        ]

    def read_where(self, statement: Prepared, flow_run: FlowRunEntry, limit: int) -> list[TaskRunEntry]:
        """The task runs of a flow run that a statement of `read_task_runs` finds, up to a number of them."""
        rows = statement.rows(self._connection, {"flow_run_id": flow_run.id, "limit": limit})
        self._keep_rows(rows)
        return [self.task_runs[row[0]] for row in rows]

    def hear(self, flow_run: FlowRunEntry) -> None:
        """Notes a sign of life of a flow run, with the time of the database; nothing that has an ETag changes.

        If its task runs have become Crashed for the lack of one, they are to return.
        """
        self._heard.add(flow_run.id)
        if flow_run.liveness in (Liveness.crashing, Liveness.crashed):
            self.set_liveness(flow_run, Liveness.recovering)
            self._end_silence(self._flow_run_histories, [flow_run])
        elif flow_run.liveness is None:
            self.set_liveness(flow_run, Liveness.alive)

    def set_liveness(self, flow_run: FlowRunEntry, liveness: Liveness | None) -> None:
        """Sets what is known of the process of a flow run."""
        flow_run.liveness = liveness
        self._livenesses[flow_run.id] = liveness

    def return_task_runs(self, task_runs: Sequence[TaskRunEntry]) -> None:
        """Brings task runs of which the service said that it hears nothing back to the states before."""
        self._end_silence(self._task_run_histories, task_runs)

    def locks_versions(self, flow_id: UUID) -> bool:
        """Whether the settings of a flow ask for versions to be checked; by default they do not."""
        if flow_id not in self._settings:
            row = _read_settings.first(self._connection, {"flow_id": flow_id})
            self._settings[flow_id] = row[0] if row else {}
        return self._settings[flow_id].get("version_locking_enabled") is True

    def create(
        self, key: NaturalKey, *, name: str | None, tags: list[str], task_name: str, identifier: UUID | None = None
    ) -> TaskRunEntry:
        """A new task run, in the flow run of its natural key; without an identifier it gets a new one."""
        flow_run_id, task_slug, map_index = key
        flow_run = self.flow_runs[flow_run_id]
        entry = TaskRunEntry(flow_run, identifier or new_id(flow_run_id), task_slug, map_index, run=Run())
        entry.created = {"name": name, "tags": tags, "task_name": task_name}
        self._keep(entry)
        self._changed(entry)
        self._count(entry, entry.run.state, 1)
        return entry

    def change(self, entry: Entry, changes: Mapping[str, object]) -> None:
        """Changes columns that states have nothing to do with: the run keeps its version, which counts states.

        What a run has already is no change, so that nobody reads again what is the same.
        """
        table = _task_run if isinstance(entry, TaskRunEntry) else _flow_run
        columns = [table.c[name] for name in changes]
        row = self._connection.execute(select(*columns).where(table.c.id == entry.id)).first()
        current = ({} if row is None else row._asdict()) | entry.changed
        if current.items() >= changes.items():
            return
        entry.changed |= changes
        entry.has_new_times = True
        self._changed(entry)

    def record(self, entry: Entry, report: Report) -> Verdict:
        """Brings a run to a state, as `states.advance` decides.

        Raises StateIdConflict, VersionConflict or TerminalState; the run is as it was then.
        """
        is_task_run = isinstance(entry, TaskRunEntry)
        histories = self._task_run_histories if is_task_run else self._flow_run_histories
        is_known = not report.id_is_new and histories.knows(entry, report)
        if isinstance(entry, TaskRunEntry) and entry.was_mapped_parent:
            self._restore_start(entry)
        before = entry.run
        kind, run, past_state = advance(
            before,
            report,
            now=self._now,
            is_known=is_known,
            sequence=entry.sequence,
            history=partial(histories.read, entry),
            has_later_states=partial(histories.has_later_states, entry),
        )
        if past_state is None:
            _raise_refusal(kind, before, report)
            return kind
        if before.state is StateType.Crashed and run.state_id != before.state_id:
            histories.withdraw_silence(entry)
        entry.add_state(past_state)
        if report.timestamp is None:
            entry.updated = past_state.timestamp  # now, or a moment after what another transaction wrote
        accepted = kind is Verdict.recorded
        if accepted:
            entry.has_new_state = True
        elif run.state_id != before.state_id:
            entry.has_new_state = True
            run = histories.promote(run)
        if not accepted:
            entry.has_later_states = True
        # A late state that changes nothing is added to the history only.
        if accepted or run != replace(before, attempt_start_time=run.attempt_start_time):
            self._become(entry, run)
        else:
            self._next_sequence(entry)
        if not past_state.is_silence:
            self._note_report(entry, before)
        row: dict[str, object] = {
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
        histories.add(entry, report.id, row)
        return kind

    def write(self) -> None:
        """Writes all that has changed, in the order of keys."""
        task_runs = sorted(self.task_runs.values(), key=order_of)
        flow_runs = sorted((entry for entry in self.flow_runs.values() if entry.has_new_sequence), key=order_of)
        changes = changes_of(task_runs)
        with Writes(self._connection) as writes:
            if created := [entry for entry in task_runs if entry.created is not None]:
                write_new(writes, created, ensure_tasks(self._connection, created, self._now), self._now)
            write_changed(writes, [entry for entry in task_runs if entry.created is None], flow_runs, self._now)
            self._task_run_histories.write(writes)
            self._flow_run_histories.write(writes)
            tally.TASK_RUNS.record(writes, self._deltas)
            tally.FLOW_RUNS.record(writes, self._flow_run_deltas)
            livenesses = sorted(self._livenesses.items(), key=lambda item: as_number(item[0]))
            writes.update(_flow_run, [{"liveness": liveness, "id": identifier} for identifier, liveness in livenesses])
            writes.merge(maps.MERGE, [change.row(key) for key, change in sorted(changes.items())])
        times = times_of(changes, writes.merged)
        # Children may have been there before their parent was mapped.
        times |= {entry.map_key: None for entry in task_runs if entry.is_mapped_parent and not entry.was_mapped_parent}
        if times:
            self._show_times(times)
        if self._heard:
            self._connection.execute(_note_heartbeats, {"ids": list(self._heard)})
        for table, entries in ((_task_run, task_runs), (_flow_run, flow_runs)):
            for entry in entries:
                if entry.changed:
                    self._connection.execute(table.update().where(table.c.id == entry.id).values(entry.changed))

    def _show_times(self, times: dict[MapKey, Times | None]) -> None:
        """Gives the mapped parents of these maps their times, those of children that are counted again where None."""
        keys = [parent_key(key) for key in sorted(times)]
        self.read((), [key for key in keys if key not in self.by_key])
        parents = [entry for key in keys if (entry := self.by_key.get(key)) is not None and entry.is_mapped_parent]
        if uncounted := [entry.id for entry in parents if times[entry.map_key] is None]:
            times |= maps.count_children(self._connection, uncounted)
        changed = [entry for entry in parents if entry.times != times[entry.map_key]]
        for entry in changed:
            entry.times = times[entry.map_key] or NO_TIMES
            if entry.created is None and not entry.has_new_times:
                self._changed(entry)
        with Writes(self._connection) as writes:
            write_times(writes, changed, self._now)

    def _restore_start(self, parent: TaskRunEntry) -> None:
        """Gives a mapped parent that ran itself its own start and run time again: its row has those of its children."""
        if parent.run.run_count and parent.run.start_time is None:
            own = self._task_run_histories.read(parent).run
            parent.run = replace(parent.run, start_time=own.start_time, run_time=own.run_time)

    def _become(self, entry: Entry, run: Run) -> None:
        before, entry.run = entry.run, run
        entry.has_new_times = True
        self._changed(entry)
        if run.state != before.state:
            self._count(entry, before.state, -1)
            self._count(entry, run.state, 1)

    def _note_report(self, entry: Entry, before: Run) -> None:
        """Takes a report for what it is to a silent flow run: a sign of its life, or of that of one of its task runs.

        A task run that is unfinished again becomes Crashed once more if its flow run stays silent.
        """
        liveness = entry.flow_run.liveness
        if isinstance(entry, FlowRunEntry):
            if liveness in (Liveness.crashing, Liveness.crashed):
                self.hear(entry)
        elif liveness is Liveness.crashed and before.state is StateType.Crashed:
            self.set_liveness(entry.flow_run, Liveness.crashing)

    def _end_silence(self, histories: Histories, entries: Sequence[Entry]) -> None:
        """Brings runs of which the service said that it hears nothing back to the states before; others stay."""
        silent = [entry for entry in entries if entry.run.state is StateType.Crashed]
        silent = [entry for entry in silent if histories.read(entry).silence_id == entry.run.state_id]
        for entry in silent:
            histories.withdraw_silence(entry)
        runs = [replace(histories.read(entry).run, version=entry.run.version + 1) for entry in silent]
        histories.read_shown([run.state_id for run in runs if run.state_id is not None])
        for entry, run in zip(silent, runs, strict=True):
            entry.has_new_state = True
            self._become(entry, run if run.state_id is None else histories.promote(run))

    def _keep_rows(self, rows: Iterable[Row]) -> None:
        for row in rows:
            identifier, flow_run_id = row[:2]
            if identifier not in self.task_runs and flow_run_id in self.flow_runs:
                self._keep(read_task_run(self.flow_runs[flow_run_id], row))

    def _keep(self, entry: TaskRunEntry) -> None:
        self.task_runs[entry.id] = entry
        self.by_key[entry.key] = entry

    def _changed(self, entry: Entry) -> None:
        entry.sequence = self._next_sequence(entry)

    def _next_sequence(self, entry: Entry) -> int:
        entry.flow_run.sequence += 1
        entry.flow_run.has_new_sequence = True
        return entry.flow_run.sequence

    def _count(self, entry: Entry, state: StateType, change: int) -> None:
        if isinstance(entry, TaskRunEntry):
            entry.flow_run.state_counts[state] += change
            self._deltas[Cell(entry.flow_run.flow_id, entry.task_slug, state)] += change
        else:
            self._flow_run_deltas[FlowRunCell(entry.flow_run.flow_id, state)] += change


def _raise_refusal(kind: Verdict, run: Run, report: Report) -> None:
    if kind is Verdict.version_conflict:
        raise VersionConflict(current_run=current_run(run))
    if kind is Verdict.terminal_state:
        raise TerminalState(
            f"The run is {run.state}, and {report.type} would reopen it. To reopen it, send `force`.",
            current_run=current_run(run),
        )


_flow_runs_of_task_runs = select(_task_run.c.flow_run_id).where(
    any_of(_task_run.c.id, placeholder("task_run_ids", ListOfIds))
)
lock_flow_runs = Prepared(
    select(*(_flow_run.c[name] for name in ("id", "flow_id", "sequence", "state_counts", "liveness")))
    .add_columns(*(_flow_run.c[name] for name in RUN_COLUMNS))
    .where(
        any_of_or_in(_flow_run.c.id, placeholder("flow_run_ids", ListOfIds), _flow_runs_of_task_runs.scalar_subquery())
    )
    .order_by(_flow_run.c.id)
    .with_for_update(of=_flow_run)
)

_KEY_COLUMNS = ("id", "flow_run_id", "task_slug", "map_index", "sequence")
read_task_runs = select(*(_task_run.c[name] for name in (*_KEY_COLUMNS, *RUN_COLUMNS)))
"""What a unit of work reads of task runs."""
read_by_id = Prepared(read_task_runs.where(any_of(_task_run.c.id, placeholder("ids", ListOfIds))))
read_by_key = Prepared(
    read_task_runs.where(
        natural_key_in(
            _task_run.c.flow_run_id, _task_run.c.task_slug, _task_run.c.map_index, placeholder("keys", RowsParameter)
        )
    )
)
_read_unfinished = Prepared(
    read_task_runs.where(
        _task_run.c.flow_run_id == placeholder("flow_run_id"), _task_run.c.state.not_in(map(constant, sorted(FINISHED)))
    )
)
_note_heartbeats = (
    update(_flow_run)
    .where(any_of(_flow_run.c.id, bindparam("ids", type_=ListOfIds)))
    .values(last_heartbeat=dialects.now())
)
_read_settings = Prepared(
    select(tables.flow_group.c.settings)
    .join_from(tables.flow, tables.flow_group, tables.flow.c.flow_group_id == tables.flow_group.c.id)
    .where(tables.flow.c.id == placeholder("flow_id"))
)
