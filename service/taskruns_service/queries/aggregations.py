"""Aggregations: one declaration for each kind of runs, of which its parameters and its statements are both made."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, Table, and_, case, func, null

from taskruns_service.domain.errors import Fault, InvalidRequest
from taskruns_service.queries import filters, parameters
from taskruns_service.queries.filters import Filter, Where
from taskruns_service.queries.group_keys import (
    BUCKET,
    BUCKET_TIME,
    LENGTHS_OF_KEYS,
    MESSAGE,
    TIME_ZONE,
    Key,
    in_zone,
    keys_of,
    local_time_keys_of,
    time_keys_of,
)
from taskruns_service.queries.members import Condition
from taskruns_service.queries.paging import SECONDS, SORT_LENGTH
from taskruns_service.queries.parameters import Parameter, Values, duration, integer, one_of, text
from taskruns_service.queries.plans import NARROW
from taskruns_service.storage import tables, tally
from taskruns_service.storage.dialects import Column, Row, percentile, start_of_bucket
from taskruns_service.storage.lanes import QueryKind
from taskruns_service.storage.tally import Tally

DEFAULT_GROUPS = 1000
MAX_GROUPS = 10_000
MAX_GROUP_BY = 3
START_TIME = "start_time"

_task_run, _flow_run, _flow = tables.task_run, tables.flow_run, tables.flow
_parent = _task_run.alias("parent")

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
    """A number or a moment of many runs: what is made of which of their columns."""

    column: str
    function: Callable[[Column], Column]


MEASURES: dict[str, Measure] = {
    f"{statistic}_{name}": Measure(name, function) for name in SECONDS for statistic, function in _STATISTICS.items()
} | {
    "first_start_time": Measure(START_TIME, func.min),
    "first_end_time": Measure("end_time", func.min),
    "last_end_time": Measure("end_time", func.max),
}
COUNT = "count"
COMPARE = "compare"
MEASURES_OF_MESSAGES = ("first_end_time", "last_end_time")


class GroupOrder(NamedTuple):
    """A key, `count` or a measure that groups are sorted by. Groups without a value come last."""

    name: str
    descending: bool


def read_group_sort(text: str, group_by: Sequence[str]) -> tuple[GroupOrder, ...]:
    """Reads `-p95_duration,state`; raises InvalidRequest for a name that groups are not sorted by, or that is repeated.

    Groups that are alike in all of them are sorted by their keys.
    """
    names = [*group_by, COUNT, *MEASURES]
    orders = [GroupOrder(part.removeprefix("-"), part.startswith("-")) for part in text.split(",")]
    for order in orders:
        if not group_by or order.name not in names:
            detail = (
                f"`{order.name}` is not a sort key. " if group_by else "It applies only to groups: send `group_by`. "
            )
            raise _refused("sort", f"{detail}The keys are those in `group_by`, `count` and the measures.")
    if len({order.name for order in orders}) < len(orders):
        raise _refused("sort", "It contains a key twice.")
    return tuple(orders)


def _refused(parameter: str, detail: str) -> InvalidRequest:
    return InvalidRequest(faults=(Fault(parameter=parameter, detail=detail),))


class Join(NamedTuple):
    """A table that a key needs."""

    table: FromClause
    condition: Condition
    is_outer: bool = False


class Aggregation(Struct, frozen=True, kw_only=True, eq=False):
    """What is counted and measured: one kind of runs."""

    runs: Table
    noun: str
    filters: tuple[Filter, ...]
    keys: Mapping[str, Key]
    """What the runs can be grouped by, besides the times of `bucket_time`."""
    joins: Mapping[str, Join]
    """What is joined for some of the keys."""
    tally: Tally
    tallied: Mapping[str, str]
    """The column of the tally by the filters and keys that it can answer."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters of the operation."""
        return (
            *(filter_.parameter for filter_ in self.filters),
            Parameter(
                name="group_by",
                value=one_of(*self.keys, *LENGTHS_OF_KEYS),
                description=f"Count by each of these, up to {MAX_GROUP_BY}. `hour`, `day` and `week` (from Monday on) "
                "are those of `bucket_time`, in UTC or in `timezone`; `message` is the first line of the message of "
                "the current state, with `#` for numbers and hexadecimal digits"
                f"{_MAPPED_PARENT if 'mapped_parent_id' in self.keys else ''}.",
                many=True,
                most=MAX_GROUP_BY,
                example="state",
            ),
            Parameter(
                name=BUCKET,
                value=duration("PT1M", "P1D"),
                description="Count by stretches of this length as well, in which the runs started, or another "
                "`bucket_time` is. They are counted from midnight in UTC on if a day is a multiple of the length.",
                example="PT5M",
            ),
            Parameter(
                name=BUCKET_TIME,
                value=one_of(START_TIME, "end_time"),
                description="The time that `bucket`, `hour`, `day` and `week` are those of: when runs started or when "
                "they ended.",
                default=START_TIME,
                example="end_time",
            ),
            Parameter(
                name=TIME_ZONE,
                value=parameters.TIME_ZONE,
                description="The time zone of `hour`, `day` and `week`, by its name in the IANA's database.",
                example="Europe/Berlin",
            ),
            Parameter(
                name="measure",
                value=one_of(COUNT, *MEASURES),
                description="The measures to return in addition to the count.",
                many=True,
                example="p95_duration",
            ),
            Parameter(
                name="histogram",
                value=one_of(*SECONDS),
                description="Also count the runs that match by state and by the length of this, between 40 bounds.",
                example="duration",
            ),
            Parameter(
                name=COMPARE,
                value=duration("PT1H", "P366D"),
                description="Answer with the same window this long before as well, in total and for each group. The "
                "window begins at `start_time_gte` or another filter of a time, and ends now without one.",
                example="P7D",
            ),
            Parameter(
                name="sort",
                value=text(SORT_LENGTH),
                description="Comma-separated keys of `group_by`, `count` or measures that groups are sorted by, each "
                "with a leading `-` for descending order; a measure is returned as well. Groups without a value come "
                "last. By default, groups are sorted by their keys.",
                example="-count",
            ),
            Parameter(
                name="limit",
                value=integer(1, MAX_GROUPS),
                description="The maximum number of groups to return.",
                default=DEFAULT_GROUPS,
            ),
            Parameter(
                name="count_limit",
                value=integer(1, 2**31 - 1),
                description="Stop counting at this number; `is_exact` is then false. Counts that the service maintains "
                "are exact nevertheless.",
            ),
        )

    def keys_by(self, time: str, *, has_zone: bool) -> dict[str, Key]:
        """What the runs can be grouped by, where the keys of times are those of a column, in UTC or in a time zone."""
        column = self.runs.c[time]
        return {**self.keys, **time_keys_of(column), **(local_time_keys_of(column) if has_zone else {})}

    def question(self, values: Values) -> "AggregateQuestion":
        """What a request asks, by the values of its parameters; raises InvalidRequest."""
        group_by = tuple(dict.fromkeys((*values.get("group_by", ()), *(BUCKET for _ in {BUCKET} & values.keys()))))
        return AggregateQuestion(
            aggregation=self,
            where=filters.filter_values(values, self.filters),
            group_by=group_by,
            bucket=values.get(BUCKET),
            bucket_time=values.get(BUCKET_TIME, START_TIME),
            zone=values.get(TIME_ZONE),
            measures=tuple(dict.fromkeys(name for name in values.get("measure", ()) if name != COUNT)),
            sort=read_group_sort(values["sort"], group_by) if "sort" in values else (),
            histogram=values.get("histogram"),
            compare=values.get(COMPARE),
            limit=values["limit"],
            count_limit=values.get("count_limit"),
        )


