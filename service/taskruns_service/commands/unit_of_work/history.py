"""Histories: which states runs have had already, read where they decide something, and those that are added."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import Connection, Table, func, select

from taskruns_service.commands.unit_of_work.entries import Entry
from taskruns_service.commands.unit_of_work.repeats import KnownState
from taskruns_service.domain.history import History
from taskruns_service.domain.ids import as_number
from taskruns_service.domain.runs import PastState, Report, Run
from taskruns_service.domain.states import StateType
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import ListOfIds, Prepared, Row, Writes, any_of, placeholder
from taskruns_service.storage.silence import states_that_stand


class Histories:
    """The histories of the runs of one kind: those of task runs, or those of flow runs."""

    def __init__(
        self, connection: Connection, table: Table, owner: str, statements: "Statements", entries: Mapping[UUID, Entry]
    ) -> None:
        """`owner` is the column of the table that has the id of the run; `entries` are the runs, by id."""
        self._connection = connection
        self._table = table
        self._owner = owner
        self._statements = statements
        self._entries = entries
        self._known: dict[UUID, KnownState] = {}
        self._new: dict[UUID, dict[str, object]] = {}
        self._marked: dict[UUID, dict[str, object]] = {}
        self._shown: dict[UUID, Row] = {}

    def read_known(self, reports: Sequence[Report]) -> None:
        """Reads which of these states are in a history already."""
        if ids := [report.id for report in reports if not report.id_is_new]:
            rows = self._statements.known.rows(self._connection, {"ids": ids})
            self._known |= {identifier: KnownState(*state) for identifier, *state in rows}

    def has(self, state_id: UUID) -> bool:
        """Whether a state is in a history already."""
        return state_id in self._known or state_id in self._new

    def knows(self, entry: Entry, report: Report) -> bool:
        """Whether a state is in the history of a run already; raises StateIdConflict for another one with its id."""
        known = self._known.get(report.id)
        if known is None and (new := self._new.get(report.id)) is not None:
            known = KnownState._make(new[name] for name in (self._owner, *KnownState._fields[1:]))
        if known is None:
            return False
        known.refuse_others(entry, report)
        return True

    def read(self, entry: Entry) -> History:
        """The history of a run; those of all entries are read with it, since they may be asked for."""
        if entry.history is None:
            unread = {identifier: other for identifier, other in self._entries.items() if other.history is None}
            states = {identifier: other.new_states for identifier, other in unread.items()}
            rows = self._statements.history.rows(self._connection, {"run_ids": list(unread)})
            for run_id, identifier, type_, timestamp, forced in rows:
                states[run_id].append(PastState(timestamp, StateType[type_], identifier, forced))
            for other in unread.values():
                other.history = History(other.new_states)
        assert entry.history is not None
        return entry.history

    def has_later_states(self, entry: Entry) -> bool:
        """Whether the history of a run may have states after its current one; read for all entries at once."""
        if entry.history is not None:
            return True
        if entry.has_later_states is None:
            unread = [other for other in self._entries.values() if other.has_later_states is None]
            rows = self._statements.later.rows(self._connection, {"run_ids": [other.id for other in unread]})
            owners = {row[0] for row in rows}
            for other in unread:
                other.has_later_states = other.id in owners
        assert entry.has_later_states is not None
        return entry.has_later_states

    def add(self, entry: Entry, state_id: UUID, row: dict[str, object]) -> None:
        """Adds a state to the history of a run."""
        self._new[state_id] = row | {self._owner: entry.id, "id": state_id}

    def read_shown(self, state_ids: Sequence[UUID]) -> None:
        """Reads what runs show of these states, in one statement: for those that become current ones again."""
        rows = self._statements.states.rows(self._connection, {"ids": state_ids})
        self._shown |= {identifier: shown for identifier, *shown in rows}

    def promote(self, run: Run) -> Run:
        """Makes an earlier state of the history the current one; gives the run with its message and result."""
        assert run.state_id is not None
        self._mark(run.state_id, version=run.version)
        if (new := self._new.get(run.state_id)) is None:
            if run.state_id not in self._shown:
                self.read_shown([run.state_id])
            message, start_time, result = self._shown[run.state_id]
        else:
            message, start_time, result = new["message"], new["start_time"], new["result"]
        return replace(run, state_message=message, state_start_time=start_time, result=result)

    def withdraw_silence(self, entry: Entry) -> None:
        """Takes the state by which the service said that it hears nothing of a run out of what decides about that."""
        history = self.read(entry)
        if (silence_id := history.silence_id) is not None:
            entry.history = history.without_silence()
            self._mark(silence_id, version=None)

    def _mark(self, state_id: UUID, *, version: int | None) -> None:
        """Marks a state as one that was current in a version of its run, or as late."""
        marks: dict[str, object] = {"accepted": version is not None, "version": version}
        if (new := self._new.get(state_id)) is None:
            self._marked[state_id] = marks | {"id": state_id}
        else:
            new |= marks

    def write(self, writes: Writes) -> None:
        """Writes what was added, in the order of ids."""
        writes.insert(self._table, [self._new[identifier] for identifier in sorted(self._new, key=as_number)])
        writes.update(self._table, [self._marked[identifier] for identifier in sorted(self._marked, key=as_number)])


class Statements(NamedTuple):
    """What is asked of a table of histories."""

    known: Prepared
    """These states (`ids`), as a KnownState has them."""
    history: Prepared
    """The histories of these runs (`run_ids`). What was taken before states were marked as forced keeps its place."""
    later: Prepared
    """Which of these runs (`run_ids`) have states as of the moment of the current one, or later."""
    states: Prepared
    """What runs show of these states (`ids`)."""


def _statements(table: Table, owner: str, runs: Table) -> Statements:
    columns = table.c
    is_forced = func.coalesce(columns.forced, columns.accepted)
    past_state = select(columns[owner], columns.id, columns.type, columns.timestamp, is_forced)
    shown = select(columns.id, columns.message, columns.start_time, columns.result)
    known = select(columns.id, columns[owner]).add_columns(*(columns[name] for name in KnownState._fields[1:]))
    return Statements(
        Prepared(known.where(any_of(columns.id, placeholder("ids", ListOfIds)))),
        Prepared(past_state.where(any_of(columns[owner], placeholder("run_ids", ListOfIds)), states_that_stand(table))),
        Prepared(
            select(runs.c.id)
            .join_from(runs, table, columns[owner] == runs.c.id)
            .where(
                any_of(runs.c.id, placeholder("run_ids", ListOfIds)),
                columns.timestamp >= runs.c.state_timestamp,
                columns.id.is_distinct_from(runs.c.state_id),
            )
            .distinct()
        ),
        Prepared(shown.where(any_of(columns.id, placeholder("ids", ListOfIds)))),
    )


TASK_RUN_STATEMENTS = _statements(tables.task_run_state, "task_run_id", tables.task_run)
FLOW_RUN_STATEMENTS = _statements(tables.flow_run_state, "flow_run_id", tables.flow_run)


def task_run_histories(connection: Connection, entries: Mapping[UUID, Entry]) -> Histories:
    """The histories of task runs."""
    return Histories(connection, tables.task_run_state, "task_run_id", TASK_RUN_STATEMENTS, entries)


def flow_run_histories(connection: Connection, entries: Mapping[UUID, Entry]) -> Histories:
    """The histories of flow runs."""
    return Histories(connection, tables.flow_run_state, "flow_run_id", FLOW_RUN_STATEMENTS, entries)
