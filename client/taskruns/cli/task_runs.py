"""`taskruns task-run`: list task runs, look into one, load its result, count and measure."""

from functools import partial
from pathlib import Path
from typing import Literal, Unpack

import click

from taskruns.cli import aggregate_command, changes, filters, list_command, log_lines
from taskruns.cli.commands import Connection, Group, Option
from taskruns.cli.order import ORDER
from taskruns.cli.resolve import TASK_RUN, TaskRunOptions, find_task_run, task_run_options


@click.group(cls=Group, aliases=("task-runs",))
def task_run() -> None:
    """Look up task runs, load their results, and count them."""


@task_run.command(
    "ls",
    params=[
        *filters.options(filters.TASK_RUN_FILTERS),
        *list_command.options(list_command.TASK_RUN_FIELDS, list_command.SORTS, ORDER),
    ],
    aliases=("list",),
    examples=(
        "task-run ls --state-group failed --since 1d",
        "task-run ls -s Failed,TimedOut --flow-name etl --fields task_slug,state_message",
        "task-run ls --task-slug inc-1 --all --json",
    ),
)
@click.pass_obj
def list_task_runs(connection: Connection, /, **options: object) -> None:
    """List the task runs of all flow runs, newest first.

    They are sorted by start time, or by creation time if they have not started.
    """
    from taskruns.cli.columns import TASK_RUN_COLUMNS
    from taskruns.cli.list_writers import Layout

    list_options, task_runs = list_command.take_list_options(options), connection.client.task_runs
    ask = list_command.ordered(
        task_runs.list if list_options.needs_whole_items else task_runs.list_fields, filters.client_arguments(options)
    )
    list_command.show(ask, Layout("task runs", TASK_RUN_COLUMNS, list_command.TASK_RUN_FIELDS), list_options)


@task_run.command(
    "info",
    params=[TASK_RUN, *task_run_options(), *list_command.form_options("json")],
    aliases=("get", "inspect"),
    examples=(
        "task-run info inc-1",
        "task-run info 'inc-1[2]' --flow-name etl",
        "task-run info say_hello-1 --flow-run-name brave-otter --json",
    ),
)
@click.pass_obj
def show_task_run(connection: Connection, /, *, which: str, form: str | None, **where: Unpack[TaskRunOptions]) -> None:
    """Show one task run.

    This shows its state, its times, its duration, the location of its result, the traceback of its error and, if there
    were several, its latest attempts. Identify the task run by its id or its slug; for a mapped child, add its index:
    slug[2]. Without --flow-run-id or --flow-run-name, the command uses the latest flow run that has the slug.
    """
    from taskruns.cli import columns, output
    from taskruns.cli.results import described

    view = find_task_run(connection.client, which, **where)
    if form == "json":
        output.write_json(view.task_run)
    else:
        flow_run = connection.client.flow_runs.get(view.flow_run_id)
        result = described(connection.client, view.task_run)
        attempts = view.get_attempts() if view.task_run.run_count > 1 else None
        output.write_record(columns.task_run_record(view.task_run, flow_run, result, view.traceback, attempts))


@task_run.command(
    "result",
    params=[
        TASK_RUN,
        *task_run_options(),
        Option(["--trust"], is_flag=True, help="Load pickled results, which can run code of their author."),
        Option(
            ["--missing"],
            type=click.Choice(["raise", "none"]),
            default="raise",
            help="What to do about children without a result: fail, or show None for them.",
        ),
        Option(["--max-bytes"], type=click.IntRange(min=1), metavar="NUMBER", help="The maximum size of a result."),
        Option(
            ["--location"],
            is_flag=True,
            section="Output",
            help="Only show the location; for a mapped task run, one line for each child.",
        ),
        *list_command.form_options("json"),
        Option(
            ["--output"],
            type=click.Path(dir_okay=False, writable=True, path_type=Path),
            metavar="FILE",
            section="Output",
            help="Write JSON to this file.",
        ),
    ],
    examples=(
        "task-run result inc-1",
        "task-run result 'inc-1[2]' --location",
        "task-run result inc-1 --flow-name etl --json | jq length",
    ),
)
@click.pass_obj
def show_result(
    connection: Connection,
    /,
    *,
    which: str,
    form: str | None,
    location: bool,
    output: Path | None,
    trust: bool,
    missing: Literal["raise", "none"],
    max_bytes: int | None,
    **where: Unpack[TaskRunOptions],
) -> None:
    """Load what a task returned.

    For a mapped task run, this is a list of what its children returned. It is shown as Python shows it, or as JSON.
    Identify the task run as for `task-run info`.
    """
    from taskruns.cli import results

    view = find_task_run(connection.client, which, **where)
    if location and output is not None:
        raise click.UsageError("--location and --output cannot be used together: --output writes the result itself.")
    if location:
        results.write_location(connection.client, view.task_run, form)
    else:
        load = view.get_result if max_bytes is None else partial(view.get_result, max_bytes=max_bytes)
        results.write_value(load(trust=trust, missing=missing), form, output)


