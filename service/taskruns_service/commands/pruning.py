"""Pruning: deletes old flow runs, by the command that keeps the counts right, and old logs; each batch by itself."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, delete, func, literal, select

from taskruns_service.commands.flow_runs import DeleteFlowRun
from taskruns_service.domain.errors import ServiceError
from taskruns_service.storage import tables
from taskruns_service.storage.command import execute_commands
from taskruns_service.storage.dialects import Column, ListOfIds, any_of

CANDIDATES = 2000

_flow_run, _task_run, _log = tables.flow_run, tables.task_run, tables.log


class Old(NamedTuple):
    """Which flow runs are old.

    A flow run is as old as its end, which reports that come late do not make younger. One that never ended is as old
    as its last change or heartbeat.
    """

    before: datetime
    unfinished: bool = False
    """Those that never ended, instead of those that did."""

    @property
    def condition(self) -> ColumnElement[bool]:
        """What holds for the row of such a flow run."""
        if not self.unfinished:
            return _flow_run.c.end_time < self.before
        # The first is for the index: nothing is changed before it is made.
        unchanged = and_(_flow_run.c.created < self.before, _flow_run.c.updated < self.before)
        heartbeats = (_flow_run.c.heartbeat, _flow_run.c.last_heartbeat)
        silent = (func.coalesce(heartbeat, _flow_run.c.updated) < self.before for heartbeat in heartbeats)
        return and_(unchanged, *silent, _flow_run.c.end_time.is_(None))

    @property
    def order(self) -> tuple[Column, ...]:
        """The oldest first, as an index has them."""
        return (_flow_run.c.created if self.unfinished else _flow_run.c.end_time, _flow_run.c.id)


class Pruned(NamedTuple):
    """How many there were."""

    flow_runs: int = 0
    task_runs: int = 0


def count_old(connection: Connection, old: Old) -> Pruned:
    """Counts what would be deleted."""
    of_old = _task_run.c.flow_run_id.in_(select(_flow_run.c.id).where(old.condition))
    counts = (
        select(func.count()).select_from(_flow_run).where(old.condition),
        select(func.count()).select_from(_task_run).where(of_old),
    )
    return Pruned(*(connection.execute(count).scalar_one() for count in counts))


def prune_batch(connection: Connection, old: Old, task_runs: int) -> Pruned:
    """Deletes the oldest flow runs, up to about this many task runs; nothing when none is left.

    They are locked before they are looked at, so that one which is running again by now is kept. Those that somebody
    else is changing are left for another time: waiting for them could make others wait in a circle.
    """
    rows = connection.execute(
        select(_flow_run.c.id, _flow_run.c.state_counts)
        .where(old.condition)
        .order_by(*old.order)
        .limit(CANDIDATES)
        .with_for_update(skip_locked=True)
    )
    chosen: list[DeleteFlowRun] = []
    together = 0
    for flow_run_id, counts in rows:
        has = sum(counts.values())
        if chosen and together + has > task_runs:
            break
        chosen.append(DeleteFlowRun(flow_run_id))
        together += has
    for outcome in execute_commands(connection, chosen):
        if isinstance(outcome, ServiceError):
            raise outcome
    return Pruned(len(chosen), together)


class PrunedLogs(NamedTuple):
    """How many lines were deleted, and the last flow run without old ones, by its id; None when there is none left."""

    lines: int = 0
    last: UUID | None = UUID(int=0)


def count_old_lines(connection: Connection, before: datetime) -> int:
    """Counts the lines of logs that would be deleted."""
    return connection.execute(select(func.count()).where(_log.c.timestamp < before)).scalar_one()


def prune_log_batch(connection: Connection, before: datetime, after: UUID, lines: int) -> PrunedLogs:
    """Deletes lines of logs from before a moment, at most this many, of the flow runs after one in the order of ids.

    By flow runs, since no index has the lines of all of them by time: one more would cost every line that is written.
    """
    ids = list(
        connection.scalars(
            select(_flow_run.c.id).where(_flow_run.c.id > after).order_by(_flow_run.c.id).limit(CANDIDATES)
        )
    )
    if not ids:
        return PrunedLogs(0, None)
    of_flow_runs = any_of(_log.c.flow_run_id, literal(ids, ListOfIds))
    old = select(_log.c.id).where(of_flow_runs, _log.c.timestamp < before).limit(lines)
    deleted = connection.execute(delete(_log).where(_log.c.id.in_(old))).rowcount
    # There may be more lines of the same flow runs.
    return PrunedLogs(deleted, after if deleted == lines else ids[-1])
