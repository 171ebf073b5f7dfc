"""Loading: many rows at once, in the fastest way that each database has."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.util import await_

from taskruns_service.storage.dialects.writing import Writes, check_members, columns_of

T = TypeVar("T")

ROWS_BATCH_SIZE = 250
"""Rows of one execution: a driver on the event loop takes up to 10 ms for so many, and then waits for the database."""


def batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Rows in batches, between which the event loop does other things."""
    for start in range(0, len(rows), ROWS_BATCH_SIZE):
        yield rows[start : start + ROWS_BATCH_SIZE]


def expect_many_rows(connection: Connection) -> None:
    """Prepares a connection for a transaction of many rows in no order of keys."""
    for statement in _PREPARATIONS[connection.dialect.name]:
        connection.exec_driver_sql(statement)


def insert_many(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts rows, all with the same members, in the connection's transaction: PostgreSQL gets them by COPY.

    Raises TypeError unless all rows have the same members, each of them a column.
    """
    if rows:
        _LOADERS[connection.dialect.name](connection, table, rows)


def _copy(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    check_members(connection.dialect, table, rows)
    driver: Any = connection.connection.driver_connection
    records = zip(*columns_of(connection, table, rows), strict=True)
    await_(driver.copy_records_to_table(table.name, columns=list(rows[0]), records=records))


def _insert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    with Writes(connection) as writes:
        writes.insert(table, rows)


_LOADERS: dict[str, Callable[[Connection, Table, Sequence[dict[str, Any]]], None]] = {
    "sqlite": _insert,
    "postgresql": _copy,
}
# SQLite writes pages of indexes that do not fit into its cache again and again; the cache is 256 MB here.
_PREPARATIONS = {"sqlite": ("PRAGMA cache_size = -262144",), "postgresql": ()}