@task_run.command(
    "states",
    params=[TASK_RUN, *task_run_options(), *list_command.limit_options(), *list_command.form_options("json", "csv")],
    examples=("task-run states inc-1", "task-run states 'inc-1[2]' --flow-name etl --csv"),
)
@click.pass_obj
def list_states(
    connection: Connection,
    /,
    *,
    which: str,
    form: str | None,
    limit: int | None,
    everything: bool,
    **where: Unpack[TaskRunOptions],
) -> None:
    """List the states of a task run.

    The oldest is first; states that arrived too late to take effect are marked. Identify the task run as for `task-run
    info`.
    """
    from taskruns.cli.columns import STATE_COLUMNS
    from taskruns.cli.list_writers import Layout

    view = find_task_run(connection.client, which, **where)
    ask = partial(connection.client.task_runs.states, view.task_run_id)
    layout = Layout("states", STATE_COLUMNS, list_command.STATE_FIELDS)
    list_command.show(ask, layout, list_command.ListOptions(form, limit, everything))


@task_run.command(
    "attempts",
    params=[TASK_RUN, *task_run_options(), *list_command.form_options("json", "csv")],
    examples=("task-run attempts inc-1", "task-run attempts 'inc-1[2]' --flow-name etl --json"),
)
@click.pass_obj
def list_attempts(connection: Connection, /, *, which: str, form: str | None, **where: Unpack[TaskRunOptions]) -> None:
    """List the attempts of a task run.

    The oldest is first. An attempt begins with a Running state and ends with the next state, such as Retrying or
    Failed. JSON also has the time spent running. Identify the task run as for `task-run info`.
    """
    from taskruns.cli.columns import ATTEMPT_COLUMNS
    from taskruns.cli.list_writers import WRITERS, Layout
    from taskruns.cli.output import write_json
    from taskruns.cli.waiting import warn_of_waiting_reports

    attempts = find_task_run(connection.client, which, **where).get_attempts()
    if form == "json":
        write_json(attempts)
    else:
        WRITERS[form](attempts.items, Layout("attempts", ATTEMPT_COLUMNS, list_command.ATTEMPT_FIELDS), None)
    if attempts.truncated:
        click.echo("The history is too long: only the attempts of its oldest states are shown.", err=True)
    warn_of_waiting_reports()


@task_run.command(
    "neighbours",
    params=[TASK_RUN, *task_run_options(), *list_command.form_options("json", "csv")],
    examples=("task-run neighbours 'inc-1[1]'", "task-run neighbours inc-1 --flow-name etl --json"),
)
@click.pass_obj
def list_neighbours(
    connection: Connection, /, *, which: str, form: str | None, **where: Unpack[TaskRunOptions]
) -> None:
    """List the task runs beside a task run.

    They are the mapped parent and the children before and after a child, the same task in earlier flow runs, and, in
    registered flows, the task runs upstream and downstream. Identify the task run as for `task-run info`.
    """
    from taskruns.cli import neighbours
    from taskruns.cli.waiting import warn_of_waiting_reports

    neighbours.write(find_task_run(connection.client, which, **where).get_neighbours(), form)
    warn_of_waiting_reports()


