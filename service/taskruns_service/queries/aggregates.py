"""Counting and measuring runs: from counts that are kept where they suffice, else from the rows."""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace
from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    SelectBase,
    and_,
    func,
    literal_column,
    null,
    select,
    text,
    union_all,
)

from taskruns_service import schemas
from taskruns_service.domain.states import GROUPS, StateType
from taskruns_service.queries import filters, plans
from taskruns_service.queries.aggregations import (
    COUNT,
    MEASURES,
    AggregateQuestion,
    Aggregation,
    GroupOrder,
    Measure,
)
from taskruns_service.queries.comparisons import compared, earlier_question
from taskruns_service.queries.filters import FilterShape, Where
from taskruns_service.queries.group_keys import Key
from taskruns_service.queries.histograms import histogram
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import (
    MAX_STATEMENTS,
    Column,
    Prepared,
    Row,
    RowSelect,
    by_no_sqlite_index,
    placeholder,
    read_twice,
    smallest_three,
)


class _AggregateShape(NamedTuple):
    """A question without the values of its filters: all questions of one shape have one statement."""

    aggregation: Aggregation
    where: FilterShape
    post_filters: frozenset[str]
    """The filters that no index is read for."""
    group_by: tuple[str, ...]
    bucket_time: str
    has_zone: bool
    measures: tuple[str, ...]
    has_samples: bool
    sort: tuple[GroupOrder, ...]
    limit: int
    count_limit: int | None


def aggregate(connection: Connection, question: AggregateQuestion) -> schemas.Aggregate:
    """Answers the question, exactly, with one statement, and one more for each of a histogram and a comparison.

    Raises InvalidRequest for a comparison with too many groups.
    """
    answer = _counted(connection, question)
    if question.histogram is not None:
        post_filters = _post_filters(connection, question)
        lengths = histogram(connection, question.aggregation, question.where, question.histogram, post_filters)
        answer = replace(answer, histogram=lengths)
    if question.compare is not None:
        earlier = _counted(connection, earlier_question(question, question.compare))
        answer = compared(question, question.compare, answer, earlier)
    return answer


def _counted(connection: Connection, question: AggregateQuestion) -> schemas.Aggregate:
    return (_of_flow_run if question.is_of_flow_run else _of_runs)(connection, question)


def _of_runs(connection: Connection, question: AggregateQuestion) -> schemas.Aggregate:
    """From the tally, or from the rows of the runs."""
    tallied = question.is_tallied
    shape = _AggregateShape(
        question.aggregation,
        filters.shape_of(question.where),
        frozenset() if tallied else _post_filters(connection, question),
        tuple(question.group_by),
        question.bucket_time,
        question.zone is not None,
        tuple(question.measured),
        question.has_samples,
        question.sort,
        question.limit,
        None if tallied else question.count_limit,
    )
    total, *rows = _statement(shape, tallied=tallied).rows(connection, question.values)
    count, measures = _count_and_measures(shape, total)
    return schemas.Aggregate(
        count=count,
        is_exact=count != shape.count_limit,
        measures=measures,
        groups=[_group(shape, question, row) for row in rows[: shape.limit]] if shape.group_by else None,
        truncated=len(rows) > shape.limit,
        histogram=None,
        previous=None,
    )


def _post_filters(connection: Connection, question: AggregateQuestion) -> frozenset[str]:
    """The filters that no index is read for."""
    aggregation = question.aggregation

    def count(where: Where) -> int:
        return _counted(connection, AggregateQuestion(aggregation=aggregation, where=where)).count

    tallied = {name: value for name, value in question.where.items() if name in aggregation.tallied}
    return plans.post_filters_of_window(connection, aggregation.filters, question.where, tallied, count)


def _group(shape: _AggregateShape, question: AggregateQuestion, row: Row) -> schemas.AggregateGroup:
    """The group of a row (keys, count, measures, samples if there are any, part)."""
    count, measures = _count_and_measures(shape, row)
    return schemas.AggregateGroup(
        key=msgspec.convert(question.key(row), schemas.GroupKey),
        count=count,
        measures=measures,
        sample_ids=msgspec.json.decode(row[-2], type=list[UUID]) if shape.has_samples else None,
        previous=None,
    )


def _count_and_measures(shape: _AggregateShape, row: Row) -> tuple[int, schemas.Measures]:
    count, *values = row[len(shape.group_by) : len(shape.group_by) + 1 + len(shape.measures)]
    return int(count or 0), schemas.Measures(**dict(zip(shape.measures, values, strict=True)))


class _Source(NamedTuple):
    """Where the answer comes from: its rows that match, what counts them, and what they are grouped by."""

    rows: RowSelect
    counted: ColumnElement[int]
    keys: Sequence[Key]


@lru_cache(MAX_STATEMENTS)
def _statement(shape: _AggregateShape, *, tallied: bool) -> Prepared:
    """The statement that answers questions of a shape: rows (keys, count, measures, part), first that of everything."""
    where = filters.placeholders(shape.where)
    return Prepared(_select(shape, where, tallied=tallied), replan=filters.has_bounds(where, shape.aggregation.filters))


