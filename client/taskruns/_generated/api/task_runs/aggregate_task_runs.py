# Generated from openapi.json by `make client`. Do not edit.
"""GET /task-runs/aggregate."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from ...models import Aggregate, AggregateTaskRunsGroupByItem, AggregateTaskRunsMeasureItem, StateGroup, StateType
from ...types import UNSET, Answers, Call, Json, Unset, prepare

_ANSWERS: Answers[Aggregate] = {200: Json[Aggregate](Aggregate)}


def build(
    *,
    state: StateType | str | Sequence[StateType | str] | None | Unset = UNSET,
    state_not: StateType | str | Sequence[StateType | str] | None | Unset = UNSET,
    state_group: StateGroup | str | Sequence[StateGroup | str] | None | Unset = UNSET,
    task_slug: str | Sequence[str] | None | Unset = UNSET,
    task_slug_prefix: str | None | Unset = UNSET,
    name_contains: str | None | Unset = UNSET,
    task_run_id: UUID | str | Sequence[UUID | str] | None | Unset = UNSET,
    task_run_id_prefix: str | None | Unset = UNSET,
    flow_run_id: UUID | str | Sequence[UUID | str] | None | Unset = UNSET,
    flow_name: str | Sequence[str] | None | Unset = UNSET,
    map_index: int | Sequence[int] | None | Unset = UNSET,
    tag: str | Sequence[str] | None | Unset = UNSET,
    tag_all: str | Sequence[str] | None | Unset = UNSET,
    run_count_gte: int | None | Unset = UNSET,
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
    queue_time_gte: float | None | Unset = UNSET,
    queue_time_lte: float | None | Unset = UNSET,
    start_time_is_null: bool | None | Unset = UNSET,
    end_time_is_null: bool | None | Unset = UNSET,
    is_mapped_parent: bool | None | Unset = UNSET,
    is_mapped_child: bool | None | Unset = UNSET,
    has_result: bool | None | Unset = UNSET,
    after_sequence: int | None | Unset = UNSET,
    group_by: AggregateTaskRunsGroupByItem | str | Sequence[AggregateTaskRunsGroupByItem | str] | None | Unset = UNSET,
    measure: AggregateTaskRunsMeasureItem | str | Sequence[AggregateTaskRunsMeasureItem | str] | None | Unset = UNSET,
    limit: int | None | Unset = UNSET,
    count_limit: int | None | Unset = UNSET,
) -> Call[Aggregate]:
    """Count and measure task runs.

    Count and measure the task runs that the filters leave, in all and by group; always exact.

    Counts by state, task slug and flow are kept as they change, so they cost the same however many task runs
    there are.

    With API keys, needs one of scope `read`.

    Args:
        state: Only those of which the state is one of these.
        state_not: Only those of which the state is none of these.
        state_group: Only those of which the state is in one of these groups.
        task_slug: Only those of which the task slug is one of these.
        task_slug_prefix: Only those of which the task slug starts with this.
        name_contains: Only those of which the name has this text in it.
        task_run_id: Only those of which the id is one of these.
        task_run_id_prefix: Only those of which the id starts with this.
        flow_run_id: Only those of which the flow run is one of these.
        flow_name: Only those of which the flow is one of these.
        map_index: Only those of which the map index is one of these.
        tag: Only those of which the tags have one of these.
        tag_all: Only those of which the tags have all of these.
        run_count_gte: Only those of which the number of times it ran is this or more.
        start_time_gte: Only those of which the start is this or more.
        start_time_gt: Only those of which the start is more than this.
        start_time_lte: Only those of which the start is this or less.
        start_time_lt: Only those of which the start is less than this.
        end_time_gte: Only those of which the end is this or more.
        end_time_gt: Only those of which the end is more than this.
        end_time_lte: Only those of which the end is this or less.
        end_time_lt: Only those of which the end is less than this.
        created_gte: Only those of which the creation is this or more.
        created_gt: Only those of which the creation is more than this.
        created_lte: Only those of which the creation is this or less.
        created_lt: Only those of which the creation is less than this.
        updated_gte: Only those of which the last change is this or more.
        updated_gt: Only those of which the last change is more than this.
        updated_lte: Only those of which the last change is this or less.
        updated_lt: Only those of which the last change is less than this.
        duration_gte: Only those of which the duration in seconds is this or more.
        duration_lte: Only those of which the duration in seconds is this or less.
        queue_time_gte: Only those of which the time in the queue, in seconds, is this or more.
        queue_time_lte: Only those of which the time in the queue, in seconds, is this or less.
        start_time_is_null: Only those of which the start is missing (true) or there (false).
        end_time_is_null: Only those of which the end is missing (true) or there (false).
        is_mapped_parent: Only those of which it is the parent of a map (true) or not (false).
        is_mapped_child: Only those of which it is the child of a map (true) or not (false).
        has_result: Only those of which a result was kept (true) or not (false).
        after_sequence: Only those of which the sequence of the last change is more than this.
        group_by: Count for each of these separately; up to 3. `hour` and `day` are those of the start (UTC),
            `map_parent` the mapped task run that children belong to.
        measure: What to measure besides the count.
        limit: How many groups to answer at most. The server's default is `1000`.
        count_limit: Stop counting here: `relation` is `gte` then. Counts that are kept are exact all the same.

    Raises:
        ValueError: If a datetime has no time zone.

    Answer: `Aggregate`.
    """
    return prepare(
        "aggregate_task_runs",
        "GET",
        "/task-runs/aggregate",
        _ANSWERS,
        params=[
            ("state", state),
            ("state_not", state_not),
            ("state_group", state_group),
            ("task_slug", task_slug),
            ("task_slug_prefix", task_slug_prefix),
            ("name_contains", name_contains),
            ("task_run_id", task_run_id),
            ("task_run_id_prefix", task_run_id_prefix),
            ("flow_run_id", flow_run_id),
            ("flow_name", flow_name),
            ("map_index", map_index),
            ("tag", tag),
            ("tag_all", tag_all),
            ("run_count_gte", run_count_gte),
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
            ("queue_time_gte", queue_time_gte),
            ("queue_time_lte", queue_time_lte),
            ("start_time_is_null", start_time_is_null),
            ("end_time_is_null", end_time_is_null),
            ("is_mapped_parent", is_mapped_parent),
            ("is_mapped_child", is_mapped_child),
            ("has_result", has_result),
            ("after_sequence", after_sequence),
            ("group_by", group_by),
            ("measure", measure),
            ("limit", limit),
            ("count_limit", count_limit),
        ],
    )
