"""Live updates: the changes of flow runs as typed events, from a stream or, where there is none, by polling."""

from taskruns.live.events import (
    FlowRunChanged,
    FlowRunEvent,
    LogLinesAdded,
    NowChanged,
    ServiceEvent,
    TaskRunsChanged,
)
from taskruns.live.streams import AsyncEventStream, EventStream

__all__ = [
    "AsyncEventStream",
    "EventStream",
    "FlowRunChanged",
    "FlowRunEvent",
    "LogLinesAdded",
    "NowChanged",
    "ServiceEvent",
    "TaskRunsChanged",
]
