"""The driver itself, past SQLAlchemy, which for each execution costs more than the database does for a small one.

What goes this way is heard by SQLAlchemy's listeners, and its errors are SQLAlchemy's. It begins no transaction.
Why, and which names of SQLAlchemy it leans on: docs/decisions/0026-what-goes-past-sqlalchemy.md.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_

T = TypeVar("T")

Row = Sequence[Any]
LENGTH_LEAST = 16 * 1024 * 1024
LENGTH_MOST = 1_000_000_000  # SQLite's own


def fetch(connection: Connection, sql: str, values: Sequence[Any]) -> Sequence[Row]:
    """The rows of a statement, as the driver gives them."""
    return _send(connection, "fetch", sql, values)  # type: ignore[no-any-return]


def fetch_planned(connection: Connection, sql: str, values: Sequence[Any]) -> Sequence[Row]:
    """The rows of a statement that is planned for these values, at the price of a round trip.

    PostgreSQL keeps the plan of a statement that it has met some times, for whatever values come then.
    """
    return _send(connection, "fetch_planned", sql, values)  # type: ignore[no-any-return]


def execute(connection: Connection, sql: str) -> None:
    """Runs a statement without values."""
    _send(connection, "execute", sql, ())


def execute_many(connection: Connection, sql: str, records: Sequence[Row]) -> None:
    """Runs a statement once for each record of values, all of them in one go."""
    _send(connection, "execute_many", sql, records)


def limit_length(connection: Connection, length: int | None) -> None:
    """Limits the bytes of any text that SQLite handles for a connection; None ends that. PostgreSQL has no such limit.

    A text of the database that is longer could not be read either, so the limit is never less than LENGTH_LEAST.
    """
    if connection.dialect.name == "sqlite":
        limit = LENGTH_MOST if length is None else min(LENGTH_MOST, max(length, LENGTH_LEAST))
        driver: Any = connection.connection.driver_connection
        driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, limit)


def aside(connection: Connection, function: Callable[..., T], *arguments: Any) -> T:
    """Runs a function that keeps Python busy; where the event loop would wait for it, in a thread."""
    if not connection.dialect.is_async:
        return function(*arguments)
    result: T = await_(asyncio.get_running_loop().run_in_executor(None, partial(function, *arguments)))
    return result


def _send(connection: Connection, mode: str, sql: str, values: Sequence[Any]) -> Any:
    for hear in connection.engine.dispatch.before_cursor_execute:
        hear(connection, None, sql, values, None, mode == "execute_many")
    return _WAYS[connection.dialect.name, mode](connection, connection.connection.driver_connection, sql, values)


def _of_asyncpg(ask: Callable[[Any, str, Sequence[Any]], Any]) -> Callable[..., Any]:
    def send(connection: Connection, driver: Any, sql: str, values: Sequence[Any]) -> Any:
        try:
            return await_(ask(driver, sql, values))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            raise _as_sqlalchemy(connection, sql, error, lost=driver.is_closed()) from error
        except BaseException:
            connection.invalidate()  # an answer may still be on its way
            raise

    return send


def _of_sqlite(ask: Callable[[Any, str, Sequence[Any]], Any]) -> Callable[..., Any]:
    def send(connection: Connection, driver: Any, sql: str, values: Sequence[Any]) -> Any:
        try:
            return ask(driver, sql, values)
        except sqlite3.Error as error:
            raise _as_sqlalchemy(connection, sql, error, lost=False) from error

    return send


async def _plan_and_fetch(driver: Any, sql: str, values: Sequence[Any]) -> Any:
    # A statement without a name is not kept.
    return await (await driver.prepare(sql, name="")).fetch(*values)


_fetch_of_sqlite = _of_sqlite(lambda driver, sql, values: driver.execute(sql, values).fetchall())
_WAYS: dict[tuple[str, str], Callable[..., Any]] = {
    ("postgresql", "fetch"): _of_asyncpg(lambda driver, sql, values: driver.fetch(sql, *values)),
    ("postgresql", "fetch_planned"): _of_asyncpg(_plan_and_fetch),
    ("postgresql", "execute"): _of_asyncpg(lambda driver, sql, _: driver.execute(sql)),
    ("postgresql", "execute_many"): _of_asyncpg(lambda driver, sql, records: driver.executemany(sql, records)),
    ("sqlite", "fetch"): _fetch_of_sqlite,
    ("sqlite", "fetch_planned"): _fetch_of_sqlite,  # SQLite plans for any values, always
    ("sqlite", "execute"): _of_sqlite(lambda driver, sql, _: driver.execute(sql)),
    ("sqlite", "execute_many"): _of_sqlite(lambda driver, sql, records: driver.executemany(sql, records)),
}


def _as_sqlalchemy(connection: Connection, sql: str, error: Exception, *, lost: bool) -> DBAPIError:
    if lost:
        connection.invalidate(error)
    return DBAPIError(sql, None, error, hide_parameters=True, connection_invalidated=lost)
