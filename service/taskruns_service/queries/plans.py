"""Access paths: what a planner has to be told, so that a page reads about as many rows as it shows.

Why: docs/decisions/0016-access-paths-of-pages.md.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import CTE, Connection, Integer, func, literal_column, select

from taskruns_service.queries import filters
from taskruns_service.queries.filters import (
    BOUNDS,
    FLOW_RUN_LOG_FILTERS,
    TASK_RUN_FILTERS,
    TASK_RUN_LOG_FILTERS,
    Filter,
    FilterShape,
    Where,
)
from taskruns_service.queries.operators import OPERATORS, FlowIds
from taskruns_service.queries.paging import DEFAULT_LIMIT, SECONDS, Order
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import (
    MAX_STATEMENTS,
    Column,
    Prepared,
    RowSelect,
    any_of,
    capabilities,
    list_of,
    placeholder,
)

FEW = 1500
"""Up to this many matches, fetching and sorting all of them beats walking the sort's index."""
SMALL_PART = 16
"""A window of time is read by its index if it has at most a 16th of the runs that other filters leave."""
FEW_TASK_SLUGS = 500
"""Up to this many task slugs, one look-up for each beats a scan of a large flow run's task runs for a map index."""

PARENT = -1
"""The map index of a task run that is not a mapped child."""

NARROW = ("task_run_id", "flow_run_id", "parent_task_run_id", "parent_flow_run_id")
"""Filters that leave few rows, whatever their value."""
_ID_PREFIXES = ("task_run_id_prefix", "flow_run_id_prefix")
_INDEXED = (*_ID_PREFIXES, "state", "state_group", "task_slug", "task_slug_prefix", "task_name", "flow_name")
"""Filters that an index serves, and that may leave few rows or many."""
_IN_ORDER = ("state", "task_slug", "task_name", "flow_name")
"""Those of them whose index has the rows with one value in the order in which they were made."""

_BOUNDS_OF_SECONDS = frozenset(f"{name}_{operator}" for name in SECONDS for operator in BOUNDS)
"""Filters by how long runs took or waited: their indexes are for sorts, and serve them with the same sort only."""

_WITHIN_FLOW_RUN: tuple[frozenset[str], ...] = (
    frozenset({"task_slug", "task_slug_prefix"}),
    frozenset({"after_sequence"}),
)
"""The same of the task runs of one flow run, by index: the natural key, and the sequence."""
_ORDERS_WITHIN_FLOW_RUN: dict[tuple[str, ...], frozenset[str]] = {
    ("created",): frozenset(),
    ("sequence", "id"): frozenset({"after_sequence"}),
    ("task_slug", "map_index", "id"): frozenset({"task_slug", "task_slug_prefix"}),
}
"""The orders in which an index has the task runs of one flow run, with the filters that the same index serves."""

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


def name_map_index(where: Where) -> Where:
    """The same filters, with the map index that the parent of a map has: the natural key leads to it."""
    if not where.get("is_mapped_parent") or "map_index" in where:
        return where
    return {**where, "map_index": [PARENT]}


def may_scan(where: Where, orders: Sequence[Order]) -> bool:
    """Whether no index leads to the rows of a page, so that all of a table may be read for it."""
    if not where.keys().isdisjoint(NARROW):
        return False
    sorted_by = orders[0].key.column.name
    bounds = {f"{sorted_by}_{operator}" for operator in BOUNDS}
    return not where.keys() <= bounds.union(_INDEXED)


class AccessPath(NamedTuple):
    """What is said of the filters of a question, so that the planner finds the rows of a page as it should."""

    index_filter: str | None = None
    """The filter whose index has the page."""
    has_one_plan: bool = False
    """Whether PostgreSQL is not shown the value of that filter, so that it plans the statement once for all values."""
    post_filters: frozenset[str] = frozenset()
    """The filters that are tried on rows that were found otherwise: by another filter, or in the order of the sort."""
    sorts: bool = False
    """Whether more rows than a page has are sorted for it, so that their items are to be made afterwards."""
    ignores_order_index: bool = False
    """Whether no index is read for its order, since a filter leaves few rows, which are sorted."""
    by_task_slug: bool = False
    """Whether the rows are looked for under each task slug of the flow run."""


