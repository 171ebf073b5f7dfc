"""`taskruns result`: the results that the recorder keeps on this machine."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import click

from taskruns.cli import changes
from taskruns.cli.commands import Connection, Group, Option, Refusal
from taskruns.cli.param_types import SECONDS
from taskruns.limits import MAX_VALUES

if TYPE_CHECKING:
    from taskruns.client import Client
    from taskruns.results.folders import ResultFolder


@click.group(cls=Group)
def result() -> None:
    """Delete results that are stored on this machine."""


@result.command(
    "prune",
    params=[
        Option(
            ["--older-than"],
            type=SECONDS,
            default="30d",
            metavar="AGE",
            help="Only delete results of flow runs whose last result is older than this (30d).",
        ),
        Option(["--dry-run"], is_flag=True, help="Only show what would be deleted."),
        changes.YES,
    ],
    examples=("result prune --older-than 30d --dry-run", "result prune --older-than 90d --yes"),
)
@click.pass_obj
def prune_results(connection: Connection, /, *, older_than: float, dry_run: bool, yes: bool) -> None:
    """Delete the results of flow runs that are gone.

    The command deletes results in ~/.taskruns/results, or results in TASKRUNS_HOME, that were recorded for this service
    and whose flow run the service no longer has. It lists them and asks for confirmation first. Nothing else is
    deleted.
    """
    from taskruns.cli import formatting
    from taskruns.results.folders import result_folders

    client, url = connection.client, connection.client.options.url
    _check_nothing_waits(url)
    written_before = datetime.now(UTC) - timedelta(seconds=older_than)
    old = sorted(
        (folder for folder in result_folders() if folder.written < written_before), key=lambda folder: folder.written
    )
    present = _present(client, [folder.flow_run_id for folder in old if folder.service == url])
    gone = [folder for folder in old if folder.service == url and folder.flow_run_id not in present]
    if others := sum(folder.service != url for folder in old):
        click.echo(f"Kept: {_of_flow_runs(others)} that were not recorded for this service.", err=True)
    if not gone:
        click.echo("There is nothing to delete.")
        return
    for folder in gone:
        click.echo(f"{folder.flow_run_id}  {size_of(folder)}  written {formatting.exact(folder.written)}")
    total = f"the results of {_of_flow_runs(len(gone))}: {formatting.size(sum(folder.size for folder in gone))}"
    if dry_run:
        click.echo(f"Would delete {total}.")
        return
    changes.ask(f"Delete {total}?", yes=yes)
    for folder in gone:
        folder.remove()
    click.echo(f"Deleted {total}.")


def size_of(folder: "ResultFolder") -> str:
    """How many results a folder has, and of which size."""
    from taskruns.cli import formatting

    return f"{folder.files} {'result' if folder.files == 1 else 'results'}, {formatting.size(folder.size)}"


def _check_nothing_waits(url: str) -> None:
    """Refuses while reports wait on this machine: the service may not have heard of a flow run yet."""
    from taskruns import settings
    from taskruns.recording.outbox_file import count_waiting

    if count_waiting(settings.outbox_folder(), url):
        raise Refusal(
            "Reports for this service are waiting, so it may not know their flow runs yet. Send them with `taskruns "
            "flush`."
        )


def _present(client: "Client", ids: Sequence[UUID]) -> set[UUID]:
    """Those of the ids that the service has a flow run of."""
    present: set[UUID] = set()
    for start in range(0, len(ids), MAX_VALUES):
        batch = ids[start : start + MAX_VALUES]
        page = client.flow_runs.list_fields(fields=["id"], flow_run_id=list(batch), limit=len(batch))
        present.update(flow_run.id for flow_run in page.items)
    return present


def _of_flow_runs(count: int) -> str:
    return "1 flow run" if count == 1 else f"{count} flow runs"
