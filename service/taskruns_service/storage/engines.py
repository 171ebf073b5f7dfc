"""Engines: how connections to each database are made, and how its transactions begin and end."""

import sqlite3
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from sqlalchemy import URL, AdaptedConnection, Connection, Engine, create_engine, event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from taskruns_service.storage import dialects

CONNECT_SECONDS = 3.0


class Patience(NamedTuple):
    """How long each step with a database may take, in seconds."""

    connect: float = CONNECT_SECONDS
    query: float = 30.0
    write: float = 10.0
    """A whole transaction, with its repetitions."""

    @property
    def lock(self) -> float:
        """For how long a statement waits for a lock: a fraction, so that it is tried some times."""
        return min(self.write / 10, 10.0)


def asynchronous_reader(url: URL, connections: int, patience: Patience, *, is_pooled: bool) -> Engine:
    """The engine for questions, over an asynchronous driver.

    Through a pooler only those have the settings of readers that begin with `begin_pooled_snapshot`.
    """
    return _asynchronous(url, connections, patience, _reader_settings(patience), is_pooled=is_pooled)


def begin_pooled_snapshot(url: URL, patience: Patience) -> str:
    """The statements after which all questions of a transaction see one moment, with the settings of readers."""
    return _begin_with(dialects.capabilities(url).begin_snapshot, _reader_settings(patience))


def _reader_settings(patience: Patience) -> dict[str, str]:
    return {
        "statement_timeout": _milliseconds(patience.query),
        "lock_timeout": _milliseconds(patience.lock),
        # By default, PostgreSQL starts other processes for what takes 3 ms, and their start takes longer than that.
        "parallel_setup_cost": "20000",
        "jit": "off",
    }


def _begin_with(begin: str, settings: Mapping[str, str]) -> str:
    """The statements, sent as one, that begin a transaction with settings of its own."""
    return "; ".join([begin, *(f"SET LOCAL {name} = '{value}'" for name, value in settings.items())])


def asynchronous_writer(url: URL, connections: int, patience: Patience, *, is_pooled: bool) -> Engine:
    """The engine for changes, over an asynchronous driver."""
    settings = {
        "statement_timeout": _milliseconds(patience.write),
        "lock_timeout": _milliseconds(patience.lock),
        # What this process leaves open when it is frozen or cut off would hold its locks.
        "idle_in_transaction_session_timeout": _milliseconds(2 * patience.write),
        # Every statement of a writer has an index to go by, whatever its values are, so it is planned once for all of
        # them. A plan that was made while a table was small would read all of it.
        "enable_seqscan": "off",
        "plan_cache_mode": "force_generic_plan",
        "jit": "off",
    }
    engine = _asynchronous(url, connections, patience, settings, is_pooled=is_pooled)
    begin = dialects.capabilities(url).begin
    _begin_at_once(engine, _begin_with(begin, settings) if is_pooled else begin)
    return engine


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))


def _asynchronous(
    url: URL, connections: int, patience: Patience, settings: Mapping[str, str], *, is_pooled: bool
) -> Engine:
    """An engine whose connections have settings; through a pooler, only those that poolers pass on."""
    common = {"timezone": "UTC", "application_name": dialects.APPLICATION_NAME}
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",  # transactions are begun and ended by `_begin_at_once`, or in the question
        pool_size=connections,
        max_overflow=0,
        # After one statement of its own there is nothing to roll back, so a round trip is saved.
        pool_reset_on_return=None,
        connect_args={
            "server_settings": common if is_pooled else {**common, **settings},
            "async_creator_fn": partial(dialects.connect, is_pooled=is_pooled),
            "timeout": patience.connect,
            **(_UNNAMED_STATEMENTS if is_pooled else {}),
        },
        json_serializer=dialects.encode_json,
        json_deserializer=dialects.decode_json,
        hide_parameters=True,  # messages of errors go into the log
    ).sync_engine
    if not is_pooled:

        @event.listens_for(engine, "first_connect")
        def verify(connection: AdaptedConnection, record: ConnectionPoolEntry) -> None:
            dialects.refuse_ignored_settings(connection.driver_connection)

    return engine


_UNNAMED_STATEMENTS = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": lambda: "",
}
"""A prepared statement with a name would be on one of the pooler's connections, and the next transaction on another.

Without a cache, asyncpg sends each statement again together with its values.
"""


def threaded_engine(
    url: URL, patience: Patience, *, threads: int = 1, writes: bool = True, synchronous: str = "FULL"
) -> Engine:
    """An engine for SQLite."""
    engine = create_engine(
        url,
        pool_size=threads,
        max_overflow=0,
        pool_reset_on_return=None,
        connect_args={"check_same_thread": False, "isolation_level": None},
        json_serializer=dialects.encode_json,
        json_deserializer=dialects.decode_json,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        deadline = dialects.deadline_of(record.info)
        dialects.prepare_sqlite(
            connection, deadline, synchronous=synchronous, writes=writes, lock_timeout=patience.lock
        )

    if writes:
        _begin_at_once(engine, dialects.capabilities(url).begin)
    return engine


def _begin_at_once(engine: Engine, statement: str) -> None:
    """Makes transactions begin when they are begun, and not with the first statement that SQLAlchemy sees."""

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        dialects.execute(connection, statement)

    @event.listens_for(engine, "commit")
    def commit(connection: Connection) -> None:
        dialects.execute(connection, "COMMIT")

    @event.listens_for(engine, "rollback")
    def rollback(connection: Connection) -> None:
        if not connection.invalidated:
            dialects.execute(connection, "ROLLBACK")
