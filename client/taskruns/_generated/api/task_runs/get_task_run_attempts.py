# Generated from openapi.json by `make client`. Do not edit.
"""GET /task-runs/{task_run_id}/attempts."""

from uuid import UUID

from ...models import TaskRunAttempts
from ...types import Answers, Call, Json, prepare

_ANSWERS: Answers[TaskRunAttempts] = {200: Json[TaskRunAttempts](TaskRunAttempts)}


def build(task_run_id: UUID | str) -> Call[TaskRunAttempts]:
    """Get the attempts of a task run.

    Get the attempts of a task run, oldest first, and the time that it was running.

    An attempt begins with a Running state and ends with the next state that is neither Running nor Cancelling,
    such as Retrying, Paused or Failed, or with the next Running state. Of several finished states, the one that
    takes precedence ends it. The service derives the attempts from the history, in the order of the timestamps,
    whatever the order of arrival. A task run that was never Running has no attempts. A mapped parent has its
    own, not those of its children.

    The response covers the oldest 1,000 states of the history; `truncated` says whether there are more.

    If the service requires API keys, use one with the scope `read`.

    Args:
        task_run_id: The id of the task run.

    Answer: `TaskRunAttempts`.
    """
    return prepare(
        "get_task_run_attempts",
        "GET",
        "/task-runs/{task_run_id}/attempts",
        _ANSWERS,
        segments=[("task_run_id", task_run_id)],
    )
