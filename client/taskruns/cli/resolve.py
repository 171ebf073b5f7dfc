"""How commands find what is meant: by id, by name or slug, or the latest."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, TypedDict
from uuid import UUID

import click

from taskruns.cli import completions
from taskruns.cli.commands import Argument, Option, Refusal
from taskruns.cli.order import moment_of, newest_first
from taskruns.cli.param_types import ID_PREFIX, identifier, identifier_prefix
from taskruns.limits import MAX_PAGE_SIZE, MAX_VALUES
from taskruns.printable import printable
from taskruns.type_aliases import Arguments

if TYPE_CHECKING:
    from taskruns.client import Client
    from taskruns.models import FlowRunFields, TaskRun
    from taskruns.task_run_views import TaskRunView

_SLUG = re.compile(r"(?P<slug>.+)\[(?P<index>[0-9]{1,10})\]", re.DOTALL)
_SHOWN = 5
_MAX_CANDIDATES = MAX_VALUES - 1
"""One of them is the task run that started last; the flow runs of all are read at once."""
_TITLE_FIELDS = ["id", "name", "flow_name", "start_time", "created"]
OF_FLOW = Option(
    ["-f", "--flow-name"],
    metavar="TEXT",
    section="Which",
    help="The flow to look in.",
    shell_complete=completions.flow_names,
)
FLOW_RUN = Argument(
    ["which"],
    metavar="[ID|NAME]",
    required=False,
    meaning="The flow run: its id, its name, or the start of its id. Default: the latest.",
    shell_complete=completions.flow_run_names,
)
FAILED_FLOW_RUN = Argument(
    ["which"],
    metavar="[ID|NAME]",
    required=False,
    meaning="The flow run: its id, its name, or the start of its id. Default: the latest that failed.",
    shell_complete=completions.flow_run_names,
)
ONE_FLOW_RUN = Argument(
    ["which"],
    metavar="ID|NAME",
    meaning="The flow run: its id, its name, or the start of its id.",
    shell_complete=completions.flow_run_names,
)
FLOW_RUNS = Argument(
    ["which"],
    metavar="ID|NAME...",
    nargs=-1,
    required=True,
    meaning="The flow runs: their ids, their names, or the starts of their ids.",
    shell_complete=completions.flow_run_names,
)
TASK_RUN = Argument(
    ["which"],
    metavar="ID|SLUG",
    meaning="The task run: its id, the slug of its task (slug[2] for a mapped child), or the start of its id.",
    shell_complete=completions.task_slugs,
)


class TaskRunOptions(TypedDict):
    """Which task run is meant, beside its id or slug."""

    map_index: int | None
    flow_run_id: str | None
    flow_run_name: str | None
    flow_name: str | None


def task_run_options() -> list[click.Parameter]:
    """The options that say which task run is meant, beside its id or slug."""
    return [
        Option(
            ["--map-index"],
            type=click.IntRange(min=-1),
            section="Which",
            help="The map index of a child, as in slug[NUMBER].",
        ),
        Option(
            ["--flow-run-id"],
            type=ID_PREFIX,
            metavar="ID",
            section="Which",
            help="The id of the flow run, or the start of it.",
        ),
        Option(
            ["--flow-run-name"],
            metavar="TEXT",
            section="Which",
            help="The name of the flow run; the latest with this name is used.",
            shell_complete=completions.flow_run_names,
        ),
        OF_FLOW,
    ]


def find_flow_run_id(client: "Client", which: str | None, flow_name: str | None) -> UUID:
    """The id that is given, or that of the latest flow run with this name, of this flow, or of all.

    A text that is nobody's name may be the beginning of an id.
    """
    if which is not None and (known := identifier(which)) is not None:
        if flow_name is not None:
            raise click.UsageError("An id identifies the flow run: omit --flow-name.")
        return known
    if (latest := _latest_flow_run_id(client, which, flow_name)) is not None:
        return latest
    if which is None or not (ids := flow_run_ids_with(client, which, flow_name)):
        raise Refusal(_no_flow_run(which, flow_name))
    return the_only(ids, "flow run", which)


def find_failed_flow_run_id(client: "Client", flow_name: str | None) -> UUID | None:
    """The id of the flow run that started last among those of a flow, or of all, that failed; None if none has."""
    flow_runs = _list_flow_runs(client, flow_name, state_group=["failed"], limit=1)
    return next((flow_run.id for flow_run in flow_runs), None)


def find_named_flow_run_id(client: "Client", name: str, flow_name: str | None) -> UUID:
    """The id of the latest flow run with this name."""
    if (latest := _latest_flow_run_id(client, name, flow_name)) is None:
        raise Refusal(_no_flow_run(name, flow_name))
    return latest


def find_only_flow_run_id(client: "Client", which: str) -> UUID:
    """The id of the one flow run that has this id or name, or whose id starts like this; refuses if there are more."""
    if (known := identifier(which)) is not None:
        return known
    named = [flow_run.id for flow_run in islice(_flow_runs_named(client, which, None), 2)]
    if len(named) > 1:
        raise Refusal(
            f"More than one flow run has the name '{printable(which)}': use the id, which `taskruns flow-run ls` shows."
        )
    others = [other for other in flow_run_ids_with(client, which, None) if other not in named]
    if named and others:
        raise Refusal(f"'{printable(which)}' is the name of {named[0]} and the start of {others[0]}: use the id.")
    if not named and not others:
        raise Refusal(_no_flow_run(which, None))
    return the_only(named or others, "flow run", which)


def flow_run_ids_with(client: "Client", start: str, flow_name: str | None) -> list[UUID]:
    """The ids of flow runs that start with a text; more than `_SHOWN` if there are more."""
    if (prefix := identifier_prefix(start)) is None:
        return []
    page = client.flow_runs.list_fields(
        fields=["id"],
        flow_run_id_prefix=prefix,
        flow_name=None if flow_name is None else [flow_name],
        limit=_SHOWN + 1,
    )
    return [flow_run.id for flow_run in page.items]


def the_only(ids: list[UUID], noun: str, start: str) -> UUID:
    """The one id of a list; refuses if there are more, and says which."""
    if len(ids) > 1:
        listed = ", ".join(map(str, ids[:_SHOWN])) + (", …" if len(ids) > _SHOWN else "")
        raise Refusal(
            f"More than one {noun} has an id that starts with '{printable(start)}': {listed}. Use more of the id."
        )
    return ids[0]


def _latest_flow_run_id(client: "Client", name: str | None, flow_name: str | None) -> UUID | None:
    """The id of the flow run with this name, or of all, that started last; None if there is none.

    Says on standard error which it is, unless it is the only one with its name.
    """
    if name is None:
        flow_runs = list(islice(_list_flow_runs(client, flow_name, limit=1), 1))
    else:
        flow_runs = list(islice(_flow_runs_named(client, name, flow_name), 2))
    if not flow_runs:
        return None
    if name is None or len(flow_runs) > 1:
        _say_latest(flow_runs[0])
    flow_run_id: UUID = flow_runs[0].id
    return flow_run_id


def _flow_runs_named(client: "Client", name: str, flow_name: str | None) -> Iterator["FlowRunFields"]:
    """Yields the flow runs with this name, newest first."""
    if name == "":
        raise click.UsageError("A name must have at least one character.")
    # The filter takes capitals for small letters, and names that are longer.
    listed = _list_flow_runs(client, flow_name, name_contains=name, limit=MAX_PAGE_SIZE)
    return (flow_run for flow_run in listed if flow_run.name == name)


def _list_flow_runs(client: "Client", flow_name: str | None, **options: object) -> Iterator["FlowRunFields"]:
    """Yields what titles need of the flow runs of a flow, or of all, newest first."""
    if flow_name is not None:
        options["flow_name"] = [flow_name]
    return newest_first(client.flow_runs.list_fields, fields=_TITLE_FIELDS, **options)


def _say_latest(flow_run: "FlowRunFields") -> None:
    """Says on standard error which flow run is meant where none was named."""
    from taskruns.cli import columns, formatting

    since = "not started" if flow_run.start_time is None else f"started {formatting.exact(flow_run.start_time)}"
    click.echo(f"Latest flow run: {columns.flow_run_title(flow_run)}  {flow_run.id}  {since}", err=True)


def _no_flow_run(name: str | None, flow_name: str | None) -> str:
    scope = "" if flow_name is None else f" of the flow '{printable(flow_name)}'"
    if name is None:
        return f"There is no flow run{scope} yet."
    try_this = "To see the flow runs, use `taskruns flow-run ls`; to find the latest of a flow, use --flow-name."
    start = "" if identifier_prefix(name) is None else ", or with an id that starts with it"
    return f"There is no flow run{scope} with the name '{printable(name)}'{start}. {try_this}"


def find_flow_run_id_by_start(client: "Client", start: str) -> UUID:
    """The id of the one flow run whose id starts like this."""
    if not (ids := flow_run_ids_with(client, start, None)):
        raise Refusal(f"There is no flow run with an id that starts with '{printable(start)}'.")
    return the_only(ids, "flow run", start)


def find_task_run(
    client: "Client",
    which: str,
    *,
    map_index: int | None,
    flow_run_id: str | None,
    flow_run_name: str | None,
    flow_name: str | None,
) -> "TaskRunView":
    """The task run with this id, or with this slug in the flow run that is named, or in the latest that has it."""
    from taskruns.task_run_views import TaskRunView

    narrowed = (map_index, flow_run_id, flow_run_name, flow_name) != (None, None, None, None)
    if identifier(which) is not None:
        if narrowed:
            raise click.UsageError("An id identifies the task run: omit --map-index, --flow-run-…, and --flow-name.")
        return TaskRunView.from_task_run_id(which, client=client)
    if flow_run_id is not None and (flow_run_name, flow_name) != (None, None):
        raise click.UsageError("--flow-run-id identifies the flow run: omit --flow-run-name and --flow-name.")
    slug, index = _slug_and_index(which, map_index)
    if flow_run_name is not None:
        named = find_named_flow_run_id(client, flow_run_name, flow_name)
        return TaskRunView.from_task_slug(slug, named, index, client=client)
    if flow_run_id is not None:
        named = identifier(flow_run_id) or find_flow_run_id_by_start(client, flow_run_id)
        return TaskRunView.from_task_slug(slug, named, index, client=client)
    options: Arguments = {"task_slug": [slug], "map_index": [index]}
    if flow_name is not None:
        options["flow_name"] = [flow_name]
    if (latest := _latest_task_run(client, options)) is not None:
        return TaskRunView(latest, client)
    if not narrowed and (prefix := identifier_prefix(which)) is not None:
        task_runs = client.task_runs.list(task_run_id_prefix=prefix, limit=_SHOWN + 1).items
        if task_runs:
            the_only([task_run.id for task_run in task_runs], "task run", which)
            return TaskRunView(task_runs[0], client)
    scope = "" if flow_name is None else f" of the flow '{printable(flow_name)}'"
    child = "" if index == -1 else f" and the map index {index}"
    raise Refusal(
        f"No flow run{scope} has a task run with the slug '{printable(slug)}'{child}. "
        "To see those of the latest flow run, use `taskruns flow-run tasks`."
    )


def _slug_and_index(text: str, map_index: int | None) -> tuple[str, int]:
    """The slug and the map index that a text such as `extract[3]` and `--map-index` name; -1 is that of no child."""
    if map_index is None and (parts := _SLUG.fullmatch(text)) is not None:
        return parts["slug"], int(parts["index"])
    return text, -1 if map_index is None else map_index


def _latest_task_run(client: "Client", options: Arguments) -> "TaskRun | None":
    """The task run that meets these filters in the flow run that started last; None if there is none.

    Says on standard error which flow run that is, unless it is the only one that has such a task run.
    Task runs that never started, as of tasks that were skipped, are there only in the order in which they arrived.
    """
    started = client.task_runs.list(**options, sort="-start_time", limit=1).items
    arrived = client.task_runs.list(**options, limit=_MAX_CANDIDATES).items
    task_runs = {task_run.flow_run_id: task_run for task_run in [*started, *arrived]}
    if not task_runs:
        return None
    flow_runs = client.flow_runs.list_fields(fields=_TITLE_FIELDS, flow_run_id=list(task_runs), limit=len(task_runs))
    latest = max(flow_runs.items, key=moment_of)
    if len(task_runs) > 1:
        _say_latest(latest)
    return task_runs[latest.id]
