"""What commands that count and measure have in common: the options, and how the answer is shown."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

import click

from taskruns.cli import filters, list_command
from taskruns.cli.commands import Option
from taskruns.cli.filters import Filter
from taskruns.cli.param_types import LENGTH, Words, together
from taskruns.type_aliases import Arguments

if TYPE_CHECKING:
    from taskruns.models import Aggregate

Aggregating: TypeAlias = "Callable[..., Aggregate]"
"""The client's method that counts and measures one kind of runs."""

MAX_KEYS = 3
FLOW_RUN_KEYS = ("state", "flow_name", "hour", "day", "week", "message")
TASK_RUN_KEYS = (
    *("state", "task_slug", "task_name", "flow_run_id", "flow_name", "mapped_parent_id", "hour", "day", "week"),
    "message",
)
"""What runs can be grouped by; tests hold it to the service's document."""
BUCKET_TIMES = ("start_time", "end_time")
"""The times that stretches of time are those of; tests hold it to the service's document."""
HISTOGRAMS = ("duration", "run_time", "queue_time")
"""The lengths of runs that a histogram counts; tests hold it to the service's document."""
_NOT_IN_HISTOGRAMS = ("group_by", "bucket", "bucket_time", "measure", "compare", "sort", "limit")
"""What is about groups, and a histogram has none."""
MEASURES_OF_MESSAGES = ("first_end_time", "last_end_time")
"""What groups by message have without being asked for it."""
COUNT_LIMIT = Option(
    ["--count-limit"],
    type=click.IntRange(min=1),
    metavar="NUMBER",
    section="Output",
    help="Stop counting at this number, which is faster.",
)


def _measures() -> list[str]:
    from taskruns.models import AggregateTaskRunsMeasureItem

    return list(AggregateTaskRunsMeasureItem)


def options(keys: tuple[str, ...], filters_of_runs: Iterable[Filter]) -> list[click.Parameter]:
    """The options of a command that measures groups of runs, which may be grouped by these keys."""
    return [
        Option(
            ["-b", "--group-by"],
            type=Words("keys", known=lambda: keys),
            multiple=True,
            callback=together,
            metavar="KEYS",
            section="What",
            help=f"The keys to group by, up to three: {', '.join(keys)}.",
        ),
        Option(
            ["--bucket"],
            type=LENGTH,
            metavar="LENGTH",
            section="What",
            help="Also group by stretches of this length, such as 5m, in which the runs started.",
        ),
        Option(
            ["--bucket-time"],
            type=click.Choice(BUCKET_TIMES),
            metavar="TIME",
            section="What",
            help=f"The time that --bucket, hour, day and week are those of: {' or '.join(BUCKET_TIMES)} (start_time).",
        ),
        Option(
            ["--timezone"],
            metavar="NAME",
            section="What",
            help="The time zone of hour, day and week, such as Europe/Berlin (UTC).",
        ),
        Option(
            ["-m", "--measure"],
            type=Words("measures", known=_measures),
            multiple=True,
            callback=together,
            metavar="MEASURES",
            section="What",
            help="The measures: (sum, avg, min, max, p50, p95, or p99)_(duration, run_time, or queue_time), "
            "first_start_time, first_end_time, last_end_time.",
        ),
        Option(
            ["--compare"],
            type=LENGTH,
            metavar="LENGTH",
            section="What",
            help="Also show the same window this long before, such as 7d; needs --since.",
        ),
        Option(
            ["--histogram"],
            type=click.Choice(HISTOGRAMS),
            metavar="LENGTH",
            section="What",
            help=f"Show how many runs are how long, instead of groups: {', '.join(HISTOGRAMS)}.",
        ),
        *filters.options(filters_of_runs),
        Option(
            ["--sort"],
            type=list_command.Sort("keys", known=lambda: [*keys, *_measures()]),
            metavar="KEYS",
            section="Output",
            help="The keys, count or measures to sort by, with a leading - for descending order.",
        ),
        Option(
            ["-n", "--limit"],
            type=click.IntRange(min=1),
            metavar="NUMBER",
            section="Output",
            help="The maximum number of groups to show (1000).",
        ),
        COUNT_LIMIT,
        *list_command.form_options("json", "csv"),
    ]


def count(aggregate: Aggregating, options: Arguments) -> None:
    """Counts runs."""
    answer = aggregate(**filters.client_arguments(options))
    click.echo(answer.count)
    if not answer.is_exact:
        click.echo("There can be more: counting stopped at --count-limit.", err=True)
    from taskruns.cli.waiting import warn_of_waiting_reports

    warn_of_waiting_reports()


def show(aggregate: Aggregating, form: str | None, options: Arguments) -> None:
    """Counts and measures runs, and writes a row for each group, or for each interval of a histogram."""
    from taskruns.cli import aggregates, histograms

    arguments = filters.client_arguments(options)
    if "histogram" in arguments:
        for name in _NOT_IN_HISTOGRAMS:
            if name in arguments:
                raise click.UsageError(f"--histogram and --{name.replace('_', '-')} cannot be used together.")
        histograms.write(aggregate(**arguments), form)
        return
    keys = arguments.get("group_by", [])
    if len(keys) > MAX_KEYS:
        raise click.UsageError("--group-by takes up to three keys.")
    sort = arguments.pop("sort", [])
    if sort:
        arguments["sort"] = ",".join(sort)
    sorted_by = [name for name in (key.removeprefix("-") for key in sort) if name not in (*keys, "count")]
    keys = [*keys, *({"bucket"} & arguments.keys())]
    implied = MEASURES_OF_MESSAGES if "message" in keys else ()
    aggregates.write(aggregate(**arguments), keys, [*arguments.get("measure", []), *sorted_by, *implied], form)
