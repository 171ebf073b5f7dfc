"""Engines: how connections to each database are made, and how its transactions begin and end."""

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import URL, Connection, Engine, create_engine, event
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


def asynchronous_reader(url: URL, connections: int, patience: Patience) -> Engine:
    """The engine for questions, over an asynchronous driver."""
    session = {
        "statement_timeout": _milliseconds(patience.query),
        "lock_timeout": _milliseconds(patience.lock),
        # By default, PostgreSQL starts other processes for what takes 3 ms, and their start takes longer than that.
        "parallel_setup_cost": "20000",
    }
    return _asynchronous(url, connections, patience, session)


def asynchronous_writer(url: URL, connections: int, patience: Patience) -> Engine:
    """The engine for changes, over an asynchronous driver."""
    session = {
        "statement_timeout": _milliseconds(patience.write),
        "lock_timeout": _milliseconds(patience.lock),
        # What this process leaves open when it is frozen or cut off would hold its locks.
        "idle_in_transaction_session_timeout": _milliseconds(2 * patience.write),
        # Every statement of a writer has an index to go by, whatever its values are, so it is planned once for all of
        # them. A plan that was made while a table was small would read all of it.
        "enable_seqscan": "off",
        "plan_cache_mode": "force_generic_plan",
    }
    engine = _asynchronous(url, connections, patience, session)
    _begin_at_once(engine)
    return engine


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))


def _asynchronous(url: URL, connections: int, patience: Patience, session: Mapping[str, str]) -> Engine:
    common = {"timezone": "UTC", "application_name": dialects.APPLICATION_NAME, "jit": "off"}
    return create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",  # transactions are begun and ended by `_begin_at_once`, or in the question
        pool_size=connections,
        max_overflow=0,
        # After one statement of its own there is nothing to roll back, so a round trip is saved.
        pool_reset_on_return=None,
        connect_args={
            "server_settings": {**common, **session},
            "async_creator_fn": dialects.connect,
            "timeout": patience.connect,
        },
        json_serializer=dialects.encode_json,
        json_deserializer=dialects.decode_json,
        hide_parameters=True,  # messages of errors go into the log
    ).sync_engine


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
        _begin_at_once(engine)
    return engine


def _begin_at_once(engine: Engine) -> None:
    """Makes transactions begin when they are begun, and not with the first statement that SQLAlchemy sees."""

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        dialects.execute(connection, dialects.capabilities(connection).begin)

    @event.listens_for(engine, "commit")
    def commit(connection: Connection) -> None:
        dialects.execute(connection, "COMMIT")

    @event.listens_for(engine, "rollback")
    def rollback(connection: Connection) -> None:
        if not connection.invalidated:
            dialects.execute(connection, "ROLLBACK")