_MAPPED_PARENT = "; `mapped_parent_id` is the id of the mapped task run that the children belong to"


_TALLIED = {**dict.fromkeys(("state", "state_not", "state_group"), "state"), "flow_name": "flow_id"}

_natural_key_of_parent = and_(
    _parent.c.flow_run_id == _task_run.c.flow_run_id,
    _parent.c.task_slug == _task_run.c.task_slug,
    _parent.c.map_index == -1,
)
TASK_RUNS = Aggregation(
    runs=_task_run,
    noun="task runs",
    filters=filters.TASK_RUN_FILTERS,
    keys={
        "task_slug": Key(_task_run.c.task_slug),
        "task_name": Key(_task_run.c.task_name),
        "flow_run_id": Key(_task_run.c.flow_run_id),
        "mapped_parent_id": Key(case((_task_run.c.map_index >= 0, _parent.c.id), else_=null())),
        **keys_of(_task_run),
    },
    joins={
        "flow_name": Join(_flow, _flow.c.id == _task_run.c.flow_id),
        "mapped_parent_id": Join(_parent, _natural_key_of_parent, is_outer=True),
    },
    tally=tally.TASK_RUNS,
    # The name of a task is in `task`, which the tally is joined with.
    tallied={**_TALLIED, **dict.fromkeys(("task_slug", "task_slug_prefix", "task_name"), "task_slug")},
)
FLOW_RUNS = Aggregation(
    runs=_flow_run,
    noun="flow runs",
    filters=filters.FLOW_RUN_FILTERS,
    keys=keys_of(_flow_run),
    joins={"flow_name": Join(_flow, _flow.c.id == _flow_run.c.flow_id)},
    tally=tally.FLOW_RUNS,
    tallied=_TALLIED,
)
_COVERED_BY_FLOW_RUN = {"state", "state_not", "state_group", "flow_run_id"}


