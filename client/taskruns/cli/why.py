"""`taskruns why`: what failed in a flow run, as people read it."""

from collections.abc import Iterator

from taskruns.cli import columns, formatting, output
from taskruns.cli.failures import FailureGroup, Failures
from taskruns.models import FlowRun
from taskruns.printable import printable
from taskruns.states import State

Line = tuple[str, str]
"""A line and its style."""


def write(failures: Failures, flow_name: str | None) -> None:
    """Writes what failed in a flow run; `flow_name`: of which flow one that failed was looked for."""
    flow_run = failures.flow_run
    if flow_run is None:
        scope = "" if flow_name is None else f" of the flow '{printable(flow_name)}'"
        output.write_lines([(f"No flow run{scope} has failed.", "")])
        return
    output.write_record(columns.flow_run_state_record(flow_run))
    output.write_lines(_lines(flow_run, failures))


def _lines(flow_run: FlowRun, failures: Failures) -> Iterator[Line]:
    is_failed = State(flow_run.state).is_failed()
    if not (failures.groups or is_failed):
        yield "", ""
        yield "Nothing has failed in this flow run.", ""
        return
    if failures.traceback is not None and failures.message not in {group.message for group in failures.groups}:
        yield "", ""
        yield from _indented(failures.traceback)
    for group in failures.groups:
        yield "", ""
        yield from _group_lines(group)
    yield from _omissions(failures)
    yield "", ""
    yield "Next:", "bold"
    for command in failures.commands:
        yield f"  {command}", ""


def _group_lines(group: FailureGroup) -> Iterator[Line]:
    noun = "task run" if group.count == 1 else "task runs"
    message = columns.message_of(group.task_runs[0]) if group.count == 1 else columns.short(group.message or "")
    style = formatting.style_of(group.task_runs[0].state)
    yield f"{group.count} {noun}: {formatting.cut(printable(message))}", style
    for task_run in group.task_runs:
        yield f"  {printable(columns.task_of(task_run))}  {task_run.id}", ""
    if group.count > len(group.task_runs):
        yield f"  and {group.count - len(group.task_runs)} more", ""
    if group.traceback is not None:
        yield from _indented(group.traceback)


def _indented(traceback: str) -> Iterator[Line]:
    for line in formatting.traceback(traceback).split("\n"):
        yield f"    {line}", "dim"


def _omissions(failures: Failures) -> Iterator[Line]:
    """What is not shown."""
    count = failures.group_count - len(failures.groups)
    if failures.truncated or count:
        yield "", ""
    if failures.truncated:
        yield "There are more messages.", ""
    elif count:
        yield f"There {'is 1 more message' if count == 1 else f'are {count} more messages'}.", ""
