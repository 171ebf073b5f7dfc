# Generated from openapi.json by `make client`. Do not edit.
"""GET /task-runs/{task_run_id}/artifacts."""

from uuid import UUID

from ...models import ArtifactPage
from ...types import UNSET, Answers, Call, Json, Unset, prepare

_ANSWERS: Answers[ArtifactPage] = {200: Json[ArtifactPage](ArtifactPage)}


def build(
    task_run_id: UUID | str, *, limit: int | None | Unset = UNSET, cursor: str | None | Unset = UNSET
) -> Call[ArtifactPage]:
    """List the artifacts of a task run.

    List the artifacts of a task run, oldest first: links and texts that engines of Prefect 1 sent for people.

    If the service requires API keys, use one with the scope `read`.

    Args:
        task_run_id: The id of the task run.
        limit: The maximum number of items on a page. The server's default is `100`.
        cursor: Where the page starts: `next_cursor` of the previous page, with the same filters.

    Answer: `ArtifactPage`.
    """
    return prepare(
        "list_task_run_artifacts",
        "GET",
        "/task-runs/{task_run_id}/artifacts",
        _ANSWERS,
        segments=[("task_run_id", task_run_id)],
        params=[("limit", limit), ("cursor", cursor)],
    )
