"""The driver itself, past SQLAlchemy, which for each execution costs more than the database does for a small one.

What goes this way is heard by SQLAlchemy's listeners, and its errors are SQLAlchemy's. It begins no transaction.
Why, and which names of SQLAlchemy it leans on: docs/decisions/0026-what-goes-past-sqlalchemy.md.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NoReturn, Protocol, TypeVar, TypeVarTuple

import asyncpg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Row = Sequence[Any]
"""A row as the driver gives it: its values in the order of the columns."""
Values = Sequence[object]
"""The values of one execution, as the driver takes them."""
MIN_LENGTH = 16 * 1024 * 1024
MAX_LENGTH = 1_000_000_000  # SQLite's own


class AsyncpgStatement(Protocol):
    """What is used of a prepared statement of asyncpg, which has no types."""

    async def fetch(self, *values: object) -> Sequence[Row]:
        """Returns all rows."""


class AsyncpgConnection(Protocol):
    """What is used of a connection of asyncpg, which has no types."""

    async def fetch(self, sql: str, *values: object, timeout: float | None = None) -> Sequence[Row]:  # noqa: ASYNC109
        """Returns all rows."""

    async def execute(self, sql: str) -> object:
        """Runs a statement without values."""

    async def executemany(self, sql: str, records: Iterable[Values]) -> None:
        """Runs a statement for each record."""

    async def prepare(self, sql: str, *, name: str) -> AsyncpgStatement:
        """Prepares a statement; one without a name is not kept."""

    async def copy_records_to_table(
        self, table_name: str, *, columns: Sequence[str], records: Iterable[Values]
    ) -> object:
        """Copies records into a table."""

    def get_server_pid(self) -> int:
        """Returns the number of the server's process."""

    def is_closed(self) -> bool:
        """Returns whether the connection is closed."""

    def terminate(self) -> None:
        """Closes the connection without waiting."""


Driver = sqlite3.Connection | AsyncpgConnection
"""A connection of either driver."""


def fetch(connection: Connection, sql: str, values: Values, *, replan: bool = False) -> Sequence[Row]:
    """The rows of a statement, as the driver gives them.

    PostgreSQL keeps the plan of a statement that it has met some times, for whatever values come then, unless it is
    planned again for these, at the price of a round trip; SQLite plans for any values, always.
    """
    driver = _announce(connection, sql, values)
    try:
        if isinstance(driver, sqlite3.Connection):
            return driver.execute(sql, values).fetchall()
        return await_(_plan_and_fetch(driver, sql, values) if replan else driver.fetch(sql, *values))
    except BaseException as error:
        _raise(connection, driver, sql, error)


def execute(connection: Connection, sql: str) -> None:
    """Runs a statement without values."""
    driver = _announce(connection, sql, ())
    try:
        if isinstance(driver, sqlite3.Connection):
            driver.execute(sql)
        else:
            await_(driver.execute(sql))
    except BaseException as error:
        _raise(connection, driver, sql, error)


def execute_many(connection: Connection, sql: str, records: Sequence[Values]) -> None:
    """Runs a statement once for each record of values, all of them in one go."""
    driver = _announce(connection, sql, records, many=True)
    try:
        if isinstance(driver, sqlite3.Connection):
            driver.executemany(sql, records)
        else:
            await_(driver.executemany(sql, records))
    except BaseException as error:
        _raise(connection, driver, sql, error)


def copy(connection: Connection, table: str, columns: Sequence[str], records: Iterable[Values]) -> None:
    """Copies records of values into columns of a table of PostgreSQL."""
    driver: AsyncpgConnection | None = connection.connection.driver_connection
    assert driver is not None  # as in _announce
    await_(driver.copy_records_to_table(table, columns=columns, records=records))


def limit_length(connection: Connection, length: int | None) -> None:
    """Limits the bytes of any text that SQLite handles for a connection; None ends that. PostgreSQL has no such limit.

    A text of the database that is longer could not be read either, so the limit is never less than MIN_LENGTH.
    """
    if connection.dialect.name == "sqlite":
        driver: sqlite3.Connection | None = connection.connection.driver_connection
        assert driver is not None  # as in _announce
        limit = MAX_LENGTH if length is None else min(MAX_LENGTH, max(length, MIN_LENGTH))
        driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, limit)


def aside(connection: Connection, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
    """Runs a function that keeps Python busy; where the event loop would wait for it, in a thread."""
    if not connection.dialect.is_async:
        return function(*arguments)
    return await_(asyncio.get_running_loop().run_in_executor(None, partial(function, *arguments)))


def _announce(connection: Connection, sql: str, values: Sequence[object], *, many: bool = False) -> Driver:
    """Tells SQLAlchemy's listeners of a statement; gives the driver's connection, which runs it."""
    for listen in connection.engine.dispatch.before_cursor_execute:
        listen(connection, None, sql, values, None, many)
    driver: Driver | None = connection.connection.driver_connection
    assert driver is not None  # SQLAlchemy has connected before it returns `connection.connection`
    return driver


async def _plan_and_fetch(driver: AsyncpgConnection, sql: str, values: Values) -> Sequence[Row]:
    # A statement without a name is not kept.
    return await (await driver.prepare(sql, name="")).fetch(*values)


def _raise(connection: Connection, driver: Driver, sql: str, error: BaseException) -> NoReturn:
    """Raises an error of the driver as SQLAlchemy does, and any other as it is."""
    if isinstance(driver, sqlite3.Connection):
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
