"""What goes to standard output: JSON and CSV for programs, tables and records for people."""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any, NamedTuple

import msgspec
from rich.cells import cell_len

from taskruns.cli import formatting
from taskruns.printable import printable

_MAX_MEASURED_ROWS = 1000
"""So many rows are read before the widths of the columns are set, so that a list of any length needs little memory."""
_GAP = "  "
_FORMULA_STARTS = ("=", "+", "-", "@")


def on_terminal() -> bool:
    """Whether a person sees it at once."""
    return sys.stdout.isatty()


def write_text(data: str) -> None:
    """Writes text as UTF-8, whatever the terminal is."""
    sys.stdout.buffer.write(data.encode("utf-8", "backslashreplace"))


def _escaped(text: str) -> str:
    """JSON in which what is not printable, which is within its texts only, is escaped."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign == "\n" else _escape(sign) for sign in text)


def _escape(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def json_text(value: object) -> str:
    """A value as indented JSON.

    Raises:
        TypeError: If JSON has no word for it.
        ValueError: If it holds itself, or a number that is none.
    """
    return _escaped(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def _builtins(value: object) -> object:
    """A value of the API as JSON has it, except for its times."""
    return msgspec.to_builtins(value, builtin_types=(datetime,))


def _exact(moment: datetime) -> str:
    """A time with six decimals always, so that times sort as texts."""
    return formatting.exact(moment, "microseconds")


def write_json(value: object) -> None:
    """Writes one object of the API."""
    write_text(_escaped(json.dumps(_builtins(value), indent=2, ensure_ascii=False, default=_exact)) + "\n")


def write_json_list(items: Iterable[object]) -> None:
    """Writes an array with a line for each item, as they come."""
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_exact).encode
    before = "[\n"
    for item in items:
        write_text(before + _escaped(encode(_builtins(item))))
        before = ",\n"
    write_text("[]\n" if before == "[\n" else "\n]\n")


def write_csv(names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a header and rows as in RFC 4180; null is empty, and a list or an object is JSON.

    In a pipe cells are exact, for programs. On a terminal nothing in them reaches it, nor a spreadsheet that they are
    pasted into.
    """
    line = io.StringIO(newline="")
    writer = csv.writer(line)
    cell = _shown_cell if on_terminal() else _cell
    for row in chain([names], rows):
        writer.writerow([cell(_builtins(value)) for value in row])
        write_text(line.getvalue())
        line.seek(0)
        line.truncate()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return _exact(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shown_cell(value: object) -> str:
    if not isinstance(value, str):
        return _escaped(_cell(value))
    # What begins so is a formula to a spreadsheet, behind spaces too.
    return f"'{printable(value)}" if value.lstrip().startswith(_FORMULA_STARTS) else printable(value)


def _plain(item: object) -> str:
    return ""


def _of_state(item: Any) -> str:
    return formatting.style_of(item.state)


class Column(NamedTuple):
    """A column of a table: its title, and what it shows of an item and how."""

    title: str
    name: str
    """The member that it shows, which says how."""
    value_of: Callable[[Any], object] | None = None
    """What it shows instead of the member."""
    least: int | None = None
    """The width to which it may be cut; None: it may not."""
    style: Callable[[Any], str] = _plain
    optional: int | None = None
    """So many cells the others that may be cut have, if they need them, before a terminal shows it; None: always."""

    def cell(self, item: object, now: datetime | None) -> str:
        """What it shows of an item; times as so long ago if `now` is given."""
        return formatting.shown(
            self.name, getattr(item, self.name) if self.value_of is None else self.value_of(item), now=now
        )


def column(name: str) -> Column:
    """The column of one member, without more being known about it."""
    return Column(name.upper(), name, style=_of_state if name == "state" else _plain)


def write_table(columns: Sequence[Column], items: Iterable[object]) -> bool:
    """Writes a table, cut to the width of a terminal and with colours there; says whether it had any rows."""
    remaining = iter(items)
    first = list(islice(remaining, _MAX_MEASURED_ROWS))
    if not first and on_terminal():
        return False
    now = datetime.now(UTC) if on_terminal() else None
    cells = [[column.cell(item, now) for column in columns] for item in first]
    titles = [column.title for column in columns]
    widths = [max(map(cell_len, cells_of)) for cells_of in zip(titles, *cells, strict=True)]
    if now is None:
        rest = ([column.cell(item, None) for column in columns] for item in remaining)
        sys.stdout.writelines(f"{_line(row, widths)}\n" for row in chain([titles], cells, rest))
    else:
        _write_rich(columns, widths, chain(first, remaining), now)
    return bool(first)


def table_text(columns: Sequence[Column], items: Iterable[object]) -> str:
    """A small table as lines of text, for the value of a record."""
    rows = [[column.title for column in columns], *([column.cell(item, None) for column in columns] for item in items)]
    widths = [max(map(cell_len, cells)) for cells in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
    return _GAP.join(cells).rstrip()


def _write_rich(columns: Sequence[Column], widths: list[int], items: Iterable[object], now: datetime) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    fitted = _fitted(columns, widths, console.width)

    def line(cells: Iterable[tuple[str, str]]) -> None:
        texts: list[Text] = []
        for (cell, style), (_, width) in zip(cells, fitted, strict=True):
            texts.append(Text(cell, style))
            texts[-1].truncate(width, overflow="ellipsis", pad=True)
        whole = Text(_GAP).join(texts)
        whole.rstrip()
        console.print(whole, no_wrap=True, overflow="ellipsis")

    line((column.title, "bold") for column, _ in fitted)
    for item in items:
        line((column.cell(item, now), column.style(item)) for column, _ in fitted)


def _fitted(columns: Sequence[Column], widths: Sequence[int], available: int) -> list[tuple[Column, int]]:
    """Columns with widths that fit, if they can be made to: the widest of those that may be cut are cut."""
    fitted = [(column, min(width, available)) for column, width in zip(columns, widths, strict=True)]
    for column, width in reversed(fitted):
        if column.optional is not None and _needed(fitted, column.optional) > available:
            fitted.remove((column, width))
    while _needed(fitted) > available:
        cut = [(width, place) for place, (column, width) in enumerate(fitted) if width > _least(column, width)]
        if not cut:
            break
        width, place = max(cut)
        fitted[place] = (fitted[place][0], width - 1)
    return fitted


def _least(column: Column, width: int, room: int = 0) -> int:
    """The width to which a column may be cut while it has room for so many cells."""
    return width if column.least is None else min(width, max(column.least, room))


def _needed(fitted: Sequence[tuple[Column, int]], room: int = sys.maxsize) -> int:
    """The width of a line in which the columns that may be cut have room for so many cells."""
    return sum(_least(column, width, room) for column, width in fitted) + len(_GAP) * (len(fitted) - 1)


def write_record(rows: Iterable[tuple[str, str, str]]) -> None:
    """Writes what is known about one thing: a name, a value and its style on each line; a value may have more lines."""
    shown = [row for row in rows if row[1]]
    width = max(len(name) for name, _, _ in shown)
    if not on_terminal():
        for name, value, _ in shown:
            indented = value.replace("\n", f"\n{'':{width}}{_GAP}")
            sys.stdout.write(f"{name:{width}}{_GAP}{indented}\n")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, len(_GAP)))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value, style in shown:
        grid.add_row(Text(name, "bold"), Text(value, style))
    Console(highlight=False).print(grid)


def write_lines(lines: Iterable[tuple[str, str]]) -> None:
    """Writes lines, each with its style; the terminal wraps those that are too long for it."""
    if not on_terminal():
        sys.stdout.writelines(f"{line}\n" for line, _ in lines)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for line, style in lines:
        console.print(Text(line, style), soft_wrap=True)
