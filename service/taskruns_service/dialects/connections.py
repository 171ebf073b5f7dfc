"""Connections: how each database is set up, and what its errors mean."""

import math
import sqlite3
from enum import Enum, auto
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from asyncpg import InterfaceError, PostgresError, TargetServerAttributeNotMatched
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from taskruns_service.dialects.matching import add_functions

CLOSE_SECONDS = 1.0


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


def prepare_sqlite(connection: sqlite3.Connection, *, synchronous: str, writes: bool) -> None:
    """Sets up one connection: the writer's, or that of a reader, which can not write whatever it is told."""
    pragmas = [
        "journal_mode = WAL",
        f"synchronous = {synchronous}",
        "foreign_keys = ON",
        "busy_timeout = 10000",
        "wal_autocheckpoint = 4000",  # pages: those that change often are copied once for many changes
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
    add_functions(connection)


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """A connection whose end is not waited for long, as that of a server that does not answer."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the driver's own parameter
        """Closes it: what it runs is cancelled first."""
        await super().close(timeout=min(timeout or CLOSE_SECONDS, CLOSE_SECONDS))


CONNECT_ARGUMENTS: dict[str, Any] = {"connection_class": _Connection}
"""What PostgreSQL's driver makes connections with."""


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