def _select(shape: _AggregateShape, where: Where, *, tallied: bool) -> SelectBase:
    source = (_tally if tallied else _rows)(shape, where)
    if shape.count_limit is not None:
        limited = source.rows.add_columns(_ONE.label("one")).limit(literal_column(str(shape.count_limit))).subquery()
        return select(func.count(limited.c.one), _ONE)
    measures = [MEASURES[name] for name in shape.measures]
    if not shape.group_by:
        return source.rows.add_columns(source.counted, *_measured(measures, shape.aggregation.runs), _ONE)
    keys = [by_no_sqlite_index(key.column).label(f"key_{place}") for place, key in enumerate(source.keys)]
    # Positions, since a database would not know a key with bound values in it for the same expression again.
    by_keys = [text(str(place)) for place, _ in enumerate(keys, start=1)]
    if measures:
        # A median of all cannot be made of the medians of groups.
        runs = shape.aggregation.runs.c
        columns = {measure.column: runs[measure.column] for measure in measures}
        if shape.has_samples:
            columns["id"] = runs.id
        matching = read_twice(source.rows.add_columns(*keys, *columns.values()), "matching")
        counted = _measured(measures, matching)
        samples = [smallest_three(matching.c.id)] if shape.has_samples else []
        groups = select(*_shown(source.keys, matching), func.count(_ONE), *counted, *samples)
        groups = groups.group_by(*(matching.c[key.name] for key in keys))
        everything = select(*(null() for _ in keys), func.count(_ONE), *counted, *(null() for _ in samples))
        everything = everything.select_from(matching)
    else:
        counts_ = source.rows.add_columns(*keys, source.counted.label("count")).group_by(*by_keys)
        matching = counts_.having(source.counted != 0).cte("matching")
        groups = select(*_shown(source.keys, matching), matching.c.count)
        everything = select(*(null() for _ in keys), func.sum(matching.c.count))
    parts = union_all(groups.add_columns(_ONE), everything.add_columns(literal_column("0")))
    last = len(keys) + 2 + len(measures) + shape.has_samples
    places = {name: place for place, name in enumerate((*shape.group_by, COUNT, *shape.measures), start=1)}
    orders = [*shape.sort, *(GroupOrder(name, descending=False) for name in shape.group_by)]
    terms = (f"{places[order.name]}{' DESC' if order.descending else ''} NULLS LAST" for order in orders)
    order = [str(last), *terms]
    return parts.order_by(*map(text, order)).limit(literal_column(str(shape.limit + 2)))


def _shown(keys: Sequence[Key], matching: CTE) -> list[Column]:
    """The keys of groups as they are shown."""
    return [key.text(matching.c[f"key_{place}"]) for place, key in enumerate(keys)]


_ONE: ColumnElement[int] = literal_column("1", Integer)


def _measured(measures: Sequence[Measure], rows: FromClause) -> list[Column]:
    return [measure.function(rows.c[measure.column]) for measure in measures]


_flow, _task = tables.flow, tables.task


def _tally(shape: _AggregateShape, where: Where) -> _Source:
    """From the tally: its size is that of the flows, not of the runs."""
    aggregation, group_by = shape.aggregation, shape.group_by
    cells = aggregation.tally.cells
    columns = {name: cells.c[column] for name, column in aggregation.tallied.items()}
    source: FromClause = cells
    if "task_name" in {*where, *group_by}:
        source = source.join(_task, and_(_task.c.flow_id == cells.c.flow_id, _task.c.slug == cells.c.task_slug))
        columns["task_name"] = _task.c.name
    rows = select().where(*filters.clauses(where, aggregation.filters, columns))
    if "flow_name" in group_by:
        source = source.join(_flow, _flow.c.id == cells.c.flow_id)
        columns["flow_name"] = _flow.c.name
    return _Source(rows.select_from(source), func.sum(cells.c.count), [Key(columns[name]) for name in group_by])


def _rows(shape: _AggregateShape, where: Where) -> _Source:
    """From the runs themselves, through an index where a filter has one."""
    aggregation, group_by = shape.aggregation, shape.group_by
    source: FromClause = aggregation.runs
    for name, join in aggregation.joins.items():
        if name in group_by:
            source = source.join(join.table, join.condition, isouter=join.is_outer)
    keys = aggregation.keys_by(shape.bucket_time, has_zone=shape.has_zone)
    columns = filters.without_index(shape.post_filters, aggregation.filters)
    rows = select().select_from(source).where(*filters.clauses(where, aggregation.filters, columns))
    return _Source(rows, func.count(_ONE), [keys[name] for name in group_by])


_state_counts = Prepared(select(tables.flow_run.c.state_counts).where(tables.flow_run.c.id == placeholder("id")))


def _of_flow_run(connection: Connection, question: AggregateQuestion) -> schemas.Aggregate:
    """From the counts that a flow run's own row has."""
    (flow_run_id,) = question.where["flow_run_id"]
    row = _state_counts.first(connection, {"id": flow_run_id})
    counts = row[0] if row else {}
    chosen = {
        state: count for state, count in sorted(counts.items()) if count and _wanted(StateType(state), question.where)
    }
    keys = {(state if "state" in question.group_by else None): 0 for state in chosen}
    for state, count in chosen.items():
        keys[state if "state" in question.group_by else None] += count
    groups = [
        schemas.AggregateGroup(
            key=msgspec.convert(
                {name: {"state": state, "flow_run_id": flow_run_id}[name] for name in question.group_by},
                schemas.GroupKey,
            ),
            count=count,
            measures=schemas.Measures(),
            sample_ids=None,
            previous=None,
        )
        for state, count in keys.items()
    ]
    for order in reversed(question.sort):
        groups.sort(key=partial(_sort_value, order.name), reverse=order.descending)
    return schemas.Aggregate(
        count=sum(chosen.values()),
        is_exact=True,
        measures=schemas.Measures(),
        groups=groups[: question.limit] if question.group_by else None,
        truncated=bool(question.group_by) and len(groups) > question.limit,
        histogram=None,
        previous=None,
    )


def _sort_value(name: str, group: schemas.AggregateGroup) -> int | str:
    return group.count if name == COUNT else str(getattr(group.key, name))


def _wanted(state: StateType, where: Where) -> bool:
    return (
        state in where.get("state", StateType)
        and state not in where.get("state_not", ())
        and any(state in GROUPS[group] for group in where.get("state_group", GROUPS))
    )
