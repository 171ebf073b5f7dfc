"""`taskruns slowest`: the slowest tasks of a period, or its slowest task runs."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

import click

from taskruns.cli import filters
from taskruns.cli.commands import Option
from taskruns.cli.list_command import TASK_RUN_FIELDS, form_options
from taskruns.cli.param_types import LENGTH
from taskruns.type_aliases import Arguments

if TYPE_CHECKING:
    from taskruns.client import Client
    from taskruns.models import TaskRun

PERIOD = timedelta(days=1)
"""What is looked at unless a filter of a time says otherwise."""
DEFAULT_LIMIT, MAX_LIMIT = 10, 100
KEYS = ("flow_name", "task_slug")
MEASURES = ("p50_duration", "p95_duration", "max_duration")


def options() -> list[click.Parameter]:
    """The options of the command."""
    return [
        Option(["--task-runs"], is_flag=True, section="What", help="Show the slowest task runs, not tasks."),
        Option(
            ["--compare"],
            type=LENGTH,
            metavar="LENGTH",
            section="What",
            help="Also show the same period this long before, such as 7d.",
        ),
        *filters.options(filters.TASK_RUN_FILTERS),
        Option(
            ["-n", "--limit"],
            type=click.IntRange(min=1, max=MAX_LIMIT),
            default=DEFAULT_LIMIT,
            metavar="NUMBER",
            section="Output",
            help=f"The number of tasks or task runs to show ({DEFAULT_LIMIT}).",
        ),
        *form_options("json", "csv"),
    ]


def show(client: "Client", form: str | None, limit: int, arguments: Arguments, *, task_runs: bool) -> None:
    """Writes the slowest tasks or task runs among those that started within a day, unless the filters say when."""
    if not any(name.startswith(("start_time_", "end_time_", "created_", "updated_")) for name in arguments):
        arguments["start_time_gte"] = datetime.now(UTC) - PERIOD
    # A mapped parent takes as long as its children together.
    arguments.setdefault("is_mapped_parent", False)
    if task_runs and "compare" in arguments:
        raise click.UsageError("--task-runs and --compare cannot be used together: only tasks are compared.")
    if task_runs:
        _write_task_runs(slowest_task_runs(client, limit, arguments), form)
    else:
        from taskruns.cli import aggregates

        answer = client.task_runs.aggregate(
            group_by=KEYS, measure=MEASURES, sort="-p95_duration", limit=limit, **arguments
        )
        aggregates.write_groups(answer, KEYS, MEASURES, form)


def slowest_task_runs(client: "Client", limit: int, arguments: Arguments) -> "list[TaskRun]":
    """The task runs that took longest; those that have not ended are not among them."""
    listed = client.task_runs.list(sort="-duration", limit=limit, **arguments)
    return [task_run for task_run in islice(listed, limit) if task_run.duration is not None]


def _write_task_runs(task_runs: "Iterable[TaskRun]", form: str | None) -> None:
    from taskruns.cli.columns import TASK_RUN_COLUMNS
    from taskruns.cli.list_writers import WRITERS, Layout
    from taskruns.cli.waiting import warn_of_waiting_reports

    WRITERS[form](task_runs, Layout("task runs", TASK_RUN_COLUMNS, TASK_RUN_FIELDS), None)
    warn_of_waiting_reports()
