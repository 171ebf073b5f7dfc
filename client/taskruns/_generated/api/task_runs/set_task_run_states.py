# Generated from openapi.json by `make client`. Do not edit.
"""POST /task-runs/states."""

from ...models import TaskRunReceipts, TaskRunStateReports
from ...types import Answers, Call, Json, prepare

ANSWERS: Answers[TaskRunReceipts] = {200: Json(TaskRunReceipts), 207: Json(TaskRunReceipts)}


def build(*, body: TaskRunStateReports) -> Call[TaskRunReceipts]:
    """Report states of task runs.

    Report 1 to 1,000 states of any task runs; those of one task run are taken in their order.

    Needs an API key of scope `write`.

    Args:
        body: States of any task runs to report.

    Returns:
        The request; its answer is `TaskRunReceipts`.
    """
    return prepare("set_task_run_states", "POST", "/task-runs/states", ANSWERS, body=body)
