"""`taskruns result`: the results that the recorder keeps on this machine."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import click

from taskruns.cli import changes
from taskruns.cli.commands import Connection, Group, Option, Refusal
from taskruns.cli.values import SECONDS

if TYPE_CHECKING:
    from taskruns.client import Client
    from taskruns.results.folders import ResultFolder

_IDS_MOST = 100
"""How many ids the service takes at once."""


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
    from taskruns.cli import human
    from taskruns.results.folders import result_folders

    client, url = connection.client, connection.client.options.url
    _check_nothing_waits(url)
    written_before = datetime.now(UTC) - timedelta(seconds=older_than)
    old = sorted((one for one in result_folders() if one.written < written_before), key=lambda one: one.written)
    present = _present(client, [one.flow_run_id for one in old if one.service == url])
    gone = [one for one in old if one.service == url and one.flow_run_id not in present]
    if others := sum(one.service != url for one in old):
        click.echo(f"Kept: {_of_flow_runs(others)} that were not recorded for this service.", err=True)
    if not gone:
        click.echo("There is nothing to delete.")
        return
    for one in gone:
        click.echo(f"{one.flow_run_id}  {size_of(one)}  written {human.exact(one.written)}")
    total = f"the results of {_of_flow_runs(len(gone))}: {human.size(sum(one.size for one in gone))}"
    if dry_run:
        click.echo(f"Would delete {total}.")
        return
    changes.ask(f"Delete {total}?", yes=yes)
    for one in gone:
        one.remove()
    click.echo(f"Deleted {total}.")


def size_of(folder: "ResultFolder") -> str:
    """How many results a folder has, and of which size."""
    from taskruns.cli import human

    return f"{folder.files} {'result' if folder.files == 1 else 'results'}, {human.size(folder.size)}"


def _check_nothing_waits(url: str) -> None:
    """Refuses while reports wait on this machine: the service may not have heard of a flow run yet."""
    from taskruns import settings
    from taskruns.recording.spool import count_waiting

    if count_waiting(settings.outbox_folder(), url):
        raise Refusal(
            "Reports for this service are waiting, so it may not know their flow runs yet. Send them with `taskruns "
            "flush`."
        )


def _present(client: "Client", ids: Sequence[UUID]) -> set[UUID]:
    """Those of the ids that the service has a flow run of."""
    present: set[UUID] = set()
    for start in range(0, len(ids), _IDS_MOST):
        some = ids[start : start + _IDS_MOST]
        found = client.flow_runs.list_fields(fields=["id"], flow_run_id=list(some), limit=len(some))
        present.update(flow_run.id for flow_run in found.items)
    return present


def _of_flow_runs(count: int) -> str:
    return "1 flow run" if count == 1 else f"{count} flow runs"
