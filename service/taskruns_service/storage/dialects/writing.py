"""Writing: the rows that a transaction inserts and updates, taken column by column and sent together.

Why: docs/decisions/0017-a-transaction-writes-in-one-statement.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum, auto
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple, Self

from sqlalchemy import TIMESTAMP, Connection, Dialect, String, Table

from taskruns_service.storage.dialects import driver
from taskruns_service.storage.dialects.prepared import converted
from taskruns_service.storage.dialects.types import Convert, binding, reading

Rows = Sequence[Mapping[str, object]]
"""Rows that all have the same members, in the same order."""
Values = list[Any]
"""The values of one column, row by row."""


class Merge(NamedTuple):
    """How rows of a table are changed by `new` rows that have the same key and meet a condition.

    Each of the `values` is a column and the SQL of its value, of columns of the table and of `new`, of which the
    condition is, too. What does not meet it is neither written nor returned.
    """

    table: Table
    key: tuple[str, ...]
    values: tuple[tuple[str, str], ...]
    condition: str

    @property
    def returned(self) -> tuple[str, ...]:
        """The columns of the rows that come back: the key, and those that are changed."""
        return self.key + tuple(name for name, _ in self.values)


class Writes:
    """What a transaction inserts and updates: collected in a `with` block, and sent in its order at the end of that."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.merged: Sequence[driver.Row] = ()
        """After the end, the rows that were merged, with the `returned` columns."""
        self._changes: list[_Change] = []
        self._merge: tuple[Merge, Rows] | None = None

    def insert(self, table: Table, rows: Rows) -> None:
        """Inserts rows; raises TypeError unless all have the same members, each of them a column."""
        if rows:
            check_members(self.connection.dialect, table, rows)
            self._changes.append(_Change("INSERT", table, rows))

    def update(self, table: Table, rows: Rows) -> None:
        """Updates the rows that have the `id`, the last member, of each of these. Raises as `insert` does."""
        if rows:
            check_members(self.connection.dialect, table, rows)
            self._changes.append(_Change("UPDATE", table, rows))

    def merge(self, merge: Merge, rows: Rows) -> None:
        """Merges rows at the end, once for each block. Raises as `insert` does."""
        if rows:
            check_members(self.connection.dialect, merge.table, rows)
            self._merge = merge, rows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        if failed is None:
            dialect = self.connection.dialect
            send = _one_by_one if dialect.name == "sqlite" else _together
            if self._merge is None:
                send(self.connection, self._changes)
            else:
                merge, rows = self._merge
                merged = send(self.connection, [*self._changes, _Change(merge, merge.table, rows)])
                self.merged = converted(merged, _readings(dialect, merge))


class _Change(NamedTuple):
    verb: str | Merge
    table: Table
    rows: Rows

    @property
    def form(self) -> "_Form":
        return self.verb, self.table, tuple(self.rows[0]), self.encoding

    @property
    def encoding(self) -> "_Encoding":
        if isinstance(self.verb, Merge):
            return _Encoding.values if len(self.rows) == 1 else _Encoding.arrays
        return _Encoding.arrays if len(self.rows) < MANY else _Encoding.arrays_or_values


MANY = 10
"""From this many rows on, it pays to look for columns with one value."""


class _Encoding(Enum):
    """How PostgreSQL gets the values of a change."""

    values = auto()
    """A value for each column: as of one row that is merged, which is looked for by index then."""
    arrays = auto()
    """An array for each column."""
    arrays_or_values = auto()
    """An array and a value for each column, one of which has nothing: as of many rows that have the same value."""


_Form = tuple[str | Merge, Table, tuple[str, ...], _Encoding]
"""A change without its values: INSERT, UPDATE or a merge, the table, the columns, and how the values are sent."""


class _Column(NamedTuple):
    bind: Convert
    is_moment: bool


