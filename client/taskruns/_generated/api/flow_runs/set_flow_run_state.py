# Generated from openapi.json by `make client`. Do not edit.
"""POST /flow-runs/{flow_run_id}/states."""

from uuid import UUID

from ...models import FlowRunStateReceipt, StateCreate
from ...types import UNSET, Answers, Call, Json, Unset, prepare

ANSWERS: Answers[FlowRunStateReceipt] = {200: Json(FlowRunStateReceipt), 201: Json(FlowRunStateReceipt)}


def build(flow_run_id: UUID, *, body: StateCreate, if_match: str | None | Unset = UNSET) -> Call[FlowRunStateReceipt]:
    """Report a state of a flow run.

    Report a state that a flow run has come to.

    Needs an API key of scope `write`.

    Args:
        flow_run_id: The id of the flow run.
        body: A state that a run has come to.

            Send an `id` of your own with every state: a report that is repeated with the same id is recorded once.
        if_match: Do it only if the run still has this ETag (of a flow run: this sequence).

    Returns:
        The request; its answer is `FlowRunStateReceipt`.
    """
    return prepare(
        "set_flow_run_state",
        "POST",
        "/flow-runs/{flow_run_id}/states",
        ANSWERS,
        segments=[("flow_run_id", flow_run_id)],
        headers=[("If-Match", if_match)],
        body=body,
    )
