"""Access paths: what a planner has to be told, so that a page reads about as many rows as it shows."""

from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Integer, func, literal_column, select

from taskruns_service import filters, tables
from taskruns_service.dialects import STATEMENTS_MOST, Prepared, any_of, list_of, placeholder, traits
from taskruns_service.filters import OPERATORS, Column, Filter, FlowIds, Form, Where
from taskruns_service.paging import Order

FEW = 1500
"""So many rows are sooner read and sorted than found one by one in the order of the sort."""

_NARROW = ("task_run_id", "flow_run_id")
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


def set_aside(connection: Connection, table_filters: tuple[Filter, ...], where: Where, first: Order) -> frozenset[str]:
    """The filters that are to be tried on rows that were found otherwise: by another filter, or in the sort's order.

    PostgreSQL's statistics decide that well. SQLite takes any index that serves a filter, though all rows may meet it;
    so few rows are found by their filter, and many in the order of the sort, which ends at the end of the page.
    """
    if traits(connection).knows_values:
        return frozenset()
    names = frozenset(where)
    if narrow := next((name for name in _NARROW if name in names), None):
        return names - {narrow}
    indexed = [name for name in _INDEXED if name in names]
    in_order = [name for name in indexed if name in _IN_ORDER and first.name == "created" and len(where[name]) == 1]
    if indexed == in_order and len(indexed) < 2:  # the index of the one has the page, or there is no choice
        return frozenset()
    for one in table_filters:
        if one.name in indexed and _is_met_by_few(connection, one, where[one.name]):
            return names - {one.name}
    return frozenset(indexed) - frozenset(in_order[:1])


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
