# Generated from openapi.json by `make client`. Do not edit.
"""GET /flow-runs."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from ...models import FlowRunPage, StateGroup, StateType
from ...types import UNSET, Answers, Call, Json, Unset, prepare

_ANSWERS: Answers[FlowRunPage] = {200: Json[FlowRunPage](FlowRunPage)}


def build(
    *,
    state: StateType | str | Sequence[StateType | str] | None | Unset = UNSET,
    state_not: StateType | str | Sequence[StateType | str] | None | Unset = UNSET,
    state_group: StateGroup | str | Sequence[StateGroup | str] | None | Unset = UNSET,
    flow_run_id: UUID | str | Sequence[UUID | str] | None | Unset = UNSET,
    flow_run_id_prefix: str | None | Unset = UNSET,
    flow_name: str | Sequence[str] | None | Unset = UNSET,
    name_contains: str | None | Unset = UNSET,
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
    queue_time_gte: float | None | Unset = UNSET,
    queue_time_lte: float | None | Unset = UNSET,
    start_time_is_null: bool | None | Unset = UNSET,
    end_time_is_null: bool | None | Unset = UNSET,
    sort: str | None | Unset = UNSET,
    limit: int | None | Unset = UNSET,
    cursor: str | None | Unset = UNSET,
) -> Call[FlowRunPage]:
    """List flow runs.

    List flow runs, newest first. Filters combine with AND, the values of a repeated one with OR.

    With API keys, needs one of scope `read`.

    Args:
        state: Only those of which the state is one of these.
        state_not: Only those of which the state is none of these.
        state_group: Only those of which the state is in one of these groups.
        flow_run_id: Only those of which the id is one of these.
        flow_run_id_prefix: Only those of which the id starts with this.
        flow_name: Only those of which the flow is one of these.
        name_contains: Only those of which the name has this text in it.
        label: Only those of which the labels have one of these.
        label_all: Only those of which the labels have all of these.
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
        sort: Keys with commas between them, with `-` in front for descending. The first is one of created,
            start_time, end_time. Those without a value come last. The server's default is `-created`.
        limit: How many items a page has at most. The server's default is `100`.
        cursor: Where the page begins: `next` of the page before, with the same filters.

    Raises:
        ValueError: If a datetime has no time zone.

    Answer: `FlowRunPage`.
    """
    return prepare(
        "list_flow_runs",
        "GET",
        "/flow-runs",
        _ANSWERS,
        params=[
            ("state", state),
            ("state_not", state_not),
            ("state_group", state_group),
            ("flow_run_id", flow_run_id),
            ("flow_run_id_prefix", flow_run_id_prefix),
            ("flow_name", flow_name),
            ("name_contains", name_contains),
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
            ("queue_time_gte", queue_time_gte),
            ("queue_time_lte", queue_time_lte),
            ("start_time_is_null", start_time_is_null),
            ("end_time_is_null", end_time_is_null),
            ("sort", sort),
            ("limit", limit),
            ("cursor", cursor),
        ],
    )
