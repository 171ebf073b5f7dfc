# Generated from openapi.json by `make client`. Do not edit.
"""POST /flow-runs."""

from ...models import FlowRun, FlowRunCreate
from ...types import Answers, Call, Json, prepare

ANSWERS: Answers[FlowRun] = {200: Json(FlowRun), 201: Json(FlowRun)}


def build(*, body: FlowRunCreate) -> Call[FlowRun]:
    """Create a flow run.

    Create a flow run of a flow, which is made if its name is new.

    If there is one with this `id`, or with this `idempotency_key` for this flow, it is answered instead,
    provided that it does not differ in what was sent.

    Needs an API key of scope `write`.

    Args:
        body: A flow run to create, or to find again by `id` or by `idempotency_key`.

    Returns:
        The request; its answer is `FlowRun`.
    """
    return prepare("create_flow_run", "POST", "/flow-runs", ANSWERS, body=body)
