"""Column types and bound lists: how values are kept on each database."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    JSON,
    TIMESTAMP,
    BindParameter,
    Boolean,
    ColumnElement,
    Dialect,
    Float,
    Index,
    Integer,
    Numeric,
    Select,
    String,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine

T = TypeVar("T")


class _AsText(TypeDecorator[T]):
    """What SQLite keeps as text."""

    cache_ok = True
    write: Callable[[T], str]
    """Makes the text of a value."""
    read: Callable[[str], T]
    """Makes the value of a text."""

    def process_bind_param(self, value: T | None, dialect: Dialect) -> str | None:
        return None if value is None else self.write(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> T | None:
        return None if value is None else self.read(value)


class _TextId(_AsText[UUID]):
    """A UUID as text with dashes, so that SQLite's JSON functions give it as clients read it."""

    impl = String(36)
    write = str
    read = UUID


def utc_text(moment: datetime) -> str:
    """A moment as clients read it: `2021-05-12T18:00:01.696849Z`."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


class _TextTimestamp(_AsText[datetime]):
    """A moment as `2021-05-12T18:00:01.696849Z`: always UTC and of one width, so that text order is time order."""

    impl = String(27)
    write = staticmethod(utc_text)
    read = datetime.fromisoformat


Column = ColumnElement[Any]
"""A column, or an expression in the place of one. Its values have the type that the database gives them."""
Placeholder = BindParameter[Any]
"""What a value is bound to by name, in the place of the value."""
RowSelect = Select[*tuple[Any, ...]]
"""A SELECT of any columns."""
ColumnType = TypeEngine[Any]
"""The type of a column, whatever its values are."""
Convert = Callable[[Any], Any] | None
"""What makes one value, which is not None, of another; None where it is that already."""


def binding(type_: ColumnType, dialect: Dialect) -> Convert:
    """What makes a value of a type one of the driver."""
    # The drivers take truth values as they are; to have each looked at took a twentieth of the time of bulk reports.
    if isinstance(type_, Boolean):
        return None
    impl = type_.dialect_impl(dialect)
    return impl.write if isinstance(impl, _AsText) else impl.bind_processor(dialect)


def reading(type_: ColumnType, dialect: Dialect) -> Convert:
    """What makes a value of the driver one of a type."""
    # Both drivers give numbers as numbers; only SQLAlchemy's cursor knows of which kind they are.
    if isinstance(type_, Numeric | Float):
        return None
    impl = type_.dialect_impl(dialect)
    return impl.read if isinstance(impl, _AsText) else impl.result_processor(dialect, None)


Id = Uuid().with_variant(_TextId(), "sqlite")
Timestamp = TIMESTAMP(timezone=True).with_variant(_TextTimestamp(), "sqlite")
Json = JSON(none_as_null=True)
JsonSet = JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
# One order of text on every database: that of its code points.
Name = String(255).with_variant(String(255, collation="C"), "postgresql")


def partial_index(name: str, *columns: str, where: str) -> Index:
    """An index that has only the rows that meet a condition."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


def postgresql_index(name: str, *columns: str, where: str) -> Index:
    """An index that has only the rows that meet a condition, and that only PostgreSQL has."""
    return Index(name, *columns, postgresql_where=text(where), info={"dialect": "postgresql"})


def encode_json(value: object) -> str:
    """JSON text of a value, as columns of type `Json` keep it."""
    return msgspec.json.encode(value).decode()


decode_json = msgspec.json.decode


class _ListOf(TypeDecorator[list[object]]):
    """A bound list: an array on PostgreSQL, a JSON array on SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, item: ColumnType) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> ColumnType:
        return dialect.type_descriptor(ARRAY(self.item) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[object] | None, dialect: Dialect) -> object:
        if value is None or dialect.name == "postgresql":
            return value
        # Moments are compared as they are kept.
        return encode_json([utc_text(item) if isinstance(item, datetime) else item for item in value])


ListOfIds = _ListOf(Uuid())
ListOfTexts = _ListOf(String())
_LISTS: dict[type, _ListOf] = {UUID: ListOfIds, str: ListOfTexts, int: _ListOf(Integer())}


def list_of(item: type) -> ColumnType:
    """The type of a bound list with such items."""
    return _LISTS[item]


def list_for(column: Column) -> ColumnType:
    """The type of a bound list of values that a column is compared with."""
    return _ListOf(column.type)


class _JsonPath(TypeDecorator[Sequence[str | int]]):
    """A bound path into JSON, of keys without quotation marks and backslashes, and of places in lists."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> ColumnType:
        return dialect.type_descriptor(ARRAY(Text()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[str | int] | None, dialect: Dialect) -> object:
        steps = value or ()
        if dialect.name == "postgresql":
            return [str(step) for step in steps]
        return "$" + "".join(f"[{step}]" if isinstance(step, int) else f'."{step}"' for step in steps)


JsonPath = _JsonPath()


class _JsonText(TypeDecorator[object]):
    """A value bound as JSON text that the database itself unpacks."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> str:
        return encode_json(value)


RowsParameter = _JsonText()
