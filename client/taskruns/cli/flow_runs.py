"""`taskruns flow-run`: list flow runs, look into one, watch it, set its state, delete it, count them."""

from functools import partial
from typing import Unpack

import click

from taskruns.cli import aggregate_command, changes, filters, list_command, log_lines
from taskruns.cli.commands import Connection, Group, Option, Refusal
from taskruns.cli.order import ORDER
from taskruns.cli.param_types import SECONDS, Seconds
from taskruns.cli.resolve import FLOW_RUN, FLOW_RUNS, OF_FLOW, ONE_FLOW_RUN, find_flow_run_id, find_only_flow_run_id
from taskruns.printable import printable


@click.group(cls=Group, aliases=("flow-runs",))
def flow_run() -> None:
    """Look up, count and watch flow runs, set their states, delete them."""


@flow_run.command(
    "ls",
    params=[
        *filters.options(filters.FLOW_RUN_FILTERS),
        *list_command.options(list_command.FLOW_RUN_FIELDS, list_command.SORTS, ORDER),
    ],
    aliases=("list",),
    examples=("flow-run ls", "flow-run ls --flow-name etl --state Failed --since 7d", "flow-run ls --all --csv"),
)
@click.pass_obj
def list_flow_runs(connection: Connection, /, **options: object) -> None:
    """List flow runs, newest first.

    They are sorted by start time, or by creation time if they have not started.
    """
    from taskruns.cli.columns import FLOW_RUN_COLUMNS
    from taskruns.cli.list_writers import Layout

    list_options, flow_runs = list_command.take_list_options(options), connection.client.flow_runs
    ask = list_command.ordered(
        flow_runs.list if list_options.needs_whole_items else flow_runs.list_fields, filters.client_arguments(options)
    )
    list_command.show(ask, Layout("flow runs", FLOW_RUN_COLUMNS, list_command.FLOW_RUN_FIELDS), list_options)


@flow_run.command(
    "info",
    params=[FLOW_RUN, OF_FLOW, *list_command.form_options("json")],
    aliases=("get", "inspect"),
    examples=("flow-run info", "flow-run info brave-otter", "flow-run info --flow-name etl --json"),
)
@click.pass_obj
def show_flow_run(connection: Connection, /, *, which: str | None, flow_name: str | None, form: str | None) -> None:
    """Show one flow run.

    This shows its state, its times, its parameters, the number of its task runs in each state, and the traceback of
    its error. The default is the
    latest flow run.
    """
    from taskruns.cli import columns, output
    from taskruns.flow_run_views import FlowRunView

    flow_run_id = find_flow_run_id(connection.client, which, flow_name)
    view = FlowRunView.from_flow_run_id(flow_run_id, client=connection.client)
    if form == "json":
        output.write_json(view.flow_run)
    else:
        output.write_record(columns.flow_run_record(view.flow_run, view.traceback))


@flow_run.command(
    "tree",
    params=[FLOW_RUN, OF_FLOW, *list_command.form_options("json")],
    examples=("flow-run tree", "flow-run tree brave-otter", "flow-run tree --flow-name etl --json"),
)
@click.pass_obj
def show_tree(connection: Connection, /, *, which: str | None, flow_name: str | None, form: str | None) -> None:
    """Show the parents and the children of a flow run.

    A flow run that is started inside a task has this task run as its parent. The default is the latest flow run.
    """
    from taskruns.cli import output, tree

    flow_run_tree = tree.find_tree(connection.client, find_flow_run_id(connection.client, which, flow_name))
    if form == "json":
        output.write_json(flow_run_tree)
    else:
        tree.write(flow_run_tree)


@flow_run.command(
    "tasks",
    params=[
        FLOW_RUN,
        OF_FLOW,
        *filters.options(filters.IN_ONE_FLOW_RUN),
        *list_command.options(list_command.TASK_RUN_FIELDS, list_command.SORTS_IN_ONE_FLOW_RUN, "created"),
    ],
    aliases=("task-runs",),
    examples=(
        "flow-run tasks",
        "flow-run tasks brave-otter --state-group failed",
        "flow-run tasks --flow-name etl --sort -duration --limit 10",
    ),
)
@click.pass_obj
def list_task_runs(connection: Connection, /, *, which: str | None, flow_name: str | None, **options: object) -> None:
    """List the task runs of a flow run.

    They are listed in the order of their creation. The default is the latest flow run.
    """
    from taskruns.cli.columns import COLUMNS_IN_ONE_FLOW_RUN
    from taskruns.cli.list_writers import Layout

    list_options, flow_runs = list_command.take_list_options(options), connection.client.flow_runs
    flow_run_id = find_flow_run_id(connection.client, which, flow_name)
    list_method = flow_runs.task_runs if list_options.needs_whole_items else flow_runs.task_runs_fields
    ask = partial(list_method, flow_run_id, **filters.client_arguments(options))
    list_command.show(ask, Layout("task runs", COLUMNS_IN_ONE_FLOW_RUN, list_command.TASK_RUN_FIELDS), list_options)


