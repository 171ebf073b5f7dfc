"""Counting and measuring task runs: from counts that are kept where they suffice, else from the rows."""

from collections.abc import Callable, Container, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    SelectBase,
    and_,
    case,
    func,
    literal_column,
    null,
    select,
    text,
    union_all,
)

from taskruns_service import schemas
from taskruns_service.domain.errors import Fault, InvalidRequest
from taskruns_service.domain.states import GROUPS, StateType
from taskruns_service.queries import filters
from taskruns_service.queries.filters import FilterShape, Where
from taskruns_service.queries.plans import NARROW
from taskruns_service.storage import tables, tally
from taskruns_service.storage.dialects import (
    MAX_STATEMENTS,
    Column,
    Prepared,
    RowSelect,
    day_of,
    day_text,
    hour_of,
    hour_text,
    percentile,
    placeholder,
    read_twice,
)

DEFAULT_GROUPS = 1000
MAX_GROUPS = 10_000
MAX_GROUP_BY = 3

_task_run, _flow = tables.task_run, tables.flow
_parent = tables.task_run.alias("parent")


_STATISTICS: dict[str, Callable[[ColumnElement[float]], Column]] = {
    "sum": func.sum,
    "avg": func.avg,
    "min": func.min,
    "max": func.max,
    "p50": partial(percentile, 0.5),
    "p95": partial(percentile, 0.95),
    "p99": partial(percentile, 0.99),
}


class Measure(NamedTuple):
    """A number or a moment of many task runs: what is made of which of their columns."""

    column: str
    function: Callable[[Column], Column]


MEASURES: dict[str, Measure] = {
    f"{statistic}_{name}": Measure(name, function)
    for name in ("duration", "queue_time")
    for statistic, function in _STATISTICS.items()
} | {"first_start_time": Measure("start_time", func.min), "last_end_time": Measure("end_time", func.max)}

GROUP_BY: dict[str, Column] = {
    "state": _task_run.c.state,
    "task_slug": _task_run.c.task_slug,
    "flow_run_id": _task_run.c.flow_run_id,
    "flow_name": _flow.c.name,
    "mapped_parent_id": case((_task_run.c.map_index >= 0, _parent.c.id), else_=null()),
    "hour": hour_of(_task_run.c.start_time),
    "day": day_of(_task_run.c.start_time),
}

_TEXTS: dict[str, Callable[[Column], Column]] = {"hour": hour_text, "day": day_text}
"""What people read of the keys that are grouped by another value."""


class AggregateQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be counted, and how."""

    where: Where
    group_by: Sequence[str] = ()
    measures: Sequence[str] = ()
    limit: int = DEFAULT_GROUPS
    count_limit: int | None = None

    def __post_init__(self) -> None:
        if self.count_limit is not None and (self.group_by or self.measures):
            raise InvalidRequest(
                faults=(
                    Fault(
                        parameter="count_limit", detail="It applies only to a count without `group_by` and `measure`."
                    ),
                )
            )


class _AggregateShape(NamedTuple):
    """A question without the values of its filters: all questions of one shape have one statement."""

    where: FilterShape
    group_by: tuple[str, ...]
    measures: tuple[str, ...]
    limit: int
    count_limit: int | None


def aggregate(connection: Connection, question: AggregateQuestion) -> schemas.Aggregate:
    """Answers the question, exactly, with one statement."""
    if _is_of_flow_run(question):
        return _of_flow_run(connection, question)
    tallied = _is_tallied(question)
    shape = _AggregateShape(
        filters.shape_of(question.where),
        tuple(question.group_by),
        tuple(question.measures),
        question.limit,
        None if tallied else question.count_limit,
    )
    total, *rows = _statement(shape, tallied=tallied).rows(connection, filters.bind_values(question.where))
    keys = len(shape.group_by)
    groups = [
        schemas.AggregateGroup(
            key=msgspec.convert(dict(zip(shape.group_by, row, strict=False)), schemas.GroupKey),
            count=int(row[keys]),
            measures=_measures(question, row[keys + 1 : -1]),
        )
        for row in rows[: shape.limit]
    ]
    count = int(total[keys] or 0)
    return schemas.Aggregate(
        count=count,
        is_exact=count != shape.count_limit,
        measures=_measures(question, total[keys + 1 : -1]),
        groups=groups if shape.group_by else None,
        truncated=len(rows) > shape.limit,
    )


def may_scan(question: AggregateQuestion) -> bool:
    """Whether neither counts that are kept nor few task runs answer the question."""
    if _is_tallied(question) or _is_of_flow_run(question):
        return False
    return question.where.keys().isdisjoint(NARROW)


def _is_of_flow_run(question: AggregateQuestion) -> bool:
    names = {*question.where, *question.group_by}
    return not question.measures and names <= _FLOW_RUN_COVERS and len(question.where.get("flow_run_id", ())) == 1


def _is_tallied(question: AggregateQuestion) -> bool:
    return not question.measures and {*question.where, *question.group_by} <= _TALLY_COVERS


def _measures(question: AggregateQuestion, values: Sequence[Any]) -> schemas.Measures:
    return schemas.Measures(**dict(zip(question.measures, values, strict=True)))


class _Source(NamedTuple):
    """Where the answer comes from: its rows that match, what counts them, and what they may be grouped by."""

    rows: RowSelect
    counted: ColumnElement[int]
    group_by: Mapping[str, Column]


@lru_cache(MAX_STATEMENTS)
def _statement(shape: _AggregateShape, *, tallied: bool) -> Prepared:
    """The statement that answers questions of a shape: rows (keys, count, measures, part), first that of everything."""
    where = filters.placeholders(shape.where)
    return Prepared(_select(shape, where, tallied=tallied), replan=filters.has_bounds(where, filters.TASK_RUN_FILTERS))


def _select(shape: _AggregateShape, where: Where, *, tallied: bool) -> SelectBase:
    source = _tally(where, shape.group_by) if tallied else _rows(where, shape.group_by)
    if shape.count_limit is not None:
        limited = source.rows.add_columns(_ONE.label("one")).limit(literal_column(str(shape.count_limit))).subquery()
        return select(func.count(limited.c.one), _ONE)
    measures = [MEASURES[name] for name in shape.measures]
    if not shape.group_by:
        return source.rows.add_columns(source.counted, *_measured(measures, _task_run), _ONE)
    keys = [source.group_by[name].label(f"key_{place}") for place, name in enumerate(shape.group_by)]
    # Positions, since a database would not know a key with bound values in it for the same expression again.
    by_keys = [text(str(place)) for place, _ in enumerate(keys, start=1)]
    if measures:
        # A median of all cannot be made of the medians of groups.
        columns = {measure.column: _task_run.c[measure.column] for measure in measures}
        matching = read_twice(source.rows.add_columns(*keys, *columns.values()), "matching")
        counted = _measured(measures, matching)
        groups = select(*_shown(shape.group_by, matching), func.count(_ONE), *counted)
        groups = groups.group_by(*(matching.c[key.name] for key in keys))
        everything = select(*(null() for _ in keys), func.count(_ONE), *counted).select_from(matching)
    else:
        counts_ = source.rows.add_columns(*keys, source.counted.label("count")).group_by(*by_keys)
        matching = counts_.having(source.counted != 0).cte("matching")
        groups = select(*_shown(shape.group_by, matching), matching.c.count)
        everything = select(*(null() for _ in keys), func.sum(matching.c.count))
    parts = union_all(groups.add_columns(_ONE), everything.add_columns(literal_column("0")))
    last = len(keys) + 2 + len(measures)
    order = [str(last), *(f"{place} NULLS LAST" for place, _ in enumerate(keys, start=1))]
    return parts.order_by(*map(text, order)).limit(literal_column(str(shape.limit + 2)))


def _shown(names: Sequence[str], matching: CTE) -> list[Column]:
    """The keys of groups as they are shown."""
    keys = [matching.c[f"key_{place}"] for place, _ in enumerate(names)]
    return [_TEXTS[name](key) if name in _TEXTS else key for name, key in zip(names, keys, strict=True)]


_ONE: ColumnElement[int] = literal_column("1", Integer)


def _measured(measures: Sequence[Measure], rows: FromClause) -> list[Column]:
    return [measure.function(rows.c[measure.column]) for measure in measures]


_STATE_FILTERS = ("state", "state_not", "state_group")
_FLOW_RUN_COVERS = {*_STATE_FILTERS, "flow_run_id"}


_cell = tally.cells.c
_TALLY_COLUMNS: dict[str, Column] = {
    **dict.fromkeys(_STATE_FILTERS, _cell.state),
    **dict.fromkeys(("task_slug", "task_slug_prefix"), _cell.task_slug),
    "flow_name": _cell.flow_id,
}
_TALLY_COUNT = func.sum(_cell.count)
_TALLY_GROUPS = {"state": _cell.state, "task_slug": _cell.task_slug, "flow_name": _flow.c.name}
_TALLY_COVERS = _TALLY_COLUMNS.keys()


def _tally(where: Where, group_by: Container[str]) -> _Source:
    """From the tally: its size is that of the flows, not of the runs."""
    rows = select().where(*filters.clauses(where, filters.TASK_RUN_FILTERS, _TALLY_COLUMNS))
    if "flow_name" in group_by:
        rows = rows.select_from(tally.cells.join(_flow, _flow.c.id == _cell.flow_id))
    return _Source(rows, _TALLY_COUNT, _TALLY_GROUPS)


def _rows(where: Where, group_by: Container[str]) -> _Source:
    """From the task runs themselves, through an index where a filter has one."""
    source: FromClause = _task_run
    if "flow_name" in group_by:
        source = source.join(_flow, _flow.c.id == _task_run.c.flow_id)
    if "mapped_parent_id" in group_by:
        natural_key = and_(
            _parent.c.flow_run_id == _task_run.c.flow_run_id,
            _parent.c.task_slug == _task_run.c.task_slug,
            _parent.c.map_index == -1,
        )
        source = source.outerjoin(_parent, natural_key)
    rows = select().select_from(source).where(*filters.clauses(where, filters.TASK_RUN_FILTERS))
    return _Source(rows, func.count(_ONE), GROUP_BY)


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
        )
        for state, count in keys.items()
    ]
    return schemas.Aggregate(
        count=sum(chosen.values()),
        is_exact=True,
        measures=schemas.Measures(),
        groups=groups[: question.limit] if question.group_by else None,
        truncated=bool(question.group_by) and len(groups) > question.limit,
    )


def _wanted(state: StateType, where: Where) -> bool:
    return (
        state in where.get("state", StateType)
        and state not in where.get("state_not", ())
        and any(state in GROUPS[group] for group in where.get("state_group", GROUPS))
    )
