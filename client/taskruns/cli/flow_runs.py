"""`taskruns flow-run`: list flow runs, look into one, watch it, delete it."""

import sys
from functools import partial
from typing import Any
from uuid import UUID

import click

from taskruns.cli import filters, listing
from taskruns.cli.commands import Connection, Group, Option, Refusal
from taskruns.cli.lookup import OF_FLOW, find_flow_run_id, find_flow_run_ids
from taskruns.cli.values import Seconds, identifier
from taskruns.text import printable


@click.group(cls=Group)
def flow_run() -> None:
    """Look flow runs up, watch them, delete them."""


@flow_run.command(
    "ls",
    params=[
        *filters.options(filters.FLOW_RUN_FILTERS),
        *listing.options(listing.FLOW_RUN_FIELDS, listing.SORTS, "-created"),
    ],
    examples=("flow-run ls", "flow-run ls --flow-name etl --state Failed --since -7d", "flow-run ls --all --csv"),
)
@click.pass_obj
def list_flow_runs(connection: Connection, /, **given: Any) -> None:
    """List flow runs, newest first."""
    from taskruns.cli.columns import FLOW_RUN_COLUMNS

    wanted, flow_runs = listing.wanted_of(given), connection.client.flow_runs
    ask = partial(flow_runs.list if wanted.whole else flow_runs.list_fields, **filters.asked(given))
    listing.show(ask, "flow runs", FLOW_RUN_COLUMNS, listing.FLOW_RUN_FIELDS, wanted)


@flow_run.command(
    "info",
    params=[OF_FLOW, *listing.form_options("json")],
    examples=("flow-run info", "flow-run info brave-otter", "flow-run info --flow-name etl --json"),
)
@click.argument("which", metavar="[ID|NAME]", required=False)
@click.pass_obj
def show_flow_run(connection: Connection, /, *, which: str | None, flow_name: str | None, form: str | None) -> None:
    """Show one flow run.

    Its state and its times, its parameters, and how many of its task runs are in each state. Without an id or a name
    it is the latest.
    """
    from taskruns.cli import columns, output

    flow_run = connection.client.flow_runs.get(find_flow_run_id(connection.client, which, flow_name))
    if form == "json":
        output.write_json(flow_run)
    else:
        output.write_record(columns.flow_run_record(flow_run))


@flow_run.command(
    "tasks",
    params=[
        OF_FLOW,
        *filters.options(filters.IN_ONE_FLOW_RUN),
        *listing.options(listing.TASK_RUN_FIELDS, listing.SORTS_IN_ONE_FLOW_RUN, "created"),
    ],
    examples=(
        "flow-run tasks",
        "flow-run tasks brave-otter --state-group failed",
        "flow-run tasks --flow-name etl --sort -duration --limit 10",
    ),
)
@click.argument("which", metavar="[ID|NAME]", required=False)
@click.pass_obj
def list_task_runs(connection: Connection, /, *, which: str | None, flow_name: str | None, **given: Any) -> None:
    """List the task runs of a flow run.

    They are in the order in which they were made. Without an id or a name it is the latest flow run.
    """
    from taskruns.cli.columns import COLUMNS_IN_ONE_FLOW_RUN

    wanted, flow_runs = listing.wanted_of(given), connection.client.flow_runs
    found = find_flow_run_id(connection.client, which, flow_name)
    ask = flow_runs.task_runs if wanted.whole else flow_runs.task_runs_fields
    ask = partial(ask, found, **filters.asked(given))
    listing.show(ask, "task runs", COLUMNS_IN_ONE_FLOW_RUN, listing.TASK_RUN_FIELDS, wanted)


@flow_run.command(
    "watch",
    params=[
        OF_FLOW,
        Option(
            ["--interval"],
            type=Seconds(least=0.1),
            default="1",
            metavar="SECONDS",
            help="How long to wait between two looks (1).",
        ),
    ],
    examples=("flow-run watch", "flow-run watch --flow-name etl && echo done"),
)
@click.argument("which", metavar="[ID|NAME]", required=False)
@click.pass_obj
def watch_flow_run(connection: Connection, /, *, which: str | None, flow_name: str | None, interval: float) -> int:
    """Watch a flow run until it is finished.

    On a terminal there is a bar for each state, otherwise a line for each change. Without an id or a name it is the
    latest. Exits with 1 if it failed or was cancelled.
    """
    from taskruns.cli.watching import watch
    from taskruns.flow_run_views import FlowRunView

    # A service that is started again meanwhile is waited for.
    client = connection.client.with_options(max_retries=8)
    found = find_flow_run_id(client, which, flow_name)
    return watch(FlowRunView.from_flow_run_id(found, client=client), interval)


@flow_run.command(
    "rm",
    params=[Option(["-y", "--yes"], is_flag=True, help="Do not ask.")],
    examples=("flow-run rm brave-otter", "flow-run rm --yes $(taskruns flow-run ls --created-lt -90d --all -q)"),
)
@click.argument("which", metavar="ID|NAME...", nargs=-1, required=True)
@click.pass_obj
def delete_flow_runs(connection: Connection, /, *, which: tuple[str, ...], yes: bool) -> None:
    """Delete flow runs with their task runs.

    Results on your storage are not touched. A name has to be that of one flow run only.
    """
    from taskruns.cli import columns

    client = connection.client
    found = {flow_run.id: flow_run for flow_run in (client.flow_runs.get(_the_only(connection, one)) for one in which)}
    for flow_run in found.values():
        click.echo(f"{columns.flow_run_title(flow_run)}  {flow_run.id}  {columns.task_runs_of(flow_run)}", err=True)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("Nobody can be asked here: give --yes to delete without.")
        count = len(found)
        if not click.confirm(f"Delete {'it' if count == 1 else f'these {count} flow runs'}?", err=True):
            raise Refusal("Nothing was deleted.")
    for flow_run in found.values():
        client.flow_runs.delete(flow_run.id)
        click.echo(f"Deleted {printable(flow_run.name)} ({flow_run.id}).")


def _the_only(connection: Connection, which: str) -> UUID:
    if (known := identifier(which)) is not None:
        return known
    found = find_flow_run_ids(connection.client, which, None, most=2)
    if len(found) > 1:
        raise Refusal(
            f"More than one flow run has the name '{printable(which)}': give the id. `taskruns flow-run ls` shows it."
        )
    return found[0]
