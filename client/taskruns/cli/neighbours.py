"""`taskruns task-run neighbours`: the task runs beside a task run, each with what it is to it."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import click

from taskruns.cli import columns, formatting, list_command, output
from taskruns.cli.output import Column
from taskruns.models import TaskRunNeighbour, TaskRunNeighbours


class _Row(NamedTuple):
    """A neighbour in a table."""

    relation: str
    neighbour: TaskRunNeighbour


def _task_of(row: _Row) -> str:
    return columns.task_of(row.neighbour)


def _style_of(row: _Row) -> str:
    return formatting.style_of(row.neighbour.state)


def _member(row: _Row, name: str) -> object:
    return getattr(row.neighbour, name)


def _column(title: str, name: str, *, least: int | None = None, optional: int | None = None) -> Column:
    return Column(title, name, partial(_member, name=name), least=least, optional=optional)


_COLUMNS = (
    Column("RELATION", "relation"),
    Column("TASK", "task_slug", _task_of, least=8),
    _column("FLOW RUN", "flow_run_name", least=8),
    _column("STATE", "state")._replace(style=_style_of),
    _column("STARTED", "start_time", optional=0),
    _column("TOOK", "duration", optional=0),
    _column("ID", "id", optional=40),
)


def write(neighbours: TaskRunNeighbours, form: str | None) -> None:
    """Writes the neighbours of a task run."""
    if form == "json":
        output.write_json(neighbours)
        return
    rows = list(_rows(neighbours))
    if form == "csv":
        names = list_command.NEIGHBOUR_FIELDS
        cells = ([row.relation, *(getattr(row.neighbour, name) for name in names)] for row in rows)
        output.write_csv(["relation", *names], cells)
    elif not output.write_table(_COLUMNS, rows):
        click.echo("No neighbours.", err=True)
    if neighbours.truncated:
        click.echo("There are more task runs upstream or downstream than are shown.", err=True)


def _rows(neighbours: TaskRunNeighbours) -> Iterator[_Row]:
    siblings = {
        "parent": neighbours.mapped_parent,
        "previous": neighbours.previous_child,
        "next": neighbours.next_child,
    }
    yield from (_Row(relation, sibling) for relation, sibling in siblings.items() if sibling is not None)
    for relation, task_runs in (
        ("upstream", neighbours.upstream),
        ("downstream", neighbours.downstream),
        ("earlier", neighbours.earlier_task_runs),
    ):
        yield from (_Row(relation, task_run) for task_run in task_runs)
