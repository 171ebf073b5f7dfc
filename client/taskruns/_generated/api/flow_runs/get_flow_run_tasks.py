# Generated from openapi.json by `make client`. Do not edit.
"""GET /flow-runs/{flow_run_id}/tasks."""

from uuid import UUID

from ...models import FlowRunTasks
from ...types import Answers, Call, Json, nothing, prepare

_ANSWERS: Answers[FlowRunTasks] = {200: Json[FlowRunTasks](FlowRunTasks)}


def build(flow_run_id: UUID | str) -> Call[FlowRunTasks]:
    """Get the tasks of a flow run.

    Get the tasks of a flow run, each with what there is to know of all its task runs.

    A mapped task is one item, however many children it has. The tasks have the order in which they started;
    those that have not started come last.

    If the service requires API keys, use one with the scope `read`.

    Args:
        flow_run_id: The id of the flow run.

    Answer: `FlowRunTasks`.
    """
    return prepare(
        "get_flow_run_tasks", "GET", "/flow-runs/{flow_run_id}/tasks", _ANSWERS, segments=[("flow_run_id", flow_run_id)]
    )


_ANSWERS_IF_CHANGED: Answers[FlowRunTasks | None] = {200: Json[FlowRunTasks](FlowRunTasks), 304: nothing}


def build_if_changed(flow_run_id: UUID | str, *, if_none_match: str) -> Call[FlowRunTasks | None]:
    """Get the tasks of a flow run.

    Get the tasks of a flow run, each with what there is to know of all its task runs.

    A mapped task is one item, however many children it has. The tasks have the order in which they started;
    those that have not started come last.

    If the service requires API keys, use one with the scope `read`.

    Args:
        flow_run_id: The id of the flow run.
        if_none_match: The ETags that you have; if one of them is current, the status is 304.

    Answer: `FlowRunTasks | None`; None if nothing has changed.
    """
    return prepare(
        "get_flow_run_tasks",
        "GET",
        "/flow-runs/{flow_run_id}/tasks",
        _ANSWERS_IF_CHANGED,
        segments=[("flow_run_id", flow_run_id)],
        headers=[("If-None-Match", if_none_match)],
    )
