"""Histories: which states runs have had already, read where they decide something, and those that are added."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import Connection, Table, func, select

from taskruns_service import tables
from taskruns_service.dialects import ListOfIds, Prepared, Writes, any_of, placeholder
from taskruns_service.ledger.entries import Entry
from taskruns_service.ledger.repeats import KnownState
from taskruns_service.states import History, PastState, Report, Run, StateType


class _NewState(NamedTuple):
    entry: Entry
    row: dict[str, Any]


class Histories:
    """The histories of the runs of one kind: those of task runs, or those of flow runs."""

    def __init__(self, connection: Connection, table: Table, owner: str, statements: "Statements") -> None:
        """`owner` is the column of the table that has the id of the run."""
        self._connection = connection
        self._table = table
        self._owner = owner
        self._statements = statements
        self._new: list[_NewState] = []
        self._accepted: list[dict[str, Any]] = []
        self.known: dict[UUID, KnownState] = {}
        """States that are in a history already, by their ids."""

    def read_known(self, reports: Sequence[Report]) -> None:
        """Reads which of these states are in a history already."""
        if ids := [report.id for report in reports if not report.id_is_new]:
            rows = self._statements.known.rows(self._connection, {"ids": ids})
            self.known |= {identifier: KnownState(*state) for identifier, *state in rows}

    def read(self, entry: Entry, entries: Mapping[UUID, Any]) -> History:
        """The history of a run; those of all `entries` are read with it, since they may be asked for."""
        if not entry.has_history:
            unread = {identifier: other for identifier, other in entries.items() if not other.has_history}
            for other in unread.values():
                other.has_history = True
            rows = self._statements.history.rows(self._connection, {"run_ids": list(unread)})
            for run_id, identifier, type_, timestamp, forced in rows:
                unread[run_id].history.add(PastState(timestamp, StateType[type_], identifier, forced))
        return entry.history

    def add(self, entry: Entry, row: dict[str, Any]) -> None:
        """Adds a state to the history of a run."""
        self._new.append(_NewState(entry, row))
        self.known[row["id"]] = KnownState(entry.id, *(row[name] for name in KnownState._fields[1:]))

    def promote(self, run: Run) -> Run:
        """Makes an earlier state of the history the current one; gives the run with its message and result."""
        accepted = {"accepted": True, "version": run.version}
        row = next((new.row for new in self._new if new.row["id"] == run.state_id), None)
        if row is None:
            message, start_time, result = self._statements.state.rows(self._connection, {"id": run.state_id})[0]
            self._accepted.append({**accepted, "id": run.state_id})
        else:
            row |= accepted
            message, start_time, result = row["message"], row["start_time"], row["result"]
        return replace(run, state_message=message, state_start_time=start_time, result=result)

    def write(self, writes: Writes) -> None:
        """Writes what was added, in the order of ids."""
        new = sorted(self._new, key=lambda state: state.row["id"].int)
        writes.insert(self._table, [{**row, self._owner: entry.id} for entry, row in new])
        writes.update(self._table, sorted(self._accepted, key=lambda row: row["id"].int))


class Statements(NamedTuple):
    """What is asked of a table of histories."""

    known: Prepared
    """These states (`ids`), as a KnownState has them."""
    history: Prepared
    """The histories of these runs (`run_ids`). What was taken before states were marked as forced keeps its place."""
    state: Prepared
    """What a run shows of one state (`id`)."""


def _statements(table: Table, owner: str) -> Statements:
    columns = table.c
    is_forced = func.coalesce(columns.forced, columns.accepted)
    past_state = select(columns[owner], columns.id, columns.type, columns.timestamp, is_forced)
    known = select(columns.id, columns[owner]).add_columns(*(columns[name] for name in KnownState._fields[1:]))
    return Statements(
        Prepared(known.where(any_of(columns.id, placeholder("ids", ListOfIds)))),
        Prepared(past_state.where(any_of(columns[owner], placeholder("run_ids", ListOfIds)))),
        Prepared(select(columns.message, columns.start_time, columns.result).where(columns.id == placeholder("id"))),
    )


TASK_RUN_STATEMENTS = _statements(tables.task_run_state, "task_run_id")
FLOW_RUN_STATEMENTS = _statements(tables.flow_run_state, "flow_run_id")


def task_run_histories(connection: Connection) -> Histories:
    """The histories of task runs."""
    return Histories(connection, tables.task_run_state, "task_run_id", TASK_RUN_STATEMENTS)


def flow_run_histories(connection: Connection) -> Histories:
    """The histories of flow runs."""
    return Histories(connection, tables.flow_run_state, "flow_run_id", FLOW_RUN_STATEMENTS)
