# Generated from openapi.json by `make client`. Do not edit.
"""POST /task-runs/{task_run_id}/states."""

from uuid import UUID

from ...models import StateCreate, TaskRunStateReceipt
from ...types import UNSET, Answers, Call, Json, Unset, prepare

ANSWERS: Answers[TaskRunStateReceipt] = {200: Json(TaskRunStateReceipt), 201: Json(TaskRunStateReceipt)}


def build(task_run_id: UUID, *, body: StateCreate, if_match: str | None | Unset = UNSET) -> Call[TaskRunStateReceipt]:
    """Report a state of a task run.

    Report a state that a task run has come to.

    Needs an API key of scope `write`.

    Args:
        task_run_id: The id of the task run.
        body: A state that a run has come to.

            Send an `id` of your own with every state: a report that is repeated with the same id is recorded once.
        if_match: Do it only if the run still has this ETag (of a flow run: this sequence).

    Returns:
        The request; its answer is `TaskRunStateReceipt`.
    """
    return prepare(
        "set_task_run_state",
        "POST",
        "/task-runs/{task_run_id}/states",
        ANSWERS,
        segments=[("task_run_id", task_run_id)],
        headers=[("If-Match", if_match)],
        body=body,
    )
