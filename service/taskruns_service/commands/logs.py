"""Logs: the lines that runs wrote, recorded once each."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import UNSET
from sqlalchemy import Connection, and_, select

from taskruns_service.domain.errors import Fault, FlowRunNotFound, InvalidRequest, ServiceError
from taskruns_service.domain.ids import as_number
from taskruns_service.schemas import LogLineReport
from taskruns_service.storage import tables
from taskruns_service.storage.command import Command, Stage
from taskruns_service.storage.dialects import ListOfIds, Prepared, any_of, batches, insert_for, placeholder

_flow_run, _task_run, _log = tables.flow_run, tables.task_run, tables.log


class ReportLogs(Command[int], frozen=True):
    """Record log lines of a flow run and of its task runs, all of them or none; the outcome is how many were new."""

    stage = Stage.change
    flow_run_id: UUID
    lines: Sequence[LogLineReport]

    @property
    def weight(self) -> int:
        """How many lines there are."""
        return len(self.lines)

    @staticmethod
    def execute(connection: Connection, commands: Sequence["ReportLogs"], now: datetime) -> list[object]:
        """Returns for each the number of its lines that were new, FlowRunNotFound or InvalidRequest."""
        return _report_logs(connection, commands, now)


class _Run(NamedTuple):
    """What a line is of: a flow run, or one of its task runs."""

    flow_run_id: UUID
    task_run_id: UUID | None = None


def _report_logs(connection: Connection, commands: Sequence[ReportLogs], now: datetime) -> list[object]:
    known = _known_runs(connection, commands)
    refusals = [_refusal(command, known) for command in commands]
    rows = {
        line.id: _row(command.flow_run_id, line, now)
        for command, refusal in zip(reversed(commands), reversed(refusals), strict=True)
        if refusal is None
        for line in reversed(command.lines)
    }
    insert = insert_for(connection, _log).on_conflict_do_nothing().returning(_log.c.id)
    # In the order of their ids, so that no two writers deadlock on lines that both have.
    ordered = [rows[line_id] for line_id in sorted(rows, key=as_number)]
    recorded = {line_id for batch in batches(ordered) for line_id in connection.scalars(insert, batch)}
    outcomes: list[object] = []
    for command, refusal in zip(commands, refusals, strict=True):
        new = recorded.intersection(line.id for line in command.lines) if refusal is None else set()
        recorded -= new
        outcomes.append(len(new) if refusal is None else refusal)
    return outcomes


def _known_runs(connection: Connection, commands: Sequence[ReportLogs]) -> set[_Run]:
    """The flow runs of lines, and the task runs that lines name of these; the flow runs cannot be deleted meanwhile."""
    flow_run_ids = {command.flow_run_id for command in commands}
    task_run_ids = {line.task_run_id for command in commands for line in command.lines if line.task_run_id is not None}
    rows = _read_runs.rows(connection, {"flow_run_ids": list(flow_run_ids), "task_run_ids": list(task_run_ids)})
    return {run for row in rows for run in (_Run(row[0]), _Run(row[0], row[1]))}


def _refusal(command: ReportLogs, known: set[_Run]) -> ServiceError | None:
    if _Run(command.flow_run_id) not in known:
        return FlowRunNotFound()
    faults = tuple(
        Fault(
            pointer=f"/items/{index}/task_run_id",
            detail=f"The flow run has no task run {line.task_run_id}. Report the task run before its lines.",
        )
        for index, line in enumerate(command.lines)
        if _Run(command.flow_run_id, line.task_run_id) not in known
    )
    return InvalidRequest(faults=faults) if faults else None


def _row(flow_run_id: UUID, line: LogLineReport, now: datetime) -> dict[str, object]:
    return {
        "id": line.id,
        "flow_run_id": flow_run_id,
        "task_run_id": line.task_run_id,
        "timestamp": now if line.timestamp is UNSET else line.timestamp,
        "name": line.name,
        "level": line.level.value,
        "message": line.message,
        "info": None,
        "created": now,
    }


_is_named = and_(
    _task_run.c.flow_run_id == _flow_run.c.id,
    any_of(_task_run.c.id, placeholder("task_run_ids", ListOfIds)),
)
_read_runs = Prepared(
    select(_flow_run.c.id, _task_run.c.id)
    .join_from(_flow_run, _task_run, _is_named, isouter=True)
    .where(any_of(_flow_run.c.id, placeholder("flow_run_ids", ListOfIds)))
    .order_by(_flow_run.c.id)
    # Conflicts with deletion alone: reports go on.
    .with_for_update(of=_flow_run, key_share=True, read=True)
)
