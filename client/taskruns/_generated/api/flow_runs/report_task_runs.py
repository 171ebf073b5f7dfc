# Generated from openapi.json by `make client`. Do not edit.
"""POST /flow-runs/{flow_run_id}/task-runs."""

from collections.abc import Sequence
from uuid import UUID

from ...models import TaskRunReceipts, TaskRunReport, TaskRunReportDict
from ...types import Answers, Call, Json, given, prepare

_ANSWERS: Answers[TaskRunReceipts] = {
    200: Json[TaskRunReceipts](TaskRunReceipts),
    207: Json[TaskRunReceipts](TaskRunReceipts),
}


def build(flow_run_id: UUID | str, *, items: Sequence[TaskRunReport | TaskRunReportDict]) -> Call[TaskRunReceipts]:
    """Report task runs of a flow run.

    Report 1 to 1,000 task runs by task slug and map index. Each is created if it is new, and then enters its
    states.

    Each item has its own outcome. Repeating a report with the same state ids changes nothing.

    If the service requires API keys, use one with the scope `write`.

    Args:
        flow_run_id: The id of the flow run.
        items: The `items`.

    Answer: `TaskRunReceipts`.
    """
    return prepare(
        "report_task_runs",
        "POST",
        "/flow-runs/{flow_run_id}/task-runs",
        _ANSWERS,
        segments=[("flow_run_id", flow_run_id)],
        body=given(items=items),
    )
