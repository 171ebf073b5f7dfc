# Generated from openapi.json by `make client`. Do not edit.
"""GET /flow-runs/{flow_run_id}."""

from uuid import UUID

from ...models import FlowRun
from ...types import UNSET, Answers, Call, Json, Unset, nothing, prepare

ANSWERS: Answers[FlowRun | None] = {200: Json(FlowRun), 304: nothing}


def build(flow_run_id: UUID, *, if_none_match: str | None | Unset = UNSET) -> Call[FlowRun | None]:
    """Get a flow run.

    Get one flow run, with the number of its task runs in each state.

    Needs an API key of scope `read`.

    Args:
        flow_run_id: The id of the flow run.
        if_none_match: ETags that you have; if nothing has changed since, the answer is 304.

    Returns:
        The request; its answer is `FlowRun | None`.
    """
    return prepare(
        "get_flow_run",
        "GET",
        "/flow-runs/{flow_run_id}",
        ANSWERS,
        segments=[("flow_run_id", flow_run_id)],
        headers=[("If-None-Match", if_none_match)],
    )
