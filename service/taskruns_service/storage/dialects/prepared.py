"""Prepared questions: compiled once, then sent straight to the driver.

Why: docs/decisions/0015-a-statement-for-each-form-of-question.md; which names of SQLAlchemy it leans on:
docs/decisions/0026-what-goes-past-sqlalchemy.md.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    ClauseElement,
    Connection,
    Dialect,
    Engine,
    SelectBase,
    String,
    bindparam,
    literal,
)
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import ReturningInsert

from taskruns_service.storage.dialects import driver
from taskruns_service.storage.dialects.driver import Row
from taskruns_service.storage.dialects.types import ColumnType, Convert, Placeholder, binding, reading

Statement = SelectBase | ReturningInsert[Any]
"""A statement that returns rows."""

MAX_STATEMENTS = 200
"""Forms of questions whose statements are kept, at 50 KB each: more than people and programs ask in turn."""


def placeholder(name: str, type_: ColumnType | None = None) -> Placeholder:
    """What a value is bound to by name; by itself it has the type of the column that it is compared with."""
    # With a value, or SQLAlchemy would not compile the statement without one. It is never sent.
    return bindparam(name, None, type_)


def constant(value: object, type_: ColumnType | None = None) -> Placeholder:
    """A value (a text by itself) that stands in the statement, so that the planner knows how many rows have it."""
    return literal(value, type_ or String(), literal_execute=True)


class Prepared:
    """A SELECT, or an INSERT … RETURNING, whose values are bound by name and whose rows are plain sequences.

    Where it depends on the values how many rows there are, it is planned again for them each time.
    """

    def __init__(self, statement: Statement, *, replan: bool = False) -> None:
        self.statement = statement
        self.names = names_in(statement)
        self._replans = replan
        self._texts: dict[str, _Text] = {}

    def rows(self, connection: Connection, values: Mapping[str, object]) -> Sequence[Row]:
        """All rows; `values` has one for each of the `names`.

        Raises TypeError for a value that is missing or has no such name, and what SQLAlchemy raises for an execution.
        """
        check_values(self.names, values)
        name = connection.dialect.name
        if (text := self._texts.get(name)) is None:
            text = self._texts[name] = _Text(self.statement, connection.dialect)
        rows = driver.fetch(connection, text.sql, text.bind(values), replan=self._replans)
        return converted(rows, text.columns)

    def first(self, connection: Connection, values: Mapping[str, object]) -> Row | None:
        """The first row, None if there is none. Raises as `rows` does."""
        rows = self.rows(connection, values)
        return rows[0] if rows else None


def names_in(statement: ClauseElement) -> frozenset[str]:
    """The names of the placeholders in a statement."""
    binds = (element for element in visitors.iterate(statement) if isinstance(element, BindParameter))
    # What stands in a statement with its value has no name of its own, and SQLAlchemy makes it one that is unique.
    return frozenset(bind.key for bind in binds if not bind.unique)


def check_values(names: frozenset[str], values: Mapping[str, object]) -> None:
    """Raises TypeError unless there is a value for each of the names and no other."""
    if values.keys() != names:
        faults = [f"{name} is missing" for name in sorted(names - values.keys())]
        faults += [f"{name} is none of them" for name in sorted(values.keys() - names)]
        expected = ", ".join(sorted(names)) or "(none)"
        raise TypeError(f"The statement takes the values {expected}: {', '.join(faults)}.")


Target = Dialect
"""What a statement is compiled for."""


def target_of(engine: Engine) -> Target:
    """What statements for an engine are compiled for."""
    return engine.dialect


class CompiledValue:
    """A SELECT of one text with its values, compiled ahead of the connection that it is sent on."""

    def __init__(self, statement: SelectBase, target: Target) -> None:
        """Raises TypeError for a statement with placeholders, since there are no values for them."""
        compiled, binds = _compile(statement, target)
        parameters = compiled.construct_params(extracted_parameters=binds, _no_postcompile=True)
        state = compiled._process_parameters_for_postcompile(parameters)
        converts: dict[str, Convert] = {name: binding(bind.type, target) for name, bind in compiled.binds.items()}
        converts.update(state.processors)
        self._sql = state.statement
        self._values = [
            convert(value) if (convert := converts.get(name)) and value is not None else value
            for name in state.positiontup or ()
            for value in (state.parameters[name],)
        ]

    def read(self, connection: Connection, max_bytes: int) -> bytes | None:
        """The text as UTF-8; None for null. SQLite makes none of more bytes. Raises what an execution raises."""
        driver.limit_length(connection, max_bytes)
        try:
            ((value,),) = driver.fetch(connection, self._sql, self._values)
        finally:
            driver.limit_length(connection, None)
        return value.encode() if isinstance(value, str) else value


MAX_COMPILED = 64
MAX_COMPILED_LENGTH = 8_000
"""The longest text that is kept: together they take some MB, whatever clients ask."""
_compiled: OrderedDict[object, SQLCompiler] = OrderedDict()


def _compile(statement: SelectBase, target: Target) -> tuple[SQLCompiler, Sequence[Placeholder] | None]:
    """Compiles a statement, once for all that differ in their values only; gives those of this one as well.

    SQLAlchemy does the same for each execution, but where a connection is there already.
    """
    key = statement._generate_cache_key()
    place = None if key is None else (target.name, key.key)
    compiled = _compiled.pop(place, None)  # and added again, since what was asked last is kept longest
    if compiled is None:
        check_values(names_in(statement), {})
        compiled = statement.compile(dialect=target, cache_key=key)
    if place is not None and len(compiled.string) <= MAX_COMPILED_LENGTH:
        _compiled[place] = compiled
        if len(_compiled) > MAX_COMPILED:
            _compiled.popitem(last=False)
    return compiled, None if key is None else key.bindparams


class _Text:
    """The statement as one kind of database takes it."""

    def __init__(self, statement: Statement, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        self.sql = str(compiled)
        names = compiled.positiontup or []
        self._values = [(compiled.binds[name], binding(compiled.binds[name].type, dialect)) for name in names]
        self.columns = [reading(column.type, dialect) for column in statement.exported_columns]
        """What makes the driver's values those of each column."""

    def bind(self, values: Mapping[str, object]) -> list[object]:
        """The values in the order of the text."""
        bound = []
        for bind, convert in self._values:
            value = bind.value if bind.unique else values[bind.key]
            bound.append(value if convert is None or value is None else convert(value))
        return bound


def converted(rows: Sequence[Row], columns: Sequence[Convert]) -> Sequence[Row]:
    """Rows of the driver with the values that SQLAlchemy would give, by what is `reading` each column."""
    if not any(columns):
        return rows
    return [
        [
            value if convert is None or value is None else convert(value)
            for value, convert in zip(row, columns, strict=True)
        ]
        for row in rows
    ]
