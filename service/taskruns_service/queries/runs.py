"""Every SELECT that answers a question about flow runs and task runs. Rows leave the database as JSON text."""

from collections.abc import Container, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Raw
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    Table,
    func,
    literal_column,
    null,
    select,
)

from taskruns_service import schemas
from taskruns_service.domain import results
from taskruns_service.domain.errors import (
    FlowRunNotFound,
    NoResultType,
    ResultNotPersisted,
    ResultNotReady,
    TaskRunNotFound,
)
from taskruns_service.domain.states import FINISHED, StateType
from taskruns_service.queries import filters, parameters, plans
from taskruns_service.queries.filters import Filter, Form, Where
from taskruns_service.queries.paging import Page, PageForm
from taskruns_service.queries.plans import AccessPath
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import (
    STATEMENTS_MOST,
    Prepared,
    any_in,
    by_no_index,
    joined,
    json_object,
    placeholder,
)

_task_run, _flow_run, _flow = tables.task_run, tables.flow_run, tables.flow

Members = Mapping[str, ColumnElement[Any]]

# Looked up for each row by primary key, and not joined: planners would begin with the smaller table.
_flow_name = select(_flow.c.name).where(_flow.c.id == _task_run.c.flow_id).correlate(_task_run).scalar_subquery()
_flow_run_name = (
    select(_flow_run.c.name).where(_flow_run.c.id == _task_run.c.flow_run_id).correlate(_task_run).scalar_subquery()
)
TASK_RUN_MEMBERS: Members = {
    "id": _task_run.c.id,
    "flow_run_id": _task_run.c.flow_run_id,
    "flow_run_name": _flow_run_name,
    "flow_name": _flow_name,
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
    "start_time": _task_run.c.start_time,
    "end_time": _task_run.c.end_time,
    "duration": _task_run.c.duration,
    "queue_time": _task_run.c.queue_time,
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


NO_ITEMS = Raw(b"[]")


class RawPage(msgspec.Struct, frozen=True):
    """A page whose items are a JSON list already."""

    items: Raw
    next: str | None


class _List(NamedTuple):
    """What a list shows: from which rows, which members of each, and how they may be filtered."""

    name: str
    members: Members
    filters: tuple[Filter, ...]
    rows: Select[Any] = select()
    besides: ColumnElement[Any] = null()


def _history_of(history: Table, run: str) -> _List:
    of_run = Filter(run, history.c[run], "eq", parameters.IDENTIFIER, "the run")
    return _List(history.name, _state_members(history), (of_run,))


_the_flow_run = _flow_run.c.id == placeholder("flow_run_id")
_sequence_of_flow_run = select(_flow_run.c.sequence).where(_the_flow_run)
_TASK_RUN_MEMBERS_IN_FLOW_RUN: Members = {
    **TASK_RUN_MEMBERS,
    # Once for all rows, which have the same.
    "flow_run_name": select(_flow_run.c.name).where(_the_flow_run).scalar_subquery(),
    "flow_name": select(_flow.c.name).join_from(_flow, _flow_run).where(_the_flow_run).scalar_subquery(),
}
_run_of, _flow_of = _flow_run.alias("run_of"), _flow.alias("flow_of")
_TASK_RUN_MEMBERS_OF_PAGE: Members = {**TASK_RUN_MEMBERS, "flow_run_name": _run_of.c.name, "flow_name": _flow_of.c.name}
_LISTS = {
    listed.name: listed
    for listed in (
        _List(
            "task_run",
            _TASK_RUN_MEMBERS_OF_PAGE,
            filters.TASK_RUN_FILTERS,
            # Outer joins, since with others planners would begin with the smaller table. PostgreSQL remembers what it
            # has looked up: neighbours have the same flow run.
            select()
            .select_from(_task_run)
            .outerjoin(_run_of, _run_of.c.id == _task_run.c.flow_run_id)
            .outerjoin(_flow_of, _flow_of.c.id == _task_run.c.flow_id),
        ),
        _List(
            "task_run of flow_run",
            _TASK_RUN_MEMBERS_IN_FLOW_RUN,
            filters.TASK_RUN_FILTERS,
            besides=_sequence_of_flow_run.scalar_subquery(),
        ),
        _List("flow_run", FLOW_RUN_SUMMARY_MEMBERS, filters.FLOW_RUN_FILTERS, select().join_from(_flow_run, _flow)),
        _history_of(tables.task_run_state, "task_run_id"),
        _history_of(tables.flow_run_state, "flow_run_id"),
    )
}

_get_task_run = Prepared(
    select(_task_run.c.version, _task_run.c.sequence, json_object(TASK_RUN_MEMBERS)).where(
        _task_run.c.id == placeholder("id")
    )
)
_get_flow_run = Prepared(
    select(_flow_run.c.sequence, json_object(FLOW_RUN_MEMBERS))
    .join_from(_flow_run, _flow)
    .where(_flow_run.c.id == placeholder("id"))
)
_get_flow_run_sequence = Prepared(_sequence_of_flow_run)


def get_task_run(connection: Connection, task_run_id: UUID) -> Versioned:
    """One task run; raises TaskRunNotFound."""
    row = _get_task_run.first(connection, {"id": task_run_id})
    if row is None:
        raise TaskRunNotFound
    version, sequence, body = row
    return Versioned(body.encode(), f"{version}.{sequence}")


def get_flow_run(connection: Connection, flow_run_id: UUID) -> Versioned:
    """One flow run; raises FlowRunNotFound."""
    row = _get_flow_run.first(connection, {"id": flow_run_id})
    if row is None:
        raise FlowRunNotFound
    return Versioned(row[1].encode(), f"{row[0]}")


def get_flow_run_sequence(connection: Connection, flow_run_id: UUID) -> int:
    """How many changes a flow run and its task runs had; raises FlowRunNotFound."""
    row = _get_flow_run_sequence.first(connection, {"flow_run_id": flow_run_id})
    if row is None:
        raise FlowRunNotFound
    return int(row[0])


def list_task_runs(connection: Connection, where: Where, page: Page, fields: Sequence[str] | None) -> RawPage:
    """A page of task runs that meet all of `where`, with all members or those of `fields`."""
    return _page(connection, "task_run", where, page, fields)


def list_flow_run_task_runs(
    connection: Connection,
    flow_run_id: UUID,
    where: Where,
    page: Page,
    fields: Sequence[str] | None,
    *,
    known: Container[str] | None,
) -> tuple[str, RawPage | None]:
    """The version of a flow run's list, and a page of it; None if the version is among the `known` ones.

    The page may be newer than the version says, but never older. Raises FlowRunNotFound.
    """
    if known is not None and (version := f"{get_flow_run_sequence(connection, flow_run_id)}") in known:
        return version, None
    task_runs, sequence = _read_page(
        connection, "task_run of flow_run", {**where, "flow_run_id": [flow_run_id]}, page, fields
    )
    if sequence is None:
        raise FlowRunNotFound
    return f"{sequence}", task_runs


def list_flow_runs(connection: Connection, where: Where, page: Page, fields: Sequence[str] | None) -> RawPage:
    """A page of flow runs that meet all of `where`, with all members or those of `fields`."""
    return _page(connection, "flow_run", where, page, fields)


def list_task_run_states(connection: Connection, task_run_id: UUID, page: Page) -> RawPage:
    """The history of a task run, oldest first; raises TaskRunNotFound."""
    states = _page(connection, "task_run_state", {"task_run_id": task_run_id}, page)
    if states.items == NO_ITEMS:
        get_task_run(connection, task_run_id)
    return states


def list_flow_run_states(connection: Connection, flow_run_id: UUID, page: Page) -> RawPage:
    """The history of a flow run, oldest first; raises FlowRunNotFound."""
    states = _page(connection, "flow_run_state", {"flow_run_id": flow_run_id}, page)
    if states.items == NO_ITEMS:
        get_flow_run_sequence(connection, flow_run_id)
    return states


def get_task_run_result(
    connection: Connection, task_run_id: UUID, limit: int, after: int | None, question: bytes
) -> schemas.TaskRunResult:
    """Where the result of a task run is, or those of the children of a mapped parent, from the map index `after` on.

    Raises TaskRunNotFound, ResultNotReady, NoResultType and ResultNotPersisted.
    """
    columns = (_task_run.c.id, _task_run.c.map_index, _task_run.c.state, _task_run.c.result)
    own_columns = (_task_run.c.flow_run_id, _task_run.c.task_slug, _task_run.c.state_message)
    row = connection.execute(select(*columns, *own_columns).where(_task_run.c.id == task_run_id)).one_or_none()
    if row is None:
        raise TaskRunNotFound
    state = StateType(row.state)
    if state not in FINISHED:
        raise ResultNotReady(f"The task run is {state}, so it has no result yet. Try again when it is finished.")
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
            schemas.ChildResult(
                task_run_id=child.id,
                map_index=child.map_index,
                state=StateType(child.state),
                reference=results.read_reference(child.result),
            )
            for child in rows[:limit]
        ]
        following = Page(orders=(), question=question).cursor([children[-1].map_index]) if len(rows) > limit else None
        return schemas.TaskRunResult(task_run_id=row.id, state=state, reference=None, children=children, next=following)
    reference = results.read_reference(row.result)
    if reference is None:
        raise NoResultType(results.without_result(state, row.result, row.state_message))
    if not results.is_kept(row.result):
        raise ResultNotPersisted
    return schemas.TaskRunResult(task_run_id=row.id, state=state, reference=reference, children=None, next=None)


