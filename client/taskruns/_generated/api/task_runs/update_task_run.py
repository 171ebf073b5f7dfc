# Generated from openapi.json by `make client`. Do not edit.
"""PATCH /task-runs/{task_run_id}."""

from collections.abc import Sequence
from uuid import UUID

from ...models import TaskRun
from ...types import UNSET, Answers, Call, Json, Unset, given, prepare

_ANSWERS: Answers[TaskRun] = {200: Json[TaskRun](TaskRun)}


def build(
    task_run_id: UUID | str,
    *,
    expected_version: int | Unset = UNSET,
    name: str | None | Unset = UNSET,
    tags: Sequence[str] | Unset = UNSET,
    if_match: str | None | Unset = UNSET,
) -> Call[TaskRun]:
    """Update a task run.

    Change the name or the tags of a task run. Members that are not sent keep their values.

    If the service requires API keys, use one with the scope `write`.

    Args:
        task_run_id: The id of the task run.
        expected_version: Change the task run only if it still has this version.
        name: The new name; null removes the name.
        tags: The new tags, which replace all current tags.
        if_match: Apply the change only if the run still has this ETag (for a flow run, this sequence).

    Answer: `TaskRun`.
    """
    return prepare(
        "update_task_run",
        "PATCH",
        "/task-runs/{task_run_id}",
        _ANSWERS,
        segments=[("task_run_id", task_run_id)],
        headers=[("If-Match", if_match)],
        body=given(expected_version=expected_version, name=name, tags=tags),
    )
