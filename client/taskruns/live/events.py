"""The events that the streams of a client yield."""

from typing import TypeAlias

from taskruns._generated.types import Model, Timestamp
from taskruns.models import FlowRunSummary, LogLine, TaskRun


class TaskRunsChanged(Model, kw_only=True, frozen=True):
    """Task runs changed."""

    last_event_id: str
    """The position after this event: pass it to `events` to resume there."""
    sequence: int
    """The sequence up to which all changes of the flow run were read, apart from those that the filters exclude."""
    items: list[TaskRun]
    """The task runs in their latest state, in the order of their changes, each with its own `sequence`."""


class FlowRunChanged(Model, kw_only=True, frozen=True):
    """A flow run, or the number of its task runs in each state, changed."""

    last_event_id: str
    """The position after this event: pass it to `events` to resume there."""
    flow_run: FlowRunSummary
    """The flow run without its parameters and its context."""


class LogLinesAdded(Model, kw_only=True, frozen=True):
    """Log lines arrived."""

    last_event_id: str
    """The position after this event: pass it to `events` to resume there."""
    items: list[LogLine]
    """The lines, oldest first."""


FlowRunEvent: TypeAlias = TaskRunsChanged | FlowRunChanged | LogLinesAdded
"""What the stream of one flow run yields."""


class NowChanged(Model, kw_only=True, frozen=True):
    """What all flow runs are doing at present; a new one follows when something in it changes."""

    counts: dict[str, int]
    """The number of task runs in each state."""
    running_flow_runs: int
    """The number of flow runs that are running."""
    failures: list[TaskRun]
    """The task runs that failed last, at most 20, newest first."""
    newest_flow_run_created: Timestamp | None
    """When the newest flow run was created; None if there is none."""


ServiceEvent: TypeAlias = FlowRunChanged | NowChanged
"""What the stream of the service yields."""
