"""How commands find what is meant: by id, by name or slug, or the latest."""

import re
from typing import TYPE_CHECKING
from uuid import UUID

import click

from taskruns.cli.commands import Option, Refusal
from taskruns.cli.values import ID, identifier
from taskruns.text import printable

if TYPE_CHECKING:
    from taskruns.client import Client
    from taskruns.task_run_views import TaskRunView

_SLUG = re.compile(r"(?P<slug>.+)\[(?P<index>[0-9]{1,10})\]", re.DOTALL)
_MOST = 1000
OF_FLOW = Option(["-f", "--flow-name"], metavar="TEXT", section="Which", help="Of this flow.")


def task_run_options() -> list[click.Parameter]:
    """The options that say which task run is meant, beside its id or slug."""
    return [
        Option(
            ["--map-index"], type=click.IntRange(min=-1), section="Which", help="Of a child: the same as slug[NUMBER]."
        ),
        Option(["--flow-run-id"], type=ID, metavar="ID", section="Which", help="Of this flow run."),
        Option(["--flow-run-name"], metavar="TEXT", section="Which", help="Of the latest flow run with this name."),
        OF_FLOW,
    ]


def find_flow_run_id(client: "Client", which: str | None, flow_name: str | None) -> UUID:
    """The id that is given, or that of the latest flow run with this name, of this flow, or of all."""
    if which is not None and (known := identifier(which)) is not None:
        if flow_name is not None:
            raise click.UsageError("An id says which flow run is meant: leave --flow-name out.")
        return known
    return find_flow_run_ids(client, which, flow_name)[0]


def find_flow_run_ids(client: "Client", name: str | None, flow_name: str | None, most: int = 1) -> list[UUID]:
    """The ids of the flow runs with this name or of all, the latest first; up to `most`, but one at least."""
    if name == "":
        raise click.UsageError("A name has at least one character.")
    found: list[UUID] = []
    listed = client.flow_runs.list_fields(
        fields=["id", "name"],
        name_contains=name,
        flow_name=None if flow_name is None else [flow_name],
        limit=most if name is None else _MOST,
    )
    for flow_run in listed:
        # The filter takes capitals for small letters, and names that are longer.
        if name in (None, flow_run.name):
            found.append(flow_run.id)
        if len(found) == most:
            break
    if not found:
        raise Refusal(_no_flow_run(name, flow_name))
    return found


def _no_flow_run(name: str | None, flow_name: str | None) -> str:
    of = "" if flow_name is None else f" of the flow '{printable(flow_name)}'"
    if name is None:
        return f"There is no flow run{of} yet."
    try_this = "`taskruns flow-run ls` shows them; --flow-name finds the latest of a flow."
    return f"There is no flow run{of} with the name '{printable(name)}'. {try_this}"


def find_task_run(
    client: "Client",
    which: str,
    *,
    map_index: int | None,
    flow_run_id: UUID | None,
    flow_run_name: str | None,
    flow_name: str | None,
) -> "TaskRunView":
    """The task run with this id, or with this slug in the flow run that is named, or in the latest that has it."""
    from taskruns.task_run_views import TaskRunView

    narrowed = (map_index, flow_run_id, flow_run_name, flow_name) != (None, None, None, None)
    if identifier(which) is not None:
        if narrowed:
            raise click.UsageError(
                "An id says which task run is meant: leave --map-index, --flow-run-… and --flow-name out."
            )
        return TaskRunView.from_task_run_id(which, client=client)
    if flow_run_id is not None and (flow_run_name, flow_name) != (None, None):
        raise click.UsageError("--flow-run-id says which flow run is meant: leave --flow-run-name and --flow-name out.")
    slug, index = which, -1 if map_index is None else map_index
    if map_index is None and (parts := _SLUG.fullmatch(which)) is not None:
        slug, index = parts["slug"], int(parts["index"])
    if flow_run_name is not None:
        (flow_run_id,) = find_flow_run_ids(client, flow_run_name, flow_name)
    if flow_run_id is not None:
        return TaskRunView.from_task_slug(slug, flow_run_id, index, client=client)
    found = client.task_runs.list(
        task_slug=[slug], map_index=[index], flow_name=None if flow_name is None else [flow_name], limit=1
    )
    if not found.items:
        of = "" if flow_name is None else f" of the flow '{printable(flow_name)}'"
        child = "" if index == -1 else f" and the map index {index}"
        raise Refusal(
            f"No flow run{of} has a task run with the slug '{printable(slug)}'{child}. "
            "`taskruns flow-run tasks` shows those of the latest."
        )
    return TaskRunView(found.items[0], client)
