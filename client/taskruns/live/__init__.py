"""Live updates: the changes of flow runs as typed events, from a stream or, where there is none, by polling."""

from taskruns.live.events import (
    FlowRunEvent,
    FlowRunUpdate,
    LogsEvent,
    NowEvent,
    ServiceUpdate,
    TaskRunsEvent,
)
from taskruns.live.streams import AsyncEventStream, EventStream

__all__ = [
    "AsyncEventStream",
    "EventStream",
    "FlowRunEvent",
    "FlowRunUpdate",
    "LogsEvent",
    "NowEvent",
    "ServiceUpdate",
    "TaskRunsEvent",
]
