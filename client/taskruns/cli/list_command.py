"""Lists: the options that all of them take, and how they are asked for and written."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import click
from click.shell_completion import CompletionItem

from taskruns.cli.commands import Option
from taskruns.cli.order import Started, newest_first
from taskruns.cli.param_types import Words, nearest
from taskruns.limits import MAX_PAGE_SIZE
from taskruns.type_aliases import Arguments

if TYPE_CHECKING:
    from taskruns.cli.list_writers import Layout

DEFAULT_LIMIT = 50
_SHARED = ("state", "state_message", "state_timestamp", "version", "run_count", "start_time", "end_time", "duration")
FLOW_RUN_FIELDS = (
    *("id", "flow_id", "flow_name", "name", *_SHARED),
    *("queue_time", "task_run_counts", "labels", "last_heartbeat", "sequence", "created", "updated", "run_time"),
    "parent_task_run_id",
)
TASK_RUN_FIELDS = (
    *("id", "flow_run_id", "task_id", "task_slug", "map_index", "name", *_SHARED),
    *(
        "queue_time",
        "has_result",
        "tags",
        "sequence",
        "created",
        "updated",
        "flow_name",
        "flow_run_name",
        "run_time",
        "flow_id",
        "task_name",
    ),
)
STATE_FIELDS = (
    "timestamp",
    "type",
    "message",
    "is_late",
    "id",
    "received",
    "version",
    "sequence",
    "result",
    "details",
)
HIT_FIELDS = ("kind", "id", "name", "map_index", "flow_name", "flow_run_id", "flow_run_name", "state", "created")
TASK_FIELDS = (
    *("task_slug", "task_run_id", "is_mapped", "state", "count", "task_run_counts"),
    *("first_start_time", "last_end_time", "retries"),
)
ARTIFACT_FIELDS = ("id", "task_run_id", "kind", "data", "created", "updated")
NEIGHBOUR_FIELDS = ("id", "task_slug", "map_index", "flow_run_id", "flow_run_name", "state", "start_time", "duration")
ATTEMPT_FIELDS = ("number", "state", "start_time", "end_time", "duration", "message", "is_current")
"""The members of items in the order in which CSV has them; tests hold them to the service's document."""
SORTS = ("created", "start_time", "end_time", "duration", "run_time", "queue_time")
SORTS_IN_ONE_FLOW_RUN = (*SORTS, "updated", "sequence", "task_slug", "map_index", "name", "state", "run_count")


class Sort(Words):
    """Keys with commas between them, with `-` in front for descending."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The keys that begin so."""
        before, comma, begun = incomplete.rpartition(",")
        sign = "-" * begun.startswith("-")
        completions = super().shell_complete(ctx, param, f"{before}{comma}{begun.removeprefix('-')}")
        return [CompletionItem(f"{before}{comma}{sign}{item.value.rpartition(',')[2]}") for item in completions]


_FORMS = {
    "json": (["--json"], "Write JSON, with the members of the API."),
    "csv": (["--csv"], "Write CSV, with a header."),
    "ids": (["-q", "--quiet"], "Write only the ids."),
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
        Option(["form", *names], flag_value=form, section="Output", help=text)
        for form, (names, text) in _FORMS.items()
        if form in forms
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


class ListOptions(NamedTuple):
    """The options of a list that say how much of it is shown, and how."""

    form: str | None
    limit: int | None
    everything: bool
    fields: Sequence[str] | None = None

    @property
    def needs_whole_items(self) -> bool:
        """Whether items with all their members are needed."""
        return self.fields is None and self.form != "ids"

    @property
    def max_items(self) -> int | None:
        """How many items are shown at most; None: all."""
        return None if self.everything else self.limit or DEFAULT_LIMIT

    def check(self, every_field: Sequence[str]) -> None:
        """Raises UsageError for options that exclude each other, and for a field that there is not."""
        if self.everything and self.limit is not None:
            raise click.UsageError("--all and --limit cannot be used together.")
        if unknown := [name for name in self.fields or () if name not in every_field]:
            meant = nearest(unknown[0], every_field)
            raise click.UsageError(f"There is no field {unknown[0]!r}. {meant}The fields are {', '.join(every_field)}.")
        if self.form == "ids" and self.fields is not None:
            raise click.UsageError("--fields and --quiet cannot be used together: --quiet shows only ids.")


def take_list_options(options: Arguments) -> ListOptions:
    """Takes those that say how a list is shown out of all options of a command."""
    return ListOptions(**{name: options.pop(name) for name in ListOptions._fields})


def ordered(ask: Callable[..., Iterable[Started]], options: Arguments) -> Callable[..., Iterable[object]]:
    """Asks with these options for a list in the order of `sort`, or else newest first."""
    return partial(ask, **options) if "sort" in options else partial(newest_first, ask, **options)


def show(ask: Callable[..., Iterable[object]], layout: "Layout", options: ListOptions) -> None:
    """Asks for a list, with `limit=` and, unless whole items are needed, `fields=`, and writes it."""
    from taskruns.cli.list_writers import WRITERS
    from taskruns.cli.waiting import warn_of_waiting_reports

    options.check(layout.members)
    fields = ["id"] if options.form == "ids" else options.fields
    max_items = options.max_items
    # One more than is shown tells whether there are more.
    page_size = MAX_PAGE_SIZE if max_items is None else min(max_items + 1, MAX_PAGE_SIZE)
    items = iter(ask(limit=page_size) if fields is None else ask(limit=page_size, fields=fields))
    WRITERS[options.form](islice(items, max_items), layout, fields)
    if options.limit is None and next(items, None) is not None:
        click.echo(
            f"Only {max_items} {layout.noun} are shown. To show all, use --all; to show more, use --limit.", err=True
        )
    warn_of_waiting_reports()
