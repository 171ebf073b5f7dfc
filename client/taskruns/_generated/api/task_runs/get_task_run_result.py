# Generated from openapi.json by `make client`. Do not edit.
"""GET /task-runs/{task_run_id}/result."""

from uuid import UUID

from ...models import TaskRunResult
from ...types import UNSET, Answers, Call, Json, Unset, prepare

_ANSWERS: Answers[TaskRunResult] = {200: Json[TaskRunResult](TaskRunResult)}


def build(
    task_run_id: UUID | str, *, limit: int | None | Unset = UNSET, cursor: str | None | Unset = UNSET
) -> Call[TaskRunResult]:
    """Get the location of a result.

    Get the location of a finished task run's result, and how it was serialized.

    The service never holds the result itself.

    For a mapped parent, the response lists the results of its children by map index, one page at a time. The
    list is empty if the task was mapped over no items.

    If the service requires API keys, use one with the scope `read`.

    Args:
        task_run_id: The id of the task run.
        limit: The maximum number of items on a page. The server's default is `100`.
        cursor: Where the page starts: `next_cursor` of the previous page, with the same filters.

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
