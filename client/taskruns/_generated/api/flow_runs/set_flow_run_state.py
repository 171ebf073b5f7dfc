# Generated from openapi.json by `make client`. Do not edit.
"""POST /flow-runs/{flow_run_id}/states."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ...models import FlowRunStateReceipt, StateType
from ...types import UNSET, Answers, Call, Json, Unset, given, prepare

_ANSWERS: Answers[FlowRunStateReceipt] = {
    200: Json[FlowRunStateReceipt](FlowRunStateReceipt),
    201: Json[FlowRunStateReceipt](FlowRunStateReceipt),
}


def build(
    flow_run_id: UUID | str,
    *,
    type: StateType | str,
    details: dict[str, Any] | Unset = UNSET,
    expected_version: int | Unset = UNSET,
    force: bool | Unset = UNSET,
    id: UUID | str | Unset = UNSET,
    message: str | None | Unset = UNSET,
    result: dict[str, Any] | None | Unset = UNSET,
    timestamp: datetime | Unset = UNSET,
    if_match: str | None | Unset = UNSET,
) -> Call[FlowRunStateReceipt]:
    """Report a state of a flow run.

    Report a state that a flow run has come to.

    With API keys, needs one of scope `write`.

    Args:
        flow_run_id: The id of the flow run.
        type: The type of a state. New types may be added: read an unknown one as you would its group.

            - `Pending`: Waits to run.
            - `Scheduled`: Waits for a moment in time to run.
            - `Paused`: Waits for a person to let it go on.
            - `Resume`: Was paused and may go on.
            - `Retrying`: Failed and waits to be tried again.
            - `Queued`: Waits for a free place.
            - `Submitted`: Was handed over to be run.
            - `ClientFailed`: Could not be started by the client that should run it.
            - `Running`: Is running.
            - `Cancelling`: Is running and was asked to stop.
            - `Finished`: Ended.
            - `Success`: Ended well.
            - `Cached`: Ended well, and its result may be used again.
            - `Mapped`: Made one child for each item; the children do the work.
            - `Skipped`: Was not needed.
            - `Failed`: Ended with an error.
            - `TimedOut`: Took longer than it was allowed.
            - `TriggerFailed`: Never ran, because what it waits for did not end as it needs.
            - `ValidationFailed`: Made a result that its own check refused.
            - `Looped`: Ended one turn of a loop.
            - `Cancelled`: Was stopped before it ended.
        details: What only some types of state have, such as `start_time` of Scheduled; kept as given. Not sent:
            `{}`.
        expected_version: Record it only if the run still has this version; otherwise the answer is 412.
        force: Record it even if the run is finished and would not be any more. Not sent: `false`.
        id: An id of your own, new for every state.
        message: A sentence for people.
        result: A reference to the result, never the result itself: its `type`, and where and how it is kept.
        timestamp: When the run came to it, with an offset; not sent: when the report arrives.
        if_match: Do it only if the run still has this ETag (of a flow run: this sequence).

    Raises:
        ValueError: If a datetime has no time zone.

    Answer: `FlowRunStateReceipt`.
    """
    return prepare(
        "set_flow_run_state",
        "POST",
        "/flow-runs/{flow_run_id}/states",
        _ANSWERS,
        segments=[("flow_run_id", flow_run_id)],
        headers=[("If-Match", if_match)],
        body=given(
            type=type,
            details=details,
            expected_version=expected_version,
            force=force,
            id=id,
            message=message,
            result=result,
            timestamp=timestamp,
        ),
    )
