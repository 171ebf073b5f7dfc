"""Access paths: what a planner has to be told, so that a page reads about as many rows as it shows."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Integer, func, literal_column, select

from taskruns_service import filters, tables
from taskruns_service.dialects import STATEMENTS_MOST, Prepared, any_of, list_of, placeholder, traits
from taskruns_service.filters import BOUNDS, OPERATORS, Column, Filter, FlowIds, Form, Where
from taskruns_service.paging import Order

FEW = 1500
"""So many rows are sooner read and sorted than found one by one in the order of the sort."""

NARROW = ("task_run_id", "flow_run_id")
"""Filters that leave few rows, whatever their value."""
_INDEXED = ("state", "state_group", "task_slug", "task_slug_prefix", "flow_name")
"""Filters that an index serves, and that may leave few rows or many."""
_IN_ORDER = ("state", "task_slug", "flow_name")
"""Those of them whose index has the rows with one value in the order in which they were made."""

_ONE = literal_column("1", Integer)
_flows_named = Prepared(select(tables.flow.c.id).where(any_of(tables.flow.c.name, placeholder("names", list_of(str)))))


def name_flows(connection: Connection, where: Where) -> Where:
    """The same filters, with the ids of flows for their names.

    How many rows a flow has differs by orders of magnitude, and planners know it for an id only: of a name that is
    looked up in the same statement they expect the average, and would search everything for one that nobody has.
    """
    if "flow_name" not in where:
        return where
    rows = _flows_named.rows(connection, {"names": where["flow_name"]})
    return {**where, "flow_name": FlowIds(sorted(row[0] for row in rows))}


def may_scan(where: Where, orders: Sequence[Order]) -> bool:
    """Whether no index leads to the rows of a page, so that all of a table may be read for it."""
    if not where.keys().isdisjoint(NARROW):
        return False
    sorted_by = orders[0].key.column.name
    bounds = {f"{sorted_by}_{operator}" for operator in BOUNDS}
    return not where.keys() <= bounds.union(_INDEXED)


class AccessPath(NamedTuple):
    """What is said of the filters of a question, so that the planner finds the rows of a page as it should."""

    leading: str | None = None
    """The filter whose index has the page."""
    aside: frozenset[str] = frozenset()
    """The filters that are tried on rows that were found otherwise: by another filter, or in the order of the sort."""


def access_path(
    connection: Connection, table_filters: tuple[Filter, ...], where: Where, orders: Sequence[Order]
) -> AccessPath:
    """How the rows of a page in these orders are to be found.

    An index that has the rows with one value in the order of the sort has the page. PostgreSQL would rather walk the
    whole table in that order and try each row, if many have the value, though the newest may all have another one. What
    else there is to decide, its statistics decide well.

    SQLite takes any index that serves a filter, though all rows may meet it; so few rows are found by their filter, and
    many in the order of the sort, which ends at the end of the page.
    """
    names = frozenset(where)
    indexed = [name for name in _INDEXED if name in names]
    narrow = next((name for name in NARROW if name in names), None)
    plain = {order.name for order in orders} <= {"created", "id"}
    in_order = [name for name in indexed if name in _IN_ORDER and plain and len(where[name]) == 1]
    knows_values = traits(connection).knows_values
    if narrow is None and len(indexed) == 1 and in_order:
        return AccessPath(leading=in_order[0] if knows_values else None)
    if knows_values:
        return AccessPath()
    if narrow is not None:
        return AccessPath(aside=names - {narrow})
    for one in table_filters:
        if one.name in indexed and _is_met_by_few(connection, one, where[one.name]):
            return AccessPath(aside=names - {one.name})
    return AccessPath(aside=frozenset(indexed) - frozenset(in_order[:1]))


def _is_met_by_few(connection: Connection, one: Filter, value: Any) -> bool:
    asked = {one.name: value}
    ((count,),) = _count(one.column, one.operator, filters.form_of(asked)).rows(connection, filters.values_of(asked))
    return bool(count <= FEW)


@lru_cache(STATEMENTS_MOST)
def _count(column: Column, operator: str, form: Form) -> Prepared:
    """Counts the rows that meet a filter, as far as it takes to tell whether they are few."""
    (value,) = filters.placeholders(form).values()
    met = select(_ONE).where(OPERATORS[operator].clause(column, value)).limit(literal_column(str(FEW + 1)))
    return Prepared(select(func.count()).select_from(met.subquery()))