@lru_cache
def _columns(dialect: Dialect, table: Table, names: tuple[str, ...]) -> list[_Column]:
    """The columns with these names; raises TypeError for a name that is none."""
    if unknown := set(names).difference(table.c.keys()):
        raise TypeError(f"{table.name} has no column {', '.join(sorted(unknown))}.")
    types = [table.c[name].type for name in names]
    return [_Column(binding(type_, dialect), isinstance(type_, TIMESTAMP)) for type_ in types]


def check_members(dialect: Dialect, table: Table, rows: Rows) -> None:
    """Raises TypeError for a row with other members than the first, and for a member that is no column."""
    names = tuple(rows[0])
    _columns(dialect, table, names)
    for row in rows:
        if tuple(row) != names and (odd := row.keys() ^ set(names)):
            raise TypeError(
                f"The rows of {table.name} are to have the same members; not all of them have {', '.join(sorted(odd))}."
            )


def columns_of(connection: Connection, table: Table, rows: Rows) -> list[Values]:
    """The values of rows, column by column, as the driver takes them.

    SQLAlchemy looks at each value of each row: for a thousand rows that took as long as the database.
    """
    columns = _columns(connection.dialect, table, tuple(rows[0]))
    return [_bound(column, [row[name] for row in rows]) for name, column in zip(rows[0], columns, strict=True)]


def _bound(column: _Column, values: Values) -> Values:
    # What is nothing is null in every type that the tables have.
    return values if column.bind is None else [None if value is None else column.bind(value) for value in values]


def _one_by_one(connection: Connection, changes: Sequence[_Change]) -> Sequence[driver.Row]:
    merged: list[driver.Row] = []
    for change in changes:
        records = list(zip(*columns_of(connection, change.table, change.rows), strict=True))
        text = _text(connection.dialect, change.form)
        if isinstance(change.verb, Merge):
            merged += [row for record in records for row in driver.fetch(connection, text, record)]
        else:
            driver.execute_many(connection, text, records)
    return merged


@lru_cache
def _text(dialect: Dialect, form: _Form) -> str:
    verb, table, names, _ = form
    quoted = [dialect.identifier_preparer.quote(name) for name in names]
    if isinstance(verb, Merge):
        return _merged(verb, f"(SELECT {', '.join(f'? AS {name}' for name in quoted)}) AS new")
    if verb == "INSERT":
        return f"INSERT INTO {table.name} ({', '.join(quoted)}) VALUES ({', '.join('?' * len(names))})"
    *changed, identifier = (f"{name} = ?" for name in quoted)
    return f"UPDATE {table.name} SET {', '.join(changed)} WHERE {identifier}"


def _together(connection: Connection, changes: Sequence[_Change]) -> Sequence[driver.Row]:
    """One statement of arrays for all: a statement for each waits for the server, and then for its turn, each time."""
    rows: Sequence[driver.Row] = ()
    for batch in _apart(changes):
        text = _joined(connection.dialect, tuple(change.form for change in batch))
        columns = [column for change in batch for column in _arrays(connection, change)]
        rows = driver.fetch(connection, text, columns)
    return rows


def _arrays(connection: Connection, change: _Change) -> Iterator[object]:
    """The values of rows, column by column, and moments as what has passed since the epoch.

    A moment with a time zone takes asyncpg twice as long, and a state has seven of them. It also looks at each element
    of an array, so that one value of many rows is sent once: `unnest` fills what is shorter with NULL.
    """
    rows, encoding = change.rows, change.encoding
    columns = _columns(connection.dialect, change.table, tuple(rows[0]))
    for column, name in zip(columns, rows[0], strict=True):
        # As text, since Python takes 1, 1.0 and true for the same, and JSON does not.
        values = _bound(column, [row[name] for row in rows])
        if encoding is _Encoding.arrays:
            yield _since_epoch(column, values)
        elif encoding is _Encoding.values or _are_alike(values):
            if encoding is _Encoding.arrays_or_values:
                yield []
            yield from _since_epoch(column, values[:1])
        else:
            yield _since_epoch(column, values)
            yield None


