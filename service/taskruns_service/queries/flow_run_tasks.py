"""The tasks of a flow run: its task runs by task slug, counted and summed up."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, Text, case, cast, func, literal, select, true

from taskruns_service import schemas
from taskruns_service.domain.errors import FlowRunNotFound
from taskruns_service.domain.states import StateType, worst
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import Prepared, Row, aside, json_of_pairs, placeholder

_task_run, _flow_run = tables.task_run.c, tables.flow_run
_flow_run_id = placeholder("flow_run_id")

_by_state = (
    select(
        *(_task_run.task_slug, _task_run.state, func.count().label("count")),
        # As text, since PostgreSQL has no max() of ids.
        func.max(cast(_task_run.id, Text)).filter(_task_run.map_index == -1).label("task_run_id"),
        func.max(_task_run.map_index).label("last_index"),
        func.min(_task_run.start_time).label("first_start_time"),
        func.max(_task_run.end_time).label("last_end_time"),
        func.sum(case((_task_run.run_count > 1, _task_run.run_count - 1), else_=0)).label("retries"),
    )
    .where(_task_run.flow_run_id == _flow_run_id)
    .group_by(_task_run.task_slug, _task_run.state)
    .subquery()
)
_by_task = (
    select(
        *(_by_state.c.task_slug, func.max(_by_state.c.task_run_id), func.max(_by_state.c.last_index)),
        json_of_pairs(_by_state.c.state, _by_state.c.count),
        func.min(_by_state.c.first_start_time).label("first_start_time"),
        *(func.max(_by_state.c.last_end_time), func.sum(_by_state.c.retries)),
    )
    .group_by(_by_state.c.task_slug)
    .subquery()
)
# A flow run without task runs is a row without a task.
_get_tasks = Prepared(
    select(_flow_run.c.sequence, *_by_task.c)
    .select_from(_flow_run.outerjoin(_by_task, true()))
    .where(_flow_run.c.id == _flow_run_id)
    .order_by(_by_task.c.first_start_time.nulls_last(), _by_task.c.task_slug)
    .limit(literal(schemas.MAX_TASKS + 1, literal_execute=True)),
    replan=True,
)


def get_flow_run_tasks(connection: Connection, flow_run_id: UUID) -> schemas.FlowRunTasks:
    """The tasks of a flow run, by one statement that reads each of its task runs; raises FlowRunNotFound."""
    rows = _get_tasks.rows(connection, {"flow_run_id": flow_run_id})
    if not rows:
        raise FlowRunNotFound
    return aside(connection, _tasks, flow_run_id, rows)


def _tasks(flow_run_id: UUID, rows: Sequence[Row]) -> schemas.FlowRunTasks:
    return schemas.FlowRunTasks(
        flow_run_id=flow_run_id,
        sequence=rows[0][0],
        items=[_task(row) for row in rows[: schemas.MAX_TASKS] if row[1] is not None],
        truncated=len(rows) > schemas.MAX_TASKS,
    )


def _task(row: Row) -> schemas.FlowRunTask:
    _, task_slug, task_run_id, last_index, counts, first_start_time, last_end_time, retries = row
    return schemas.FlowRunTask(
        task_slug=task_slug,
        task_run_id=None if task_run_id is None else UUID(task_run_id),
        is_mapped=last_index >= 0 or StateType.Mapped in counts,
        state=worst(map(StateType, counts)),
        count=sum(counts.values()),
        task_run_counts=counts,
        first_start_time=first_start_time,
        last_end_time=last_end_time,
        retries=int(retries),
    )
