"""Counts and measures of runs."""

from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from taskruns_service.domain.states import StateType
from taskruns_service.schemas.common import FLOW_RUN_EXAMPLE, Timestamp


class Measures(Struct, frozen=True, kw_only=True):
    """The requested measures.

    Durations, run times and queue times are in seconds. A measure is null if no run has a value.
    """

    sum_duration: float | None | UnsetType = UNSET
    avg_duration: float | None | UnsetType = UNSET
    min_duration: float | None | UnsetType = UNSET
    max_duration: float | None | UnsetType = UNSET
    p50_duration: float | None | UnsetType = UNSET
    p95_duration: float | None | UnsetType = UNSET
    p99_duration: float | None | UnsetType = UNSET
    sum_run_time: float | None | UnsetType = UNSET
    avg_run_time: float | None | UnsetType = UNSET
    min_run_time: float | None | UnsetType = UNSET
    max_run_time: float | None | UnsetType = UNSET
    p50_run_time: float | None | UnsetType = UNSET
    p95_run_time: float | None | UnsetType = UNSET
    p99_run_time: float | None | UnsetType = UNSET
    sum_queue_time: float | None | UnsetType = UNSET
    avg_queue_time: float | None | UnsetType = UNSET
    min_queue_time: float | None | UnsetType = UNSET
    max_queue_time: float | None | UnsetType = UNSET
    p50_queue_time: float | None | UnsetType = UNSET
    p95_queue_time: float | None | UnsetType = UNSET
    p99_queue_time: float | None | UnsetType = UNSET
    first_start_time: Timestamp | None | UnsetType = UNSET
    first_end_time: Timestamp | None | UnsetType = UNSET
    last_end_time: Timestamp | None | UnsetType = UNSET


class GroupKey(Struct, frozen=True, kw_only=True):
    """The values that the runs of a group share, with one member for each `group_by`.

    Hours, days, weeks and buckets are shown by their beginning, in the time zone of the request or in UTC.
    """

    state: Annotated[StateType | UnsetType, Meta(description="The type of the current state.")] = UNSET
    task_slug: Annotated[str | UnsetType, Meta(description="The task slug.", examples=["say_hello-1"])] = UNSET
    task_name: Annotated[str | UnsetType, Meta(description="The name of the task.", examples=["say_hello"])] = UNSET
    flow_run_id: Annotated[UUID | UnsetType, Meta(description="The flow run's id.", examples=[FLOW_RUN_EXAMPLE])] = (
        UNSET
    )
    flow_name: Annotated[str | UnsetType, Meta(description="The name of the flow.")] = UNSET
    mapped_parent_id: Annotated[
        UUID | None | UnsetType,
        Meta(description="The id of the mapped parent of the task runs; null if they have none."),
    ] = UNSET
    hour: Annotated[
        Timestamp | None | UnsetType, Meta(description="The hour of `bucket_time`; null without that time.")
    ] = UNSET
    day: Annotated[
        Timestamp | None | UnsetType, Meta(description="The day of `bucket_time`; null without that time.")
    ] = UNSET
    week: Annotated[
        Timestamp | None | UnsetType,
        Meta(description="The Monday of the week of `bucket_time`; null without that time."),
    ] = UNSET
    bucket: Annotated[
        Timestamp | None | UnsetType,
        Meta(description="The beginning of the bucket that `bucket_time` is in; null without that time."),
    ] = UNSET
    message: Annotated[
        str | None | UnsetType,
        Meta(
            description="The first line of the message, at most 200 characters of it, with `#` for each number, UUID, "
            "address, and run of 7 or more hexadecimal digits with a decimal one in it; null if the current state has "
            "no message.",
            examples=["KeyError: # is not in batch #"],
        ),
    ] = UNSET


class Previous(Struct, frozen=True, kw_only=True):
    """What the same window some time before has."""

    count: Annotated[int, Meta(description="The number of runs; 0 if there are none.", examples=[243])]
    measures: Measures


class AggregateGroup(Struct, frozen=True, kw_only=True):
    """A group of runs that share the values in `key`."""

    key: GroupKey
    count: Annotated[int, Meta(description="The number of runs.", examples=[258])]
    measures: Measures
    sample_ids: Annotated[
        list[UUID] | None,
        Meta(description="The ids of up to three of the runs; null without `message` in `group_by`."),
    ]
    previous: Annotated[Previous | None, Meta(description="The group in the window before; null without `compare`.")]


class Histogram(Struct, frozen=True, kw_only=True):
    """How many runs have a value between two bounds, by state. Runs without a value are not in it."""

    measure: Annotated[
        str, Meta(description="What is counted: `duration`, `run_time` or `queue_time`.", examples=["duration"])
    ]
    bounds: Annotated[
        list[float],
        Meta(
            max_length=40,
            description="Seconds, ascending and evenly spaced on a logarithmic scale; the same for every request.",
        ),
    ]
    counts: Annotated[
        dict[StateType, list[int]],
        Meta(
            description="For each state that occurs, one number more than there are bounds: of runs below the first "
            "bound, from each bound up to the next, and from the last bound on."
        ),
    ]


class Aggregate(Struct, frozen=True, kw_only=True):
    """The number of runs and their measures, in total and by group."""

    count: Annotated[int, Meta(description="The number of runs.", examples=[258])]
    is_exact: Annotated[
        bool,
        Meta(
            description="Whether `count` is exact. If not, counting stopped at `count_limit`, and there are at least "
            "this many.",
            examples=[True],
        ),
    ]
    measures: Measures
    groups: Annotated[
        list[AggregateGroup] | None, Meta(description="The groups, sorted by their keys; null without `group_by`.")
    ]
    truncated: Annotated[bool, Meta(description="Whether there are more groups than `limit`.")]
    histogram: Annotated[Histogram | None, Meta(description="The histogram; null without `histogram`.")]
    previous: Annotated[Previous | None, Meta(description="All runs of the window before; null without `compare`.")]
