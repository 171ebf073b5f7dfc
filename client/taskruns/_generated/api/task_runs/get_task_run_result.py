# Generated from openapi.json by `make client`. Do not edit.
"""GET /task-runs/{task_run_id}/result."""

from uuid import UUID

from ...models import TaskRunResult
from ...types import UNSET, Answers, Call, Json, Unset, prepare

_ANSWERS: Answers[TaskRunResult] = {200: Json[TaskRunResult](TaskRunResult)}


def build(
    task_run_id: UUID | str, *, limit: int | None | Unset = UNSET, cursor: str | None | Unset = UNSET
) -> Call[TaskRunResult]:
    """Look up where a result is.

    Look up where the result of a finished task run is and how it was written; the service never has the result.

    For the parent of a map these are the results of its children, by map index, a page at a time; there are
    none if it was mapped over nothing.

    With API keys, needs one of scope `read`.

    Args:
        task_run_id: The id of the task run.
        limit: How many items a page has at most. The server's default is `100`.
        cursor: Where the page begins: `next` of the page before, with the same filters.

    Answer: `TaskRunResult`.
    """
    return prepare(
        "get_task_run_result",
        "GET",
        "/task-runs/{task_run_id}/result",
        _ANSWERS,
        segments=[("task_run_id", task_run_id)],
        params=[("limit", limit), ("cursor", cursor)],
    )
