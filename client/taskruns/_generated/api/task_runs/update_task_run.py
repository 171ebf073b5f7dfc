# Generated from openapi.json by `make client`. Do not edit.
"""PATCH /task-runs/{task_run_id}."""

from uuid import UUID

from ...models import TaskRun, TaskRunUpdate
from ...types import UNSET, Answers, Call, Json, Unset, prepare

ANSWERS: Answers[TaskRun] = {200: Json(TaskRun)}


def build(task_run_id: UUID, *, body: TaskRunUpdate, if_match: str | None | Unset = UNSET) -> Call[TaskRun]:
    """Change a task run.

    Change the name or the tags of a task run; what is not sent stays.

    Needs an API key of scope `write`.

    Args:
        task_run_id: The id of the task run.
        body: What may be changed about a task run; what is not sent stays.
        if_match: Do it only if the run still has this ETag (of a flow run: this sequence).

    Returns:
        The request; its answer is `TaskRun`.
    """
    return prepare(
        "update_task_run",
        "PATCH",
        "/task-runs/{task_run_id}",
        ANSWERS,
        segments=[("task_run_id", task_run_id)],
        headers=[("If-Match", if_match)],
        body=body,
    )