def access_path(
    connection: Connection, table_filters: tuple[Filter, ...], where: Where, orders: Sequence[Order]
) -> AccessPath:
    """How the rows of a page in these orders are to be found.

    An index that has the rows with one value in the order of the sort has the page. PostgreSQL would rather walk the
    whole table in that order and try each row, if many have the value, though the newest may all have another one; and
    the same within a flow run, for a map index. What else there is to decide, its statistics decide well.

    SQLite takes any index that serves a filter, though all rows may meet it; so few rows are found by their filter, and
    many in the order of the sort, which ends at the end of the page.
    """
    if table_filters is TASK_RUN_FILTERS and len(where.get("flow_run_id", ())) == 1:
        return _path_within_flow_run(connection, where, orders)
    if table_filters is TASK_RUN_LOG_FILTERS or table_filters is FLOW_RUN_LOG_FILTERS:
        # One index has the lines of the run in their order, and begins at the time that bounds them.
        return AccessPath()
    names, sort = frozenset(where), orders[0].name
    indexed = [name for name in _INDEXED if name in names]
    narrow = next((name for name in NARROW if name in names), None)
    plain = _has_plain_order(orders)
    in_order = [name for name in indexed if name in _IN_ORDER and plain and len(where[name]) == 1]
    has_value_statistics = capabilities(connection).has_value_statistics
    if narrow is None and len(indexed) == 1 and in_order:
        return AccessPath(index_filter=in_order[0] if has_value_statistics else None)
    if has_value_statistics:
        return AccessPath(ignores_order_index=narrow is not None and sort in SECONDS)
    if narrow is not None:
        return AccessPath(post_filters=names - {narrow}, ignores_order_index=sort in SECONDS)
    for filter_ in table_filters:
        if (
            filter_.name in indexed
            and _count_met(connection, table_filters, {filter_.name: where[filter_.name]}) <= FEW
        ):
            return AccessPath(post_filters=names - {filter_.name})
    # The order in which task runs were made is that of their ids.
    ordered = ["task_run_id_prefix"] if plain and "task_run_id_prefix" in names else in_order[:1]
    others = {name for name in names & _BOUNDS_OF_SECONDS if not name.startswith(sort)}
    return AccessPath(post_filters=(frozenset(indexed) | others) - frozenset(ordered))


def _has_plain_order(orders: Sequence[Order]) -> bool:
    """Whether an order is that in which runs were made, or its reverse."""
    return {order.name for order in orders} <= {"created", "id"} and len({order.descending for order in orders}) == 1


def _path_within_flow_run(connection: Connection, where: Where, orders: Sequence[Order]) -> AccessPath:
    """The access path of task runs of one flow run, most of which may be the children of one map.

    No index begins with the map index, but the natural key has it under each task slug.
    """
    others = frozenset(where) - {"flow_run_id"}
    is_by_key = {"task_slug", "map_index"} <= others
    if is_by_key or ("map_index" in others and _has_few_task_slugs(connection, where)):
        post_filters = others - {"task_slug", "map_index"}
        return AccessPath(
            post_filters=post_filters, sorts=not is_by_key, ignores_order_index=True, by_task_slug=not is_by_key
        )
    # The longest of all runs may be those of other flow runs.
    ignores_order_index = orders[0].name in SECONDS
    if capabilities(connection).has_value_statistics:
        if not others and _has_plain_order(orders):
            return AccessPath(index_filter="flow_run_id", has_one_plan=True)
        return AccessPath(ignores_order_index=ignores_order_index)
    in_order = _filters_in_order(where, orders)
    if in_order and in_order & others:
        return AccessPath(post_filters=others - in_order)
    for names in _WITHIN_FLOW_RUN:
        if names & others:
            indexed = {name: where[name] for name in ("flow_run_id", *names) if name in where}
            count = _count_met(connection, TASK_RUN_FILTERS, indexed)
            if count <= FEW:
                return AccessPath(post_filters=others - names, sorts=count > DEFAULT_LIMIT, ignores_order_index=True)
    return AccessPath(post_filters=others, sorts=in_order is None, ignores_order_index=ignores_order_index)


def _filters_in_order(where: Where, orders: Sequence[Order]) -> frozenset[str] | None:
    """The filters within a flow run that the index with these orders serves; None if there is no such index."""
    if len({order.descending for order in orders}) > 1:
        return None
    names = tuple(order.name for order in orders)
    has_one_slug = len(where.get("task_slug", ())) == 1
    if names == ("map_index", "id") and has_one_slug:
        return frozenset({"task_slug"})
    served = _ORDERS_WITHIN_FLOW_RUN.get(names)
    # Rows of several slugs would be found slug by slug, in the order in which these were sent.
    return served if served is None or has_one_slug else served - {"task_slug"}


