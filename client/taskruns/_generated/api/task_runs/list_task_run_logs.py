# Generated from openapi.json by `make client`. Do not edit.
"""GET /task-runs/{task_run_id}/logs."""

from datetime import datetime
from uuid import UUID

from ...models import LogLevel, LogPage
from ...types import UNSET, Answers, Call, Json, Unset, prepare

_ANSWERS: Answers[LogPage] = {200: Json[LogPage](LogPage)}


def build(
    task_run_id: UUID | str,
    *,
    level: LogLevel | str | None | Unset = UNSET,
    after: datetime | None | Unset = UNSET,
    contains: str | None | Unset = UNSET,
    sort: str | None | Unset = UNSET,
    limit: int | None | Unset = UNSET,
    cursor: str | None | Unset = UNSET,
) -> Call[LogPage]:
    """List the log lines of a task run.

    List the log lines of a task run, oldest first; to list the newest first, sort by `-timestamp`.

    If the service requires API keys, use one with the scope `read`.

    Args:
        task_run_id: The id of the task run.
        level: The level of a log line, from the least severe to the most severe.
        after: Lines after this time.
        contains: Lines with this text in their message, ignoring case.
        sort: Comma-separated keys, each with a leading `-` for descending order. The first key must be one of
            timestamp. Items without a value come last. The server's default is `timestamp`.
        limit: The maximum number of items on a page. The server's default is `100`.
        cursor: Where the page starts: `next_cursor` of the previous page, with the same filters.

    Raises:
        ValueError: If a datetime has no time zone.

    Answer: `LogPage`.
    """
    return prepare(
        "list_task_run_logs",
        "GET",
        "/task-runs/{task_run_id}/logs",
        _ANSWERS,
        segments=[("task_run_id", task_run_id)],
        params=[
            ("level", level),
            ("after", after),
            ("contains", contains),
            ("sort", sort),
            ("limit", limit),
            ("cursor", cursor),
        ],
    )
