"""The log lines of a run: the options of the commands that list them, and how lines are written."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, TypedDict
from uuid import UUID

import click

from taskruns.cli import list_command
from taskruns.cli.commands import Option
from taskruns.cli.param_types import TIME
from taskruns.limits import MAX_PAGE_SIZE

if TYPE_CHECKING:
    from taskruns.client import Client
    from taskruns.flow_run_views import FlowRunView
    from taskruns.live.events import FlowRunEvent
    from taskruns.live.streams import EventStream
    from taskruns.models import LogLine
    from taskruns.task_run_views import TaskRunView

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
FIELDS = ("timestamp", "level", "name", "message", "task_run_id", "flow_run_id", "id")
"""The members of lines in the order in which CSV has them; tests hold them to the service's document."""
MAX_TAIL = 100_000
"""How many lines --tail shows at most: it keeps them all, to turn them around."""
MAX_MERGED = 100
"""Of how many failed task runs --failed lists the lines one by one: each takes a request at least."""
_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red", "DEBUG": "dim"}
_LEVEL_WIDTH = max(map(len, LEVELS))


class LogOptions(TypedDict):
    """Which lines are listed, and how they are written."""

    level: str | None
    contains: str | None
    after: datetime | None
    head: int | None
    tail: int | None
    follow: bool
    form: str | None


def options() -> list[click.Parameter]:
    """The options of a list of log lines."""
    return [
        Option(
            ["--level"],
            type=click.Choice(LEVELS, case_sensitive=False),
            help="Only lines with this level or a more severe one.",
        ),
        Option(["--contains"], metavar="TEXT", help="Only lines with this text in their message, ignoring case."),
        Option(["after", "--since"], type=TIME, metavar="TIME", help="Only lines after this time."),
        Option(
            ["--head"], type=click.IntRange(min=1), metavar="NUMBER", section="Output", help="Show the first lines."
        ),
        Option(
            ["--tail"],
            type=click.IntRange(1, MAX_TAIL),
            metavar="NUMBER",
            section="Output",
            help="Show the last lines.",
        ),
        Option(
            ["--follow"],
            is_flag=True,
            section="Output",
            help="Show further lines as they come, until the run is finished.",
        ),
        *list_command.form_options("json", "csv"),
    ]


def lines_of_failed(
    client: "Client",
    flow_run_id: UUID,
    *,
    level: str | None,
    contains: str | None,
    after: datetime | None,
    newest_first: bool,
) -> "Iterator[LogLine]":
    """Lists the log lines of the failed task runs of a flow run.

    If there are many, it reads the lines of the flow run, a page at a time, and leaves out those of others.
    """
    failed = client.flow_runs.task_runs_fields(flow_run_id, state_group="failed", fields=["id"], limit=MAX_PAGE_SIZE)
    ids = {task_run.id for task_run in failed}
    sort = "-timestamp" if newest_first else "timestamp"
    if len(ids) > MAX_MERGED:
        lines = client.flow_runs.logs(
            flow_run_id, level=level, contains=contains, after=after, sort=sort, limit=MAX_PAGE_SIZE
        )
        return (line for line in lines if line.task_run_id in ids)
    lists = [
        client.task_runs.logs(id, level=level, contains=contains, after=after, sort=sort, limit=MAX_PAGE_SIZE)
        for id in ids
    ]
    return merge(*lists, key=lambda line: (line.timestamp, line.id), reverse=newest_first)


def show(
    view: "FlowRunView | TaskRunView",
    list_lines: "Callable[..., Iterable[LogLine]]",
    watch_events: "Callable[[], EventStream[FlowRunEvent]]",
    *,
    level: str | None,
    contains: str | None,
    after: datetime | None,
    head: int | None,
    tail: int | None,
    follow: bool,
    form: str | None,
) -> None:
    """Lists log lines of a run, oldest first, and writes them; `watch_events` returns what is followed."""
    from taskruns.cli import output
    from taskruns.cli.list_writers import WRITERS, Layout
    from taskruns.cli.waiting import warn_of_waiting_reports

    if head is not None and tail is not None:
        raise click.UsageError("--head and --tail cannot be used together.")
    if head is not None and follow:
        raise click.UsageError("--head and --follow cannot be used together.")
    list_lines = partial(list_lines, level=level, contains=contains)
    shown: Iterator[LogLine] = islice(
        list_lines(after=after, newest_first=tail is not None), head if tail is None else tail
    )
    if tail is not None:
        last = list(shown)
        # Lines before these are not wanted later either.
        after, shown = last[-1].timestamp if last else after, reversed(last)
    if follow:
        from taskruns.cli.following import followed

        is_wanted = partial(_is_wanted, view=view, level=level, contains=contains, after=after)
        shown = followed(
            view, shown, partial(list_lines, newest_first=False), after, events=watch_events(), is_wanted=is_wanted
        )
    if form is None:
        output.write_lines(text for line in shown for text in _texts(line))
    else:
        WRITERS[form](shown, Layout("log lines", (), FIELDS), None)
    warn_of_waiting_reports()


def _is_wanted(
    line: "LogLine",
    *,
    view: "FlowRunView | TaskRunView",
    level: str | None,
    contains: str | None,
    after: datetime | None,
) -> bool:
    """Whether a list of the lines of a run, with these filters, would have a line of its flow run."""
    from taskruns.task_run_views import TaskRunView

    return (
        (not isinstance(view, TaskRunView) or line.task_run_id == view.task_run.id)
        and (after is None or line.timestamp > after)
        and (level is None or line.level not in LEVELS[: LEVELS.index(level)])
        and (contains is None or contains.casefold() in (line.message or "").casefold())
    )


def _texts(line: "LogLine") -> Iterator[tuple[str, str]]:
    from taskruns.cli import formatting
    from taskruns.printable import printable

    start = f"{formatting.exact(line.timestamp, 'milliseconds')}  {printable(line.level):{_LEVEL_WIDTH}}  "
    first, *others = (line.message or "").split("\n")
    yield f"{start}{printable(first)}", _STYLES.get(line.level, "")
    for other in others:
        yield f"{' ' * len(start)}{printable(other)}", _STYLES.get(line.level, "")
