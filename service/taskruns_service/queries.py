"""Every SELECT that answers a question about flow runs and task runs. Rows leave the database as JSON text."""

from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Raw
from sqlalchemy import ColumnElement, Connection, Select, Table, and_, bindparam, case, func, null, select

from taskruns_service import filters, models, references, tables
from taskruns_service.dialects import Id, json_object, seconds_between
from taskruns_service.errors import (
    FlowRunNotFound,
    NoResultType,
    ResultNotPersisted,
    ResultNotReady,
    TaskRunNotFound,
)
from taskruns_service.filters import Where
from taskruns_service.paging import Page, Range
from taskruns_service.states import FINISHED, StateType

_task_run, _flow_run, _flow = tables.task_run, tables.flow_run, tables.flow
_child = tables.task_run.alias("child")

Members = Mapping[str, ColumnElement[Any]]

# A mapped parent never runs itself: its times are those of its children, read when asked.
_is_mapped_parent = and_(_task_run.c.state == StateType.Mapped, _task_run.c.map_index == -1)
_children = and_(
    _child.c.flow_run_id == _task_run.c.flow_run_id,
    _child.c.task_slug == _task_run.c.task_slug,
    _child.c.map_index >= 0,
)
_first_start = func.min(_child.c.start_time)
# They have ended when the last of them has.
_last_end = case((func.count() == func.count(_child.c.end_time), func.max(_child.c.end_time)))


def _of_children(value: ColumnElement[Any], otherwise: ColumnElement[Any]) -> ColumnElement[Any]:
    """`value` over the children of a mapped parent; for all other task runs `otherwise`."""
    asked = select(value).where(_children).correlate(_task_run).scalar_subquery()
    return case((_is_mapped_parent, asked), else_=otherwise)


TASK_RUN_MEMBERS: Members = {
    "id": _task_run.c.id,
    "flow_run_id": _task_run.c.flow_run_id,
    "task_id": _task_run.c.task_id,
    "task_slug": _task_run.c.task_slug,
    "map_index": _task_run.c.map_index,
    "name": _task_run.c.name,
    "tags": _task_run.c.tags,
    "state": _task_run.c.state,
    "state_message": _task_run.c.state_message,
    "state_timestamp": _task_run.c.state_timestamp,
    "version": _task_run.c.version,
    "run_count": _task_run.c.run_count,
    "start_time": _of_children(_first_start, _task_run.c.start_time),
    "end_time": _of_children(_last_end, _task_run.c.end_time),
    "duration": _of_children(seconds_between(_first_start, _last_end), _task_run.c.duration),
    "queue_time": _of_children(seconds_between(_task_run.c.first_timestamp, _first_start), _task_run.c.queue_time),
    "has_result": _task_run.c.has_result,
    "sequence": _task_run.c.sequence,
    "created": _task_run.c.created,
    "updated": _task_run.c.updated,
}
FLOW_RUN_SUMMARY_MEMBERS: Members = {
    "id": _flow_run.c.id,
    "flow_id": _flow_run.c.flow_id,
    "flow_name": _flow.c.name,
    "name": _flow_run.c.name,
    "labels": _flow_run.c.labels,
    "state": _flow_run.c.state,
    "state_message": _flow_run.c.state_message,
    "state_timestamp": _flow_run.c.state_timestamp,
    "version": _flow_run.c.version,
    "run_count": _flow_run.c.run_count,
    "start_time": _flow_run.c.start_time,
    "end_time": _flow_run.c.end_time,
    "duration": _flow_run.c.duration,
    "queue_time": _flow_run.c.queue_time,
    "sequence": _flow_run.c.sequence,
    "task_run_counts": _flow_run.c.state_counts,
    "created": _flow_run.c.created,
    "updated": _flow_run.c.updated,
}
FLOW_RUN_MEMBERS: Members = {
    **FLOW_RUN_SUMMARY_MEMBERS,
    "parameters": _flow_run.c.parameters,
    "context": _flow_run.c.context,
    "idempotency_key": _flow_run.c.idempotency_key,
}