@task_run.command(
    "artifacts",
    params=[TASK_RUN, *task_run_options(), *list_command.limit_options(), *list_command.form_options("json", "csv")],
    examples=("task-run artifacts inc-1", "task-run artifacts 'inc-1[2]' --flow-name etl --json"),
)
@click.pass_obj
def list_artifacts(
    connection: Connection,
    /,
    *,
    which: str,
    form: str | None,
    limit: int | None,
    everything: bool,
    **where: Unpack[TaskRunOptions],
) -> None:
    """List the artifacts of a task run.

    These are links and texts that engines of Prefect 1 sent for people, oldest first. Identify the task run as for
    `task-run info`.
    """
    from taskruns.cli.columns import ARTIFACT_COLUMNS
    from taskruns.cli.list_writers import Layout

    view = find_task_run(connection.client, which, **where)
    ask = partial(connection.client.task_runs.artifacts, view.task_run_id)
    layout = Layout("artifacts", ARTIFACT_COLUMNS, list_command.ARTIFACT_FIELDS)
    list_command.show(ask, layout, list_command.ListOptions(form, limit, everything))


@task_run.command(
    "logs",
    params=[TASK_RUN, *task_run_options(), *log_lines.options()],
    examples=("task-run logs inc-1 --level WARNING", "task-run logs 'inc-1[2]' --flow-name etl --tail 20"),
)
@click.pass_obj
def show_task_run_logs(
    connection: Connection,
    /,
    *,
    which: str,
    map_index: int | None,
    flow_run_id: str | None,
    flow_run_name: str | None,
    flow_name: str | None,
    **options: Unpack[log_lines.LogOptions],
) -> None:
    """Show the log lines of a task run.

    The oldest is first. With --follow, further lines are shown until the task run is finished. Identify the task run
    as for `task-run info`.
    """
    where = TaskRunOptions(
        map_index=map_index, flow_run_id=flow_run_id, flow_run_name=flow_run_name, flow_name=flow_name
    )
    view = find_task_run(connection.client, which, **where)
    watch_events = partial(
        connection.client.flow_runs.events, view.task_run.flow_run_id, task_slug=view.task_slug, logs=True
    )
    log_lines.show(view, view.get_logs, watch_events, **options)


@task_run.command(
    "set-state",
    params=[TASK_RUN, *changes.state_options(), *task_run_options()],
    examples=("task-run set-state 'inc-1[2]' Failed --flow-run-name brave-otter --message lost",),
)
@click.pass_obj
def set_task_run_state(
    connection: Connection,
    /,
    *,
    which: str,
    state: str,
    message: str | None,
    force: bool,
    **where: Unpack[TaskRunOptions],
) -> None:
    """Report a state of a task run.

    The program that runs it is not notified. To reopen a successful run, use --force. Identify the task run as for
    `task-run info`.
    """
    view = find_task_run(connection.client, which, **where)
    reported = changes.state_arguments(state, message, force=force)
    receipt = connection.client.task_runs.set_state(view.task_run_id, **reported)
    changes.confirm(receipt.outcome, receipt.state, f"task run {view.task_run_id}")


@task_run.command(
    "count",
    params=[*filters.options(filters.TASK_RUN_FILTERS), aggregate_command.COUNT_LIMIT],
    examples=("task-run count --state Success", "task-run count --flow-name etl --state-group failed --since 7d"),
)
@click.pass_obj
def count_task_runs(connection: Connection, /, **options: object) -> None:
    """Count task runs. The count is always exact."""
    aggregate_command.count(connection.client.task_runs.aggregate, options)


@task_run.command(
    "aggregate",
    params=aggregate_command.options(aggregate_command.TASK_RUN_KEYS, filters.TASK_RUN_FILTERS),
    examples=(
        "task-run aggregate --group-by state",
        "task-run aggregate --group-by flow_name,task_slug --measure p50_duration,p95_duration --since 7d",
        "task-run aggregate --group-by day --state-group failed --csv",
        "task-run aggregate --task-name load --since 7d --histogram duration",
    ),
)
@click.pass_obj
def aggregate_task_runs(connection: Connection, /, *, form: str | None, **options: object) -> None:
    """Count and measure task runs, in total or by group."""
    aggregate_command.show(connection.client.task_runs.aggregate, form, options)
