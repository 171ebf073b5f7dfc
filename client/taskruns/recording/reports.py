"""What is reported about runs, as it waits to be sent: in memory, and a line of JSON each in a file."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias
from uuid import UUID

from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from taskruns.models import LogLineReport, StateCreate, TaskRunReport
from taskruns.type_aliases import JsonObject


class FlowRunCreated(Struct, frozen=True, kw_only=True, tag="flow_run", omit_defaults=True):
    """A flow run begins to be."""

    flow_run_id: UUID
    flow_name: str
    name: str | None = None
    parameters: JsonObject = field(default_factory=JsonObject)
    labels: list[str] = field(default_factory=list[str])
    context: JsonObject = field(default_factory=JsonObject)
    """Which flow run and task run it was begun in."""
    idempotency_key: str | None = None


class FlowRunState(Struct, frozen=True, kw_only=True, tag="flow_run_state"):
    """A flow run came to a state."""

    flow_run_id: UUID
    state: StateCreate


class TaskRunState(Struct, frozen=True, kw_only=True, tag="task_run_state", omit_defaults=True):
    """A task run came to a state; it is made if it is new."""

    flow_run_id: UUID
    task_run_id: UUID | None = None
    """The id that it gets when it is made; None: the service makes one."""
    task_slug: str
    map_index: int = -1
    task_name: str
    tags: tuple[str, ...] = ()
    state: StateCreate


class LogLineWritten(Struct, frozen=True, kw_only=True, tag="log_line"):
    """A flow run, or one of its task runs, wrote a line to its log."""

    flow_run_id: UUID
    line: LogLineReport


Report: TypeAlias = FlowRunCreated | FlowRunState | TaskRunState | LogLineWritten


class LogLines(NamedTuple):
    """Log lines of one flow run, which are sent together."""

    reports: list[LogLineWritten]


Turn: TypeAlias = FlowRunCreated | FlowRunState | list[TaskRunState] | LogLines
"""What can be sent together."""


def reduced(report: Report) -> Report:
    """A report without what the service may refuse about it, and what depends on the report can do without."""
    match report:
        case FlowRunCreated():
            return FlowRunCreated(
                flow_run_id=report.flow_run_id, flow_name=report.flow_name, idempotency_key=report.idempotency_key
            )
        case TaskRunState():
            return replace(report, tags=(), state=_reduced_state(report.state))
        case FlowRunState():
            return replace(report, state=_reduced_state(report.state))
        case LogLineWritten():
            return report


def _reduced_state(state: StateCreate) -> StateCreate:
    if not (state.result or state.details):
        return state
    message = f"{state.message} The service refused its result or its details."
    return replace(state, result=UNSET, details=UNSET, message=message)


def merged(reports: Iterable[TaskRunState]) -> list[TaskRunReport]:
    """One item for each task run with all its states, in the order in which they were reported."""
    items: dict[tuple[str, int], TaskRunReport] = {}
    for report in reports:
        key = report.task_slug, report.map_index
        if (item := items.get(key)) is None:
            items[key] = TaskRunReport(
                task_slug=report.task_slug,
                map_index=report.map_index,
                id=UNSET if report.task_run_id is None else report.task_run_id,
                task_name=report.task_name,
                tags=list(report.tags),
                states=[report.state],
            )
        elif item.states:
            item.states.append(report.state)
    return list(items.values())


class _Waiting(NamedTuple):
    """What waits to be sent together."""

    states: list[TaskRunState]
    lines: list[LogLineWritten]

    def turns(self) -> Iterator[list[TaskRunState] | LogLines]:
        """Yields the states first: the service knows the task runs of the lines by them."""
        if self.states:
            yield self.states
        if self.lines:
            yield LogLines(self.lines)


def in_turns(reports: Iterable[Report]) -> Iterator[tuple[UUID, Turn]]:
    """What can be sent together, in an order that keeps that of each flow run."""
    waiting: defaultdict[UUID, _Waiting] = defaultdict(lambda: _Waiting([], []))
    for report in reports:
        flow_run_id = report.flow_run_id
        match report:
            case TaskRunState():
                waiting[flow_run_id].states.append(report)
            case LogLineWritten():
                waiting[flow_run_id].lines.append(report)
            case _:
                if flow_run_id in waiting:
                    yield from ((flow_run_id, turn) for turn in waiting.pop(flow_run_id).turns())
                yield flow_run_id, report
    for flow_run_id, rest in waiting.items():
        yield from ((flow_run_id, turn) for turn in rest.turns())
