# Generated from openapi.json by `make client`. Do not edit.
"""POST /flow-runs/{flow_run_id}/heartbeats."""

from uuid import UUID

from ...types import Answers, Call, nothing, prepare

_ANSWERS: Answers[None] = {204: nothing}


def build(flow_run_id: UUID | str) -> Call[None]:
    """Report a heartbeat of a flow run.

    Report that a process of a flow run is alive, by the time at which the heartbeat arrives.

    Once a flow run has sent a heartbeat, it must go on to send them while it is running. Without one for the
    time that the service is set up for, the flow run and its unfinished task runs become Crashed. The next
    heartbeat or report undoes that.

    If the service requires API keys, use one with the scope `write`.

    Args:
        flow_run_id: The id of the flow run.

    Answer: `None`.
    """
    return prepare(
        "report_flow_run_heartbeat",
        "POST",
        "/flow-runs/{flow_run_id}/heartbeats",
        _ANSWERS,
        segments=[("flow_run_id", flow_run_id)],
    )
