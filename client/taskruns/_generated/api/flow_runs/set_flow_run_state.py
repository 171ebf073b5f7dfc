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

    Report a state that a flow run has entered.

    If the service requires API keys, use one with the scope `write`.

    Args:
        flow_run_id: The id of the flow run.
        type: The type of a state. Later versions can add types: handle an unknown type by its group.

            - `Pending`: Waits to run.
            - `Scheduled`: Waits for its scheduled time.
            - `Paused`: Waits for a person to resume it.
            - `Resume`: Was paused and can continue.
            - `Retrying`: Failed and waits for another attempt.
            - `Queued`: Waits for a free slot.
            - `Submitted`: Was submitted for execution.
            - `ClientFailed`: Could not be started by the client that was to run it.
            - `Running`: Is running.
            - `Cancelling`: Is running and was asked to stop.
            - `Finished`: Ended.
            - `Success`: Ended successfully.
            - `Cached`: Ended successfully, and its result can be reused.
            - `Mapped`: Created one child for each item; the children do the work.
            - `Skipped`: Was not needed.
            - `Failed`: Ended with an error.
            - `TimedOut`: Exceeded its time limit.
            - `TriggerFailed`: Never ran, because the runs it depends on did not end as it requires.
            - `ValidationFailed`: Returned a result that failed its own validation.
            - `Crashed`: Was heard of no more; the next report or heartbeat brings it back.
            - `Looped`: Ended one iteration of a loop.
            - `Cancelled`: Was stopped before it finished.
        details: Data that only some types of state have, stored as sent: `start_time` of Scheduled and Retrying is
            the time when the run is due; `traceback` of Failed and Retrying is the formatted traceback of the error.
            Default: `{}`.
        expected_version: Record the state only if the run still has this version; otherwise the status is 412.
        force: Record the state even if the run is finished and this state would reopen it. Default: `false`.
        id: An id that you generate, unique for every state.
        message: A human-readable message.
        result: A reference to the result, never the result itself: its `type`, where it is stored, and how.
        timestamp: The time when the run entered the state, with an offset. Default: the time when the report
            arrives.
        if_match: Apply the change only if the run still has this ETag (for a flow run, this sequence).

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
