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
    """Change a task run.

    Change the name or the tags of a task run; what is not sent stays.

    With API keys, needs one of scope `write`.

    Args:
        task_run_id: The id of the task run.
        expected_version: Change it only if it still has this version.
        name: Its name; null takes the name away.
        tags: All its tags.
        if_match: Do it only if the run still has this ETag (of a flow run: this sequence).

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
