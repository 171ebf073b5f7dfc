"""What a shell is offered from the service: names of flows and of flow runs, and task slugs."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from taskruns.cli.commands import Connection
from taskruns.cli.order import newest_first
from taskruns.limits import MAX_PAGE_SIZE
from taskruns.type_aliases import Arguments

if TYPE_CHECKING:
    from taskruns.client import Client

_AT_ONCE: Arguments = {"timeout": 2.0, "max_retries": 0}
"""A person waits for it between two keys."""
_MAX_COMPLETIONS = 100

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _completion(find: Callable[["Client", str], Iterable[str]]) -> Complete:
    """Offers what is found and begins as what was typed does; nothing if the service does not answer at once."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from taskruns.client import Client
        from taskruns.errors import TaskRunsError

        try:
            with Client(**{**ctx.ensure_object(Connection).settings, **_AT_ONCE}) as client:
                candidates = dict.fromkeys(find(client, incomplete))
        except (TaskRunsError, click.UsageError):
            return []
        # Shells read a line for each word.
        words = [word for word in candidates if word.startswith(incomplete) and word.isprintable() and " " not in word]
        return [CompletionItem(word) for word in words[:_MAX_COMPLETIONS]]

    return complete


@_completion
def flow_names(client: "Client", start: str) -> Iterator[str]:
    """The names of flows that have task runs."""
    for group in client.task_runs.aggregate(group_by=["flow_name"], limit=MAX_PAGE_SIZE).groups or ():
        yield str(group.key.flow_name)


@_completion
def flow_run_names(client: "Client", start: str) -> Iterator[str]:
    """The names of flow runs, the latest first."""
    listed = newest_first(
        client.flow_runs.list_fields, fields=["name"], name_contains=start or None, limit=MAX_PAGE_SIZE
    )
    for flow_run in islice(listed, MAX_PAGE_SIZE):
        yield str(flow_run.name)


@_completion
def task_slugs(client: "Client", start: str) -> Iterator[str]:
    """The slugs of tasks that have task runs."""
    answer = client.task_runs.aggregate(group_by=["task_slug"], task_slug_prefix=start or None, limit=MAX_PAGE_SIZE)
    for group in answer.groups or ():
        yield str(group.key.task_slug)
