# Generated from openapi.json by `make client`. Do not edit.
"""GET /task-runs/{task_run_id}/states."""

from uuid import UUID

from ...models import StatePage
from ...types import UNSET, Answers, Call, Json, Unset, prepare

_ANSWERS: Answers[StatePage] = {200: Json[StatePage](StatePage)}


def build(
    task_run_id: UUID | str, *, limit: int | None | Unset = UNSET, cursor: str | None | Unset = UNSET
) -> Call[StatePage]:
    """List the states of a task run.

    List the states of a task run, oldest first, including those that arrived too late to take effect.

    If the service requires API keys, use one with the scope `read`.

    Args:
        task_run_id: The id of the task run.
        limit: The maximum number of items on a page. The server's default is `100`.
        cursor: Where the page starts: `next_cursor` of the previous page, with the same filters.

    Answer: `StatePage`.
    """
    return prepare(
        "list_task_run_states",
        "GET",
        "/task-runs/{task_run_id}/states",
        _ANSWERS,
        segments=[("task_run_id", task_run_id)],
        params=[("limit", limit), ("cursor", cursor)],
    )
