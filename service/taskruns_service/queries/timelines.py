"""The timeline of a flow run: when its task runs waited and ran, as columns of numbers that the database writes."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec import Raw
from sqlalchemy import BigInteger, Connection, Integer, Text, case, cast, func, literal, literal_column, or_, select

from taskruns_service.domain.errors import Fault, FlowRunNotFound, InvalidRequest
from taskruns_service.domain.states import StateType
from taskruns_service.queries.members import Condition
from taskruns_service.queries.parameters import MOMENT, TEXT, Parameter, Values
from taskruns_service.queries.runs import Versioned
from taskruns_service.schemas.flow_run_tasks import MAX_TASKS
from taskruns_service.schemas.timelines import BINS, MAX_COUNTS, MAX_SPANS
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import (
    MAX_STATEMENTS,
    Column,
    ListOfTexts,
    Prepared,
    Row,
    Timestamp,
    any_of,
    aside,
    placeholder,
    seconds_between,
    utc_text,
    values_text,
)

PARAMETERS = (
    Parameter(name="task_slug", value=TEXT, description="Only tasks with any of these slugs.", many=True),
    Parameter(name="after", value=MOMENT, description="Only task runs that ended after this time or have not ended."),
    Parameter(name="before", value=MOMENT, description="Only task runs whose earliest state is before this time."),
)
STATES = (StateType.Success, *(type_ for type_ in StateType if type_ is not StateType.Success))
"""The types that columns refer to by place, first the one that most task runs have."""

_task_run, _flow_run = tables.task_run.c, tables.flow_run.c
_queued_time = func.coalesce(_task_run.first_timestamp, _task_run.start_time)
_begin_time = func.coalesce(_task_run.start_time, _task_run.first_timestamp)
_duration = case(
    (_task_run.start_time.is_(None), seconds_between(_task_run.first_timestamp, _task_run.end_time)),
    else_=_task_run.duration,
)
"""From the start to the end, or to the end of a task run that never started from its earliest state."""
_state = case(*((_task_run.state == type_, literal_column(str(place))) for place, type_ in enumerate(STATES)))
# As text, since PostgreSQL has no max() of ids.
_task_run_id = func.max(cast(_task_run.id, Text)).filter(_task_run.map_index == -1)


def _milliseconds(seconds: Column) -> Column:
    return cast(func.round(seconds * 1000), BigInteger)


def _since_epoch(moment: Column) -> Column:
    return _milliseconds(seconds_between(placeholder("epoch", Timestamp), moment))


_CONDITIONS: Mapping[str, Condition] = {
    "flow_run_id": _task_run.flow_run_id == placeholder("flow_run_id"),
    "task_slug": any_of(_task_run.task_slug, placeholder("task_slug", ListOfTexts)),
    "after": or_(_task_run.end_time.is_(None), _task_run.end_time > placeholder("after")),
    "before": _queued_time < placeholder("before", Timestamp),
}
"""Which task runs a timeline shows, by the names of the values that limit it."""

_get_flow_run = Prepared(
    select(
        _flow_run.sequence,
        func.coalesce(_flow_run.start_time, _flow_run.first_timestamp, _flow_run.created),
        _flow_run.state_counts,
    ).where(_flow_run.id == placeholder("flow_run_id"))
)


def timeline_values(flow_run_id: UUID, parameters: Values) -> Values:
    """What limits the timeline that a request asks for; raises InvalidRequest for a window that ends before it begins.

    The values have the names of the conditions.
    """
    if {"after", "before"} <= parameters.keys() and parameters["before"] <= parameters["after"]:
        raise InvalidRequest(faults=(Fault(parameter="before", detail="It must be later than `after`."),))
    return {"flow_run_id": flow_run_id, **parameters}


def get_timeline(connection: Connection, values: Values) -> Versioned:
    """The timeline with these `timeline_values`, and the sequence of its flow run; raises FlowRunNotFound."""
    flow_run = _get_flow_run.first(connection, {"flow_run_id": values["flow_run_id"]})
    if flow_run is None:
        raise FlowRunNotFound
    sequence, epoch, counts = flow_run
    shape = frozenset(values)
    bins = None
    if sum(counts.values()) > MAX_SPANS:
        count, first_ms, last_ms = _extent(shape).rows(connection, {**values, "epoch": epoch})[0]
        if count > MAX_SPANS:
            bins = _bins(first_ms, last_ms)
    if bins is None:
        rows = _spans(shape).rows(connection, {**values, "epoch": epoch})
    else:
        rows = _counts(shape).rows(connection, {**values, **bins._asdict(), "epoch": epoch})
    header = {"flow_run_id": values["flow_run_id"], "sequence": sequence, "epoch_time": utc_text(epoch)}
    return Versioned(aside(connection, _encode, header, rows, bins), f"{sequence}")


class _Bins(NamedTuple):
    """Bins of equal width, in milliseconds since the epoch."""

    first_ms: int
    width_ms: int


def _bins(first_ms: int | None, last_ms: int | None) -> _Bins:
    """Bins from the first to the last beginning; there are none if no task run has begun."""
    if first_ms is None or last_ms is None:
        return _Bins(0, 1)
    return _Bins(first_ms, (last_ms - first_ms) // BINS + 1)


def _encode(header: Mapping[str, object], rows: Sequence[Row], bins: _Bins | None) -> bytes:
    """A `Timeline` as JSON."""
    names = ("map_index", "state", "queued_ms", "wait_ms", "duration_ms", "run_count")
    kind, columns = ("spans", names) if bins is None else ("counts", ("bin", "state", "count"))
    tasks = [
        {
            "task_slug": task_slug,
            "task_run_id": task_run_id,
            **dict.fromkeys(("spans", "counts")),
            kind: dict(zip(columns, map(_raw, texts), strict=True)),
        }
        for task_slug, task_run_id, _, *texts in rows[:MAX_TASKS]
    ]
    return msgspec.json.encode(
        {
            **header,
            "states": STATES,
            "tasks": tasks,
            "bins": None if bins is None else {"count": BINS, **bins._asdict()},
            "truncated": bins is not None or len(rows) > MAX_TASKS,
        }
    )


def _raw(text: str | None) -> Raw | None:
    return None if text is None else Raw(text.encode())


@lru_cache(MAX_STATEMENTS)
def _extent(shape: frozenset[str]) -> Prepared:
    """Counts the task runs, and finds the first and the last beginning."""
    begin_times = func.min(_begin_time), func.max(_begin_time)
    conditions = (_CONDITIONS[name] for name in sorted(shape))
    return Prepared(select(func.count(), *map(_since_epoch, begin_times)).where(*conditions), replan=True)


@lru_cache(MAX_STATEMENTS)
def _spans(shape: frozenset[str]) -> Prepared:
    """Rows (task slug, id of its task run, first beginning, texts of the columns), one for each task."""
    begin_time = func.min(_begin_time).label("begin_time")
    columns = (_task_run.map_index, _state, _since_epoch(_queued_time))
    durations = (_milliseconds(seconds) for seconds in (_task_run.queue_time, _duration))
    run_counts = case((func.max(_task_run.run_count) > 1, values_text(_task_run.run_count)))
    return Prepared(
        select(
            *(_task_run.task_slug, _task_run_id, begin_time),
            *map(values_text, (*columns, *durations)),
            run_counts,
        )
        .where(*(_CONDITIONS[name] for name in sorted(shape)))
        .group_by(_task_run.task_slug)
        .order_by(begin_time.nulls_last(), _task_run.task_slug)
        .limit(literal(MAX_TASKS + 1, literal_execute=True)),
        replan=True,
    )


@lru_cache(MAX_STATEMENTS)
def _counts(shape: frozenset[str]) -> Prepared:
    """The same with the columns of the counts."""
    since_first = _since_epoch(_begin_time) - placeholder("first_ms", BigInteger())
    bins = (
        select(
            *(_task_run.task_slug, (since_first // placeholder("width_ms", BigInteger())).label("bin")),
            cast(_state, Integer).label("state"),
            *(func.count().label("count"), _task_run_id.label("id"), func.min(_begin_time).label("begin_time")),
        )
        .where(_begin_time.is_not(None), *(_CONDITIONS[name] for name in sorted(shape)))
        .group_by(*map(literal_column, ("1", "2", "3")))
        .order_by(*map(literal_column, ("1", "2", "3")))
        .limit(literal(MAX_COUNTS, literal_execute=True))
        .subquery()
    )
    begin_time = func.min(bins.c.begin_time)
    return Prepared(
        select(
            *(bins.c.task_slug, func.max(bins.c.id), begin_time),
            *map(values_text, (bins.c.bin, bins.c.state, bins.c.count)),
        )
        .group_by(bins.c.task_slug)
        .order_by(begin_time, bins.c.task_slug)
        .limit(literal(MAX_TASKS + 1, literal_execute=True)),
        replan=True,
    )
