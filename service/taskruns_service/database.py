"""The database: its engines, the way in for questions, and the way in for one transaction of changes."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import URL, Connection, Engine
from sqlalchemy.util import greenlet_spawn

from taskruns_service import dialects, engines, private_files
from taskruns_service.deadlines import Deadline, Deadlines, current_client
from taskruns_service.dialects import Trouble
from taskruns_service.errors import (
    ClientGone,
    DatabaseUnavailable,
    OutcomeUnknown,
    QueryTimeout,
    RefusedValue,
    ServiceError,
)
from taskruns_service.lanes import Kind, Lane, Widths, make_lanes
from taskruns_service.threads import Run, Stuck, Threads

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 7
FIRST_PAUSE = 0.02  # seconds, doubled for each further attempt: about 1.3 in all
SQLITE_READERS = 4
AHEAD = 7
"""Questions that wait in front of each thread of quick ones: otherwise it idles until the event loop has a turn."""
GRACE_SECONDS = 0.25
"""After its time a question has so much more until it is ended from outside, since PostgreSQL ends it by itself."""

log = structlog.get_logger()


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
        self,
        readers: Engine,
        writer: Engine,
        run_readers: Mapping[Kind, Run],
        run_writer: Run,
        lanes: Mapping[Kind, Lane],
        *,
        query_timeout: float,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._readers = readers
        self._writer = writer
        self._run_readers = run_readers
        self._run_reader = run_readers[Kind.read]
        self._run_writer = run_writer
        self._lanes = lanes
        self._query_timeout = query_timeout
        self._deadlines = Deadlines()
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

    async def look_up(self, query: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Runs a question that a primary key or a natural key answers; nothing slow is in front of it.

        Raises what the question raises, DatabaseUnavailable, Overloaded when too many wait, and QueryTimeout when it
        takes too long.
        """
        return await self.answer(Kind.look_up, query, *arguments, **named)

    async def read_back(
        self, query: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Runs a look-up ahead of all others, which is never refused: of what was just written, for one."""
        return await self.answer(Kind.read_back, query, *arguments, **named)

    async def read(self, query: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Runs a question of one statement; it sees everything committed before. Raises as `look_up` does."""
        return await self.answer(Kind.read, query, *arguments, **named)

    async def scan(self, query: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Runs a question that may have to read whole tables. Raises as `look_up` does."""
        return await self.answer(Kind.scan, query, *arguments, **named)

    async def answer(
        self, kind: Kind, query: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Runs a question of one statement of a kind. Raises as `look_up` does."""
        return await self._answer(kind, _read, query, *arguments, **named)

    async def read_snapshot(
        self, query: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Runs a question of several statements, all of which see the database as it was at one moment."""
        how = partial(_read_snapshot, begin=self._traits.begin_snapshot)
        return await self._answer(Kind.scan, how, query, *arguments, **named)

    async def transact(
        self, command: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Runs a change as one transaction, again as a whole where another was in the way or the connection was lost.

        Raises what the change raises, Overloaded and DatabaseUnavailable when nothing was recorded, and OutcomeUnknown
        when the connection was lost during the commit.
        """
        lane = self._lanes[Kind.transaction]
        await lane.enter()
        try:
            return await self.write(command, *arguments, **named)
        finally:
            lane.leave()

    async def write(self, command: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Runs a change as `transact` does, but without a queue: for those who have one of their own."""
        bound = partial(command, **named) if named else command
        answer: T = await self._repeat(self._run_writer, _transact, self._writer, bound, arguments)
        if self.position is not None:
            await self.note_position()
        return answer

    async def note_position(self) -> None:
        """Notes how far the primary's log is, now and from now on after each change."""
        try:
            found = await self.read_back(dialects.position)
        except (ServiceError, ClientGone, *dialects.DATABASE_ERRORS):
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

    async def _answer(self, kind: Kind, how: Any, query: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Answers a question in its time, wherever it is asked."""
        end = time.monotonic() + self._query_timeout + GRACE_SECONDS
        with Deadline(self._deadlines, end, client=current_client.get()):
            return await self.ask(kind, how, query, *arguments, **named)

    async def ask(self, kind: Kind, how: Any, query: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Runs a question when its lane has a slot, as `_read` or `_read_snapshot` does, which is what `how` says."""
        bound = partial(query, **named) if named else query
        lane = self._lanes[kind]
        await lane.enter(urgent=kind is Kind.read_back)
        leave = lane.leave
        try:
            return await self._repeat(self._run_readers[kind], how, self._readers, bound, arguments)
        except Stuck as stuck:
            # The caller has its answer in time; the slot is taken for as long as the thread is.
            leave = partial(_leave_after, asyncio.get_running_loop(), stuck, lane)
            raise QueryTimeout from stuck
        finally:
            leave()

    async def _repeat(self, run: Run, how: Callable[..., T], *arguments: Any) -> T:
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

    def __init__(self, run: Run, connection: Connection) -> None:
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
            _end_snapshot(connection)


def _end_snapshot(connection: Connection) -> None:
    if connection.invalidated:
        return
    try:
        connection.exec_driver_sql("ROLLBACK")
    except BaseException:
        connection.invalidate()  # the next question would find itself in this transaction
        raise


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


def _leave_after(loop: asyncio.AbstractEventLoop, stuck: Stuck, lane: Lane) -> None:
    stuck.future.add_done_callback(lambda _: loop.call_soon_threadsafe(lane.leave))


@asynccontextmanager
async def open_database(
    url: URL,
    *,
    pool_size: int = 8,
    max_scans: int = 4,
    query_timeout: float = 30.0,
    max_wait: float = 3.0,
    synchronous: str = "FULL",
    attempts: int = ATTEMPTS,
) -> AsyncIterator[Database]:
    """Opens a database for the time of a `with` block; no connection is made before the first use.

    Look-ups and lists share `pool_size` connections, and scans have `max_scans` of their own. What would wait for
    longer than `max_wait` seconds is refused.
    """
    traits = dialects.traits(url)
    if traits.asynchronous:  # lists leave a quarter of the connections, which they share, to look-ups
        widths = Widths(pool_size, max(1, pool_size - pool_size // 4), max_scans, traits.transactions)
    else:  # each has its own threads
        widths = Widths(SQLITE_READERS // 2, SQLITE_READERS // 2, max_scans, traits.transactions)
    lanes = make_lanes(widths, max_wait, ahead=0 if traits.asynchronous else AHEAD)
    if traits.asynchronous:
        reader = engines.asynchronous_reader(url, pool_size + max_scans, query_timeout)
        writer = engines.asynchronous_writer(url, traits.writers + widths.transactions)
        run_readers: Mapping[Kind, Run] = dict.fromkeys(Kind, greenlet_spawn)
        run_writer: Run = greenlet_spawn
    else:
        private_files.create_file(Path(str(url.database)))
        reader = engines.threaded_engine(url, threads=widths.questions, writes=False)
        dialects.limit_time(reader, query_timeout)
        writer = engines.threaded_engine(url, synchronous=synchronous)
        run_readers = _threads(reader, widths)
        run_writer = _run_in(ThreadPoolExecutor(1, "database-writer"))
    database = Database(reader, writer, run_readers, run_writer, lanes, query_timeout=query_timeout, attempts=attempts)
    try:
        yield database
    finally:
        await database.close()


def _threads(engine: Engine, widths: Widths) -> Mapping[Kind, Run]:
    """A pool of threads for each lane of questions."""
    threads = Threads(engine)
    look_up = threads.pool(widths.look_ups, "database-look-up")
    return {
        Kind.look_up: look_up,
        Kind.read_back: look_up,
        Kind.read: threads.pool(widths.reads, "database-read"),
        Kind.scan: threads.pool(widths.scans, "database-scan"),
    }


def _run_in(pool: ThreadPoolExecutor) -> Run:
    async def run(function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)

    return run
