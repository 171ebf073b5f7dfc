"""The driver itself, past SQLAlchemy, which for each execution costs more than the database does for a small one.

What goes this way is heard by SQLAlchemy's listeners, and its errors are SQLAlchemy's. It begins no transaction.
Why, and which names of SQLAlchemy it leans on: docs/decisions/0026-what-goes-past-sqlalchemy.md.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn, TypeVar

import asyncpg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_

T = TypeVar("T")

Row = Sequence[Any]
LENGTH_LEAST = 16 * 1024 * 1024
LENGTH_MOST = 1_000_000_000  # SQLite's own


def fetch(connection: Connection, sql: str, values: Sequence[Any], *, planned: bool = False) -> Sequence[Row]:
    """The rows of a statement, as the driver gives them.

    PostgreSQL keeps the plan of a statement that it has met some times, for whatever values come then, unless it is
    `planned` for these, at the price of a round trip; SQLite plans for any values, always.
    """
    driver = _announce(connection, sql, values)
    try:
        if not connection.dialect.is_async:
            return driver.execute(sql, values).fetchall()  # type: ignore[no-any-return]
        return await_(_plan_and_fetch(driver, sql, values) if planned else driver.fetch(sql, *values))
    except BaseException as error:
        _raise(connection, driver, sql, error)


def execute(connection: Connection, sql: str) -> None:
    """Runs a statement without values."""
    driver = _announce(connection, sql, ())
    try:
        if connection.dialect.is_async:
            await_(driver.execute(sql))
        else:
            driver.execute(sql)
    except BaseException as error:
        _raise(connection, driver, sql, error)


def execute_many(connection: Connection, sql: str, records: Sequence[Row]) -> None:
    """Runs a statement once for each record of values, all of them in one go."""
    driver = _announce(connection, sql, records, many=True)
    try:
        if connection.dialect.is_async:
            await_(driver.executemany(sql, records))
        else:
            driver.executemany(sql, records)
    except BaseException as error:
        _raise(connection, driver, sql, error)


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


def _announce(connection: Connection, sql: str, values: Sequence[Any], *, many: bool = False) -> Any:
    """Tells SQLAlchemy's listeners of a statement; gives the driver's connection, which runs it."""
    for listen in connection.engine.dispatch.before_cursor_execute:
        listen(connection, None, sql, values, None, many)
    return connection.connection.driver_connection


async def _plan_and_fetch(driver: Any, sql: str, values: Sequence[Any]) -> Any:
    # A statement without a name is not kept.
    return await (await driver.prepare(sql, name="")).fetch(*values)


def _raise(connection: Connection, driver: Any, sql: str, error: BaseException) -> NoReturn:
    """Raises an error of the driver as SQLAlchemy does, and any other as it is."""
    if not connection.dialect.is_async:
        if isinstance(error, sqlite3.Error):
            raise _as_sqlalchemy(sql, error, lost=False) from error
    elif isinstance(error, _ASYNCPG_ERRORS):
        if lost := driver.is_closed():
            connection.invalidate(error)
        raise _as_sqlalchemy(sql, error, lost=lost) from error
    else:
        connection.invalidate()  # an answer may still be on its way
    raise error


_ASYNCPG_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


def _as_sqlalchemy(sql: str, error: Exception, *, lost: bool) -> DBAPIError:
    return DBAPIError(sql, None, error, hide_parameters=True, connection_invalidated=lost)
