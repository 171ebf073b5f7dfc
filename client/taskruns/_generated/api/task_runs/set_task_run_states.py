# Generated from openapi.json by `make client`. Do not edit.
"""POST /task-runs/states."""

from collections.abc import Sequence

from ...models import TaskRunReceipts, TaskRunStateReport, TaskRunStateReportDict
from ...types import Answers, Call, Json, given, prepare

_ANSWERS: Answers[TaskRunReceipts] = {
    200: Json[TaskRunReceipts](TaskRunReceipts),
    207: Json[TaskRunReceipts](TaskRunReceipts),
}


def build(*, items: Sequence[TaskRunStateReport | TaskRunStateReportDict]) -> Call[TaskRunReceipts]:
    """Report states of task runs.

    Report 1 to 1,000 states of any task runs. The states of one task run are applied in the order given.

    If the service requires API keys, use one with the scope `write`.

    Args:
        items: The `items`.

    Answer: `TaskRunReceipts`.
    """
    return prepare("set_task_run_states", "POST", "/task-runs/states", _ANSWERS, body=given(items=items))
