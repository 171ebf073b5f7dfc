"""`taskruns flow-run watch`: a flow run as it goes on."""

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from taskruns.cli import columns, human, output
from taskruns.text import printable

if TYPE_CHECKING:
    from taskruns.flow_run_views import FlowRunView

_BAR = 40


def watch(view: "FlowRunView", interval: float) -> int:
    """Shows a flow run until it is finished; the exit code says how it ended."""
    show = _with_bars if output.on_terminal() and os.environ.get("TERM") != "dumb" else _by_lines
    try:
        view = show(view, interval)
    except KeyboardInterrupt:
        return 1
    return 1 if view.state.is_failed() or view.state.is_cancelled() else 0


def _by_lines(flow_run: "FlowRunView", interval: float) -> "FlowRunView":
    last, view = "", flow_run
    for view in flow_run.watch(interval):
        told = f"{printable(view.state.type)}  {human.counts(view.task_run_counts)}".rstrip()
        if told != last:
            click.echo(f"{human.exact(datetime.now(UTC))}  {told}")
            last = told
    return view


class _Watched:
    """What the display shows, four times a second, so that the time it takes goes on between two changes."""

    def __init__(self, view: "FlowRunView") -> None:
        self.view = view

    def __rich__(self) -> Group:
        return _bars(self.view)


def _with_bars(flow_run: "FlowRunView", interval: float) -> "FlowRunView":
    watched = _Watched(flow_run)
    live = Live(watched, refresh_per_second=4)
    try:
        # Not as a context: who interrupts while it starts shall have the cursor back as well.
        live.start(refresh=True)
        for watched.view in flow_run.watch(interval):
            live.refresh()
    finally:
        live.stop()
    return watched.view


def _bars(view: "FlowRunView") -> Group:
    flow_run = view.flow_run
    head = Text(columns.flow_run_title(flow_run), "bold", no_wrap=True, overflow="ellipsis")
    head.append(f"  {printable(flow_run.state)}", human.style_of(flow_run.state))
    if (took := columns.took(flow_run)) != "":
        head.append(f"  {took}", "not bold")
    if flow_run.state_message:
        head.append(f"  {printable(flow_run.state_message)}", "not bold")
    counts = flow_run.task_run_counts
    total = sum(counts.values())
    grid = Table.grid(padding=(0, 2))
    for state in human.in_order(counts):
        style = human.style_of(state)
        bar = ProgressBar(total, counts[state], width=_BAR, complete_style=style, finished_style=style)
        grid.add_row(Text(printable(state), style), bar, f"{counts[state]}/{total}")
    return Group(head, grid)
