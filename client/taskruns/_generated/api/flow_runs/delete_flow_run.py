# Generated from openapi.json by `make client`. Do not edit.
"""DELETE /flow-runs/{flow_run_id}."""

from uuid import UUID

from ...types import UNSET, Answers, Call, Unset, nothing, prepare

_ANSWERS: Answers[None] = {204: nothing}


def build(flow_run_id: UUID | str, *, if_match: str | None | Unset = UNSET) -> Call[None]:
    """Delete a flow run.

    Delete a flow run with its task runs, their histories, and its logs.

    The results that they refer to are not deleted.

    If the service requires API keys, use one with the scope `write`.

    Args:
        flow_run_id: The id of the flow run.
        if_match: Apply the change only if the run still has this ETag (for a flow run, this sequence).

    Answer: `None`.
    """
    return prepare(
        "delete_flow_run",
        "DELETE",
        "/flow-runs/{flow_run_id}",
        _ANSWERS,
        segments=[("flow_run_id", flow_run_id)],
        headers=[("If-Match", if_match)],
    )
