"""What tables and records show of runs, to people."""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from taskruns.cli import formatting
from taskruns.cli.output import Column, column, on_terminal, table_text
from taskruns.models import (
    Artifact,
    FlowRun,
    FlowRunFields,
    FlowRunSummary,
    ResultReference,
    SearchHit,
    Serializer,
    State,
    TaskRun,
    TaskRunAttempt,
    TaskRunAttempts,
    TaskRunNeighbour,
)
from taskruns.printable import printable


def task_of(task_run: TaskRun | TaskRunNeighbour) -> str:
    """The slug of a task run, and of a child its index: `inc-1[2]`, as commands take it."""
    return task_run.task_slug if task_run.map_index < 0 else f"{task_run.task_slug}[{task_run.map_index}]"


def message_of(run: TaskRun | FlowRunSummary | FlowRun) -> str:
    """The message of a run's state, without what the messages of all errors begin with."""
    return short(run.state_message or "")


def short(message: str) -> str:
    """A message without what the messages of all errors begin with."""
    return message.removeprefix("Unexpected error: ")


def flow_run_title(flow_run: FlowRun | FlowRunFields) -> str:
    """The name of a flow run and of its flow."""
    return f"{printable(flow_run.name)} ({printable(flow_run.flow_name)})"


def task_runs_of(flow_run: FlowRun) -> str:
    """How many task runs a flow run has."""
    count = sum(flow_run.task_run_counts.values())
    return "1 task run" if count == 1 else f"{count} task runs"


def took(run: TaskRun | TaskRunAttempt | FlowRunSummary | FlowRun) -> str:
    """The duration; of a run that is running, as long as it has been, with a `+`."""
    if run.duration is not None:
        return formatting.duration(run.duration)
    if run.start_time is None or run.end_time is not None or not on_terminal():
        return ""
    return f"{formatting.duration((datetime.now(UTC) - run.start_time).total_seconds())}+"


def _type_of(state: State) -> str:
    return f"{state.type} (late)" if state.is_late else state.type


def _message_of_state(state: State | TaskRunAttempt) -> str:
    return short(state.message or "")


def _style_of(state: State) -> str:
    return formatting.style_of(state.type)


def _time_of(state: State) -> str:
    return formatting.exact(state.timestamp, "milliseconds")


def _start_of(attempt: TaskRunAttempt) -> str:
    return formatting.exact(attempt.start_time, "milliseconds")


def _end_of(attempt: TaskRunAttempt) -> str:
    return "" if attempt.end_time is None else formatting.exact(attempt.end_time, "milliseconds")


def _data_of(artifact: Artifact) -> str:
    """The link or the first line of a text; anything else as JSON."""
    match artifact.data:
        case {"link": str(text)} | {"markdown": str(text)}:
            return text.strip().partition("\n")[0].rstrip()
        case data:
            return msgspec.json.encode(data).decode()


def _kind_of(hit: SearchHit) -> str:
    return hit.kind.replace("_", " ")


def _name_of_hit(hit: SearchHit) -> str:
    return f"{hit.name}[{hit.map_index}]" if hit.map_index is not None and hit.map_index >= 0 else hit.name


def _style_of_hit(hit: SearchHit) -> str:
    return "" if hit.state is None else formatting.style_of(hit.state)


_ID = Column("ID", "id", optional=40)
_STARTED = Column("STARTED", "start_time", optional=0)
_TOOK = Column("TOOK", "duration", took, optional=0)
_MESSAGE = Column("MESSAGE", "state_message", message_of, least=15)
COLUMNS_IN_ONE_FLOW_RUN = (
    Column("TASK", "task_slug", task_of, least=8),
    column("state"),
    _STARTED,
    _TOOK,
    _MESSAGE,
    _ID,
)
FLOW_RUN_COLUMNS = (
    Column("NAME", "name", least=12),
    Column("FLOW", "flow_name", least=8),
    column("state"),
    _STARTED,
    _TOOK,
    Column("TASK RUNS", "task_run_counts", least=20),
    _ID,
)
TASK_RUN_COLUMNS = (
    Column("FLOW", "flow_name", least=6),
    Column("FLOW RUN", "flow_run_name", least=8),
    *COLUMNS_IN_ONE_FLOW_RUN,
)
"""Of task runs of all flow runs."""
STATE_COLUMNS = (
    Column("TIME", "timestamp", _time_of),
    Column("STATE", "type", _type_of, style=_style_of),
    Column("MESSAGE", "message", _message_of_state, least=7),
)
ATTEMPT_COLUMNS = (
    Column("ATTEMPT", "number"),
    column("state"),
    Column("STARTED", "start_time", _start_of, optional=0),
    Column("ENDED", "end_time", _end_of, optional=40),
    Column("TOOK", "duration", took),
    Column("MESSAGE", "message", _message_of_state, least=7),
)
ARTIFACT_COLUMNS = (
    Column("KIND", "kind", least=8),
    Column("CREATED", "created", optional=0),
    Column("DATA", "data", _data_of, least=20),
)
HIT_COLUMNS = (
    Column("KIND", "kind", _kind_of),
    Column("NAME", "name", _name_of_hit, least=12),
    Column("FLOW", "flow_name", least=8),
    Column("FLOW RUN", "flow_run_name", least=8),
    Column("STATE", "state", style=_style_of_hit),
    Column("CREATED", "created", optional=0),
    Column("ID", "id"),
)
TASK_COLUMNS = (
    Column("TASK", "task_slug", least=8),
    column("state"),
    Column("TASK RUNS", "task_run_counts", least=20),
    Column("STARTED", "first_start_time", optional=0),
    Column("ENDED", "last_end_time", optional=0),
    Column("RETRIES", "retries", optional=0),
)
_COLUMNS_IN_A_RECORD = tuple(column for column in ATTEMPT_COLUMNS if column.title != "ENDED")
_MAX_ATTEMPTS_IN_A_RECORD = 10
"""The latest."""


