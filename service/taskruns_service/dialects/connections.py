"""Connections: how each database is set up, and what its errors mean."""

import re
import sqlite3
from enum import Enum, auto
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from asyncpg import InterfaceError, PostgresError, TargetServerAttributeNotMatched
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from taskruns_service.dialects.deadlines import Deadline
from taskruns_service.dialects.matching import add_functions
from taskruns_service.dialects.statistics import add_statistics

CLOSE_SECONDS = 1.0


def prepare_sqlite(connection: sqlite3.Connection, deadline: Deadline, *, synchronous: str, writes: bool) -> None:
    """Sets up one connection: the writer's, or that of a reader, which cannot write whatever it is told.

    `deadline` is what the functions in Python go by.
    """
    pragmas = [
        "journal_mode = WAL",
        f"synchronous = {synchronous}",
        "foreign_keys = ON",
        "busy_timeout = 10000",
        "wal_autocheckpoint = 4000",  # pages: those that change often are copied once for many changes
        "temp_store = MEMORY",
        "cache_size = -32000",
        "mmap_size = 268435456",
        f"hard_heap_limit = {HEAP_BYTES}",
    ]
    if not writes:
        # Only the writer checkpoints: a reader that does would make it wait.
        pragmas = [*pragmas[2:], "wal_autocheckpoint = 0", "query_only = ON"]
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
    add_functions(connection, deadline)
    add_statistics(connection, deadline)


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """A connection whose end is not waited for long, as that of a server that does not answer."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the driver's own parameter
        """Closes it: what it runs is cancelled first."""
        await super().close(timeout=min(timeout or CLOSE_SECONDS, CLOSE_SECONDS))


CONNECT_ARGUMENTS: dict[str, Any] = {"connection_class": _Connection}
"""What PostgreSQL's driver makes connections with."""


def limit_time(engine: Engine, seconds: float) -> None:
    """Makes SQLite give up a statement after this long, as PostgreSQL does by itself."""

    @event.listens_for(engine, "connect")
    def watch(connection: sqlite3.Connection, record: Any) -> None:
        connection.set_progress_handler(deadline_of(record.info).has_passed, 100_000)

    @event.listens_for(engine, "before_cursor_execute")
    def start(connection: Connection, *_: Any) -> None:
        deadline_of(connection.info).start(seconds)


def deadline_of(info: dict[Any, Any]) -> Deadline:
    """The deadline of a connection, which is with what its pool knows of it."""
    deadline: Deadline = info.setdefault("deadline", Deadline())
    return deadline


HEAP_BYTES = 1_000_000_000
"""What SQLite may take in this process: a sort keeps its rows in memory, and a row may have a list in it."""
COMPLAINT_LENGTH = 300
END_OF_LOG = 2**63 - 1
"""A position in PostgreSQL's log that no standby ever comes to."""


def position(connection: Connection) -> int:
    """Up to where the primary has written its log (bytes): all that is committed is before it."""
    found = connection.exec_driver_sql("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
    return int(found.scalar_one())


def has_replayed(connection: Connection, position: int) -> bool:
    """Whether a standby knows all that was committed before a position.

    A statement of its own, before the question: within one, what is seen may be older than the position that is read.
    A server that was never a standby has replayed nothing; on one that was promoted the position stands still.
    """
    asked = "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') >= $1"
    return bool(connection.exec_driver_sql(asked, (position,)).scalar_one())


DATABASE_ERRORS = (
    *(DBAPIError, PoolTimeout, PostgresError, InterfaceError, OSError),
    TargetServerAttributeNotMatched,  # of several hosts none takes writes, while another becomes the primary
    OverflowError,  # sqlite3 was to send an integer of more than 64 bits
    MemoryError,  # SQLite would need more than HEAP_BYTES
)
"""What a driver or SQLAlchemy raises; drivers do not translate the errors of connecting."""


class Trouble(Enum):
    """What an error of the database means for the transaction that met it."""

    retry = auto()
    """Another transaction was in the way: run it again."""
    lost = auto()
    """The connection is gone, or there was none to be had."""
    timeout = auto()
    """The database gave up, because it was told to after this long."""
    invalid = auto()
    """The database does not take a value of the request: the caller's error."""
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


# Of data, of syntax and access rules, and of limits of the program: statements are built from what callers send.
_INVALID_STATES = re.compile("22|42|54")
_OWN_STATES = {
    "42501",  # insufficient_privilege: the operator's affair, as are missing tables and columns
    "42P01",  # undefined_table
    "42703",  # undefined_column
}


def trouble(error: BaseException) -> Trouble:
    """Reads an error of the driver or of SQLAlchemy."""
    if isinstance(error, OverflowError):
        return Trouble.invalid
    if not isinstance(error, DBAPIError):
        return Trouble.lost
    original = error.orig
    if isinstance(original, sqlite3.Error):
        return _trouble_of_sqlite(original)
    state = getattr(original, "sqlstate", None) or ""
    if state == "57014":  # query_canceled
        return Trouble.timeout
    if state in _RETRY_STATES:
        return Trouble.retry
    if error.connection_invalidated or state in _LOST_STATES or state.startswith("08"):
        return Trouble.lost
    if isinstance(raised := driver_error(error), InterfaceError) and isinstance(raised, ValueError):
        return Trouble.invalid  # asyncpg itself cannot send a value as what its column is
    return Trouble.invalid if _INVALID_STATES.match(state) and state not in _OWN_STATES else Trouble.refused


def driver_error(error: BaseException) -> BaseException:
    """What the driver itself raised: SQLAlchemy has errors of its own in between for one of them."""
    original = getattr(error, "orig", None) or error
    return original.__cause__ or original


def complaint(error: BaseException) -> str:
    """What the database says is wrong with a value."""
    text = str(driver_error(error)).partition("\n")[0]
    return f"{text[:1].upper()}{text[1:COMPLAINT_LENGTH].rstrip('.')}."


def is_too_large(error: BaseException) -> bool:
    """Whether a text would be larger than the database makes any, or was told to make."""
    original = driver_error(error)
    if isinstance(original, MemoryError):
        return True
    too_big = getattr(original, "sqlite_errorcode", None) == sqlite3.SQLITE_TOOBIG
    return too_big or getattr(original, "sqlstate", None) == "54000"  # program_limit_exceeded


_SQLITE_TROUBLES = {
    sqlite3.SQLITE_INTERRUPT: Trouble.timeout,
    sqlite3.SQLITE_BUSY: Trouble.retry,
    sqlite3.SQLITE_LOCKED: Trouble.retry,
    sqlite3.SQLITE_TOOBIG: Trouble.invalid,
    sqlite3.SQLITE_RANGE: Trouble.invalid,
    sqlite3.SQLITE_MISMATCH: Trouble.invalid,
}
_SQLITE_UNIQUE = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}
# SQLite has one code for all of these.
_SQLITE_INVALID = re.compile("too (big|large|many|complex)|overflow|malformed JSON|out of range")


def _trouble_of_sqlite(error: sqlite3.Error) -> Trouble:
    code = getattr(error, "sqlite_errorcode", 0)
    if code in _SQLITE_UNIQUE:
        return Trouble.retry
    if code == sqlite3.SQLITE_ERROR and "user-defined" in str(error):
        # The functions in Python raise nothing but TimeoutError, of which SQLite says no more.
        return Trouble.timeout
    if code == sqlite3.SQLITE_ERROR and _SQLITE_INVALID.search(str(error)):
        return Trouble.invalid
    return _SQLITE_TROUBLES.get(code & 0xFF, Trouble.refused)
