# Generated from openapi.json by `make client`. Do not edit.
"""POST /flow-runs."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from ...models import FlowRun
from ...types import UNSET, Answers, Call, Json, Unset, given, prepare

_ANSWERS: Answers[FlowRun] = {200: Json[FlowRun](FlowRun), 201: Json[FlowRun](FlowRun)}


def build(
    *,
    flow_name: str,
    context: dict[str, Any] | Unset = UNSET,
    id: UUID | str | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
    labels: Sequence[str] | Unset = UNSET,
    name: str | Unset = UNSET,
    parameters: dict[str, Any] | Unset = UNSET,
) -> Call[FlowRun]:
    """Create a flow run.

    Create a flow run of a flow, which is made if its name is new.

    If there is one with this `id`, or with this `idempotency_key` for this flow, it is answered instead,
    provided that it does not differ in what was sent.

    With API keys, needs one of scope `write`.

    Args:
        flow_name: The name of the flow; it is made if it is new.
        context: The context of the flow run: any JSON.
        id: An id of your own; not sent: the service makes one.
        idempotency_key: A second request with this key for this flow finds the same flow run.
        labels: Labels of the flow run.
        name: The name of the run; not sent: one is made.
        parameters: The parameters of the flow run: any JSON.

    Answer: `FlowRun`.
    """
    return prepare(
        "create_flow_run",
        "POST",
        "/flow-runs",
        _ANSWERS,
        body=given(
            flow_name=flow_name,
            context=context,
            id=id,
            idempotency_key=idempotency_key,
            labels=labels,
            name=name,
            parameters=parameters,
        ),
    )
