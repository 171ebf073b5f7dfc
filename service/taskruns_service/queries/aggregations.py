"""Aggregations: one declaration for each kind of runs, of which its parameters and its statements are both made."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, Table, and_, case, func, null

from taskruns_service.domain.errors import Fault, InvalidRequest
from taskruns_service.queries import filters
from taskruns_service.queries.filters import Filter, Where
from taskruns_service.queries.members import Condition
from taskruns_service.queries.paging import SECONDS, SORT_LENGTH
from taskruns_service.queries.parameters import Parameter, Values, integer, one_of, text
from taskruns_service.queries.plans import NARROW
from taskruns_service.storage import tables, tally
from taskruns_service.storage.dialects import Column, day_of, day_text, hour_of, hour_text, message_kind, percentile
from taskruns_service.storage.lanes import QueryKind
from taskruns_service.storage.tally import Tally

DEFAULT_GROUPS = 1000
MAX_GROUPS = 10_000
MAX_GROUP_BY = 3

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
    "first_start_time": Measure("start_time", func.min),
    "first_end_time": Measure("end_time", func.min),
    "last_end_time": Measure("end_time", func.max),
}
COUNT = "count"
MESSAGE = "message"
"""The key whose groups have samples, and when they were first and last seen."""
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


class Key(NamedTuple):
    """What runs are grouped by."""

    column: Column
    text: Callable[[Column], Column] = lambda column: column
    """What is shown of it."""


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
    """What the runs can be grouped by."""
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
                value=one_of(*self.keys),
                description=f"Count by each of these, up to {MAX_GROUP_BY}. `hour` and `day` are those of the start "
                "(UTC); `message` is the first line of the message of the current state, with `#` for numbers and "
                f"hexadecimal digits{_MAPPED_PARENT if 'mapped_parent_id' in self.keys else ''}.",
                many=True,
                most=MAX_GROUP_BY,
                example="state",
            ),
            Parameter(
                name="measure",
                value=one_of(COUNT, *MEASURES),
                description="The measures to return in addition to the count.",
                many=True,
                example="p95_duration",
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

    def question(self, values: Values) -> "AggregateQuestion":
        """What a request asks, by the values of its parameters; raises InvalidRequest."""
        group_by = tuple(dict.fromkeys(values.get("group_by", ())))
        return AggregateQuestion(
            aggregation=self,
            where=filters.filter_values(values, self.filters),
            group_by=group_by,
            measures=tuple(dict.fromkeys(name for name in values.get("measure", ()) if name != COUNT)),
            sort=read_group_sort(values["sort"], group_by) if "sort" in values else (),
            limit=values["limit"],
            count_limit=values.get("count_limit"),
        )


_MAPPED_PARENT = "; `mapped_parent_id` is the id of the mapped task run that the children belong to"


def _keys_of(runs: Table) -> dict[str, Key]:
    """The keys that both kinds of runs have."""
    return {
        "state": Key(runs.c.state),
        "flow_name": Key(_flow.c.name),
        "hour": Key(hour_of(runs.c.start_time), hour_text),
        "day": Key(day_of(runs.c.start_time), day_text),
        MESSAGE: Key(message_kind(runs.c.state_message)),
    }


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
        **_keys_of(_task_run),
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
    keys=_keys_of(_flow_run),
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
    measures: Sequence[str] = ()
    sort: tuple[GroupOrder, ...] = ()
    """What groups are sorted by before they are by their keys."""
    limit: int = DEFAULT_GROUPS
    count_limit: int | None = None

    def __post_init__(self) -> None:
        if self.count_limit is not None and (self.group_by or self.measures):
            raise _refused("count_limit", "It applies only to a count without `group_by` and `measure`.")

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
        is_cheap = self.is_tallied or self.is_of_flow_run or not self.where.keys().isdisjoint(NARROW)
        return QueryKind.read if is_cheap else QueryKind.scan

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
