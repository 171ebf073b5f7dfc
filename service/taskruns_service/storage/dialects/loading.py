"""Loading: many rows at once, in the fastest way that each database has."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from sqlalchemy import Connection, Table

from taskruns_service.storage.dialects import driver
from taskruns_service.storage.dialects.writing import Rows, Writes, check_members, columns_of

T = TypeVar("T")

ROWS_BATCH_SIZE = 250
"""Rows of one execution: a driver on the event loop takes up to 10 ms for so many, and then waits for the database."""


def batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Rows in batches, between which the event loop does other things."""
    for start in range(0, len(rows), ROWS_BATCH_SIZE):
        yield rows[start : start + ROWS_BATCH_SIZE]


def expect_many_rows(connection: Connection) -> None:
    """Prepares a connection for a transaction of many rows in no order of keys."""
    if connection.dialect.name == "sqlite":
        # Pages of indexes that do not fit into the cache are written again and again: 256 MB.
        connection.exec_driver_sql("PRAGMA cache_size = -262144")


def insert_many(connection: Connection, table: Table, rows: Rows) -> None:
    """Inserts rows, all with the same members, in the connection's transaction: PostgreSQL gets them by COPY.

    Raises TypeError unless all rows have the same members, each of them a column.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        with Writes(connection) as writes:
            writes.insert(table, rows)
    else:
        check_members(connection.dialect, table, rows)
        driver.copy(connection, table.name, list(rows[0]), zip(*columns_of(connection, table, rows), strict=True))
