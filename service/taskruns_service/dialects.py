"""What SQLite and PostgreSQL do differently, each as one expression or one row of traits: callers never branch."""

import math
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from asyncpg import InterfaceError, PostgresError
from sqlalchemy import (
    ARRAY,
    JSON,
    TIMESTAMP,
    URL,
    Boolean,
    Connection,
    Dialect,
    Double,
    Engine,
    String,
    Table,
    Text,
    Uuid,
    event,
    literal_column,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

SQLITE_MINIMUM = (3, 38)
POSTGRESQL_MINIMUM = (13,)


class Traits(NamedTuple):
    """How a kind of database is used."""

    asynchronous: bool
    """Whether its driver is asynchronous; otherwise each connection has a thread of its own."""
    writers: int
    """How many transactions of this process may write at a time."""
    migrates_itself: bool
    """Whether `serve` brings the schema up to date: it is the only process that has the database."""
    appends_deltas: bool
    """Whether counters are appended to and folded later, because writers would wait for each other's counter rows."""
    begin_snapshot: str
    """The statement after which all questions see one moment."""


_TRAITS = {
    "sqlite": Traits(
        asynchronous=False, writers=1, migrates_itself=True, appends_deltas=False, begin_snapshot="BEGIN"
    ),
    "postgresql": Traits(
        asynchronous=True,
        writers=2,
        migrates_itself=False,
        appends_deltas=True,
        begin_snapshot="BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    ),
}
DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}


def traits(of: URL | Connection) -> Traits:
    """The traits of the database that a URL or a connection leads to."""
    return _TRAITS[of.get_backend_name() if isinstance(of, URL) else of.dialect.name]


# Column types


class _TextId(TypeDecorator[UUID]):
    """A UUID as text with dashes, so that SQLite's JSON functions give it as clients read it."""

    impl = String(36)
    cache_ok = True

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> UUID | None:
        return None if value is None else UUID(value)


class _TextTimestamp(TypeDecorator[datetime]):
    """A moment as `2021-05-12T18:00:01.696849Z`: always UTC and of one width, so that text order is time order."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else utc_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


def utc_text(moment: datetime) -> str:
    """A moment as clients read it: `2021-05-12T18:00:01.696849Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


Id = Uuid().with_variant(_TextId(), "sqlite")
Timestamp = TIMESTAMP(timezone=True).with_variant(_TextTimestamp(), "sqlite")
Json = JSON(none_as_null=True)
JsonSet = JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
# One order of text on every database: that of its code points.
Name = String(255).with_variant(String(255, collation="C"), "postgresql")


def encode_json(value: Any) -> str:
    """JSON text of a value, as columns of type `Json` keep it."""
    return msgspec.json.encode(value).decode()


decode_json = msgspec.json.decode


class _ListOf(TypeDecorator[list[Any]]):
    """A bound list: an array on PostgreSQL, a JSON array on SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(self.item) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> Any:
        return value if dialect.name == "postgresql" else encode_json(value)


ListOfIds = _ListOf(Uuid())
ListOfTexts = _ListOf(String())


class _JsonText(TypeDecorator[Any]):
    """A value bound as JSON text that the database itself unpacks."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        return encode_json(value)


RowsParameter = _JsonText()


# Expressions: a class each, compiled for both


def _compiled(
    sqlite_sql: Callable[..., str], postgresql_sql: Callable[..., str]
) -> Callable[[type[FunctionElement[Any]]], type[FunctionElement[Any]]]:
    """Gives an expression its two texts, each a function of the texts of its arguments."""

    def decorate(expression: type[FunctionElement[Any]]) -> type[FunctionElement[Any]]:
        for name, sql in (("sqlite", sqlite_sql), ("postgresql", postgresql_sql)):

            def text(element: Any, compiler: SQLCompiler, *, _sql: Callable[..., str] = sql, **options: Any) -> str:
                return _sql(*(compiler.process(clause, **options) for clause in element.clauses))

            compiles(expression, name)(text)
        return expression

    return decorate


@_compiled(
    lambda column, values: f"({column} IN (SELECT value FROM json_each({values})))",
    lambda column, values: f"({column} = ANY ({values}))",
)
class any_of(FunctionElement[bool]):  # noqa: N801
    """A column is one of a bound list (`ListOfIds`, `ListOfTexts`): one statement text for a list of any length."""

    type = Boolean()
    inherit_cache = True


@_compiled(
    lambda ids: f"SELECT value FROM json_each({ids})",
    lambda ids: f"SELECT unnest({ids})",
)
class each_of(FunctionElement[UUID]):  # noqa: N801
    """The subquery whose rows are the items of a bound list of ids."""

    type = Id
    inherit_cache = True


@_compiled(
    lambda a, b, c, rows: (
        f"(({a}, {b}, {c}) IN (SELECT value ->> '$[0]', value ->> '$[1]', value ->> '$[2]' FROM json_each({rows})))"
    ),
    lambda a, b, c, rows: (
        f"(({a}, {b}, {c}) IN (SELECT (r ->> 0)::uuid, r ->> 1, (r ->> 2)::int"
        f" FROM json_array_elements(CAST({rows} AS json)) AS r))"
    ),
)
class natural_key_in(FunctionElement[bool]):  # noqa: N801
    """Three columns (an id, a text, an integer) are one of the rows of a bound JSON list (`RowsParameter`)."""

    type = Boolean()
    inherit_cache = True


@_compiled(
    lambda column, value: f"EXISTS (SELECT 1 FROM json_each({column}) WHERE value = {value})",
    lambda column, value: f"jsonb_exists({column}, {value})",
)
class has_item(FunctionElement[bool]):  # noqa: N801
    """A JSON list of texts (`JsonSet`) has an item."""

    type = Boolean()
    inherit_cache = True


@_compiled(
    lambda fraction, column: f"percentile_cont({column}, {fraction})",
    lambda fraction, column: f"percentile_cont({fraction}) WITHIN GROUP (ORDER BY {column})",
)
class percentile(FunctionElement[float]):  # noqa: N801
    """The continuous percentile of a number: between two values it interpolates, as in the SQL standard."""

    type = Double()
    inherit_cache = True

    def __init__(self, fraction: float, column: ColumnElement[float]) -> None:
        super().__init__(literal_column(repr(fraction)), column)


@_compiled(
    lambda moment: f"substr({moment}, 1, 13) || ':00:00Z'",
    lambda moment: f"to_char({moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24\":00:00Z\"')",
)
class hour_of(FunctionElement[str]):  # noqa: N801
    """The hour in which a moment lies (UTC), as the text of its beginning."""

    type = Text()
    inherit_cache = True


@_compiled(
    lambda moment: f"substr({moment}, 1, 10) || 'T00:00:00Z'",
    lambda moment: f"to_char({moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T00:00:00Z\"')",
)
class day_of(FunctionElement[str]):  # noqa: N801
    """The day in which a moment lies (UTC), as the text of its beginning."""

    type = Text()
    inherit_cache = True


@_compiled(
    lambda start, end: (
        f"((strftime('%s', {end}) - strftime('%s', {start}))"
        f" + (substr({end}, 21, 6) - substr({start}, 21, 6)) / 1000000.0)"
    ),
    lambda start, end: f"CAST(EXTRACT(EPOCH FROM ({end} - {start})) AS double precision)",
)
class seconds_between(FunctionElement[float]):  # noqa: N801
    """The seconds from one moment to another."""

    type = Double()
    inherit_cache = True


@_compiled(
    lambda moment: moment,
    lambda moment: f"to_char({moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
)
class _moment_text(FunctionElement[str]):  # noqa: N801
    """A moment as the text that clients read: the same on both databases."""

    type = Text()
    inherit_cache = True


@_compiled(lambda value: f"json({value})", lambda value: value)
class _json_value(FunctionElement[str]):  # noqa: N801
    """A JSON column inside a JSON object."""

    type = Text()
    inherit_cache = True


@_compiled(lambda value: f"json(CASE WHEN {value} THEN 'true' ELSE 'false' END)", lambda value: value)
class _json_boolean(FunctionElement[str]):  # noqa: N801
    """A boolean that is not null, inside a JSON object."""

    type = Text()
    inherit_cache = True


@_compiled(
    lambda *pairs: f"json_object({', '.join(pairs)})",
    lambda *pairs: f"CAST(json_build_object({', '.join(pairs)}) AS text)",
)
class json_object(FunctionElement[str]):  # noqa: N801
    """A row as the text of a JSON object, made by the database: it is passed on to the client as it is.

    It has at most 50 members, since PostgreSQL's functions take 100 arguments.
    """

    type = Text()
    inherit_cache = True

    def __init__(self, members: Mapping[str, ColumnElement[Any]]) -> None:
        pairs = ((literal_column(f"'{name}'"), _json_member(column)) for name, column in members.items())
        super().__init__(*(part for pair in pairs for part in pair))


def _json_member(column: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, TIMESTAMP):
        return _moment_text(column)
    if isinstance(column.type, JSON):
        return _json_value(column)
    if isinstance(column.type, Boolean):
        return _json_boolean(column)
    return column


def insert_for(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT."""
    return {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[connection.dialect.name](table)


class _PercentileCont:
    """`percentile_cont(value, fraction)` for SQLite, with the arithmetic of PostgreSQL's function of that name."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.fraction = 0.0

    def step(self, value: float | None, fraction: float) -> None:
        if value is not None:
            self.values.append(value)
            self.fraction = fraction

    def finalize(self) -> float | None:
        if not self.values:
            return None
        self.values.sort()
        position = self.fraction * (len(self.values) - 1)
        below, above = self.values[math.floor(position)], self.values[math.ceil(position)]
        return below if below == above else below + (position - math.floor(position)) * (above - below)


# Connections


def prepare_sqlite(connection: sqlite3.Connection, *, synchronous: str, writes: bool) -> None:
    """Sets up one connection: the writer's, or that of a reader, which can not write whatever it is told."""
    pragmas = [
        "journal_mode = WAL",
        f"synchronous = {synchronous}",
        "foreign_keys = ON",
        "busy_timeout = 10000",
        "temp_store = MEMORY",
        "cache_size = -32000",
        "mmap_size = 268435456",
    ]
    if not writes:
        # Only the writer checkpoints: a reader that does would make it wait.
        pragmas = [*pragmas[2:], "wal_autocheckpoint = 0", "query_only = ON"]
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
    connection.create_aggregate("percentile_cont", 2, _PercentileCont)  # type: ignore[arg-type]


def limit_time(engine: Engine, seconds: float) -> None:
    """Makes SQLite give up a statement after this long, as PostgreSQL does by itself."""

    @event.listens_for(engine, "connect")
    def watch(connection: sqlite3.Connection, record: Any) -> None:
        record.info["deadline"] = math.inf
        connection.set_progress_handler(lambda: time.monotonic() > record.info["deadline"], 100_000)

    @event.listens_for(engine, "before_cursor_execute")
    def start(connection: Connection, *_: Any) -> None:
        connection.info["deadline"] = time.monotonic() + seconds


DATABASE_ERRORS = (DBAPIError, PoolTimeout, PostgresError, InterfaceError, OSError)
"""What a driver or SQLAlchemy raises; drivers do not translate the errors of connecting."""


class Trouble(Enum):
    """What an error of the database means for the transaction that met it."""

    retry = auto()
    """Another transaction was in the way: run it again."""
    lost = auto()
    """The connection is gone, or there was none to be had."""
    timeout = auto()
    """The database gave up, because it was told to after this long."""
    refused = auto()
    """The database does not take this."""


_RETRY_STATES = {
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "23505",  # unique_violation: the other transaction's row is there to be read when this one runs again
    "55P03",  # lock_not_available
}
_LOST_STATES = {
    "57P01",  # admin_shutdown
    "57P02",  # crash_shutdown
    "57P03",  # cannot_connect_now
    "53300",  # too_many_connections
    "25006",  # read_only_sql_transaction: a standby, since the primary moved
}


def trouble(error: BaseException) -> Trouble:
    """Reads an error of the driver or of SQLAlchemy."""
    if not isinstance(error, DBAPIError):
        return Trouble.lost
    original = error.orig
    if isinstance(original, sqlite3.Error):
        code = getattr(original, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_INTERRUPT:
            return Trouble.timeout
        unique = getattr(original, "sqlite_errorcode", 0) in _SQLITE_UNIQUE
        return Trouble.retry if unique or code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) else Trouble.refused
    state = getattr(original, "sqlstate", None) or ""
    if state == "57014":  # query_canceled
        return Trouble.timeout
    if state in _RETRY_STATES:
        return Trouble.retry
    if error.connection_invalidated or state in _LOST_STATES or state.startswith("08"):
        return Trouble.lost
    return Trouble.refused


_SQLITE_UNIQUE = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}
