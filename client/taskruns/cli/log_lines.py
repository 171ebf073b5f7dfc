"""The log lines of a run: the options of the commands that list them, and how lines are written."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, TypedDict

import click

from taskruns.cli import list_command
from taskruns.cli.commands import Option
from taskruns.cli.param_types import TIME

if TYPE_CHECKING:
    from taskruns.flow_run_views import FlowRunView
    from taskruns.models import LogLine
    from taskruns.task_run_views import TaskRunView

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
FIELDS = ("timestamp", "level", "name", "message", "task_run_id", "flow_run_id", "id")
"""The members of lines in the order in which CSV has them; tests hold them to the service's document."""
MAX_TAIL = 100_000
"""How many lines --tail shows at most: it keeps them all, to turn them around."""
_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red", "DEBUG": "dim"}
_LEVEL_WIDTH = max(map(len, LEVELS))


class LogOptions(TypedDict):
    """Which lines are listed, and how they are written."""

    level: str | None
    contains: str | None
    after: datetime | None
    head: int | None
    tail: int | None
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
        *list_command.form_options("json", "csv"),
    ]


def show(
    view: "FlowRunView | TaskRunView",
    *,
    level: str | None,
    contains: str | None,
    after: datetime | None,
    head: int | None,
    tail: int | None,
    form: str | None,
) -> None:
    """Lists the log lines of a run, oldest first, and writes them."""
    from taskruns.cli import output
    from taskruns.cli.list_writers import WRITERS, Layout
    from taskruns.cli.waiting import warn_of_waiting_reports

    if head is not None and tail is not None:
        raise click.UsageError("--head and --tail cannot be used together.")
    lines = view.get_logs(level=level, contains=contains, after=after, newest_first=tail is not None)
    shown: Iterable[LogLine] = islice(lines, head if tail is None else tail)
    if tail is not None:
        shown = reversed(list(shown))
    if form is None:
        output.write_lines(text for line in shown for text in _texts(line))
    else:
        WRITERS[form](shown, Layout("log lines", (), FIELDS), None)
    warn_of_waiting_reports()


def _texts(line: "LogLine") -> Iterator[tuple[str, str]]:
    from taskruns.cli import formatting
    from taskruns.printable import printable

    start = f"{formatting.exact(line.timestamp, 'milliseconds')}  {printable(line.level):{_LEVEL_WIDTH}}  "
    first, *others = (line.message or "").split("\n")
    yield f"{start}{printable(first)}", _STYLES.get(line.level, "")
    for other in others:
        yield f"{' ' * len(start)}{printable(other)}", _STYLES.get(line.level, "")