def post_filters_of_window(
    connection: Connection,
    table_filters: tuple[Filter, ...],
    where: Where,
    tallied: Where,
    count: Callable[[Where], int],
) -> frozenset[str]:
    """The filters that are tried on the runs of a window of time, since that leaves far fewer than they do.

    `count` tells how many runs meet the filters that are `tallied`. SQLite takes an index that has one value before one
    that has a range, however short that is: for the failures of an hour it would read those of all times.
    """
    if not tallied or not where.keys().isdisjoint(NARROW) or capabilities(connection).has_value_statistics:
        return frozenset()
    for column in ("start_time", "end_time"):
        bounds = {name: where[name] for operator in BOUNDS if (name := f"{column}_{operator}") in where}
        if bounds:
            has_more = _has_more_than(count(tallied) // SMALL_PART, connection, table_filters, bounds)
            return frozenset() if has_more else frozenset(tallied)
    return frozenset()


def _count_met(connection: Connection, table_filters: tuple[Filter, ...], where: Where) -> int:
    """How many rows meet all filters; `FEW + 1` where these are more than few."""
    ((count,),) = _count(_terms(table_filters, where), filters.shape_of(where)).rows(
        connection, filters.bind_values(where)
    )
    return int(count)


def _has_more_than(count: int, connection: Connection, table_filters: tuple[Filter, ...], where: Where) -> bool:
    """Whether more rows meet all filters; that many are read for it."""
    values = {**filters.bind_values(where), "count": count}
    return bool(_one_more(_terms(table_filters, where), filters.shape_of(where)).rows(connection, values))


_Terms = tuple[tuple[str, Column, str], ...]
"""Filters, each with its name, its column and its operator."""


def _terms(table_filters: tuple[Filter, ...], where: Where) -> _Terms:
    return tuple((filter_.name, filter_.column, filter_.operator) for filter_ in table_filters if filter_.name in where)


@lru_cache(MAX_STATEMENTS)
def _count(terms: _Terms, shape: FilterShape) -> Prepared:
    """Counts the rows that meet filters, as far as it takes to tell whether they are few."""
    met = _met(terms, shape)
    return Prepared(select(func.count()).select_from(met.limit(literal_column(str(FEW + 1))).subquery()))


@lru_cache(MAX_STATEMENTS)
def _one_more(terms: _Terms, shape: FilterShape) -> Prepared:
    """Gives a row where more rows than `count` meet filters."""
    return Prepared(_met(terms, shape).limit(_ONE).offset(placeholder("count", Integer())))


def _met(terms: _Terms, shape: FilterShape) -> RowSelect:
    values = filters.placeholders(shape)
    return select(_ONE).where(*(OPERATORS[operator].clause(column, values[name]) for name, column, operator in terms))


def task_slugs_of_flow_run() -> CTE:
    """The task slugs of the flow run `flow_run_id`, and null: each is looked up behind the one before it.

    To read all entries of the index for them would take as long as the flow run is large.
    """
    task_run = tables.task_run.alias("slug_of")
    column = task_run.c.task_slug
    ordered = select(column).where(task_run.c.flow_run_id == placeholder("flow_run_id")).order_by(column).limit(_ONE)
    slugs = select(ordered.scalar_subquery().label(column.name)).cte("task_slugs", recursive=True)
    following = ordered.where(column > slugs.c.task_slug).correlate(slugs).scalar_subquery()
    return slugs.union_all(select(following).where(slugs.c.task_slug.is_not(None)))


def _has_few_task_slugs(connection: Connection, where: Where) -> bool:
    (flow_run_id,) = where["flow_run_id"]
    ((count,),) = _count_task_slugs.rows(connection, {"flow_run_id": flow_run_id})
    return bool(count <= FEW_TASK_SLUGS)


_some_task_slugs = select(task_slugs_of_flow_run().c.task_slug).limit(literal_column(str(FEW_TASK_SLUGS + 1)))
_count_task_slugs = Prepared(select(func.count()).select_from(_some_task_slugs.subquery()))
