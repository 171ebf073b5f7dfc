"""`taskruns flow-run watch`: a flow run as it goes on."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import click
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from taskruns.cli import INTERRUPTED, columns, formatting, output
from taskruns.cli.commands import DONE
from taskruns.errors import ConnectionFailed, ProblemError
from taskruns.live.events import FlowRunChanged
from taskruns.live.summaries import updated
from taskruns.models import FlowRun
from taskruns.printable import printable
from taskruns.states import State

if TYPE_CHECKING:
    from taskruns.client import Client

RUN_FAILED, SERVICE_LOST, STILL_RUNNING = 3, 4, 5
"""Exit codes: the flow run failed or was cancelled; the service is lost; the flow run goes on after `--timeout`."""
_BAR = 40


class Limits(NamedTuple):
    """How often a flow run is polled, and how long it is watched, in seconds."""

    interval: float
    timeout: float | None
    patience: float
    """How long the service may be away."""


class _EndedEarly(Exception):
    """The watch ended before the flow run did."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def watch(client: "Client", flow_run_id: UUID, limits: Limits) -> int:
    """Shows a flow run until it is finished; the exit code says how it ended.

    Raises:
        TaskRunsError: If the service refuses to show it, as of a flow run that was deleted.
    """
    show = _with_bars if output.on_terminal() and os.environ.get("TERM") != "dumb" else _by_lines
    try:
        flow_run = show(_changes(client, client.flow_runs.get(flow_run_id), limits))
    except KeyboardInterrupt:
        return INTERRUPTED
    except _EndedEarly as end:
        click.echo(f"taskruns flow-run watch: {end}", err=True)
        return end.code
    state = State(flow_run.state)
    return RUN_FAILED if state.is_failed() or state.is_cancelled() else DONE


def _changes(client: "Client", flow_run: FlowRun, limits: Limits) -> Iterator[FlowRun]:
    """The flow run, and again after each change, until it is finished."""
    yield flow_run
    if State(flow_run.state).is_finished():
        return
    timeout = inf if limits.timeout is None else limits.timeout
    try:
        with client.flow_runs.events(
            flow_run.id, interval=limits.interval, patience=limits.patience, timeout=timeout
        ) as events:
            for event in events:
                if isinstance(event, FlowRunChanged) and event.flow_run.sequence > flow_run.sequence:
                    flow_run = updated(flow_run, event.flow_run)
                    yield flow_run
                    if State(flow_run.state).is_finished():
                        return
    except (ConnectionFailed, ProblemError) as error:
        if isinstance(error, ProblemError) and error.status < 500:
            raise
        away = formatting.duration(limits.patience)
        raise _EndedEarly(SERVICE_LOST, f"The service has been unavailable for {away}. {error}") from None
    raise _EndedEarly(
        STILL_RUNNING, f"The flow run is {printable(flow_run.state)} after {formatting.duration(timeout)}."
    )


def _by_lines(changes: Iterator[FlowRun]) -> FlowRun:
    last, flow_run = "", None
    for flow_run in changes:
        line = f"{printable(flow_run.state)}  {formatting.counts(flow_run.task_run_counts)}".rstrip()
        if line != last:
            click.echo(f"{formatting.exact(datetime.now(UTC))}  {line}")
            last = line
    assert flow_run is not None
    return flow_run


class _Watched:
    """What the display shows, four times a second, so that the time it takes goes on between two changes."""

    def __init__(self, flow_run: FlowRun) -> None:
        self.flow_run = flow_run

    def __rich__(self) -> Group:
        return _bars(self.flow_run)


def _with_bars(changes: Iterator[FlowRun]) -> FlowRun:
    watched = _Watched(next(changes))
    live = Live(watched, refresh_per_second=4)
    try:
        # Not as a context: who interrupts while it starts shall have the cursor back as well.
        live.start(refresh=True)
        for watched.flow_run in changes:
            live.refresh()
    finally:
        live.stop()
    return watched.flow_run


def _bars(flow_run: FlowRun) -> Group:
    head = Text(columns.flow_run_title(flow_run), "bold", no_wrap=True, overflow="ellipsis")
    head.append(f"  {printable(flow_run.state)}", formatting.style_of(flow_run.state))
    if (took := columns.took(flow_run)) != "":
        head.append(f"  {took}", "not bold")
    if flow_run.state_message:
        head.append(f"  {printable(columns.message_of(flow_run))}", "not bold")
    counts = flow_run.task_run_counts
    total = sum(counts.values())
    grid = Table.grid(padding=(0, 2))
    for state in formatting.in_order(counts):
        style = formatting.style_of(state)
        bar = ProgressBar(total, counts[state], width=_BAR, complete_style=style, finished_style=style)
        grid.add_row(Text(printable(state), style), bar, f"{counts[state]}/{total}")
    return Group(head, grid)
