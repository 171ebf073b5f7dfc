"""Prepared questions: compiled once, then sent straight to the driver, since SQLAlchemy costs more than the database.

Of a question by id, what SQLAlchemy does for each execution took twice the time of the driver's own part.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import BindParameter, Connection, Dialect, Float, Numeric, SelectBase, bindparam
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine
from sqlalchemy.util import await_

STATEMENTS_MOST = 500
"""Forms of questions whose statements are kept: more than people and programs ask in turn."""

_Convert = Callable[[Any], Any] | None
Row = Sequence[Any]


def placeholder(name: str, type_: TypeEngine[Any] | None = None) -> BindParameter[Any]:
    """What a value is bound to by name; by itself it has the type of the column that it is compared with."""
    # With a value, or SQLAlchemy would not compile the statement without one.
    return bindparam(name, None, type_)


class Prepared:
    """A SELECT for readers, whose values are bound by name and whose rows are plain sequences.

    It is for connections in autocommit or in a transaction that has begun, since it begins none.
    """

    def __init__(self, statement: SelectBase) -> None:
        self.statement = statement
        self._texts: dict[str, _Text] = {}

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Row]:
        """All rows; raises what SQLAlchemy raises for an execution."""
        name = connection.dialect.name
        if (text := self._texts.get(name)) is None:
            text = self._texts[name] = _Text(self.statement, connection.dialect)
        bound = text.bind(values)
        for hear in connection.engine.dispatch.before_cursor_execute:
            hear(connection, None, text.sql, bound, None, False)
        return text.read(_FETCH[name](connection, text.sql, bound))

    def first(self, connection: Connection, values: Mapping[str, Any]) -> Row | None:
        """The first row, None if there is none."""
        rows = self.rows(connection, values)
        return rows[0] if rows else None


class _Text:
    """The statement as one kind of database takes it."""

    def __init__(self, statement: SelectBase, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        self.sql = str(compiled)
        names = compiled.positiontup or []
        # What has no name of its own in `values` is part of the statement.
        self._values = [
            (name, compiled.binds[name].value, _binding(compiled.binds[name].type, dialect)) for name in names
        ]
        self._columns = [_reading(column.type, dialect) for column in statement.selected_columns]
        self._plain = not any(self._columns)

    def bind(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the text."""
        bound = []
        for name, own, convert in self._values:
            value = values.get(name, own)
            bound.append(value if convert is None else convert(value))
        return bound

    def read(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Rows of the driver with the values that SQLAlchemy would give."""
        if self._plain:
            return rows
        return [
            [value if convert is None else convert(value) for value, convert in zip(row, self._columns, strict=True)]
            for row in rows
        ]


def _binding(type_: TypeEngine[Any], dialect: Dialect) -> _Convert:
    return type_.dialect_impl(dialect).bind_processor(dialect)


def _reading(type_: TypeEngine[Any], dialect: Dialect) -> _Convert:
    # Both drivers give numbers as numbers; only SQLAlchemy's cursor knows of which kind they are.
    return None if isinstance(type_, Numeric | Float) else type_.dialect_impl(dialect).result_processor(dialect, None)


def _fetch_asyncpg(connection: Connection, sql: str, values: list[Any]) -> Sequence[Row]:
    driver: Any = connection.connection.driver_connection
    try:
        return await_(driver.fetch(sql, *values))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise _as_sqlalchemy(connection, sql, error, lost=driver.is_closed()) from error
    except BaseException:
        connection.invalidate()  # an answer may still be on its way
        raise


def _fetch_sqlite(connection: Connection, sql: str, values: list[Any]) -> Sequence[Row]:
    driver: Any = connection.connection.driver_connection
    try:
        return driver.execute(sql, values).fetchall()  # type: ignore[no-any-return]
    except sqlite3.Error as error:
        raise _as_sqlalchemy(connection, sql, error, lost=False) from error


def _as_sqlalchemy(connection: Connection, sql: str, error: Exception, *, lost: bool) -> DBAPIError:
    if lost:
        connection.invalidate(error)
    return DBAPIError(sql, None, error, hide_parameters=True, connection_invalidated=lost)


_FETCH: dict[str, Callable[[Connection, str, list[Any]], Sequence[Row]]] = {
    "postgresql": _fetch_asyncpg,
    "sqlite": _fetch_sqlite,
}