def _state_members(history: Table) -> Members:
    names = (
        "id",
        "type",
        "version",
        "sequence",
        "message",
        "timestamp",
        "received_at",
        "result",
        "details",
        "accepted",
    )
    return {name: history.c[name] for name in names}


class Versioned(NamedTuple):
    """A representation as JSON, and the text that changes whenever it does (its ETag)."""

    body: bytes
    version: str


class RawPage(msgspec.Struct, frozen=True):
    """A page whose items are JSON already."""

    items: list[Raw]
    next: str | None


_get_task_run = select(
    _task_run.c.version, _of_children(func.max(_child.c.sequence), null()), json_object(TASK_RUN_MEMBERS)
).where(_task_run.c.id == bindparam("id", type_=Id))

_get_flow_run = (
    select(_flow_run.c.sequence, json_object(FLOW_RUN_MEMBERS))
    .join_from(_flow_run, _flow)
    .where(_flow_run.c.id == bindparam("id", type_=Id))
)

_list_task_runs = select(json_object(TASK_RUN_MEMBERS))
_list_flow_runs = select(json_object(FLOW_RUN_SUMMARY_MEMBERS))
_list_task_run_states = select(json_object(_state_members(tables.task_run_state)))
_list_flow_run_states = select(json_object(_state_members(tables.flow_run_state)))

_get_flow_run_sequence = select(_flow_run.c.sequence).where(_flow_run.c.id == bindparam("id", type_=Id))


def get_task_run(connection: Connection, task_run_id: UUID) -> Versioned:
    """One task run; raises TaskRunNotFound."""
    row = connection.execute(_get_task_run, {"id": task_run_id}).one_or_none()
    if row is None:
        raise TaskRunNotFound
    version, of_children, body = row
    return Versioned(body.encode(), f"{version}" if of_children is None else f"{version}.{of_children}")


def get_flow_run(connection: Connection, flow_run_id: UUID) -> Versioned:
    """One flow run; raises FlowRunNotFound."""
    row = connection.execute(_get_flow_run, {"id": flow_run_id}).one_or_none()
    if row is None:
        raise FlowRunNotFound
    return Versioned(row[1].encode(), f"{row[0]}")


def get_flow_run_sequence(connection: Connection, flow_run_id: UUID) -> int:
    """How many changes a flow run and its task runs had; raises FlowRunNotFound."""
    sequence: int | None = connection.execute(_get_flow_run_sequence, {"id": flow_run_id}).scalar()
    if sequence is None:
        raise FlowRunNotFound
    return sequence


def list_task_runs(connection: Connection, where: Where, page: Page, fields: Sequence[str] | None) -> RawPage:
    """A page of task runs that meet all of `where`, with all members or those of `fields`."""
    statement = _only(_list_task_runs, TASK_RUN_MEMBERS, fields)
    return _page(connection, statement.where(*filters.clauses(where, filters.TASK_RUN_FILTERS)), page)


def list_flow_run_task_runs(
    connection: Connection,
    flow_run_id: UUID,
    where: Where,
    page: Page,
    fields: Sequence[str] | None,
    *,
    known: Container[str],
) -> tuple[str, RawPage | None]:
    """The version of a flow run's list, and a page of it; None if the version is among the `known` ones.

    The version is read first: the page may be newer than it says, but never older. Raises FlowRunNotFound.
    """
    version = f"{get_flow_run_sequence(connection, flow_run_id)}"
    if version in known:
        return version, None
    return version, list_task_runs(connection, {**where, "flow_run_id": [flow_run_id]}, page, fields)


def list_flow_runs(connection: Connection, where: Where, page: Page, fields: Sequence[str] | None) -> RawPage:
    """A page of flow runs that meet all of `where`, with all members or those of `fields`."""
    statement = _only(_list_flow_runs, FLOW_RUN_SUMMARY_MEMBERS, fields).join_from(_flow_run, _flow)
    return _page(connection, statement.where(*filters.clauses(where, filters.FLOW_RUN_FILTERS)), page)


