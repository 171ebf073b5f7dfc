"""Logs: the lines that runs wrote, as clients send and list them."""

from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from taskruns_service.domain.log_levels import LogLevel
from taskruns_service.schemas.common import (
    BULK_ITEMS,
    LOG_LINE_EXAMPLE,
    MESSAGE_LENGTH,
    TASK_RUN_EXAMPLE,
    FlowRunId,
    NameText,
    NextCursor,
    Timestamp,
)
from taskruns_service.schemas.requests import check_timestamp


class LogLineReport(Struct, forbid_unknown_fields=True, kw_only=True):
    """A log line of a flow run, or of one of its task runs.

    Generate an `id` for every line: a line that you repeat with the same id is recorded once.
    """

    id: Annotated[
        UUID, Meta(description="An id that you generate, unique for every line.", examples=[LOG_LINE_EXAMPLE])
    ]
    task_run_id: Annotated[
        UUID | None,
        Meta(
            description="The id of the task run that wrote the line; null if the flow run itself wrote it.",
            examples=[TASK_RUN_EXAMPLE],
        ),
    ] = None
    timestamp: Annotated[
        Timestamp | UnsetType,
        Meta(description="The time of the line, with an offset. Default: the time when the report arrives."),
    ] = UNSET
    level: Annotated[LogLevel, Meta(description="The level of the line.")] = LogLevel.INFO
    name: Annotated[NameText | None, Meta(description="The name of the logger.", examples=["etl.load"])] = None
    message: Annotated[
        str, Meta(max_length=MESSAGE_LENGTH, description="The text of the line.", examples=["Loaded 42 rows."])
    ]

    def __post_init__(self) -> None:
        if self.timestamp is not UNSET:
            check_timestamp(self.timestamp)


class LogLineReports(Struct, forbid_unknown_fields=True, kw_only=True):
    """The log lines of one flow run to report."""

    items: Annotated[list[LogLineReport], Meta(min_length=1, max_length=BULK_ITEMS)]


class LogReceipt(Struct, frozen=True, kw_only=True):
    """How many log lines a report had, and how many of them were new."""

    received: Annotated[int, Meta(description="The number of lines in the request.", examples=[2])]
    recorded: Annotated[
        int, Meta(description="The number of lines that were recorded; the ids of the others were known.", examples=[2])
    ]


class LogLine(Struct, frozen=True, kw_only=True):
    """A log line of a flow run, or of one of its task runs."""

    id: Annotated[UUID, Meta(description="The id of the line.", examples=[LOG_LINE_EXAMPLE])]
    flow_run_id: FlowRunId
    task_run_id: Annotated[
        UUID | None,
        Meta(
            description="The id of the task run that wrote the line; null if the flow run itself wrote it.",
            examples=[TASK_RUN_EXAMPLE],
        ),
    ]
    timestamp: Annotated[Timestamp, Meta(description="The time of the line.")]
    level: Annotated[
        str,
        Meta(
            description="The level of the line. Lines that engines of Prefect 1 sent can have levels of their own.",
            examples=["INFO"],
            extra_json_schema={"x-extensible-enum": list(LogLevel)},
        ),
    ]
    name: Annotated[str | None, Meta(description="The name of the logger; null if none was sent.")]
    message: Annotated[str | None, Meta(description="The text of the line; null if none was sent.")]


class LogPage(Struct, frozen=True, kw_only=True):
    """A page of log lines, with the cursor of the next page."""

    items: list[LogLine]
    next_cursor: NextCursor
