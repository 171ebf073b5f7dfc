# Generated from openapi.json by `make client`. Do not edit.
"""GET /flow-runs/aggregate."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from ...models import (
    Aggregate,
    AggregateFlowRunsBucketTime,
    AggregateFlowRunsGroupByItem,
    AggregateFlowRunsHistogram,
    AggregateFlowRunsMeasureItem,
    StateGroup,
    StateType,
)
from ...types import UNSET, Answers, Call, Json, Unset, prepare

_ANSWERS: Answers[Aggregate] = {200: Json[Aggregate](Aggregate)}


def build(
    *,
    state: StateType | str | Sequence[StateType | str] | None | Unset = UNSET,
    state_not: StateType | str | Sequence[StateType | str] | None | Unset = UNSET,
    state_group: StateGroup | str | Sequence[StateGroup | str] | None | Unset = UNSET,
    flow_run_id: UUID | str | Sequence[UUID | str] | None | Unset = UNSET,
    flow_run_id_prefix: str | None | Unset = UNSET,
    flow_name: str | Sequence[str] | None | Unset = UNSET,
    name_contains: str | None | Unset = UNSET,
    parent_task_run_id: UUID | str | Sequence[UUID | str] | None | Unset = UNSET,
    parent_flow_run_id: UUID | str | Sequence[UUID | str] | None | Unset = UNSET,
    label: str | Sequence[str] | None | Unset = UNSET,
    label_all: str | Sequence[str] | None | Unset = UNSET,
    start_time_gte: datetime | None | Unset = UNSET,
    start_time_gt: datetime | None | Unset = UNSET,
    start_time_lte: datetime | None | Unset = UNSET,
    start_time_lt: datetime | None | Unset = UNSET,
    end_time_gte: datetime | None | Unset = UNSET,
    end_time_gt: datetime | None | Unset = UNSET,
    end_time_lte: datetime | None | Unset = UNSET,
    end_time_lt: datetime | None | Unset = UNSET,
    created_gte: datetime | None | Unset = UNSET,
    created_gt: datetime | None | Unset = UNSET,
    created_lte: datetime | None | Unset = UNSET,
    created_lt: datetime | None | Unset = UNSET,
    updated_gte: datetime | None | Unset = UNSET,
    updated_gt: datetime | None | Unset = UNSET,
    updated_lte: datetime | None | Unset = UNSET,
    updated_lt: datetime | None | Unset = UNSET,
    duration_gte: float | None | Unset = UNSET,
    duration_lte: float | None | Unset = UNSET,
    run_time_gte: float | None | Unset = UNSET,
    run_time_lte: float | None | Unset = UNSET,
    queue_time_gte: float | None | Unset = UNSET,
    queue_time_lte: float | None | Unset = UNSET,
    start_time_is_null: bool | None | Unset = UNSET,
    end_time_is_null: bool | None | Unset = UNSET,
    is_stale: bool | None | Unset = UNSET,
    message: str | Sequence[str] | None | Unset = UNSET,
    message_is_null: bool | None | Unset = UNSET,
    group_by: AggregateFlowRunsGroupByItem | str | Sequence[AggregateFlowRunsGroupByItem | str] | None | Unset = UNSET,
    bucket: str | None | Unset = UNSET,
    bucket_time: AggregateFlowRunsBucketTime | str | None | Unset = UNSET,
    timezone: str | None | Unset = UNSET,
    measure: AggregateFlowRunsMeasureItem | str | Sequence[AggregateFlowRunsMeasureItem | str] | None | Unset = UNSET,
    histogram: AggregateFlowRunsHistogram | str | None | Unset = UNSET,
    compare: str | None | Unset = UNSET,
    sort: str | None | Unset = UNSET,
    limit: int | None | Unset = UNSET,
    count_limit: int | None | Unset = UNSET,
) -> Call[Aggregate]:
    """Count and measure flow runs.

    Count and measure the flow runs that match the filters, in total and by group. The results are always exact.

    The service maintains the counts by state and flow, so they cost the same for any number of flow runs.

    If the service requires API keys, use one with the scope `read`.

    Args:
        state: Runs in any of these states.
        state_not: Runs in none of these states.
        state_group: Runs in any of these groups of states.
        flow_run_id: Runs with any of these ids.
        flow_run_id_prefix: Runs whose id starts with this text.
        flow_name: Runs of any of these flows.
        name_contains: Runs whose name contains this text, ignoring case.
        parent_task_run_id: Runs that any of these task runs started.
        parent_flow_run_id: Runs that the task runs of any of these flow runs started.
        label: Runs with any of these labels.
        label_all: Runs with all of these labels.
        start_time_gte: Started at or after this time.
        start_time_gt: Started after this time.
        start_time_lte: Started at or before this time.
        start_time_lt: Started before this time.
        end_time_gte: Ended at or after this time.
        end_time_gt: Ended after this time.
        end_time_lte: Ended at or before this time.
        end_time_lt: Ended before this time.
        created_gte: Created at or after this time.
        created_gt: Created after this time.
        created_lte: Created at or before this time.
        created_lt: Created before this time.
        updated_gte: Last changed at or after this time.
        updated_gt: Last changed after this time.
        updated_lte: Last changed at or before this time.
        updated_lt: Last changed before this time.
        duration_gte: Took at least this many seconds.
        duration_lte: Took at most this many seconds.
        run_time_gte: Ran for at least this many seconds.
        run_time_lte: Ran for at most this many seconds.
        queue_time_gte: Waited in the queue for at least this many seconds.
        queue_time_lte: Waited in the queue for at most this many seconds.
        start_time_is_null: Only runs without a start time (true), or only runs with one (false).
        end_time_is_null: Only runs without an end time (true), or only runs with one (false).
        is_stale: Only running runs whose last heartbeat is more than 90 seconds old (true), or all others (false).
        message: Runs whose message differs from any of these at most in numbers, hexadecimal digits, and what
            follows its first line: a message, or the key of a group of `group_by=message`.
        message_is_null: Only runs without a message (true), or only runs with one (false).
        group_by: Count by each of these, up to 3. `hour`, `day` and `week` (from Monday on) are those of
            `bucket_time`, in UTC or in `timezone`; `message` is the first line of the message of the current state,
            with `#` for numbers and hexadecimal digits.
        bucket: Count by stretches of this length as well, in which the runs started, or another `bucket_time` is.
            They are counted from midnight in UTC on if a day is a multiple of the length.
        bucket_time: The time that `bucket`, `hour`, `day` and `week` are those of: when runs started or when they
            ended. The server's default is `start_time`.
        timezone: The time zone of `hour`, `day` and `week`, by its name in the IANA's database.
        measure: The measures to return in addition to the count.
        histogram: Also count the runs that match by state and by the length of this, between 40 bounds.
        compare: Answer with the same window this long before as well, in total and for each group. The window
            begins at `start_time_gte` or another filter of a time, and ends now without one.
        sort: Comma-separated keys of `group_by`, `count` or measures that groups are sorted by, each with a leading
            `-` for descending order; a measure is returned as well. Groups without a value come last. By default,
            groups are sorted by their keys.
        limit: The maximum number of groups to return. The server's default is `1000`.
        count_limit: Stop counting at this number; `is_exact` is then false. Counts that the service maintains are
            exact nevertheless.

    Raises:
        ValueError: If a datetime has no time zone.

    Answer: `Aggregate`.
    """
    return prepare(
        "aggregate_flow_runs",
        "GET",
        "/flow-runs/aggregate",
        _ANSWERS,
        params=[
            ("state", state),
            ("state_not", state_not),
            ("state_group", state_group),
            ("flow_run_id", flow_run_id),
            ("flow_run_id_prefix", flow_run_id_prefix),
            ("flow_name", flow_name),
            ("name_contains", name_contains),
            ("parent_task_run_id", parent_task_run_id),
            ("parent_flow_run_id", parent_flow_run_id),
            ("label", label),
            ("label_all", label_all),
            ("start_time_gte", start_time_gte),
            ("start_time_gt", start_time_gt),
            ("start_time_lte", start_time_lte),
            ("start_time_lt", start_time_lt),
            ("end_time_gte", end_time_gte),
            ("end_time_gt", end_time_gt),
            ("end_time_lte", end_time_lte),
            ("end_time_lt", end_time_lt),
            ("created_gte", created_gte),
            ("created_gt", created_gt),
            ("created_lte", created_lte),
            ("created_lt", created_lt),
            ("updated_gte", updated_gte),
            ("updated_gt", updated_gt),
            ("updated_lte", updated_lte),
            ("updated_lt", updated_lt),
            ("duration_gte", duration_gte),
            ("duration_lte", duration_lte),
            ("run_time_gte", run_time_gte),
            ("run_time_lte", run_time_lte),
            ("queue_time_gte", queue_time_gte),
            ("queue_time_lte", queue_time_lte),
            ("start_time_is_null", start_time_is_null),
            ("end_time_is_null", end_time_is_null),
            ("is_stale", is_stale),
            ("message", message),
            ("message_is_null", message_is_null),
            ("group_by", group_by),
            ("bucket", bucket),
            ("bucket_time", bucket_time),
            ("timezone", timezone),
            ("measure", measure),
            ("histogram", histogram),
            ("compare", compare),
            ("sort", sort),
            ("limit", limit),
            ("count_limit", count_limit),
        ],
    )
