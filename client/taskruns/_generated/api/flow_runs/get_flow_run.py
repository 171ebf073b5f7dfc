# Generated from openapi.json by `make client`. Do not edit.
"""GET /flow-runs/{flow_run_id}."""

from uuid import UUID

from ...models import FlowRun
from ...types import Answers, Call, Json, nothing, prepare

_ANSWERS: Answers[FlowRun] = {200: Json[FlowRun](FlowRun)}


def build(flow_run_id: UUID | str) -> Call[FlowRun]:
    """Get a flow run.

    Get one flow run, with the number of its task runs in each state.

    If the service requires API keys, use one with the scope `read`.

    Args:
        flow_run_id: The id of the flow run.

    Answer: `FlowRun`.
    """
    return prepare("get_flow_run", "GET", "/flow-runs/{flow_run_id}", _ANSWERS, segments=[("flow_run_id", flow_run_id)])


_ANSWERS_IF_CHANGED: Answers[FlowRun | None] = {200: Json[FlowRun](FlowRun), 304: nothing}


def build_if_changed(flow_run_id: UUID | str, *, if_none_match: str) -> Call[FlowRun | None]:
    """Get a flow run.

    Get one flow run, with the number of its task runs in each state.

    If the service requires API keys, use one with the scope `read`.

    Args:
        flow_run_id: The id of the flow run.
        if_none_match: The ETags that you have; if one of them is current, the status is 304.

    Answer: `FlowRun | None`; None if nothing has changed.
    """
    return prepare(
        "get_flow_run",
        "GET",
        "/flow-runs/{flow_run_id}",
        _ANSWERS_IF_CHANGED,
        segments=[("flow_run_id", flow_run_id)],
        headers=[("If-None-Match", if_none_match)],
    )
