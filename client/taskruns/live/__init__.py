"""Live updates: the changes of flow runs as typed events, from a stream or, where there is none, by polling."""

from taskruns.live.events import (
    FlowRunChanged,
    FlowRunEvent,
    LogLinesAdded,
    NowChanged,
    ServiceEvent,
    TaskRunsChanged,
)

__all__ = [
    "FlowRunChanged",
    "FlowRunEvent",
    "LogLinesAdded",
    "NowChanged",
    "ServiceEvent",
    "TaskRunsChanged",
]
