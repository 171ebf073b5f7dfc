"""Counts and measures, as a table."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import click

from taskruns.cli import formatting, output
from taskruns.cli.output import Column
from taskruns.cli.waiting import warn_of_waiting_reports
from taskruns.models import Aggregate, AggregateGroup


def write(answer: Aggregate, keys: Sequence[str], measures: Sequence[str], form: str | None) -> None:
    """Writes an answer, and on standard error whether it has all groups and all runs."""
    write_groups(answer, keys, measures, form)
    if answer.truncated:
        click.echo("There are more groups; to show them, raise --limit.", err=True)
    if not answer.is_exact:
        click.echo("There can be more: counting stopped at --count-limit.", err=True)
    warn_of_waiting_reports()


def write_groups(answer: Aggregate, keys: Sequence[str], measures: Sequence[str], form: str | None) -> None:
    """Writes a row for each group and, to people, one for all of them."""
    whole = [answer] if answer.groups is None or form is None else []
    groups: list[AggregateGroup | Aggregate] = [*(answer.groups or ()), *whole]
    # The count is there without being asked for.
    measures = [measure for measure in dict.fromkeys(measures) if measure != "count"]
    previous = [] if answer.previous is None else [f"previous_{name}" for name in ("count", *measures)]
    if form == "json":
        output.write_json(answer)
    elif form == "csv":
        names = ["count", *measures, *previous]
        rows = ([*_keys(group, keys), *(_value(group, name) for name in names)] for group in groups)
        output.write_csv([*keys, *names], rows)
    else:
        columns = [_key_column(key, first=index == 0) for index, key in enumerate(keys)]
        columns += map(_value_column, ["count", *measures, *previous])
        output.write_table(columns, groups)


def _keys(group: AggregateGroup | Aggregate, keys: Sequence[str]) -> list[object]:
    return [] if isinstance(group, Aggregate) else [_key(group, key) for key in keys]


def _key(group: AggregateGroup, key: str) -> object:
    return getattr(group.key, key)


def _value(group: AggregateGroup | Aggregate, name: str) -> object:
    """The count or a measure, of the window before if the name begins with `previous_`."""
    member = name.removeprefix("previous_")
    counted = group if member == name else group.previous
    return None if counted is None else counted.count if member == "count" else getattr(counted.measures, member)


def _key_column(key: str, *, first: bool) -> Column:
    def shown(group: AggregateGroup | Aggregate) -> str:
        if isinstance(group, Aggregate):
            return "all" if first else ""
        match _key(group, key):
            case None:
                return "-"
            case datetime() as begin if key in ("day", "week"):
                return f"{begin:%Y-%m-%d}"
            case datetime() as begin:
                return begin.isoformat(timespec="minutes").replace("+00:00", "Z")
            case value:
                return str(value)

    def style(group: AggregateGroup | Aggregate) -> str:
        return (
            formatting.style_of(str(_key(group, key)))
            if key == "state" and isinstance(group, AggregateGroup)
            else _style(group)
        )

    return Column(key.upper(), key, shown, style=style)


def _value_column(name: str) -> Column:
    return Column(name.upper(), name.removeprefix("previous_"), partial(_value, name=name), style=_style)


def _style(group: AggregateGroup | Aggregate) -> str:
    return "bold" if isinstance(group, Aggregate) and group.groups is not None else ""
