"""What `taskruns demo` records: a flow run that went well, one that failed, and one that goes on."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

from msgspec import UNSET, UnsetType

from taskruns.client import Client
from taskruns.errors import FlowRunNotFound, TaskRunsError
from taskruns.models import LogLevel, LogLineReport, StateCreate, StateType, TaskRunReport
from taskruns.results import JSONSerializer, LocalResult, wire
from taskruns.type_aliases import JsonObject

PENDING, RUNNING, SUCCESS, FAILED = StateType.PENDING, StateType.RUNNING, StateType.SUCCESS, StateType.FAILED
Moment = tuple[StateType, float]
"""A state, and when the run came to it: seconds after the begin of its flow run."""


class DemoTaskRun(NamedTuple):
    """A task run of the demo; the message and the result belong to the last of its states."""

    task_slug: str
    states: Sequence[Moment]
    map_index: int = -1
    message: str | None = None
    result: object = None
    """A JSON value; None: it has no result."""
    traceback: str | None = None
    """Belongs to the last state as well."""
    tags: Sequence[str] = ()
    log_lines: Sequence["DemoLogLine"] = ()


class DemoLogLine(NamedTuple):
    """What a task run of the demo logged, in seconds after the begin of its flow run."""

    seconds: float
    level: LogLevel
    message: str


class DemoFlowRun(NamedTuple):
    """A flow run of the demo, with its task runs."""

    id: UUID
    flow_name: str
    name: str
    states: Sequence[Moment]
    task_runs: Sequence[DemoTaskRun]
    labels: Sequence[str] = ()
    parameters: JsonObject = {}
    begin: datetime | None = None
    """None: now."""


ZERO_DIVISION = """\
Traceback (most recent call last):
  File "/srv/flows/etl.py", line 21, in inc
    return {"value": row + total(row) // share(row)}
                           ~~~~~~~~~~~^^~~~~~~~~~~~
ZeroDivisionError: division by zero"""
"""As the recorder formats it."""
BRAVE_OTTER = DemoFlowRun(
    id=UUID("5d0c1f3e-9b7a-4c26-8e41-3a6f2d8b7c90"),
    flow_name="etl",
    name="brave-otter",
    labels=["prod"],
    parameters={"day": "2021-05-12", "n": 3},
    begin=datetime(2021, 5, 12, 18, tzinfo=UTC),
    states=[(StateType.SCHEDULED, 0.0), (RUNNING, 1.0), (SUCCESS, 100.0)],
    task_runs=[
        DemoTaskRun("extract-1", [(RUNNING, 2.0), (SUCCESS, 3.5)], result=[1, 2, 3]),
        DemoTaskRun("inc-1", [(StateType.MAPPED, 4.0)]),
        *(
            DemoTaskRun(
                "inc-1",
                [(PENDING, 4.0), (RUNNING, 5.0 + index), (SUCCESS, 65.25 + index)],
                map_index=index,
                result={"value": index + 2},
                tags=["etl", f"n{index}"],
            )
            for index in range(3)
        ),
        DemoTaskRun("load-1", [(RUNNING, 98.0), (SUCCESS, 98.12)], message="All is well."),
    ],
)
CALM_HERON = DemoFlowRun(
    id=UUID("4ffabe61-2a4e-49b1-8679-1899bebebe13"),
    flow_name="etl",
    name="calm-heron",
    labels=["prod", "eu"],
    parameters={"day": "2021-05-13", "n": 3},
    begin=datetime(2021, 5, 13, 18, tzinfo=UTC),
    states=[(RUNNING, 2.0), (FAILED, 4000.0)],
    task_runs=[
        DemoTaskRun("extract-1", [(RUNNING, 2.0), (SUCCESS, 3.0)], result=[1, 2]),
        DemoTaskRun("inc-1", [(StateType.MAPPED, 4.0)]),
        DemoTaskRun("inc-1", [(RUNNING, 5.0), (SUCCESS, 6.0)], map_index=0, result={"value": 2}),
        DemoTaskRun(
            "inc-1",
            [(RUNNING, 5.0), (FAILED, 8.0), (StateType.RETRYING, 8.5), (RUNNING, 70.0), (FAILED, 3700.0)],
            map_index=1,
            message="ZeroDivisionError: division by zero",
            traceback=ZERO_DIVISION,
            log_lines=[
                DemoLogLine(70.02, LogLevel.INFO, "Reading 2021-05-13/rows-1.csv."),
                DemoLogLine(71.3, LogLevel.WARNING, "Row 1 has no share: it counts as 0."),
                DemoLogLine(3699.99, LogLevel.ERROR, "Giving up after 2 attempts."),
            ],
        ),
        DemoTaskRun("load-1", [(StateType.TRIGGER_FAILED, 3900.0)], message="Upstream failed."),
    ],
)
NIGHT_1 = DemoFlowRun(
    id=UUID("c71e6b04-58d3-4f9a-b2c5-0e9d4a7f1836"),
    flow_name="nightly",
    name="night-1",
    states=[(RUNNING, -125.0)],
    task_runs=[
        DemoTaskRun("say_hello-1", [(RUNNING, -124.0)]),
        DemoTaskRun("wait-1", [(StateType.QUEUED, -124.0)]),
    ],
)
FLOW_RUNS = (BRAVE_OTTER, CALM_HERON, NIGHT_1)


def is_recorded(client: Client, flow_run: DemoFlowRun) -> bool:
    """Whether the service has the flow run."""
    try:
        client.flow_runs.get(flow_run.id)
    except FlowRunNotFound:
        return False
    return True


def record(client: Client, flow_run: DemoFlowRun, folder: Path) -> None:
    """Records a flow run and its task runs, with their results.

    Args:
        client: The service to record it in.
        flow_run: The flow run.
        folder: Where results are written.

    Raises:
        ResultNotWritten: If a result cannot be written.
        TaskRunsError: If the service refuses what is reported, or is away.
    """
    begin = flow_run.begin or datetime.now(UTC)
    # First, so that nothing is recorded if a result cannot be written.
    reports = [_report(flow_run, task_run, begin, folder) for task_run in flow_run.task_runs]
    client.flow_runs.create(
        id=flow_run.id,
        flow_name=flow_run.flow_name,
        name=flow_run.name,
        labels=list(flow_run.labels),
        parameters=flow_run.parameters,
    )
    lines: list[LogLineReport] = []
    for task_run, receipt in zip(
        flow_run.task_runs, client.flow_runs.report(flow_run.id, items=reports).items, strict=True
    ):
        if receipt.problem is not None:
            raise TaskRunsError(receipt.problem.detail)
        lines += [_log_line(line, receipt.task_run_id, begin) for line in task_run.log_lines]
    if lines:
        client.flow_runs.report_logs(flow_run.id, items=lines)
    for state, seconds in flow_run.states:
        client.flow_runs.set_state(flow_run.id, type=state, timestamp=begin + timedelta(seconds=seconds))


def _log_line(line: DemoLogLine, task_run_id: UUID | UnsetType | None, begin: datetime) -> LogLineReport:
    return LogLineReport(
        id=uuid4(),
        task_run_id=task_run_id,
        timestamp=begin + timedelta(seconds=line.seconds),
        level=line.level,
        name="etl",
        message=line.message,
    )


def _report(flow_run: DemoFlowRun, task_run: DemoTaskRun, begin: datetime, folder: Path) -> TaskRunReport:
    """A report of a task run; writes its result."""
    result: JsonObject | UnsetType = UNSET
    if task_run.result is not None:
        index = "" if task_run.map_index < 0 else f"-{task_run.map_index}"
        location = f"{flow_run.name}/{task_run.task_slug}{index}.json"
        storage = LocalResult(dir=folder, location=location, serializer=JSONSerializer())
        result = wire(storage.write(task_run.result))
    last = len(task_run.states) - 1
    return TaskRunReport(
        task_slug=task_run.task_slug,
        map_index=task_run.map_index,
        tags=list(task_run.tags),
        states=[
            StateCreate(
                id=uuid4(),
                type=state,
                timestamp=begin + timedelta(seconds=seconds),
                message=task_run.message if number == last else None,
                result=result if number == last else UNSET,
                details={"traceback": task_run.traceback} if number == last and task_run.traceback else UNSET,
            )
            for number, (state, seconds) in enumerate(task_run.states)
        ],
    )
