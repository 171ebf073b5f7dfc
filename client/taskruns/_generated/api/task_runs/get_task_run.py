# Generated from openapi.json by `make client`. Do not edit.
"""GET /task-runs/{task_run_id}."""

from uuid import UUID

from ...models import TaskRun
from ...types import Answers, Call, Json, nothing, prepare

_ANSWERS: Answers[TaskRun] = {200: Json[TaskRun](TaskRun)}


def build(task_run_id: UUID | str) -> Call[TaskRun]:
    """Get a task run.

    Get one task run. A mapped parent shows the earliest start and the latest end of its children.

    If the service requires API keys, use one with the scope `read`.

    Args:
        task_run_id: The id of the task run.

    Answer: `TaskRun`.
    """
    return prepare("get_task_run", "GET", "/task-runs/{task_run_id}", _ANSWERS, segments=[("task_run_id", task_run_id)])


_ANSWERS_IF_CHANGED: Answers[TaskRun | None] = {200: Json[TaskRun](TaskRun), 304: nothing}


def build_if_changed(task_run_id: UUID | str, *, if_none_match: str) -> Call[TaskRun | None]:
    """Get a task run.

    Get one task run. A mapped parent shows the earliest start and the latest end of its children.

    If the service requires API keys, use one with the scope `read`.

    Args:
        task_run_id: The id of the task run.
        if_none_match: The ETags that you have; if one of them is current, the status is 304.

    Answer: `TaskRun | None`; None if nothing has changed.
    """
    return prepare(
        "get_task_run",
        "GET",
        "/task-runs/{task_run_id}",
        _ANSWERS_IF_CHANGED,
        segments=[("task_run_id", task_run_id)],
        headers=[("If-None-Match", if_none_match)],
    )
