"""All runs at a glance: the number in each state, and the newest failures."""

from sqlalchemy import Connection, func, literal_column, select, union_all

from taskruns_service.domain.states import GROUPS, StateGroup, StateType
from taskruns_service.queries.members import TASK_RUN_MEMBERS
from taskruns_service.storage import tables, tally
from taskruns_service.storage.dialects import Column, Prepared, RowSelect, constant, encode_json, json_object, utc_text

MAX_FAILURES = 20

_task_run, _flow_run = tables.task_run, tables.flow_run
_cell, _flow_run_cell = tally.TASK_RUNS.cells.c, tally.FLOW_RUNS.cells.c
_limit: Column = literal_column(str(MAX_FAILURES))

_count_task_runs = Prepared(select(_cell.state, func.sum(_cell.count)).group_by(_cell.state).order_by(_cell.state))
_count_running = Prepared(
    select(func.coalesce(func.sum(_flow_run_cell.count), 0)).where(
        _flow_run_cell.state.in_(map(constant, sorted(GROUPS[StateGroup.running])))
    )
)


def _newest(state: StateType) -> RowSelect:
    """The ids of the newest task runs in a state, from an index."""
    ids = select(_task_run.c.id).where(_task_run.c.state == constant(state)).order_by(_task_run.c.id.desc())
    return select(ids.limit(_limit).subquery().c.id)


_read_failures = Prepared(
    select(json_object(TASK_RUN_MEMBERS))
    .where(_task_run.c.id.in_(union_all(*map(_newest, sorted(GROUPS[StateGroup.failed])))))
    .order_by(_task_run.c.id.desc())
    .limit(_limit)
)
_newest_creation = Prepared(select(func.max(_flow_run.c.created)))


def read_now(connection: Connection) -> str:
    """A `NowEvent` as JSON."""
    counts = {state: int(count) for state, count in _count_task_runs.rows(connection, {}) if count}
    ((running,),) = _count_running.rows(connection, {})
    failures = ",".join(row[0] for row in _read_failures.rows(connection, {}))
    ((newest,),) = _newest_creation.rows(connection, {})
    created = None if newest is None else utc_text(newest)
    return (
        f'{{"counts":{encode_json(counts)},"running_flow_runs":{int(running)},"failures":[{failures}],'
        f'"newest_flow_run_created":{encode_json(created)}}}'
    )
