"""Lists: the options that all of them take, and how they are asked for and written."""

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from taskruns.cli.commands import Option
from taskruns.cli.order import newest_first
from taskruns.cli.param_types import Words, nearest
from taskruns.limits import MAX_PAGE_SIZE

if TYPE_CHECKING:
    from taskruns.cli.output import Column

DEFAULT_LIMIT = 50
_SHARED = ("state", "state_message", "state_timestamp", "version", "run_count", "start_time", "end_time", "duration")
FLOW_RUN_FIELDS = (
    *("id", "flow_id", "flow_name", "name", *_SHARED),
    *("queue_time", "task_run_counts", "labels", "sequence", "created", "updated"),
)
TASK_RUN_FIELDS = (
    *("id", "flow_run_id", "task_id", "task_slug", "map_index", "name", *_SHARED),
    *("queue_time", "has_result", "tags", "sequence", "created", "updated", "flow_name", "flow_run_name"),
)
STATE_FIELDS = (
    "timestamp",
    "type",
    "message",
    "accepted",
    "id",
    "received_at",
    "version",
    "sequence",
    "result",
    "details",
)
"""The members of items in the order in which CSV has them; tests hold them to the service's document."""
SORTS = ("created", "start_time", "end_time")
SORTS_IN_ONE_FLOW_RUN = (
    *SORTS,
    *("updated", "sequence", "task_slug", "map_index", "name", "state", "run_count", "duration", "queue_time"),
)


class Sort(Words):
    """Keys with commas between them, with `-` in front for descending."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The keys that begin so."""
        before, comma, begun = incomplete.rpartition(",")
        sign = "-" * begun.startswith("-")
        completions = super().shell_complete(ctx, param, f"{before}{comma}{begun.removeprefix('-')}")
        return [CompletionItem(f"{before}{comma}{sign}{item.value.rpartition(',')[2]}") for item in completions]


_FORMS = {
    "json": ("--json", "Write JSON, with the members of the API."),
    "csv": ("--csv", "Write CSV, with a header."),
    "ids": ("-q", "Write only the ids."),
}


def form_options(*forms: str) -> list[click.Parameter]:
    """The options that say in which form something is written."""
    chosen = Option(
        ["form", "-o", "--format"],
        type=click.Choice(forms),
        section="Output",
        help="Choose the format by name.",
    )
    flags = [
        Option(["form", _FORMS[form][0]], flag_value=form, section="Output", help=_FORMS[form][1]) for form in forms
    ]
    jq = Option(["--jq"], metavar="EXPRESSION", section="Output", help="Write JSON through the program jq.")
    return [*flags, chosen, jq]


def limit_options() -> list[click.Parameter]:
    """The options that say how many items are written."""
    return [
        Option(
            ["-n", "--limit"],
            type=click.IntRange(1, 10**9),
            metavar="NUMBER",
            section="Output",
            help=f"The maximum number to show ({DEFAULT_LIMIT}).",
        ),
        Option(["everything", "-a", "--all"], is_flag=True, section="Output", help="Show all."),
    ]


def _joined(context: click.Context, option: click.Parameter, keys: list[str] | None) -> str | None:
    return None if keys is None else ",".join(keys)


def options(fields: Sequence[str], sorts: Sequence[str], default_sort: str) -> list[click.Parameter]:
    """The options of a list of runs."""
    return [
        Option(
            ["--sort"],
            type=Sort("keys", known=lambda: sorts),
            metavar="KEYS",
            section="Output",
            callback=_joined,
            help=f"The order, such as -start_time ({default_sort}).",
        ),
        *limit_options(),
        Option(
            ["--fields"],
            type=Words("fields", known=lambda: fields),
            metavar="FIELDS",
            section="Output",
            help="Show only these fields, such as id,state.",
        ),
        *form_options("json", "csv", "ids"),
    ]


class Wanted(NamedTuple):
    """What the options of a list said."""

    form: str | None
    limit: int | None
    everything: bool
    fields: Sequence[str] | None = None

    @property
    def whole(self) -> bool:
        """Whether items with all their members are needed."""
        return self.fields is None and self.form != "ids"


def wanted_of(options: dict[str, Any]) -> Wanted:
    """Takes what the options of a list said out of all that was given."""
    return Wanted(**{name: options.pop(name) for name in Wanted._fields})


def ordered(ask: Callable[..., Iterable[Any]], options: dict[str, Any]) -> Callable[..., Iterable[Any]]:
    """Asks with these options for a list in the order of `sort`, or else newest first."""
    return partial(ask, **options) if "sort" in options else partial(newest_first, ask, **options)


def check_options(wanted: Wanted, every_field: Sequence[str]) -> None:
    """Raises UsageError for options that exclude each other, and for a field that there is not."""
    if wanted.everything and wanted.limit is not None:
        raise click.UsageError("--all and --limit cannot be used together.")
    if unknown := [name for name in wanted.fields or () if name not in every_field]:
        meant = nearest(unknown[0], every_field)
        raise click.UsageError(f"There is no field {unknown[0]!r}. {meant}The fields are {', '.join(every_field)}.")
    if wanted.form == "ids" and wanted.fields is not None:
        raise click.UsageError("--fields and -q cannot be used together: -q shows only ids.")


def show(
    ask: Callable[..., Iterable[Any]],
    noun: str,
    columns: Sequence["Column"],
    every_field: Sequence[str],
    wanted: Wanted,
) -> None:
    """Asks for a list, with `limit=` and, unless it is wanted whole, `fields=`, and writes it."""
    from taskruns.cli import output

    form, limit, everything, fields = wanted
    check_options(wanted, every_field)
    if form == "ids":
        fields = ["id"]
    most = None if everything else limit or DEFAULT_LIMIT
    # One more than is shown tells whether there are more.
    size = MAX_PAGE_SIZE if most is None else min(most + 1, MAX_PAGE_SIZE)
    items = iter(ask(limit=size) if fields is None else ask(limit=size, fields=fields))
    shown = islice(items, most)
    match form:
        case "json" if fields is None:
            output.write_json_list(shown)
        case "json":
            output.write_json_list({name: getattr(item, name) for name in fields or ()} for item in shown)
        case "csv":
            names = fields or every_field
            output.write_csv(names, ([getattr(item, name) for name in names] for item in shown))
        case "ids":
            for item in shown:
                sys.stdout.write(f"{item.id}\n")
        case _:
            picked = [output.column(name) for name in fields] if fields else columns
            if not output.write_table(picked, shown):
                click.echo(f"No {noun}.", err=True)
    if limit is None and next(items, None) is not None:
        click.echo(f"Only {most} {noun} are shown. To show all, use --all; to show more, use --limit.", err=True)
    from taskruns.cli.waiting import say_waiting

    say_waiting()
