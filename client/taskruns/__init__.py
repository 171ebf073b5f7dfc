"""The Python client of the task runs service: look up task runs, load their results, and record your own flows."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskruns.client import AsyncClient, Client
    from taskruns.errors import (
        ConnectionFailed,
        InvalidAnswer,
        InvalidSetting,
        NoSuchTaskRun,
        ProblemError,
        ResultError,
        TaskRunsError,
        TimedOut,
    )
    from taskruns.flow_run_views import AsyncFlowRunView, FlowRunView
    from taskruns.models import StateGroup, StateType
    from taskruns.recording.flow_runs import FlowRunRecorder, flow_run
    from taskruns.recording.mapping import unmapped
    from taskruns.recording.progress import Skip, TaskTimedOut
    from taskruns.recording.tasks import Task, task
    from taskruns.states import State
    from taskruns.task_run_views import AsyncTaskRunView, TaskRunView

__version__ = version("taskruns")

# Each name is imported when it is first asked for, so that nobody waits for what they do not use.
_HOMES = {
    "AsyncClient": "client",
    "AsyncFlowRunView": "flow_run_views",
    "AsyncTaskRunView": "task_run_views",
    "Client": "client",
    "ConnectionFailed": "errors",
    "FlowRunRecorder": "recording.flow_runs",
    "FlowRunView": "flow_run_views",
    "InvalidAnswer": "errors",
    "InvalidSetting": "errors",
    "NoSuchTaskRun": "errors",
    "ProblemError": "errors",
    "ResultError": "errors",
    "Skip": "recording.progress",
    "State": "states",
    "StateGroup": "models",
    "StateType": "models",
    "Task": "recording.tasks",
    "TaskRunView": "task_run_views",
    "TaskRunsError": "errors",
    "TaskTimedOut": "recording.progress",
    "TimedOut": "errors",
    "flow_run": "recording.flow_runs",
    "task": "recording.tasks",
    "unmapped": "recording.mapping",
}

__all__ = [
    "AsyncClient",
    "AsyncFlowRunView",
    "AsyncTaskRunView",
    "Client",
    "ConnectionFailed",
    "FlowRunRecorder",
    "FlowRunView",
    "InvalidAnswer",
    "InvalidSetting",
    "NoSuchTaskRun",
    "ProblemError",
    "ResultError",
    "Skip",
    "State",
    "StateGroup",
    "StateType",
    "Task",
    "TaskRunView",
    "TaskRunsError",
    "TaskTimedOut",
    "TimedOut",
    "flow_run",
    "task",
    "unmapped",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
