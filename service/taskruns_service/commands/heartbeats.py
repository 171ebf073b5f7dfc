"""Heartbeats: signs of life of flow runs, and what becomes of those that stop sending them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Integer, and_, case, exists, false, or_, select

from taskruns_service.commands.reports import OfFlowRun, ReportOutcome, reported
from taskruns_service.commands.unit_of_work import FlowRunEntry, TaskRunEntry, UnitOfWork, read_task_runs
from taskruns_service.domain.ids import new_id
from taskruns_service.domain.liveness import Liveness, silence_message
from taskruns_service.domain.runs import Report
from taskruns_service.domain.states import DIES_WITH_PROCESS, FINISHED, StateType
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import (
    Prepared,
    RowSelect,
    by_no_index,
    constant,
    now,
    placeholder,
    seconds_ago,
)
from taskruns_service.storage.silence import is_running

SETTLE_BATCH_SIZE = 500
"""Task runs and flow runs that one transaction settles, so that reports need not wait long for it."""

_flow_run, _task_run, _task_run_state = tables.flow_run, tables.task_run, tables.task_run_state


class ReportHeartbeat(OfFlowRun, frozen=True):
    """Note that a process of a flow run is alive."""

    def make(self, unit_of_work: UnitOfWork) -> ReportOutcome:
        """Raises FlowRunNotFound."""
        entry = self.entry(unit_of_work)
        unit_of_work.hear(entry)
        return reported(entry, "recorded")


class Settled(NamedTuple):
    """What a transaction has settled: the flow runs that are Crashed now, and whether there may be more to do."""

    crashed: Sequence[UUID]
    has_more: bool


class UnbrokenWatch:
    """Whether the service could hear heartbeats for as long as a flow run must be silent to become Crashed.

    After a start, after the database was away and after the machine of the service slept, all runs seem silent.
    """

    def __init__(self, seconds: float) -> None:
        self._duration = timedelta(seconds=seconds)
        self._start: datetime | None = None
        self._last: datetime | None = None

    def is_unbroken(self, moment: datetime) -> bool:
        """Takes the moment of a look at the heartbeats; returns whether the looks cover the whole time before it."""
        if self._start is None or self._last is None or not self._last <= moment <= self._last + self._duration / 2:
            self._start = moment
        self._last = moment
        return moment - self._start >= self._duration


class Look(NamedTuple):
    """The time of the database, and whether there is something to settle."""

    moment: datetime
    has_work: bool


def look(connection: Connection, timeout: float | None) -> Look:
    """Looks whether something follows from heartbeats that came, or that did not come for `timeout` seconds."""
    return Look(*connection.execute(select(now(), exists(flow_runs_to_settle(timeout)))).one())


def settle(connection: Connection, timeout: float | None) -> Settled:
    """Settles some of what follows from heartbeats: runs become Crashed, or return to their states.

    A flow run becomes Crashed after all its task runs. None does without a `timeout`. Several processes may settle at
    the same time: each takes flow runs that no other transaction has locked, and looks at them under the lock.
    """
    statement = flow_runs_to_settle(timeout).add_columns(now().label("moment"))
    rows = connection.execute(
        statement.order_by(_flow_run.c.id).limit(SETTLE_BATCH_SIZE).with_for_update(skip_locked=True)
    ).all()
    if not rows:
        return Settled((), has_more=False)
    unit_of_work = UnitOfWork(connection, rows[0].moment)
    unit_of_work.lock({row.id for row in rows})
    room = SETTLE_BATCH_SIZE
    crashed: list[UUID] = []
    for row in rows:
        entry = unit_of_work.flow_runs[row.id]
        if row.liveness == Liveness.crashing:
            room -= _end(unit_of_work, entry, silence_message(row.last_heartbeat), room)
            if entry.liveness is Liveness.crashed:
                crashed.append(row.id)
        elif row.liveness == Liveness.recovering:
            room -= _return(unit_of_work, entry, room)
        else:
            unit_of_work.set_liveness(entry, None)
        if room <= 0:
            break
    unit_of_work.write()
    return Settled(crashed, has_more=room <= 0 or len(rows) == SETTLE_BATCH_SIZE)


def _end(unit_of_work: UnitOfWork, flow_run: FlowRunEntry, message: str, room: int) -> int:
    """Makes task runs of a silent flow run Crashed and, after the last one, itself; returns how many."""
    task_runs = unit_of_work.read_where(_dying_task_runs, flow_run, room)
    ended: list[FlowRunEntry | TaskRunEntry] = [*task_runs]
    if len(task_runs) < room:
        unit_of_work.set_liveness(flow_run, Liveness.crashed)
        ended += [flow_run] if flow_run.run.state is not StateType.Crashed else []
    else:
        unit_of_work.set_liveness(flow_run, Liveness.crashing)
    for entry in ended:
        report = Report(
            id=new_id(), id_is_new=True, type=StateType.Crashed, timestamp=None, message=message, force=True
        )
        unit_of_work.record(entry, report)
    return max(1, len(ended))


def _return(unit_of_work: UnitOfWork, flow_run: FlowRunEntry, room: int) -> int:
    """Brings task runs of a flow run that was heard of again back to their states; returns how many."""
    task_runs = unit_of_work.read_where(_silent_task_runs, flow_run, room)
    unit_of_work.return_task_runs(task_runs)
    if len(task_runs) < room:
        unit_of_work.set_liveness(flow_run, None if flow_run.run.state in FINISHED else Liveness.alive)
    return max(1, len(task_runs))


def flow_runs_to_settle(timeout: float | None) -> RowSelect:
    """The flow runs for which something follows from their heartbeats, by the index of those that are watched.

    Rows (id, liveness, last_heartbeat), with the liveness that is to be brought about: after `timeout` seconds without
    a heartbeat that is `crashing` (never if it is None), and NULL after the end. A flow run whose current state is not
    in its history, as an import leaves it, is never crashing, since it could not return to that state.
    """
    columns = _flow_run.c
    silent: ColumnElement[bool] = false()
    if timeout is not None:
        is_crashed = and_(columns.liveness == constant(Liveness.crashing), columns.state == constant(StateType.Crashed))
        is_late = columns.last_heartbeat < seconds_ago(timeout)
        silent = and_(or_(is_running, is_crashed), is_late, columns.state_id.is_not(None))
    recovering = columns.liveness == constant(Liveness.recovering)
    ended = and_(columns.liveness == constant(Liveness.alive), columns.state.in_(map(constant, sorted(FINISHED))))
    outcome = case((silent, constant(Liveness.crashing)), (recovering, constant(Liveness.recovering)))
    return select(columns.id, outcome.label("liveness"), columns.last_heartbeat).where(
        columns.liveness.in_(map(constant, (Liveness.alive, Liveness.crashing, Liveness.recovering))),
        or_(silent, recovering, ended),
    )


_some_task_runs = (
    read_task_runs.where(_task_run.c.flow_run_id == placeholder("flow_run_id"))
    # By the index of changes, in which what a batch has changed comes after what it has not.
    .order_by(_task_run.c.sequence)
    .limit(placeholder("limit", Integer()))
)
_dying_task_runs = Prepared(
    _some_task_runs.where(
        by_no_index(_task_run.c.state).in_(map(constant, sorted(DIES_WITH_PROCESS))),
        # As for flow runs: the current state is in the history.
        or_(_task_run.c.state_id.is_not(None), _task_run.c.state_timestamp.is_(None)),
    )
)
_silent_task_runs = Prepared(
    _some_task_runs.join(_task_run_state, _task_run_state.c.id == _task_run.c.state_id).where(
        by_no_index(_task_run.c.state) == constant(StateType.Crashed), _task_run_state.c.forced
    )
)