class AggregateQuestion(Struct, frozen=True, kw_only=True):
    """What is to be counted, and how. Raises InvalidRequest for what does not go together."""

    aggregation: Aggregation = TASK_RUNS
    where: Where
    group_by: Sequence[str] = ()
    bucket: timedelta | None = None
    """The length of the key `bucket`."""
    bucket_time: str = START_TIME
    """The column of the keys `bucket`, `hour`, `day` and `week`."""
    zone: ZoneInfo | None = None
    """Where the keys `hour`, `day` and `week` begin; None for UTC."""
    measures: Sequence[str] = ()
    sort: tuple[GroupOrder, ...] = ()
    """What groups are sorted by before they are by their keys."""
    histogram: str | None = None
    """The column that is counted by its length as well."""
    compare: timedelta | None = None
    """How long before the window begins that it is compared with."""
    limit: int = DEFAULT_GROUPS
    count_limit: int | None = None

    def __post_init__(self) -> None:
        if self.count_limit is not None and (self.group_by or self.measures or self.histogram):
            raise _refused("count_limit", "It applies only to a count without `group_by`, `measure` and `histogram`.")
        if self.zone is not None and LENGTHS_OF_KEYS.keys().isdisjoint(self.group_by):
            raise _refused(TIME_ZONE, "It applies only to `hour`, `day` and `week` in `group_by`.")
        if self.bucket_time != START_TIME and {BUCKET, *LENGTHS_OF_KEYS}.isdisjoint(self.group_by):
            raise _refused(BUCKET_TIME, "It applies only to `bucket`, and to `hour`, `day` and `week` in `group_by`.")
        if self.compare is not None:
            self._check_compare(self.compare)

    def _check_compare(self, distance: timedelta) -> None:
        if not any(
            isinstance(value, datetime) and name.endswith(("_gte", "_gt")) for name, value in self.where.items()
        ):
            raise _refused(COMPARE, "It compares windows of time: send `start_time_gte`.")
        for name in self.group_by:
            length = self.bucket if name == BUCKET else LENGTHS_OF_KEYS.get(name)
            if length is not None and distance % length:
                raise _refused(COMPARE, f"Groups by `{name}` are compared over a multiple of its length.")

    @property
    def values(self) -> dict[str, object]:
        """What is bound to the placeholders of the statement."""
        values = filters.bind_values(self.where)
        if self.zone is not None:
            values[TIME_ZONE] = self.zone.key
        if self.bucket is not None:
            values[BUCKET] = int(self.bucket.total_seconds())
        return values

    def key(self, values: Row) -> dict[str, object]:
        """The key of a group, of the values that the statement gives for it."""
        key = dict(zip(self.group_by, values, strict=False))
        if self.bucket is not None and key[BUCKET] is not None:
            key[BUCKET] = start_of_bucket(key[BUCKET], int(self.bucket.total_seconds()))
        if self.zone is not None:
            for name in LENGTHS_OF_KEYS.keys() & key.keys():
                key[name] = in_zone(key[name], self.zone)
        return key

    @property
    def measured(self) -> Sequence[str]:
        """All measures: those that are asked for, that groups are sorted by, and that they have by themselves."""
        sorted_by = (order.name for order in self.sort if order.name in MEASURES)
        implied = MEASURES_OF_MESSAGES if self.has_samples else ()
        return tuple(dict.fromkeys((*self.measures, *sorted_by, *implied)))

    @property
    def has_samples(self) -> bool:
        """Whether groups have the ids of some of their runs."""
        return MESSAGE in self.group_by

    @property
    def kind(self) -> QueryKind:
        """What the answer may cost: little where counts that are kept or few runs give it."""
        has_counts = self.histogram is None and (self.is_tallied or self.is_of_flow_run)
        is_cheap = has_counts or not self.where.keys().isdisjoint(NARROW)
        return QueryKind.read if is_cheap else QueryKind.scan

    @property
    def needs_snapshot(self) -> bool:
        """Whether it takes several statements, which are to see the same runs."""
        return self.histogram is not None or self.compare is not None

    @property
    def is_tallied(self) -> bool:
        """Whether the tally answers it."""
        return not self.measured and {*self.where, *self.group_by} <= self.aggregation.tallied.keys()

    @property
    def is_of_flow_run(self) -> bool:
        """Whether the counts in the row of one flow run answer it."""
        names = {*self.where, *self.group_by}
        is_of_task_runs = self.aggregation is TASK_RUNS and not self.measured and names <= _COVERED_BY_FLOW_RUN
        return is_of_task_runs and len(self.where.get("flow_run_id", ())) == 1