@flow_run.command(
    "summary",
    params=[FLOW_RUN, OF_FLOW, *list_command.form_options("json", "csv")],
    examples=("flow-run summary", "flow-run summary brave-otter --csv", "flow-run summary --flow-name etl --json"),
)
@click.pass_obj
def show_tasks(connection: Connection, /, *, which: str | None, flow_name: str | None, form: str | None) -> None:
    """Show the tasks of a flow run, a row for each.

    This shows the worst state among the task runs of each task, and their number in each state. A mapped task is one
    row. The default is the latest flow run.
    """
    from taskruns.cli.columns import TASK_COLUMNS
    from taskruns.cli.list_writers import WRITERS, Layout
    from taskruns.cli.output import write_json
    from taskruns.cli.waiting import warn_of_waiting_reports

    tasks = connection.client.flow_runs.tasks(find_flow_run_id(connection.client, which, flow_name))
    if form == "json":
        write_json(tasks)
    else:
        WRITERS[form](tasks.items, Layout("tasks", TASK_COLUMNS, list_command.TASK_FIELDS), None)
    if tasks.truncated:
        click.echo(f"There are more tasks: only the {len(tasks.items)} that started first are shown.", err=True)
    warn_of_waiting_reports()


@flow_run.command(
    "logs",
    params=[
        FLOW_RUN,
        OF_FLOW,
        Option(["--failed"], is_flag=True, help="Only lines of failed task runs."),
        *log_lines.options(),
    ],
    examples=(
        "flow-run logs --follow",
        "flow-run logs --failed --level ERROR",
        "flow-run logs brave-otter --tail 100",
        "flow-run logs --contains timeout",
    ),
)
@click.pass_obj
def show_flow_run_logs(
    connection: Connection,
    /,
    *,
    which: str | None,
    flow_name: str | None,
    failed: bool,
    **options: Unpack[log_lines.LogOptions],
) -> None:
    """Show the log lines of a flow run and of its task runs.

    The oldest is first. With --follow, further lines are shown until the flow run is finished. The default is the
    latest flow run.
    """
    from taskruns.flow_run_views import FlowRunView

    client = connection.client
    view = FlowRunView(client.flow_runs.get(find_flow_run_id(client, which, flow_name)), client)
    if failed and options["follow"]:
        raise click.UsageError("--failed and --follow cannot be used together: a task run fails at its end.")
    list_lines = partial(log_lines.lines_of_failed, client, view.flow_run.id) if failed else view.get_logs
    watch_events = partial(client.flow_runs.events, view.flow_run.id, logs=True)
    log_lines.show(view, list_lines, watch_events, **options)


@flow_run.command(
    "watch",
    params=[
        FLOW_RUN,
        OF_FLOW,
        Option(
            ["--interval"],
            type=Seconds(least=0.1),
            default="1",
            metavar="SECONDS",
            help="The time between two checks, if the service cannot push changes (1).",
        ),
        Option(
            ["--timeout"],
            type=SECONDS,
            metavar="SECONDS",
            help="The time to watch, such as 90 or 2h. Default: until it is finished.",
        ),
        Option(
            ["--patience"],
            type=SECONDS,
            default="5m",
            metavar="SECONDS",
            help="The time to keep trying while the service is unavailable (5m).",
        ),
    ],
    examples=("flow-run watch", "flow-run watch --flow-name etl --timeout 2h && echo done"),
)
@click.pass_obj
def watch_flow_run(
    connection: Connection,
    /,
    *,
    which: str | None,
    flow_name: str | None,
    interval: float,
    timeout: float | None,
    patience: float,
) -> int:
    """Watch a flow run until it is finished.

    On a terminal, this shows a bar for each state, otherwise a line for each change. The default is the latest flow
    run. The exit code is 3 if it failed or was cancelled, 4 if the service is unavailable, and 5 if it is still running
    after --timeout.
    """
    from taskruns.cli.watch import Limits, watch

    return watch(
        connection.client, find_flow_run_id(connection.client, which, flow_name), Limits(interval, timeout, patience)
    )


