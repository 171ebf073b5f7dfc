"""How a list is written, in each form: one writer for JSON, for CSV, for ids and for tables."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import click

from taskruns.cli import output
from taskruns.cli.output import Column


class Layout(NamedTuple):
    """What a list shows of its items."""

    noun: str
    """What the items are called, in the plural."""
    columns: Sequence[Column]
    """The columns of its table."""
    members: Sequence[str]
    """All members of an item, in the order of CSV."""


Writer: TypeAlias = Callable[[Iterable[object], Layout, Sequence[str] | None], None]
"""Writes items with these fields; None: with all members, or with the columns of the table."""


def _write_json(items: Iterable[object], layout: Layout, fields: Sequence[str] | None) -> None:
    if fields is None:
        output.write_json_list(items)
    else:
        output.write_json_list({name: getattr(item, name) for name in fields} for item in items)


def _write_csv(items: Iterable[object], layout: Layout, fields: Sequence[str] | None) -> None:
    names = fields or layout.members
    output.write_csv(names, ([getattr(item, name) for name in names] for item in items))


def _write_ids(items: Iterable[object], layout: Layout, fields: Sequence[str] | None) -> None:
    for item in items:
        sys.stdout.writelines(f"{getattr(item, name)}\n" for name in fields or ())


def _write_table(items: Iterable[object], layout: Layout, fields: Sequence[str] | None) -> None:
    columns = [output.column(name) for name in fields] if fields else layout.columns
    if not output.write_table(columns, items):
        click.echo(f"No {layout.noun}.", err=True)


WRITERS: Mapping[str | None, Writer] = {"json": _write_json, "csv": _write_csv, "ids": _write_ids, None: _write_table}
"""The writer of each form; None is for people."""
