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
    parent_task_run_id: UUID | str | Unset = UNSET,
) -> Call[FlowRun]:
    """Create a flow run.

    Create a flow run. The flow is created if its name is new.

    If a flow run with this `id`, or with this `idempotency_key` for this flow, exists, the response is that
    flow run, provided that it has the values that were sent.

    If the service requires API keys, use one with the scope `write`.

    Args:
        flow_name: The name of the flow, which is created if it is new.
        context: The context of the flow run: any JSON object.
        id: An id that you generate. Default: the service generates one.
        idempotency_key: A key that identifies the flow run: a second request with this key for the same flow
            returns the same flow run.
        labels: The labels of the flow run.
        name: The name of the run. Default: a generated name.
        parameters: The parameters of the flow run: any JSON object.
        parent_task_run_id: The id of the task run that starts the flow run. It need not have been reported yet.

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
            parent_task_run_id=parent_task_run_id,
        ),
    )
