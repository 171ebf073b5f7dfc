# Generated from openapi.json by `make client`. Do not edit.
"""GET /flow-runs/{flow_run_id}/timeline."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from ...models import Timeline
from ...types import UNSET, Answers, Call, Json, Unset, nothing, prepare

_ANSWERS: Answers[Timeline] = {200: Json[Timeline](Timeline)}


def build(
    flow_run_id: UUID | str,
    *,
    task_slug: str | Sequence[str] | None | Unset = UNSET,
    after: datetime | None | Unset = UNSET,
    before: datetime | None | Unset = UNSET,
) -> Call[Timeline]:
    """Get the timeline of a flow run.

    Get when the task runs of a flow run waited and ran, in columns, so that all of them fit into one response.

    If a window has more than 200,000 task runs, they are counted in bins of time, by task and state; a smaller
    window shows them one by one. To read a task run itself, look it up by its `task_slug` and `map_index`.

    If the service requires API keys, use one with the scope `read`.

    Args:
        flow_run_id: The id of the flow run.
        task_slug: Only tasks with any of these slugs.
        after: Only task runs that ended after this time or have not ended.
        before: Only task runs whose earliest state is before this time.

    Raises:
        ValueError: If a datetime has no time zone.

    Answer: `Timeline`.
    """
    return prepare(
        "get_flow_run_timeline",
        "GET",
        "/flow-runs/{flow_run_id}/timeline",
        _ANSWERS,
        segments=[("flow_run_id", flow_run_id)],
        params=[("task_slug", task_slug), ("after", after), ("before", before)],
    )


_ANSWERS_IF_CHANGED: Answers[Timeline | None] = {200: Json[Timeline](Timeline), 304: nothing}


def build_if_changed(
    flow_run_id: UUID | str,
    *,
    task_slug: str | Sequence[str] | None | Unset = UNSET,
    after: datetime | None | Unset = UNSET,
    before: datetime | None | Unset = UNSET,
    if_none_match: str,
) -> Call[Timeline | None]:
    """Get the timeline of a flow run.

    Get when the task runs of a flow run waited and ran, in columns, so that all of them fit into one response.

    If a window has more than 200,000 task runs, they are counted in bins of time, by task and state; a smaller
    window shows them one by one. To read a task run itself, look it up by its `task_slug` and `map_index`.

    If the service requires API keys, use one with the scope `read`.

    Args:
        flow_run_id: The id of the flow run.
        task_slug: Only tasks with any of these slugs.
        after: Only task runs that ended after this time or have not ended.
        before: Only task runs whose earliest state is before this time.
        if_none_match: The ETags that you have; if one of them is current, the status is 304.

    Raises:
        ValueError: If a datetime has no time zone.

    Answer: `Timeline | None`; None if nothing has changed.
    """
    return prepare(
        "get_flow_run_timeline",
        "GET",
        "/flow-runs/{flow_run_id}/timeline",
        _ANSWERS_IF_CHANGED,
        segments=[("flow_run_id", flow_run_id)],
        params=[("task_slug", task_slug), ("after", after), ("before", before)],
        headers=[("If-None-Match", if_none_match)],
    )
