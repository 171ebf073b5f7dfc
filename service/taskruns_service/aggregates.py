"""Counting and measuring task runs: from counts that are kept where they suffice, else from the rows."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, literal, null, select, text

from taskruns_service import counts, filters, models, tables
from taskruns_service.dialects import day_of, hour_of, percentile
from taskruns_service.errors import Fault, InvalidRequest
from taskruns_service.filters import Where
from taskruns_service.states import GROUPS, StateType

GROUPS_LIMIT = 1000
GROUPS_MOST = 10_000
GROUP_BY_MOST = 3

_task_run, _flow = tables.task_run, tables.flow
_parent = tables.task_run.alias("parent")


def _statistics(column: ColumnElement[float]) -> dict[str, ColumnElement[Any]]:
    return {
        "sum": func.sum(column),
        "avg": func.avg(column),
        "min": func.min(column),
        "max": func.max(column),
        "p50": percentile(0.5, column),
        "p95": percentile(0.95, column),
        "p99": percentile(0.99, column),
    }


MEASURES: dict[str, ColumnElement[Any]] = {
    f"{statistic}_{name}": expression
    for name in ("duration", "queue_time")
    for statistic, expression in _statistics(_task_run.c[name]).items()
} | {"first_start_time": func.min(_task_run.c.start_time), "last_end_time": func.max(_task_run.c.end_time)}

GROUP_BY: dict[str, ColumnElement[Any]] = {
    "state": _task_run.c.state,
    "task_slug": _task_run.c.task_slug,
    "flow_run_id": _task_run.c.flow_run_id,
    "flow_name": _flow.c.name,
    "map_parent": case((_task_run.c.map_index >= 0, _parent.c.id), else_=null()),
    "hour": hour_of(_task_run.c.start_time),
    "day": day_of(_task_run.c.start_time),
}


class AggregateQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be counted, and how."""

    where: Where
    group_by: Sequence[str] = ()
    measures: Sequence[str] = ()
    limit: int = GROUPS_LIMIT
    count_limit: int | None = None

    def __post_init__(self) -> None:
        if self.count_limit is not None and (self.group_by or self.measures):
            raise InvalidRequest(
                faults=(
                    Fault(parameter="count_limit", detail="It bounds a count without `group_by` and `measure` only."),
                )
            )


class _Source(NamedTuple):
    """Where the answer comes from: its rows that match, what counts them, and what they may be grouped by."""

    rows: Select[Any]
    counted: ColumnElement[int]
    group_by: Mapping[str, ColumnElement[Any]]


def aggregate(connection: Connection, question: AggregateQuestion) -> models.Aggregate:
    """Answers the question, exactly. With groups it is two statements: run it in a snapshot."""
    asked = {*question.where, *question.group_by}
    if not question.measures and asked <= _FLOW_RUN_COVERS and len(question.where.get("flow_run_id", ())) == 1:
        return _of_flow_run(connection, question)
    tallied = not question.measures and asked <= _TALLY_COVERS
    source = _tally(question) if tallied else _rows(question)
    if question.count_limit is not None and not tallied:
        return _bounded(connection, source.rows, question.count_limit)
    measures = [MEASURES[name] for name in question.measures]
    total = connection.execute(source.rows.add_columns(source.counted, *measures)).one()
    groups = _groups(connection, source, question) if question.group_by else None
    return models.Aggregate(
        count=int(total[0] or 0),
        relation="eq",
        measures=_measures(question, total[1:]),
        groups=None if groups is None else groups[: question.limit],
        truncated=groups is not None and len(groups) > question.limit,
    )


def _groups(connection: Connection, source: _Source, question: AggregateQuestion) -> list[models.AggregateGroup]:
    keys = [source.group_by[name] for name in question.group_by]
    measures = [MEASURES[name] for name in question.measures]
    # Positions, since a database would not know a key with bound values in it for the same expression again.
    positions = range(1, len(keys) + 1)
    statement = (
        source.rows.add_columns(*keys, source.counted, *measures)
        .group_by(*(text(str(position)) for position in positions))
        .having(source.counted != 0)
        .order_by(*(text(f"{position} NULLS LAST") for position in positions))
        .limit(question.limit + 1)
    )
    return [
        models.AggregateGroup(
            key=msgspec.convert(dict(zip(question.group_by, row, strict=False)), models.GroupKey),
            count=int(row[len(keys)]),
            measures=_measures(question, row[len(keys) + 1 :]),
        )
        for row in connection.execute(statement)
    ]


