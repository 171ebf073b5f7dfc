# Generated from openapi.json by `make client`. Do not edit.
"""POST /flow-runs/{flow_run_id}/logs."""

from collections.abc import Sequence
from uuid import UUID

from ...models import LogLineReport, LogLineReportDict, LogReceipt
from ...types import Answers, Call, Json, given, prepare

_ANSWERS: Answers[LogReceipt] = {200: Json[LogReceipt](LogReceipt)}


def build(flow_run_id: UUID | str, *, items: Sequence[LogLineReport | LogLineReportDict]) -> Call[LogReceipt]:
    """Report log lines of a flow run.

    Report 1 to 1,000 log lines of a flow run and of its task runs.

    Lines whose ids are known are ignored, so it is safe to repeat a report. If a line names a task run that the
    flow run does not have, the service records none of the lines.

    If the service requires API keys, use one with the scope `write`.

    Args:
        flow_run_id: The id of the flow run.
        items: The `items`.

    Answer: `LogReceipt`.
    """
    return prepare(
        "report_flow_run_logs",
        "POST",
        "/flow-runs/{flow_run_id}/logs",
        _ANSWERS,
        segments=[("flow_run_id", flow_run_id)],
        body=given(items=items),
    )
