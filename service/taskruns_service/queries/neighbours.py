"""The neighbours of a task run, each found by an index, however large the map and however often the flow ran."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, FromClause, and_, case, func, literal, select, tuple_

from taskruns_service import schemas
from taskruns_service.domain.errors import TaskRunNotFound
from taskruns_service.domain.states import StateType
from taskruns_service.queries.members import Condition
from taskruns_service.schemas.neighbours import (
    MAX_CONNECTED_TASKS,
    MAX_EARLIER_FLOW_RUNS,
    MAX_EARLIER_TASK_RUNS,
    MAX_FLOW_VERSIONS,
)
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import Column, Prepared, Row, placeholder

_task_run, _flow_run, _flow = tables.task_run.c, tables.flow_run.c, tables.flow.c
_task, _edge = tables.task.c, tables.edge.c


class _TaskRun(NamedTuple):
    """What the neighbours of a task run are known by."""

    task_slug: str
    map_index: int
    task_id: UUID
    flow_run_id: UUID
    flow_run_name: str
    created: datetime
    """The time when its flow run was created."""
    flow_id: UUID
    project: str
    flow_name: str
    flow_version: int


def _limit(count: int) -> Column:
    return literal(count, literal_execute=True)


_get_task_run = Prepared(
    select(
        *(_task_run.task_slug, _task_run.map_index, _task_run.task_id),
        *(_flow_run.id, _flow_run.name, _flow_run.created, _flow.id, _flow.project, _flow.name, _flow.version),
    )
    .select_from(
        tables.task_run.join(tables.flow_run, _flow_run.id == _task_run.flow_run_id).join(
            tables.flow, _flow.id == _flow_run.flow_id
        )
    )
    .where(_task_run.id == placeholder("id"))
)


def _shown(task_run: FromClause = tables.task_run) -> list[Column]:
    names = ("id", "flow_run_id", "task_slug", "map_index", "state", "start_time", "duration")
    return [task_run.c[name] for name in names]


_of_task = select(*_shown()).where(
    _task_run.flow_run_id == placeholder("flow_run_id"), _task_run.task_slug == placeholder("task_slug")
)
_mapped_parent = Prepared(_of_task.where(_task_run.map_index == -1))
_previous_child = Prepared(
    _of_task.where(_task_run.map_index >= 0, _task_run.map_index < placeholder("map_index"))
    .order_by(_task_run.map_index.desc())
    .limit(_limit(1))
)
_next_child = Prepared(
    _of_task.where(_task_run.map_index > placeholder("map_index")).order_by(_task_run.map_index).limit(_limit(1))
)

_flow_versions = Prepared(
    select(_flow.id)
    .where(
        _flow.project == placeholder("project"),
        _flow.name == placeholder("name"),
        _flow.version <= placeholder("version"),
    )
    .order_by(_flow.version.desc())
    .limit(_limit(MAX_FLOW_VERSIONS))
)
_earlier_flow_run = (
    select(_flow_run.id, _flow_run.name, _flow_run.created)
    .where(
        _flow_run.flow_id == placeholder("flow_id"),
        tuple_(_flow_run.created, _flow_run.id)
        < tuple_(placeholder("created", _flow_run.created.type), placeholder("flow_run_id", _flow_run.id.type)),
    )
    .order_by(_flow_run.created.desc(), _flow_run.id.desc())
    .limit(_limit(MAX_EARLIER_FLOW_RUNS))
    .subquery()
)
_earlier = Prepared(
    select(_earlier_flow_run.c.created, _earlier_flow_run.c.name, *_shown())
    .join_from(_earlier_flow_run, tables.task_run, _task_run.flow_run_id == _earlier_flow_run.c.id)
    .where(_task_run.task_slug == placeholder("task_slug"), _task_run.map_index == placeholder("map_index"))
    .order_by(_earlier_flow_run.c.created.desc(), _earlier_flow_run.c.id.desc())
    .limit(_limit(MAX_EARLIER_TASK_RUNS))
)


def _connected(own_end: Column, other_end: Column) -> Prepared:
    """Rows (slug, child at the other end of a mapped edge, task run that is no child), by slug.

    Each is looked up by itself: for a choice of both PostgreSQL would read the whole map.
    """
    task = (
        select(_task.slug, func.max(case((_edge.mapped, 1), else_=0)).label("is_mapped"))
        .select_from(tables.edge.join(tables.task, _task.id == other_end))
        .where(_edge.flow_id == placeholder("flow_id"), own_end == placeholder("task_id"))
        .group_by(_task.slug)
        .order_by(_task.slug)
        .limit(_limit(MAX_CONNECTED_TASKS + 1))
        .subquery()
    )
    child, parent = tables.task_run.alias("child"), tables.task_run.alias("parent")
    map_index = case((task.c.is_mapped == 1, placeholder("map_index", _task_run.map_index.type)), else_=-1)

    def is_at(task_run: FromClause, map_index: ColumnElement[int]) -> Condition:
        is_of_task = and_(task_run.c.flow_run_id == placeholder("flow_run_id"), task_run.c.task_slug == task.c.slug)
        return and_(is_of_task, task_run.c.map_index == map_index)

    return Prepared(
        select(task.c.slug, *_shown(child), *_shown(parent))
        .select_from(task.outerjoin(child, is_at(child, map_index)).outerjoin(parent, is_at(parent, literal(-1))))
        .order_by(task.c.slug)
    )


_upstream = _connected(_edge.downstream_task_id, _edge.upstream_task_id)
_downstream = _connected(_edge.upstream_task_id, _edge.downstream_task_id)


def get_task_run_neighbours(connection: Connection, task_run_id: UUID) -> schemas.TaskRunNeighbours:
    """The neighbours of a task run; raises TaskRunNotFound."""
    row = _get_task_run.first(connection, {"id": task_run_id})
    if row is None:
        raise TaskRunNotFound
    task_run = _TaskRun(*row)
    upstream = _connected_task_runs(connection, _upstream, task_run)
    downstream = _connected_task_runs(connection, _downstream, task_run)
    return schemas.TaskRunNeighbours(
        task_run_id=task_run_id,
        mapped_parent=_sibling(connection, _mapped_parent, task_run),
        previous_child=_sibling(connection, _previous_child, task_run),
        next_child=_sibling(connection, _next_child, task_run),
        earlier_task_runs=_earlier_task_runs(connection, task_run),
        upstream=_neighbours(upstream[:MAX_CONNECTED_TASKS], task_run),
        downstream=_neighbours(downstream[:MAX_CONNECTED_TASKS], task_run),
        truncated=max(len(upstream), len(downstream)) > MAX_CONNECTED_TASKS,
    )


def _sibling(connection: Connection, statement: Prepared, task_run: _TaskRun) -> schemas.TaskRunNeighbour | None:
    """A task run of the same map; None for a task run that is no child."""
    if task_run.map_index < 0:
        return None
    row = statement.first(connection, {name: getattr(task_run, name) for name in statement.names})
    return None if row is None else _neighbour(row, task_run.flow_run_name)


def _earlier_task_runs(connection: Connection, task_run: _TaskRun) -> list[schemas.TaskRunNeighbour]:
    """The same task in earlier flow runs. Each version is read by itself, since an index has the order of each."""
    names = ("flow_run_id", "task_slug", "map_index", "created")
    values = {name: getattr(task_run, name) for name in names}
    rows = [
        row
        for (flow_id,) in _flow_versions.rows(
            connection, {"project": task_run.project, "name": task_run.flow_name, "version": task_run.flow_version}
        )
        for row in _earlier.rows(connection, {**values, "flow_id": flow_id})
    ]
    rows.sort(key=lambda row: row[0], reverse=True)
    return [_neighbour(row, name) for _, name, *row in rows[:MAX_EARLIER_TASK_RUNS]]


def _connected_task_runs(connection: Connection, statement: Prepared, task_run: _TaskRun) -> Sequence[Row]:
    """A row for each task at the other end of an edge, without an id if it has no task run."""
    rows = statement.rows(connection, {name: getattr(task_run, name) for name in statement.names})
    width = len(_shown())
    return [row[1 : width + 1] if row[1] is not None else row[width + 1 :] for row in rows]


def _neighbours(rows: Sequence[Row], task_run: _TaskRun) -> list[schemas.TaskRunNeighbour]:
    return [_neighbour(row, task_run.flow_run_name) for row in rows if row[0] is not None]


def _neighbour(row: Row, flow_run_name: str) -> schemas.TaskRunNeighbour:
    id, flow_run_id, task_slug, map_index, state, start_time, duration = row
    return schemas.TaskRunNeighbour(
        id=id,
        flow_run_id=flow_run_id,
        flow_run_name=flow_run_name,
        task_slug=task_slug,
        map_index=map_index,
        state=StateType(state),
        start_time=start_time,
        duration=duration,
    )
