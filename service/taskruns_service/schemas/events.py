"""Events: what the streams send, by the name of the event."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct, field

from taskruns_service.schemas.common import Timestamp
from taskruns_service.schemas.logs import LogLine
from taskruns_service.schemas.runs import TaskRun


class ResyncReason(StrEnum):
    """Why a client has to load everything again."""

    behind = "behind"
    """More task runs have changed than a stream catches up on."""
    reset = "reset"
    """The flow run is at an earlier sequence than the client, as after a backup was restored."""


class ByeCode(StrEnum):
    """Why a stream ends."""

    stopping = "stopping"
    """The service is stopping. Another process takes over, or the service comes back."""
    rebalance = "rebalance"
    """The stream has lasted for an hour."""
    unauthenticated = "unauthenticated"
    """The API key was revoked."""
    finished = "finished"
    """The flow run and its task runs are finished, and nothing has changed for 10 minutes."""


class TaskRunsEvent(Struct, frozen=True, kw_only=True):
    """The data of a `task_runs` event: all task runs that changed after one sequence, up to another."""

    from_: Annotated[int, Meta(description="The sequence after which the task runs changed.", examples=[40])] = field(
        name="from"
    )
    sequence: Annotated[
        int,
        Meta(description="The sequence up to which all changes are included; the `id` of the event.", examples=[42]),
    ]
    items: Annotated[
        list[TaskRun],
        Meta(
            description="The task runs in their latest state, at most 1,000, in ascending order of `sequence`. With "
            "`fields`, they have only those members, `id` and `sequence`."
        ),
    ]


class LogsEvent(Struct, frozen=True, kw_only=True):
    """The data of a `logs` event: new log lines of the flow run."""

    items: Annotated[list[LogLine], Meta(description="The lines, at most 200, oldest first.")]


class ResyncEvent(Struct, frozen=True, kw_only=True):
    """The data of a `resync` event, after which the stream ends: load everything, then open a stream again."""

    sequence: Annotated[
        int, Meta(description="The `after_sequence` of the next stream, once everything is loaded.", examples=[42])
    ]
    reason: Annotated[ResyncReason, Meta(description="Why the stream does not continue.")]


class ByeEvent(Struct, frozen=True, kw_only=True):
    """The data of a `bye` event, after which the stream ends although there may be further changes."""

    retry_after: Annotated[
        float, Meta(description="The number of seconds to wait before opening the stream again.", examples=[1.25])
    ]
    code: Annotated[ByeCode, Meta(description="Why the stream ends.")]


class NowEvent(Struct, frozen=True, kw_only=True):
    """The data of a `now` event: all runs at a glance."""

    counts: Annotated[
        dict[str, int], Meta(description="The number of task runs in each state.", examples=[{"Running": 3}])
    ]
    running_flow_runs: Annotated[int, Meta(description="The number of running flow runs.", examples=[2])]
    failures: Annotated[list[TaskRun], Meta(description="The newest failed task runs, at most 20, newest first.")]
    newest_flow_run_created: Annotated[
        Timestamp | None, Meta(description="The time when the newest flow run was created; null if there is none.")
    ]