def _page(
    connection: Connection, list_name: str, where: Where, page: Page, fields: Sequence[str] | None = None
) -> RawPage:
    return _read_page(connection, list_name, where, page, fields)[0]


def _read_page(
    connection: Connection, list_name: str, where: Where, page: Page, fields: Sequence[str] | None
) -> tuple[RawPage, Any]:
    """A page, and what the list has besides its items."""
    chosen = None if fields is None else tuple(fields)
    listed = _LISTS[list_name]
    where = plans.name_map_index(plans.name_flows(connection, where))
    path = plans.access_path(connection, listed.filters, where, page.orders)
    values = filters.values_of(where) | page.values
    parts: list[str] = []
    last: Sequence[Any] = ()
    remaining, following, besides = page.limit, None, None
    for number, statement in enumerate(_page_statements(list_name, filters.form_of(where), path, page.form, chosen)):
        values |= {"remaining": remaining, "limit_plus_one": remaining + 1, "last": max(0, remaining - 1)}
        # Each statement reads a part of the page, and takes some of the values.
        (row,) = statement.rows(connection, {name: values[name] for name in statement.names})
        items, count, other, *keys = row
        if number == 0:
            besides = other
        if items:
            parts.append(items)
        if remaining and count >= remaining:
            last = keys
        if count > remaining:
            following = page.cursor(last)
            break
        remaining -= count
    return RawPage(Raw(f"[{','.join(parts)}]".encode()), following), besides


