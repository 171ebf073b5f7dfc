"""Troubles: what the errors of each database mean for whoever met them."""

import re
import sqlite3
from enum import Enum, auto

from asyncpg import (
    InterfaceError,
    InternalClientError,
    PostgresError,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

COMPLAINT_LENGTH = 300

DATABASE_ERRORS = (
    *(DBAPIError, PoolTimeout, PostgresError, InterfaceError, OSError),
    InternalClientError,  # what the driver makes of a server that changes in the middle of an answer
    OverflowError,  # sqlite3 was to send an integer of more than 64 bits
    MemoryError,  # SQLite would need more than it may take
)
"""What a driver or SQLAlchemy raises; drivers do not translate the errors of connecting."""


class SettingsIgnored(ConnectionError):
    """A pooler has kept the settings of a connection from the server."""


class ErrorKind(Enum):
    """What an error of the database means for the transaction that met it."""

    retry = auto()
    """Another transaction was in the way: run it again."""
    conflict = auto()
    """Another transaction made the same row: run it again, since that row is there to be read then."""
    locked = auto()
    """Another transaction holds a lock for longer than this one waits."""
    lost = auto()
    """The connection is gone or of no use any more, or there was none to be had."""
    demoted = auto()
    """The server takes no writes any more, since another one is the primary."""
    unavailable = auto()
    """The database refuses everything of this kind until somebody mends it, as when its disk is full."""
    timeout = auto()
    """The database gave up, because it was told to after this long."""
    invalid = auto()
    """The database does not take a value of the request: the caller's error."""
    refused = auto()
    """The database does not take this."""

    @property
    def ends_connection(self) -> bool:
        """Whether the connection that met it is not used again."""
        return self in (ErrorKind.lost, ErrorKind.demoted, ErrorKind.unavailable)


# By SQLSTATE, the longest prefix first.
_KINDS_OF_POSTGRESQL = {
    "57014": ErrorKind.timeout,  # query_canceled
    "23505": ErrorKind.conflict,  # unique_violation
    "55P03": ErrorKind.locked,  # lock_not_available
    "40": ErrorKind.retry,  # serialization_failure, deadlock_detected
    "08": ErrorKind.lost,  # connection exceptions, of which 08P01 is what a proxy says that has no server
    "25006": ErrorKind.demoted,  # read_only_sql_transaction
    "25P03": ErrorKind.lost,  # idle_in_transaction_session_timeout
    "25P04": ErrorKind.lost,  # transaction_timeout
    "53300": ErrorKind.lost,  # too_many_connections
    "57": ErrorKind.lost,  # shutdown, crash, start, a database that was dropped
    "28": ErrorKind.unavailable,  # invalid authorization
    "3D000": ErrorKind.unavailable,  # invalid_catalog_name: there is no such database
    "42501": ErrorKind.unavailable,  # insufficient_privilege
    "53": ErrorKind.unavailable,  # insufficient resources: disk_full, out_of_memory
    "58": ErrorKind.unavailable,  # system errors: io_error
    # The operator's affair.
    "42P01": ErrorKind.refused,  # undefined_table
    "42703": ErrorKind.refused,  # undefined_column
    # Of data, of syntax and access rules, and of limits of the program: statements are built from what callers send.
    "22": ErrorKind.invalid,
    "42": ErrorKind.invalid,
    "54": ErrorKind.invalid,
}
_LENGTHS = (5, 2)


def error_kind(error: BaseException) -> ErrorKind:
    """Reads an error of the driver or of SQLAlchemy."""
    if isinstance(error, OverflowError):
        return ErrorKind.invalid
    if _meets_pooler(error):
        return ErrorKind.unavailable
    original = driver_error(error)
    if isinstance(original, sqlite3.Error):
        return _kind_of_sqlite(original)
    state = sqlstate(error)
    known = next((kind for length in _LENGTHS if (kind := _KINDS_OF_POSTGRESQL.get(state[:length]))), None)
    if known is not None:
        return known
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return ErrorKind.lost
    if isinstance(original, InterfaceError) and isinstance(original, ValueError):
        return ErrorKind.invalid  # asyncpg itself cannot send a value as what its column is
    return ErrorKind.lost if isinstance(original, InternalClientError | OSError) else ErrorKind.refused


def driver_error(error: BaseException) -> BaseException:
    """What the driver itself raised: SQLAlchemy has errors of its own in between for one of them."""
    original = getattr(error, "orig", None)
    if original is None:
        return error
    return original.__cause__ or original  # type: ignore[no-any-return]


def sqlstate(error: BaseException) -> str:
    """The SQLSTATE of PostgreSQL; empty where there is none."""
    return getattr(getattr(error, "orig", None) or error, "sqlstate", None) or ""


def _meets_pooler(error: BaseException) -> bool:
    """Whether a pooler that shares connections by transaction lacks what the service takes for granted without it."""
    if isinstance(error, SettingsIgnored) or sqlstate(error) in _POOLER_STATES:
        return True
    return sqlstate(error) == "08P01" and "startup parameter" in str(driver_error(error))


_POOLER_STATES = ("26000", "42P05")
"""Of a prepared statement that does not exist, or exists already: it is on another connection of the pooler."""


def complaint(error: BaseException) -> str:
    """What the database, or the way to it, says is wrong."""
    original = driver_error(error)
    text = str(original).partition("\n")[0] or type(original).__name__
    return f"{text[:1].upper()}{text[1:COMPLAINT_LENGTH].rstrip('.')}."


def leaves_outcome_open(error: BaseException) -> bool:
    """Whether nobody knows if a transaction is recorded whose commit met this error."""
    original = driver_error(error)
    if isinstance(original, sqlite3.Error):
        return getattr(original, "sqlite_errorcode", 0) in _SQLITE_SYNCING  # it may be in the file already
    return error_kind(error) is ErrorKind.lost


BEHIND_POOLER = (
    "The database is behind a pooler, such as PgBouncer, that does not pass on the settings or the prepared statements "
    "of the service. Set TASKRUNS_POOLER=transaction."
)
NO_ANSWER = "The database does not respond."
READ_ONLY = "The database is read-only."
_EXPLANATIONS = {
    "08P01": "The proxy in front of the database cannot reach it.",
    "25006": READ_ONLY,
    "28": "The database rejects the service's user name or password.",
    "3D000": "The database server has no database of this name.",
    "40": "The transaction conflicts with other transactions.",
    "42501": "The service's user lacks the database permissions for this.",
    "53100": "The disk of the database is full.",
    "53200": "The database is out of memory.",
    "53300": "The database has no free connection for the service.",
    "55P03": "Another transaction holds a lock that this request needs.",
    "58": "The disk of the database has errors.",
}
_EXPLANATIONS_OF_SQLITE = {
    sqlite3.SQLITE_BUSY: "Another process holds the lock of the database file.",
    sqlite3.SQLITE_LOCKED: "Another process holds the lock of the database file.",
    sqlite3.SQLITE_CANTOPEN: "The database file cannot be opened.",
    sqlite3.SQLITE_FULL: "The disk of the database is full.",
    sqlite3.SQLITE_IOERR: "The disk of the database has errors.",
    sqlite3.SQLITE_PERM: "The service has no permission to use the database file.",
    sqlite3.SQLITE_READONLY: "The database file is read-only.",
}


def explanation(error: BaseException) -> str:
    """A sentence for clients on why the database cannot be used, without names and addresses."""
    original = driver_error(error)
    if isinstance(original, sqlite3.Error):
        return _EXPLANATIONS_OF_SQLITE.get(_code_of_sqlite(original), NO_ANSWER)
    if _meets_pooler(error):
        return BEHIND_POOLER
    state = sqlstate(error)
    return next((text for length in _LENGTHS if (text := _EXPLANATIONS.get(state[:length]))), NO_ANSWER)


def is_too_large(error: BaseException) -> bool:
    """Whether a text would be larger than the database makes any, or was told to make."""
    original = driver_error(error)
    if isinstance(original, MemoryError):
        return True
    too_big = getattr(original, "sqlite_errorcode", None) == sqlite3.SQLITE_TOOBIG
    return too_big or sqlstate(error) == "54000"  # program_limit_exceeded


_KINDS_OF_SQLITE = {
    sqlite3.SQLITE_INTERRUPT: ErrorKind.timeout,
    sqlite3.SQLITE_BUSY: ErrorKind.retry,
    sqlite3.SQLITE_LOCKED: ErrorKind.retry,
    sqlite3.SQLITE_TOOBIG: ErrorKind.invalid,
    sqlite3.SQLITE_RANGE: ErrorKind.invalid,
    sqlite3.SQLITE_MISMATCH: ErrorKind.invalid,
} | dict.fromkeys(
    (
        *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY),
        *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOLFS),
    ),
    ErrorKind.unavailable,
)
_SQLITE_SYNCING = {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC}
_SQLITE_UNIQUE = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}
# SQLite has one code for all of these.
_SQLITE_INVALID = re.compile("too (big|large|many|complex)|overflow|malformed JSON|out of range")


def _kind_of_sqlite(error: sqlite3.Error) -> ErrorKind:
    code = getattr(error, "sqlite_errorcode", 0)
    if code in _SQLITE_UNIQUE:
        return ErrorKind.conflict
    if code == sqlite3.SQLITE_ERROR and "user-defined" in str(error):
        # The functions in Python raise nothing but TimeoutError, of which SQLite says no more.
        return ErrorKind.timeout
    if code == sqlite3.SQLITE_ERROR and _SQLITE_INVALID.search(str(error)):
        return ErrorKind.invalid
    return _KINDS_OF_SQLITE.get(_code_of_sqlite(error), ErrorKind.refused)


def _code_of_sqlite(error: sqlite3.Error) -> int:
    """The primary code, without what extends it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
