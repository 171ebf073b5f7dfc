"""Reading a page of a list: the statements that it takes, and what they answer."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
from msgspec import Raw
from sqlalchemy import Connection, Integer, func, literal_column, select, type_coerce

from taskruns_service.queries import filters, plans
from taskruns_service.queries.filters import FilterShape
from taskruns_service.queries.listings import Listing, ListQuery
from taskruns_service.queries.members import Condition
from taskruns_service.queries.operators import single_value
from taskruns_service.queries.paging import PageShape
from taskruns_service.queries.plans import AccessPath
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import (
    MAX_STATEMENTS,
    Column,
    Prepared,
    RowSelect,
    any_in,
    joined,
    json_object,
    placeholder,
)


class RawPage(msgspec.Struct, frozen=True):
    """A page whose items are a JSON list already."""

    items: Raw
    next_cursor: str | None


def read_page(connection: Connection, query: ListQuery) -> RawPage:
    """The page of a list that a query asks for."""
    return read_page_and_extra(connection, query)[0]


def read_page_and_extra(connection: Connection, query: ListQuery) -> tuple[RawPage, object]:
    """A page, and the value of the list's `extra_column`."""
    listing, where, page, fields = query
    where = plans.name_map_index(plans.name_flows(connection, where))
    path = plans.access_path(connection, listing.filters, where, page.orders)
    values = filters.bind_values(where) | page.values
    parts: list[str] = []
    last_keys: Sequence[object] = ()
    remaining, next_cursor, extra = page.limit, None, None
    for number, statement in enumerate(_page_statements(listing, filters.shape_of(where), path, page.shape, fields)):
        values |= {"remaining": remaining, "limit_plus_one": remaining + 1, "last_index": max(0, remaining - 1)}
        # Each statement reads a part of the page, and takes some of the values.
        (row,) = statement.rows(connection, {name: values[name] for name in statement.names})
        items, count, extra_value, *keys = row
        if number == 0:
            extra = extra_value
        if items:
            parts.append(items)
        if remaining and count >= remaining:
            last_keys = keys
        if count > remaining:
            next_cursor = page.cursor(last_keys)
            break
        remaining -= count
    return RawPage(Raw(f"[{','.join(parts)}]".encode()), next_cursor), extra


@lru_cache(MAX_STATEMENTS)
def _page_statements(
    listing: Listing, where: FilterShape, path: AccessPath, page: PageShape, fields: tuple[str, ...] | None
) -> list[Prepared]:
    """The statements that read a page, to be asked in turn until it is full: made once for all pages of a shape.

    Each answers with one row (items, count, the extra column of the list, values of the sort keys of the last item):
    the text of the items, how many there are with one more than was asked for. A row for each item costs more:
    Python's SQLite gives other threads their turn at every row, and PostgreSQL's driver unpacks every one.
    """
    columns = filters.without_index(path.post_filters, listing.filters)
    members = listing.members
    if fields is not None:
        members = {name: members[name] for name in members if name in fields}
    values = dict(filters.placeholders(where))
    if path.index_filter is None:
        ranges = (page.by_no_index if path.ignores_order_index else page).ranges()
    else:
        (leading,) = (filter_ for filter_ in listing.filters if filter_.name == path.index_filter)
        value = single_value(values.pop(path.index_filter))
        if path.has_one_plan:
            value = select(type_coerce(value, leading.column.type)).scalar_subquery()
        ranges = [page.range_led_by(leading.column, value)]
    conditions = filters.clauses(values, listing.filters, columns)
    if path.by_task_slug:
        task_slugs = select(plans.task_slugs_of_flow_run().c.task_slug)
        conditions.append(any_in(tables.task_run.c.task_slug, task_slugs.scalar_subquery()))
    rows = listing.rows.add_columns(
        json_object(members).label("item"),
        *(order.key.column.label(f"key_{place}") for place, order in enumerate(page.orders)),
    )
    identifier = listing.identifier if path.sorts else None
    return [
        _one_row(
            _RangeOfRows(rows, [*conditions, *part.conditions], part.order_by, identifier),
            listing.extra_column,
            None if number else page.limit,
        )
        for number, part in enumerate(ranges)
    ]


class _RangeOfRows(NamedTuple):
    """A part of the rows of a list, in its order."""

    rows: RowSelect
    conditions: list[Condition]
    order_by: list[Column]
    identifier: Column | None
    """What the rows are sorted by their ids for, before their items are made: SQLite would make those of all rows."""

    def first(self, count: Column) -> RowSelect:
        """So many of them."""
        if self.identifier is None:
            return self.rows.where(*self.conditions).order_by(*self.order_by).limit(count)
        ids = select(self.identifier).where(*self.conditions).order_by(*self.order_by).limit(count)
        return self.rows.where(self.identifier.in_(ids)).order_by(*self.order_by)


def _one_row(range_: _RangeOfRows, extra_column: Column, limit: int | None) -> Prepared:
    """The statement of a range; `limit` is None where it depends on the ranges before."""
    numbers: list[Column]
    if limit is None:
        numbers = [placeholder(name, Integer()) for name in ("remaining", "limit_plus_one", "last_index")]
    else:  # constants, since a plan for any number would not count on a small one
        numbers = [literal_column(str(number), Integer) for number in (limit, limit + 1, limit - 1)]
    remaining, limit_plus_one, last_index = numbers
    page = range_.first(limit_plus_one).cte("page")
    shown = select(page.c.item).limit(remaining).subquery("shown")
    _, *keys = page.c
    return Prepared(
        select(
            select(joined(shown.c.item)).scalar_subquery(),
            select(func.count()).select_from(page).scalar_subquery(),
            extra_column,
            *(select(key).limit(1).offset(last_index).scalar_subquery() for key in keys),
        )
    )
