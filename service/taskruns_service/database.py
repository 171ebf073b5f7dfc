"""The database: its engines, the way in for questions, and the way in for one transaction of changes."""

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import greenlet_spawn

from taskruns_service import dialects
from taskruns_service.dialects import Trouble
from taskruns_service.errors import DatabaseUnavailable, OutcomeUnknown, QueryTimeout, RefusedValue, ServiceError

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 7
FIRST_PAUSE = 0.02  # seconds, doubled for each further attempt: about 1.3 in all
SQLITE_READERS = 4

log = structlog.get_logger()


_Runner = Callable[..., Coroutine[Any, Any, Any]]
"""Runs a function, with arguments, that waits for the database, so that the event loop does not."""
_First = Callable[[Connection], None] | None
"""What has to be asked on the same connection before the question."""


class Database:
    """One database, as one process uses it.

    Questions and changes are plain functions over a SQLAlchemy `Connection`. With an asynchronous driver they run in
    greenlets, otherwise in threads: only how they are run differs, and only `open_database` knows.
    """

    position: int | None = None
    """Up to where this process has seen the primary's log, once it writes for readers of standbys."""

    def __init__(
        self, readers: Engine, writer: Engine, run_reader: _Runner, run_writer: _Runner, *, attempts: int = ATTEMPTS
    ) -> None:
        self._readers = readers
        self._writer = writer
        self._run_reader = run_reader
        self._run_writer = run_writer
        self._traits = dialects.traits(writer.url)
        self._attempts = attempts

    @property
    def target(self) -> dialects.Target:
        """What statements are compiled for."""
        return dialects.target_of(self._readers)

    @property
    def writers(self) -> int:
        """How many transactions may write at a time."""
        return self._traits.writers

    async def read(self, query: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Runs a question of one statement; it sees everything committed before.

        Raises what the question raises, DatabaseUnavailable, and QueryTimeout when it takes too long.
        """
        return await self.ask(_read, query, *arguments, **named)

    async def read_snapshot(
        self, query: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Runs a question of several statements, all of which see the database as it was at one moment."""
        return await self.ask(partial(_read_snapshot, begin=self._traits.begin_snapshot), query, *arguments, **named)

    async def transact(
        self, command: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Runs a change as one transaction, again as a whole where another was in the way or the connection was lost.

        Raises what the change raises, DatabaseUnavailable when nothing was recorded, and OutcomeUnknown when the
        connection was lost during the commit.
        """
        bound = partial(command, **named) if named else command
        answer: T = await self._repeat(self._run_writer, _transact, self._writer, bound, arguments)
        if self.position is not None:
            await self.note_position()
        return answer

    async def note_position(self) -> None:
        """Notes how far the primary's log is, now and from now on after each change."""
        try:
            found = await self.read(dialects.position)
        except (ServiceError, *dialects.DATABASE_ERRORS):
            # Nobody knows where the change is: until that can be told, only the primary knows enough.
            self.position = dialects.END_OF_LOG
        else:
            known = self.position
            self.position = found if known in (None, dialects.END_OF_LOG) else max(found, known)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator["Session"]:
        """One moment of the database for as long as a `with` block takes, for what is read in many portions.

        Nothing is tried again: what the driver raises comes out as it is.
        """
        connection = await self._run_reader(self._readers.connect)
        try:
            await self._run_reader(connection.exec_driver_sql, self._traits.begin_snapshot)
            yield Session(self._run_reader, connection)
        finally:
            # The pool does not end transactions, and there may be no connection any more to end this one on.
            await self._run_reader(connection.invalidate)
            await self._run_reader(connection.close)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Session"]:
        """One transaction for as long as a `with` block takes, for what is written in many portions.

        Nothing is tried again: what the driver raises comes out as it is, and then nothing was written.
        """
        connection = await self._run_writer(self._writer.connect)
        try:
            transaction = await self._run_writer(connection.begin)
            yield Session(self._run_writer, connection)
            await self._run_writer(transaction.commit)
        except BaseException:
            if not connection.invalidated:
                await self._run_writer(connection.rollback)
            raise
        finally:
            await self._run_writer(connection.close)

    async def close(self) -> None:
        """Closes all connections."""
        await self._run_reader(self._readers.dispose)
        await self._run_writer(self._writer.dispose)

    async def ask(self, how: Any, query: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Runs a question as `read` or `read_snapshot` does, which is what `how` says."""
        bound = partial(query, **named) if named else query
        return await self._repeat(self._run_reader, how, self._readers, bound, arguments)

    async def _repeat(self, run: _Runner, how: Callable[..., T], *arguments: Any) -> T:
        for attempt in range(self._attempts):
            try:
                answer: T = await run(how, *arguments)
                return answer
            except dialects.DATABASE_ERRORS as error:
                trouble = dialects.trouble(error)
                if trouble is Trouble.timeout:
                    raise QueryTimeout from error
                if trouble is Trouble.invalid:
                    complaint = dialects.complaint(error)
                    log.warning("value refused", reason=complaint)
                    raise RefusedValue(f"The database does not take a value of the request: {complaint}") from error
                if trouble is Trouble.refused:
                    raise
                last = error
            if attempt + 1 == self._attempts:
                break
            # Full jitter, so that transactions that met once do not meet again.
            await asyncio.sleep(random.uniform(0, FIRST_PAUSE * 2**attempt))
        if trouble is Trouble.retry:
            raise last
        log.warning("database unavailable", error=type(last).__name__)
        raise DatabaseUnavailable(retry_after=1) from last


class Session:
    """A connection in a transaction that goes on, for one function after another."""

    def __init__(self, run: _Runner, connection: Connection) -> None:
        self._run = run
        self._connection = connection

    async def run(self, function: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Runs a question or a change in the transaction."""
        bound = partial(function, **named) if named else function
        answer: T = await self._run(bound, self._connection, *arguments)
        return answer


def _read(engine: Engine, query: Callable[..., T], arguments: tuple[Any, ...], *, first: _First = None) -> T:
    with engine.connect() as connection:
        if first is not None:
            first(connection)
        return query(connection, *arguments)


def _read_snapshot(
    engine: Engine, query: Callable[..., T], arguments: tuple[Any, ...], *, begin: str, first: _First = None
) -> T:
    with engine.connect() as connection:
        if first is not None:
            first(connection)
        connection.exec_driver_sql(begin)
        try:
            return query(connection, *arguments)
        finally:
            connection.exec_driver_sql("ROLLBACK")


def _transact(engine: Engine, command: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    with engine.connect() as connection:
        transaction = connection.begin()
        try:
            answer = command(connection, *arguments)
        except BaseException:
            if not connection.invalidated:
                transaction.rollback()
            raise
        try:
            transaction.commit()
        except dialects.DATABASE_ERRORS as error:
            if dialects.trouble(error) is Trouble.lost:
                raise OutcomeUnknown from error
            raise
        return answer


@asynccontextmanager
async def open_database(
    url: URL,
    *,
    pool_size: int = 8,
    query_timeout: float = 30.0,
    synchronous: str = "FULL",
    attempts: int = ATTEMPTS,
) -> AsyncIterator[Database]:
    """Opens a database for the time of a `with` block; no connection is made before the first use."""
    if dialects.traits(url).asynchronous:
        database = _open_asynchronous(url, pool_size, query_timeout, attempts)
    else:
        database = _open_threaded(url, query_timeout, synchronous)
    try:
        yield database
    finally:
        await database.close()


def _open_asynchronous(url: URL, pool_size: int, query_timeout: float, attempts: int) -> Database:
    common: dict[str, Any] = {
        "json_serializer": dialects.encode_json,
        "json_deserializer": dialects.decode_json,
        "max_overflow": 0,
        "hide_parameters": True,  # messages of errors go into the log
    }
    session = {"timezone": "UTC", "application_name": "taskruns-service", "jit": "off"}
    readers = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=pool_size,
        # There is nothing to roll back after one statement of its own, so a round trip is saved.
        pool_reset_on_return=None,
        connect_args={"server_settings": session | {"statement_timeout": str(int(query_timeout * 1000))}},
        **common,
    )
    writer = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",  # transactions are begun and ended by `_begin_at_once`
        pool_size=dialects.traits(url).writers,
        pool_reset_on_return=None,
        # Every statement of a writer has an index to go by, whatever its values are, so it is planned once for all of
        # them. A plan that was made while a table was small would read all of it.
        connect_args={
            "server_settings": session
            | {"lock_timeout": "10000", "enable_seqscan": "off", "plan_cache_mode": "force_generic_plan"}
        },
        **common,
    )
    _begin_at_once(writer.sync_engine)
    return Database(readers.sync_engine, writer.sync_engine, greenlet_spawn, greenlet_spawn, attempts=attempts)


def _open_threaded(url: URL, query_timeout: float, synchronous: str) -> Database:
    def engine(threads: int, *, writes: bool) -> tuple[Engine, _Runner]:
        made = threaded_engine(url, threads=threads, writes=writes, synchronous=synchronous)
        pool = ThreadPoolExecutor(threads, thread_name_prefix="database-writer" if writes else "database-reader")

        async def run(function: Callable[..., T], *arguments: Any) -> T:
            return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)

        if not writes:
            dialects.limit_time(made, query_timeout)
        return made, run

    writer, run_writer = engine(1, writes=True)
    readers, run_reader = engine(SQLITE_READERS, writes=False)
    return Database(readers, writer, run_reader, run_writer)


def threaded_engine(url: URL, *, threads: int = 1, writes: bool = True, synchronous: str = "FULL") -> Engine:
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
    def prepare(connection: sqlite3.Connection, record: Any) -> None:
        deadline = dialects.deadline_of(record.info)
        dialects.prepare_sqlite(connection, deadline, synchronous=synchronous, writes=writes)

    if writes:
        _begin_at_once(engine)
    return engine


def _begin_at_once(engine: Engine) -> None:
    """Makes transactions begin when they are begun, and not with the first statement that SQLAlchemy sees."""

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        dialects.execute(connection, dialects.traits(connection).begin)

    @event.listens_for(engine, "commit")
    def commit(connection: Connection) -> None:
        dialects.execute(connection, "COMMIT")

    @event.listens_for(engine, "rollback")
    def rollback(connection: Connection) -> None:
        if not connection.invalidated:
            dialects.execute(connection, "ROLLBACK")
