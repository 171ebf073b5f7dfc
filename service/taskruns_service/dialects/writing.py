"""Writing: rows of one table inserted or updated by one statement, looked at column by column and not row by row."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Table

from taskruns_service.dialects import driver

Rows = Sequence[dict[str, Any]]
"""Rows that all have the same members, in the same order."""

_PLACES: dict[str, Callable[[int], str]] = {"sqlite": lambda _: "?", "postgresql": lambda number: f"${number}"}


def insert_rows(connection: Connection, table: Table, rows: Rows) -> None:
    """Inserts rows."""
    if rows:
        _execute(connection, _insert, table, rows)


def update_rows(connection: Connection, table: Table, rows: Rows) -> None:
    """Updates the rows that have the `id`, the last member, of each of these."""
    if rows:
        _execute(connection, _update, table, rows)


def records_of(connection: Connection, table: Table, rows: Rows) -> list[tuple[Any, ...]]:
    """The values of rows, as the driver takes them.

    SQLAlchemy looks at each value of each row: for a thousand rows that took as long as the database.
    """
    columns = [_bound(connection.dialect, table, name, [row[name] for row in rows]) for name in rows[0]]
    return list(zip(*columns, strict=True))


def _bound(dialect: Dialect, table: Table, name: str, values: list[Any]) -> list[Any]:
    bind = table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
    # What is nothing is null in every type that the tables have.
    return values if bind is None else [None if value is None else bind(value) for value in values]


def _execute(connection: Connection, statement: Callable[..., str], table: Table, rows: Rows) -> None:
    text = statement(connection.dialect, table, tuple(rows[0]))
    driver.execute_many(connection, text, records_of(connection, table, rows))


@lru_cache
def _insert(dialect: Dialect, table: Table, names: tuple[str, ...]) -> str:
    quote, place = dialect.identifier_preparer.quote, _PLACES[dialect.name]
    columns, places = map(quote, names), (place(number) for number, _ in enumerate(names, 1))
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join(places)})"


@lru_cache
def _update(dialect: Dialect, table: Table, names: tuple[str, ...]) -> str:
    quote, place = dialect.identifier_preparer.quote, _PLACES[dialect.name]
    *changes, identifier = (f"{quote(name)} = {place(number)}" for number, name in enumerate(names, 1))
    return f"UPDATE {table.name} SET {', '.join(changes)} WHERE {identifier}"
