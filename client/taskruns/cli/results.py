"""What a task returned: where it is, and the value itself."""

import pprint
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from taskruns.cli import columns, output
from taskruns.cli.commands import Refusal
from taskruns.errors import NoResultType, ResultNotPersisted, ResultNotReady
from taskruns.limits import MAX_PAGE_SIZE
from taskruns.models import TaskRun, TaskRunResult
from taskruns.pages import Turns
from taskruns.printable import printable

if TYPE_CHECKING:
    from taskruns.client import Client


def described(client: "Client", task_run: TaskRun) -> str:
    """Where the result of a task run is, or why there is none."""
    try:
        answer = client.task_runs.result(task_run.id, limit=1)
    except ResultNotReady:
        return "not ready"
    except NoResultType:
        return "none"
    except ResultNotPersisted:
        return "not stored"
    if answer.reference is None:
        return "those of its children; `taskruns task-run result --location` shows where they are"
    return columns.reference_text(answer.reference)


def write_location(client: "Client", task_run: TaskRun, form: str | None) -> None:
    """Writes the URI of a result, or those of the children of a map; as JSON the references."""
    pages = list(_pages(client, task_run))
    children = [child for page in pages for child in page.children or ()]
    first = pages[0]
    if form == "json":
        output.write_json(children if first.reference is None else first.reference)
        return
    references = [child.reference for child in children] if first.reference is None else [first.reference]
    for reference in references:
        # A child without one has an empty line, so that the lines are the items.
        location = "" if reference is None else reference.uri or reference.type
        sys.stdout.write(f"{printable(location)}\n")


def _pages(client: "Client", task_run: TaskRun) -> Iterator[TaskRunResult]:
    page = client.task_runs.result(task_run.id, limit=MAX_PAGE_SIZE)
    yield page
    turns = Turns()
    while page.next_cursor is not None:
        turns = turns.after(page.next_cursor)
        page = client.task_runs.result(task_run.id, limit=MAX_PAGE_SIZE, cursor=page.next_cursor)
        yield page


def write_value(value: object, form: str | None, path: Path | None) -> None:
    """Writes a value as Python shows it, or as JSON, to standard output or to a file."""
    if path is not None:
        path.write_text(_json(value), encoding="utf-8", newline="\n")
    elif form == "json":
        output.write_text(_json(value))
    else:
        if output.on_terminal():
            shown = pprint.pformat(value, width=shutil.get_terminal_size().columns, sort_dicts=False)
        else:
            shown = repr(value)
        # What it shows may come from others: its lines are kept, and nothing else that moves the cursor.
        sys.stdout.write("\n".join(map(printable, shown.split("\n"))) + "\n")


def _json(value: object) -> str:
    try:
        return output.json_text(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise Refusal(
            f"The result cannot be written as JSON: {error}. Without --json, it is shown as Python shows it."
        ) from None
