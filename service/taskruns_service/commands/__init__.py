"""Every change to flow runs and task runs: the items that the writer takes, and how a batch of them is applied."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection

from taskruns_service.commands import flow_runs, reports, scheduling
from taskruns_service.commands.engine import (
    CancelFlowRun,
    CancelWaitingFlowRun,
    EnsureTaskRun,
    LabelFlowRun,
    RenameFlowRun,
    RenameTaskRun,
    SetFlowRunState,
    SetTaskRunState,
)
from taskruns_service.commands.flow_runs import CreatedFlowRun, CreateFlowRun, DeleteFlowRun
from taskruns_service.commands.reports import (
    Change,
    Reported,
    ReportFlowRunState,
    ReportTaskRun,
    ReportTaskRunState,
    UpdateTaskRun,
)
from taskruns_service.commands.scheduling import ScheduleFlowRun

__all__ = [
    "CancelFlowRun",
    "CancelWaitingFlowRun",
    "CreateFlowRun",
    "CreatedFlowRun",
    "DeleteFlowRun",
    "EnsureTaskRun",
    "LabelFlowRun",
    "RenameFlowRun",
    "RenameTaskRun",
    "ReportFlowRunState",
    "ReportTaskRun",
    "ReportTaskRunState",
    "Reported",
    "ScheduleFlowRun",
    "SetFlowRunState",
    "SetTaskRunState",
    "UpdateTaskRun",
    "apply",
]

Item = CreateFlowRun | ScheduleFlowRun | Change | DeleteFlowRun


def apply(connection: Connection, items: Sequence[Item]) -> list[Any]:
    """Applies items in one transaction and gives an outcome for each: what it made, or the ServiceError that it met.

    Flow runs are created first and deleted last; in between everything happens under the locks of the flow runs, in
    the order of the items.
    """
    now = datetime.now(UTC)
    steps = [_step_of(type(item)) for item in items]
    outcomes: list[Any] = [None] * len(items)
    for place, (step, _) in enumerate(_STEPS):
        if chosen := [index for index, one in enumerate(steps) if one == place]:
            for index, outcome in zip(chosen, step(connection, [items[one] for one in chosen], now), strict=True):
                outcomes[index] = outcome
    return outcomes


_STEPS: tuple[tuple[Callable[[Connection, Sequence[Any], datetime], list[Any]], type], ...] = (
    (flow_runs.create_flow_runs, CreateFlowRun),
    (scheduling.schedule_flow_runs, ScheduleFlowRun),
    (reports.make_changes, Change),
    (flow_runs.delete_flow_runs, DeleteFlowRun),
)


@cache
def _step_of(kind: type) -> int:
    """Which step items of a class belong to: asked once for each class, since it takes long for those of msgspec."""
    return next(place for place, (_, of) in enumerate(_STEPS) if issubclass(kind, of))