def list_task_run_states(connection: Connection, task_run_id: UUID, page: Page) -> RawPage:
    """The history of a task run, oldest first; raises TaskRunNotFound."""
    history = tables.task_run_state.c.task_run_id == task_run_id
    found = _page(connection, _list_task_run_states.where(history), page)
    if not found.items:
        get_task_run(connection, task_run_id)
    return found


def list_flow_run_states(connection: Connection, flow_run_id: UUID, page: Page) -> RawPage:
    """The history of a flow run, oldest first; raises FlowRunNotFound."""
    history = tables.flow_run_state.c.flow_run_id == flow_run_id
    found = _page(connection, _list_flow_run_states.where(history), page)
    if not found.items:
        get_flow_run_sequence(connection, flow_run_id)
    return found


def get_task_run_result(
    connection: Connection, task_run_id: UUID, limit: int, after: int | None, question: bytes
) -> models.TaskRunResult:
    """Where the result of a task run is, or those of the children of a mapped parent, from the map index `after` on.

    Raises TaskRunNotFound, ResultNotReady, NoResultType and ResultNotPersisted.
    """
    columns = (_task_run.c.id, _task_run.c.map_index, _task_run.c.state, _task_run.c.result)
    row = connection.execute(
        select(*columns, _task_run.c.flow_run_id, _task_run.c.task_slug).where(_task_run.c.id == task_run_id)
    ).one_or_none()
    if row is None:
        raise TaskRunNotFound
    state = StateType(row.state)
    if state not in FINISHED:
        raise ResultNotReady(f"The task run is {state}, so it has no result yet. Ask again when it is finished.")
    if state is StateType.Mapped and row.map_index == -1:
        rows = connection.execute(
            select(*columns)
            .where(
                _task_run.c.flow_run_id == row.flow_run_id,
                _task_run.c.task_slug == row.task_slug,
                _task_run.c.map_index > (-1 if after is None else after),
            )
            .order_by(_task_run.c.map_index)
            .limit(limit + 1)
        ).all()
        children = [
            models.ChildResult(
                task_run_id=child.id,
                map_index=child.map_index,
                state=StateType(child.state),
                reference=references.read_reference(child.result),
            )
            for child in rows[:limit]
        ]
        following = Page(orders=(), question=question).cursor([children[-1].map_index]) if len(rows) > limit else None
        return models.TaskRunResult(task_run_id=row.id, state=state, reference=None, children=children, next=following)
    reference = references.read_reference(row.result)
    if reference is None:
        raise NoResultType(f"The task run is {state} and finished without a result: its task keeps none.")
    if not references.is_kept(row.result):
        raise ResultNotPersisted
    return models.TaskRunResult(task_run_id=row.id, state=state, reference=reference, children=None, next=None)


def _only(statement: Select[Any], members: Members, fields: Sequence[str] | None) -> Select[Any]:
    """A list with the members of `fields` alone; `statement` is the one with all."""
    if fields is None:
        return statement
    return select(json_object({name: members[name] for name in members if name in fields}))


def _page(connection: Connection, statement: Select[Any], page: Page) -> RawPage:
    statement = statement.add_columns(*(order.key.column for order in page.orders))
    rows: list[Any] = []
    for part in page.ranges():
        rows += connection.execute(_within(statement, part).limit(page.limit + 1 - len(rows))).all()
        if len(rows) > page.limit:
            break
    following = page.cursor(rows[page.limit - 1][1:]) if len(rows) > page.limit else None
    return RawPage([Raw(row[0].encode()) for row in rows[: page.limit]], following)


def _within(statement: Select[Any], part: Range) -> Select[Any]:
    return statement.where(*part.conditions).order_by(*part.order_by)