def _measures(question: AggregateQuestion, values: Sequence[Any]) -> models.Measures:
    return models.Measures(**dict(zip(question.measures, values, strict=True)))


_STATE_FILTERS = ("state", "state_not", "state_group")
_FLOW_RUN_COVERS = {*_STATE_FILTERS, "flow_run_id"}


_cell = counts.cells.c
_TALLY_COLUMNS: dict[str, ColumnElement[Any]] = {
    **dict.fromkeys(_STATE_FILTERS, _cell.state),
    **dict.fromkeys(("task_slug", "task_slug_prefix"), _cell.task_slug),
    "flow_name": _cell.flow_id,
}
_TALLY_COUNT = func.sum(_cell.count)
_TALLY_GROUPS = {"state": _cell.state, "task_slug": _cell.task_slug, "flow_name": _flow.c.name}
_TALLY_COVERS = _TALLY_COLUMNS.keys()


def _tally(question: AggregateQuestion) -> _Source:
    """From the tally: its size is that of the flows, not of the runs."""
    rows = select().where(*filters.clauses(question.where, filters.TASK_RUN_FILTERS, _TALLY_COLUMNS))
    if "flow_name" in question.group_by:
        rows = rows.select_from(counts.cells.join(_flow, _flow.c.id == _cell.flow_id))
    return _Source(rows, _TALLY_COUNT, _TALLY_GROUPS)


def _rows(question: AggregateQuestion) -> _Source:
    """From the task runs themselves, through an index where a filter has one."""
    source: Any = _task_run
    if "flow_name" in question.group_by:
        source = source.join(_flow, _flow.c.id == _task_run.c.flow_id)
    if "map_parent" in question.group_by:
        natural_key = and_(
            _parent.c.flow_run_id == _task_run.c.flow_run_id,
            _parent.c.task_slug == _task_run.c.task_slug,
            _parent.c.map_index == -1,
        )
        source = source.outerjoin(_parent, natural_key)
    rows = select().select_from(source).where(*filters.clauses(question.where, filters.TASK_RUN_FILTERS))
    return _Source(rows, func.count(literal(1)), GROUP_BY)


def _bounded(connection: Connection, rows: Select[Any], most: int) -> models.Aggregate:
    some = rows.add_columns(literal(1).label("one")).limit(most).subquery()
    count = connection.execute(select(func.count()).select_from(some)).scalar_one()
    return models.Aggregate(
        count=count,
        relation="gte" if count == most else "eq",
        measures=models.Measures(),
        groups=None,
        truncated=False,
    )


def _of_flow_run(connection: Connection, question: AggregateQuestion) -> models.Aggregate:
    """From the counts that a flow run's own row has."""
    (flow_run_id,) = question.where["flow_run_id"]
    state_counts = tables.flow_run.c.state_counts
    kept = connection.execute(select(state_counts).where(tables.flow_run.c.id == flow_run_id)).scalar() or {}
    chosen = {
        state: count for state, count in sorted(kept.items()) if count and _wanted(StateType(state), question.where)
    }
    keys = {(state if "state" in question.group_by else None): 0 for state in chosen}
    for state, count in chosen.items():
        keys[state if "state" in question.group_by else None] += count
    groups = [
        models.AggregateGroup(
            key=msgspec.convert(
                {name: {"state": state, "flow_run_id": flow_run_id}[name] for name in question.group_by},
                models.GroupKey,
            ),
            count=count,
            measures=models.Measures(),
        )
        for state, count in keys.items()
    ]
    return models.Aggregate(
        count=sum(chosen.values()),
        relation="eq",
        measures=models.Measures(),
        groups=groups[: question.limit] if question.group_by else None,
        truncated=bool(question.group_by) and len(groups) > question.limit,
    )


def _wanted(state: StateType, where: Where) -> bool:
    return (
        state in where.get("state", StateType)
        and state not in where.get("state_not", ())
        and any(state in GROUPS[group] for group in where.get("state_group", GROUPS))
    )
