# Generated from openapi.json by `make client`. Do not edit.
"""GET /task-runs/{task_run_id}."""

from uuid import UUID

from ...models import TaskRun
from ...types import UNSET, Answers, Call, Json, Unset, nothing, prepare

ANSWERS: Answers[TaskRun | None] = {200: Json(TaskRun), 304: nothing}


def build(task_run_id: UUID, *, if_none_match: str | None | Unset = UNSET) -> Call[TaskRun | None]:
    """Get a task run.

    Get one task run. A mapped parent is shown with the earliest start and the latest end of its children.

    Needs an API key of scope `read`.

    Args:
        task_run_id: The id of the task run.
        if_none_match: ETags that you have; if nothing has changed since, the answer is 304.

    Returns:
        The request; its answer is `TaskRun | None`.
    """
    return prepare(
        "get_task_run",
        "GET",
        "/task-runs/{task_run_id}",
        ANSWERS,
        segments=[("task_run_id", task_run_id)],
        headers=[("If-None-Match", if_none_match)],
    )