@flow_run.command(
    "set-state",
    params=[ONE_FLOW_RUN, *changes.state_options()],
    examples=(
        "flow-run set-state brave-otter Failed --message lost",
        "flow-run set-state 8e445d74 Running --force",
    ),
)
@click.pass_obj
def set_flow_run_state(connection: Connection, /, *, which: str, state: str, message: str | None, force: bool) -> None:
    """Report a state of a flow run.

    The program that runs it is not notified. To reopen a successful run, use --force. A name must belong to exactly one
    flow run.
    """
    flow_run_id = find_only_flow_run_id(connection.client, which)
    receipt = connection.client.flow_runs.set_state(flow_run_id, **changes.state_arguments(state, message, force=force))
    changes.confirm(receipt.outcome, receipt.state, f"flow run {flow_run_id}")


@flow_run.command(
    "cancel",
    params=[FLOW_RUNS, changes.MESSAGE],
    examples=("flow-run cancel brave-otter --message mistaken",),
)
@click.pass_obj
def cancel_flow_runs(connection: Connection, /, *, which: tuple[str, ...], message: str | None) -> None:
    """Report that flow runs were cancelled.

    This does not stop a program that runs one of them. A finished flow run is not changed, and is an error. A name must
    belong to exactly one flow run.
    """
    from taskruns.states import State

    client = connection.client
    flow_runs = [client.flow_runs.get(find_only_flow_run_id(client, text)) for text in which]
    if finished := [flow_run for flow_run in flow_runs if State(flow_run.state).is_finished()]:
        raise Refusal(
            f"{printable(finished[0].name)} ({finished[0].id}) is already {finished[0].state}. Nothing was cancelled."
        )
    for flow_run in flow_runs:
        cancelled = changes.state_arguments("Cancelled", message)
        receipt = client.flow_runs.set_state(flow_run.id, **cancelled)
        changes.confirm(receipt.outcome, receipt.state, f"flow run {flow_run.id}")


@flow_run.command(
    "rm",
    params=[
        FLOW_RUNS,
        Option(["--results"], is_flag=True, help="Also delete their results in ~/.taskruns/results."),
        changes.YES,
    ],
    aliases=("delete",),
    examples=("flow-run rm brave-otter", "flow-run rm --yes $(taskruns flow-run ls --created-lt 90d --all -q)"),
)
@click.pass_obj
def delete_flow_runs(connection: Connection, /, *, which: tuple[str, ...], results: bool, yes: bool) -> None:
    """Delete flow runs with their task runs.

    Results on your storage are not deleted. With --results, the command also deletes those that the recorder stored in
    the folder of the flow run, in ~/.taskruns/results or results in TASKRUNS_HOME. A name must belong to exactly one
    flow run.
    """
    from taskruns.cli import columns
    from taskruns.cli.stored_results import size_of
    from taskruns.results.folders import result_folder

    client = connection.client
    ids = [find_only_flow_run_id(client, text) for text in which]
    flow_runs = {flow_run.id: flow_run for flow_run in map(client.flow_runs.get, ids)}
    folders = {id: folder for id in flow_runs if results and (folder := result_folder(id)) is not None}
    for flow_run in flow_runs.values():
        title = f"{columns.flow_run_title(flow_run)}  {flow_run.id}  {columns.task_runs_of(flow_run)}"
        folder = folders.get(flow_run.id)
        click.echo(title if folder is None else f"{title}  {size_of(folder)}", err=True)
    changes.ask(f"Delete {'it' if len(flow_runs) == 1 else f'these {len(flow_runs)} flow runs'}?", yes=yes)
    for flow_run in flow_runs.values():
        client.flow_runs.delete(flow_run.id)
        click.echo(f"Deleted {printable(flow_run.name)} ({flow_run.id}).")
        if (folder := folders.get(flow_run.id)) is not None:
            folder.remove()
            click.echo(f"Deleted {size_of(folder)}.")


@flow_run.command(
    "count",
    params=[*filters.options(filters.FLOW_RUN_FILTERS), aggregate_command.COUNT_LIMIT],
    examples=("flow-run count --state Running", "flow-run count --flow-name etl --state-group failed --since 7d"),
)
@click.pass_obj
def count_flow_runs(connection: Connection, /, **options: object) -> None:
    """Count flow runs. The count is always exact."""
    aggregate_command.count(connection.client.flow_runs.aggregate, options)


@flow_run.command(
    "aggregate",
    params=aggregate_command.options(aggregate_command.FLOW_RUN_KEYS, filters.FLOW_RUN_FILTERS),
    examples=(
        "flow-run aggregate --group-by state",
        "flow-run aggregate --group-by flow_name --measure p95_duration,max_queue_time --since 7d",
        "flow-run aggregate --group-by day,state --label prod --csv",
        "flow-run aggregate --flow-name etl --histogram duration",
    ),
)
@click.pass_obj
def aggregate_flow_runs(connection: Connection, /, *, form: str | None, **options: object) -> None:
    """Count and measure flow runs, in total or by group."""
    aggregate_command.show(connection.client.flow_runs.aggregate, form, options)