def _state(run: TaskRun | FlowRun) -> tuple[str, str, str]:
    message = f": {printable(message_of(run))}" if run.state_message else ""
    return "State", f"{printable(run.state)}{message}", formatting.style_of(run.state)


def _times(run: TaskRun | FlowRun) -> Iterator[tuple[str, str, str]]:
    now = datetime.now(UTC)
    yield _state(run)
    for name, moment in (("Since", run.state_timestamp), ("Started", run.start_time), ("Ended", run.end_time)):
        if moment is not None:
            yield name, _moment(moment, now), ""
    yield "Took", took(run), ""
    yield "Waited", "" if run.queue_time is None else formatting.duration(run.queue_time), ""
    yield "Ran", f"{run.run_count} times" if run.run_count > 1 else "", ""


def _moment(moment: datetime, now: datetime) -> str:
    relative = formatting.ago(moment, now) if on_terminal() else None
    return formatting.exact(moment) + (f" ({relative})" if relative else "")


def flow_run_state_record(flow_run: FlowRun) -> Iterator[tuple[str, str, str]]:
    """Which flow run it is, and its state."""
    yield "Flow run", f"{flow_run_title(flow_run)}  {flow_run.id}", "bold"
    yield _state(flow_run)
    yield "Task runs", formatting.counts(flow_run.task_run_counts), ""


def flow_run_record(flow_run: FlowRun, traceback: str | None) -> Iterator[tuple[str, str, str]]:
    """What is known about a flow run."""
    yield "Flow run", printable(flow_run.name), "bold"
    yield "Id", str(flow_run.id), ""
    yield "Flow", printable(flow_run.flow_name), ""
    yield from _times(flow_run)
    if flow_run.last_heartbeat is not None:
        yield "Last heartbeat", _moment(flow_run.last_heartbeat, datetime.now(UTC)), ""
    if flow_run.run_count > 1 and flow_run.run_time is not None:
        yield "Run time", formatting.duration(flow_run.run_time), ""
    yield "Task runs", formatting.counts(flow_run.task_run_counts), ""
    yield "Labels", formatting.shown("labels", flow_run.labels, now=None), ""
    yield "Parameters", _json(flow_run.parameters), ""
    yield "Context", _json(flow_run.context), ""
    yield "Made", formatting.exact(flow_run.created), ""
    yield "Traceback", formatting.traceback(traceback or ""), "dim"


def _json(members: dict[str, object]) -> str:
    return printable(msgspec.json.encode(members).decode()) if members else ""


def task_run_record(
    task_run: TaskRun, flow_run: FlowRun, result: str, traceback: str | None, attempts: TaskRunAttempts | None
) -> Iterator[tuple[str, str, str]]:
    """What is known about a task run; `attempts` are shown if there are several."""
    yield "Task run", printable(task_of(task_run)), "bold"
    yield "Id", str(task_run.id), ""
    yield "Name", printable(task_run.name or ""), ""
    yield "Flow run", f"{flow_run_title(flow_run)}  {flow_run.id}", ""
    yield from _times(task_run)
    yield "Tags", formatting.shown("tags", task_run.tags, now=None), ""
    yield "Result", result, ""
    yield "Made", formatting.exact(task_run.created), ""
    if attempts is not None and len(attempts.items) > 1:
        yield "Run time", formatting.duration(attempts.run_time), ""
        yield "Attempts", table_text(_COLUMNS_IN_A_RECORD, attempts.items[-_MAX_ATTEMPTS_IN_A_RECORD:]), ""
    yield "Traceback", formatting.traceback(traceback or ""), "dim"


def reference_text(reference: ResultReference) -> str:
    """Where a result is and how it was written."""
    location = reference.uri or reference.type
    notes = [] if reference.serializer is None else [_written(reference.serializer)]
    if reference.size is not None:
        notes.append(formatting.size(reference.size))
    return printable(location) + (f"  ({', '.join(notes)})" if notes else "")


def _written(serializer: Serializer) -> str:
    inner = getattr(serializer, "serializer", None)
    name = getattr(serializer, "name", serializer.type)
    return printable(str(name)) if inner is None else f"{printable(str(name))} of {_written(inner)}"
