"""Pages and views as notebooks show them: HTML of bounded size, in which texts of others are only texts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from itertools import islice
from reprlib import Repr

from msgspec import UNSET

from taskruns.printable import printable

MAX_ROWS = 50
MAX_CELL = 200
"""How many characters of a value are shown."""
# Notebooks would take what is between dollar signs for mathematics.
_TABLE = '<table class="tex2jax_ignore mathjax_ignore">'
_short = Repr()
_short.maxstring = _short.maxother = MAX_CELL
_short.maxlist = _short.maxdict = 10


def table(caption: str, columns: Sequence[str], rows: Sequence[Iterable[object]]) -> str:
    """Returns a table of the first rows, with how many more there are."""
    head = "".join(f"<th>{_cell(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in islice(rows, MAX_ROWS))
    rest = f"<p>… and {len(rows) - MAX_ROWS} more rows</p>" if len(rows) > MAX_ROWS else ""
    caption = f"<caption>{_cell(caption)}</caption>"
    return f"{_TABLE}{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"


def record(caption: str, members: Mapping[str, object]) -> str:
    """Returns a table with a row for each member."""
    rows = "".join(f"<tr><th>{_cell(name)}</th><td>{_cell(value)}</td></tr>" for name, value in members.items())
    return f"{_TABLE}<caption>{_cell(caption)}</caption><tbody>{rows}</tbody></table>"


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            text = str(value)
        case datetime():
            text = value.isoformat(" ", "milliseconds")
        case list() | dict():
            text = _short.repr(value)
        case _:
            text = "" if value is UNSET else str(value)
    return escape(printable(text if len(text) <= MAX_CELL else f"{text[:MAX_CELL]}…"))