def _are_alike(values: Values) -> bool:
    return bool(values[0] == values[-1]) and values.count(values[0]) == len(values)


def _since_epoch(column: _Column, values: Values) -> Values:
    """The values of a column, moments as what has passed since the epoch."""
    return [None if value is None else value - _EPOCH for value in values] if column.is_moment else values


_EPOCH = datetime.fromtimestamp(0, UTC)


def _has_moments(table: Table, name: str) -> bool:
    return isinstance(table.c[name].type, TIMESTAMP)


def _apart(changes: Sequence[_Change]) -> Iterator[list[_Change]]:
    """Splits changes, in order, into groups that touch each table once.

    Data-modifying CTEs on one table run in no defined order.
    """
    batch: list[_Change] = []
    for change in changes:
        if any(change.table is other.table for other in batch):
            yield batch
            batch = []
        batch.append(change)
    if batch:
        yield batch


@lru_cache
def _joined(dialect: Dialect, forms: tuple[_Form, ...]) -> str:
    numbers = count(1)
    *first, last = (_of_arrays(dialect, form, numbers) for form in forms)
    if not first:
        return last
    return f"WITH {', '.join(f'change_{place} AS ({change})' for place, change in enumerate(first))} {last}"


def _of_arrays(dialect: Dialect, form: _Form, numbers: Iterator[int]) -> str:
    """A change whose values are an array for each column; takes as many numbers of parameters as there are columns."""
    verb, table, names, encoding = form
    columns = [dialect.identifier_preparer.quote(name) for name in names]
    types = [_type(dialect, table, name) for name in names]
    arrays, values = [], []
    for name, column, type_ in zip(names, columns, types, strict=True):
        value = f"new.{column}"
        arrays.append(f"${next(numbers)}::{type_}{'' if encoding is _Encoding.values else '[]'}")
        if encoding is _Encoding.arrays_or_values:
            value = f"COALESCE({value}, ${next(numbers)}::{type_})"
        values.append(f"TIMESTAMPTZ 'epoch' + {value}" if _has_moments(table, name) else value)
    rows = f"unnest({', '.join(arrays)}) AS new ({', '.join(columns)})"
    if isinstance(verb, Merge):
        if encoding is _Encoding.values:
            rows = f"(SELECT {', '.join(map(' AS '.join, zip(arrays, columns, strict=True)))}) AS new"
        named = ", ".join(map(" AS ".join, zip(values, columns, strict=True)))
        return _merged(verb, f"(SELECT {named} FROM {rows}) AS new")
    if verb == "INSERT":
        return f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {rows}"
    *changed, key = (f"{column} = {value}" for column, value in zip(columns, values, strict=True))
    # The second condition leaves the planner no choice: by the first alone it reads a table that it takes for small.
    condition = f"{table.name}.{key} AND {table.name}.id = ANY ({arrays[-1]})"
    return f"UPDATE {table.name} SET {', '.join(changed)} FROM {rows} WHERE {condition}"


@lru_cache
def _readings(dialect: Dialect, merge: Merge) -> list[Convert]:
    """What makes values of the driver those of the columns that a merge returns."""
    return [reading(merge.table.c[name].type, dialect) for name in merge.returned]


def _merged(merge: Merge, rows: str) -> str:
    """The text of a merge of rows that have the name `new`."""
    name = merge.table.name
    changed = ", ".join(f"{column} = {value}" for column, value in merge.values)
    same = " AND ".join(f"{name}.{column} = new.{column}" for column in merge.key)
    returned = ", ".join(f"{name}.{column}" for column in merge.returned)
    return f"UPDATE {name} SET {changed} FROM {rows} WHERE {same} AND {merge.condition} RETURNING {returned}"


def _type(dialect: Dialect, table: Table, name: str) -> str:
    if _has_moments(table, name):
        return "interval"
    type_ = table.c[name].type.dialect_impl(dialect)
    # A text that is cast to what its column holds at most is cut off; as a text it is refused.
    return "text" if isinstance(type_, String) else type_.compile(dialect)