@lru_cache(STATEMENTS_MOST)
def _page_statements(
    list_name: str, where: Form, path: AccessPath, page: PageForm, fields: tuple[str, ...] | None
) -> list[Prepared]:
    """The statements that read a page, to be asked in turn until it is full: made once for all pages of a form.

    Each answers with one row (items, count, what the list has besides, values of the sort keys of the last item): the
    text of the items, how many there are with one more than was asked for. A row for each item costs more: Python's
    SQLite gives other threads their turn at every row, and PostgreSQL's driver unpacks every one.
    """
    listed = _LISTS[list_name]
    columns = {filter_.name: by_no_index(filter_.column) for filter_ in listed.filters if filter_.name in path.aside}
    members = (
        listed.members if fields is None else {name: listed.members[name] for name in listed.members if name in fields}
    )
    values = dict(filters.placeholders(where))
    if path.leading is None:
        ranges = (page.by_no_index if path.order_aside else page).ranges()
    else:
        (leading,) = (filter_ for filter_ in listed.filters if filter_.name == path.leading)
        ranges = [page.led_by(leading.column, filters.only(values.pop(path.leading)))]
    conditions = filters.clauses(values, listed.filters, columns)
    if path.by_task_slug:
        task_slugs = select(plans.task_slugs_of_flow_run().c.task_slug)
        conditions.append(any_in(_task_run.c.task_slug, task_slugs.scalar_subquery()))
    rows = listed.rows.add_columns(
        json_object(members).label("item"),
        *(order.key.column.label(f"key_{place}") for place, order in enumerate(page.orders)),
    )
    identifier = listed.members["id"] if path.sorts else None
    return [
        _one_row(
            _RangeOfRows(rows, [*conditions, *part.conditions], part.order_by, identifier),
            listed.besides,
            None if number else page.limit,
        )
        for number, part in enumerate(ranges)
    ]


class _RangeOfRows(NamedTuple):
    """A part of the rows of a list, in its order."""

    rows: Select[Any]
    conditions: list[ColumnElement[bool]]
    order_by: list[ColumnElement[Any]]
    identifier: ColumnElement[Any] | None
    """What the rows are sorted by their ids for, before their items are made: SQLite would make those of all rows."""

    def first(self, count: ColumnElement[int]) -> Select[Any]:
        """So many of them."""
        if self.identifier is None:
            return self.rows.where(*self.conditions).order_by(*self.order_by).limit(count)
        ids = select(self.identifier).where(*self.conditions).order_by(*self.order_by).limit(count)
        return self.rows.where(self.identifier.in_(ids)).order_by(*self.order_by)


def _one_row(range_: _RangeOfRows, besides: ColumnElement[Any], limit: int | None) -> Prepared:
    numbers: list[ColumnElement[int]]
    if limit is None:
        numbers = [placeholder(name, Integer()) for name in ("remaining", "limit_plus_one", "last")]
    else:  # constants, since a plan for any number would not count on a small one
        numbers = [literal_column(str(number), Integer) for number in (limit, limit + 1, limit - 1)]
    remaining, limit_plus_one, last = numbers
    page = range_.first(limit_plus_one).cte("page")
    shown = select(page.c.item).limit(remaining).subquery("shown")
    _, *keys = page.c
    return Prepared(
        select(
            select(joined(shown.c.item)).scalar_subquery(),
            select(func.count()).select_from(page).scalar_subquery(),
            besides,
            *(select(key).limit(1).offset(last).scalar_subquery() for key in keys),
        )
    )
