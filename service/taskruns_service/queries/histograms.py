"""Histograms: how many runs have a value between two bounds, by state."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Connection, Integer, case, func, literal_column, select, text

from taskruns_service import schemas
from taskruns_service.domain.states import StateType
from taskruns_service.queries import filters
from taskruns_service.queries.aggregations import Aggregation
from taskruns_service.queries.filters import FilterShape, Where
from taskruns_service.storage.dialects import MAX_STATEMENTS, Column, Prepared, by_no_sqlite_index

BOUNDS = tuple(float(f"{10 ** (exponent / 4):.3g}") for exponent in range(-12, 28))
"""Seconds: four a decade, from a millisecond to two months. The same for all, so that histograms can be compared."""


class _HistogramShape(NamedTuple):
    """Which column of which runs, without the values of the filters."""

    aggregation: Aggregation
    where: FilterShape
    column: str
    post_filters: frozenset[str]
    """The filters that no index is read for."""


def histogram(
    connection: Connection, aggregation: Aggregation, where: Where, column: str, post_filters: frozenset[str]
) -> schemas.Histogram:
    """Counts the runs that match with one statement, which reads each of them once.

    No index is read for the filters in `post_filters`.
    """
    counts: dict[StateType, list[int]] = {}
    statement = _statement(_HistogramShape(aggregation, filters.shape_of(where), column, post_filters))
    for state, place, count in statement.rows(connection, filters.bind_values(where)):
        counts.setdefault(StateType(state), [0] * (len(BOUNDS) + 1))[place] = count
    return schemas.Histogram(measure=column, bounds=list(BOUNDS), counts=dict(sorted(counts.items())))


@lru_cache(MAX_STATEMENTS)
def _statement(shape: _HistogramShape) -> Prepared:
    where, runs = filters.placeholders(shape.where), shape.aggregation.runs.c
    column = runs[shape.column]
    # The indexes of the column and of the states have nearly all runs that there are.
    rows = select(by_no_sqlite_index(runs.state), _place(column, BOUNDS, 0), func.count(literal_column("1", Integer)))
    columns = filters.without_index(shape.post_filters, shape.aggregation.filters)
    rows = rows.where(
        by_no_sqlite_index(column).is_not(None), *filters.clauses(where, shape.aggregation.filters, columns)
    )
    rows = rows.group_by(text("1"), text("2"))
    return Prepared(rows, replan=filters.has_bounds(where, shape.aggregation.filters))


def _place(column: Column, bounds: Sequence[float], first: int) -> Column:
    """How many of the bounds are at most the value, plus `first`: a binary search that both databases know as CASE."""
    if not bounds:
        return literal_column(str(first), Integer)
    middle = len(bounds) // 2
    lower = _place(column, bounds[:middle], first)
    upper = _place(column, bounds[middle + 1 :], first + middle + 1)
    return case((column < literal_column(repr(bounds[middle])), lower), else_=upper)
