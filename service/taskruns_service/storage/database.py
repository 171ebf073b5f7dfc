"""The database: its engines, the way in for questions, and the way in for one transaction of changes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar

from sqlalchemy import URL, Connection
from sqlalchemy.util import greenlet_spawn

from taskruns_service.domain.errors import (
    ClientGone,
    DatabaseUnavailable,
    Locked,
    OutcomeUnknown,
    QueryTimeout,
    ServiceError,
)
from taskruns_service.storage import dialects, engines, private_files, transactions
from taskruns_service.storage.attempts import ATTEMPTS, NO_ANSWER_IN_TIME, Attempts
from taskruns_service.storage.connections import Connections
from taskruns_service.storage.deadlines import Deadline, Deadlines, current_client
from taskruns_service.storage.engines import CONNECT_SECONDS, Patience
from taskruns_service.storage.lanes import ORDINARY_STALL, Lane, QueryKind, Widths, make_lanes
from taskruns_service.storage.liveness import Liveness
from taskruns_service.storage.threads import Run, Stuck, Threads, query_pools
from taskruns_service.storage.transactions import Query, Session, bind, query_snapshot

P = ParamSpec("P")
T = TypeVar("T")

SQLITE_READERS = 4
AHEAD = 7
"""Questions that wait in front of each thread of quick ones: otherwise it idles until the event loop has a turn."""
GRACE_SECONDS = 0.25
"""After its time a question has so much more until it is ended from outside, since PostgreSQL ends it by itself."""
LOOK_UP_SECONDS = 10.0
"""A database that has not answered a look-up by then does not answer."""
REFUSAL_SECONDS = 5.0
"""For so long the service is not ready after the database refused a change, unless it takes one."""
HELD_TRANSACTIONS = 2
"""How many transactions may try what somebody else's lock holds back."""

_NO_DEADLINE = nullcontext()
_QUERY_TIMEOUT: type[ServiceError] = QueryTimeout
_LOOK_UPS = frozenset({QueryKind.look_up, QueryKind.read_back})


class Database:
    """One database, as one process uses it.

    Questions and changes are plain functions over a SQLAlchemy `Connection`. With an asynchronous driver they run in
    greenlets, otherwise in threads: only how they are run differs, and only `open_database` knows.
    """

    position: int | None = None
    """Up to where this process has seen the primary's log, once it writes for readers of standbys."""

    away_until = 0.0  # as of a standby, in `time.monotonic()`: what waits for it is not sent to it until then

    after_commit: Callable[[], None] | None = None
    """Is called when this process has committed a change."""

    def __init__(
        self,
        readers: Connections,
        writer: Connections,
        run_readers: Mapping[QueryKind, Run],
        run_writer: Run,
        lanes: Mapping[QueryKind, Lane],
        *,
        patience: Patience,
        attempts: int = ATTEMPTS,
        quick_seconds: float | None = None,
        begin_pooled_snapshot: str | None = None,
    ) -> None:
        """After `quick_seconds` a question that is no scan counts as not answered."""
        self._readers = readers
        self._writer = writer
        self._run_readers = run_readers
        self._run_reader = run_readers[QueryKind.read]
        self._run_writer = run_writer
        self._lanes = lanes
        self._patience = patience
        self._quick_seconds = quick_seconds
        self._deadlines = Deadlines()
        self._capabilities = dialects.capabilities(writer.engine.url)
        self._attempts = Attempts(writer.engine.url, attempts, self.renew)
        self._begin_snapshot = begin_pooled_snapshot or self._capabilities.begin_snapshot
        self.is_pooled = begin_pooled_snapshot is not None
        liveness = Liveness(writer.engine, (readers, writer), patience.connect, self._attempts.note)
        self._wait_until_lost = liveness.wait_until_lost if self._capabilities.is_async else None
        self._refusal: _Refusal | None = None
        self._was_refused = False

    @property
    def damage(self) -> str | None:
        """What is wrong with the file, once a question or a change has met it."""
        return self._attempts.damage

    @property
    def target(self) -> dialects.Target:
        """What statements are compiled for."""
        return dialects.target_of(self._readers.engine)

    @property
    def writers(self) -> int:
        """How many transactions may write at a time."""
        return self._capabilities.writers

    @property
    def write_seconds(self) -> float:
        """How long a transaction of changes may take."""
        return self._patience.write

    async def look_up(self, query: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Runs a question that a primary key or a natural key answers; nothing slow is in front of it.

        Raises what the question raises, DatabaseUnavailable, Overloaded when too many wait, and QueryTimeout when it
        takes too long.
        """
        return await self.answer(QueryKind.look_up, query, *arguments, **named)

    async def read_back(
        self, query: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Runs a look-up ahead of all others, which is never refused: of what was just written, for one."""
        return await self.answer(QueryKind.read_back, query, *arguments, **named)

    async def read(self, query: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Runs a question of one statement; it sees everything committed before. Raises as `look_up` does."""
        return await self.answer(QueryKind.read, query, *arguments, **named)

    async def scan(self, query: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Runs a question that may have to read whole tables. Raises as `look_up` does."""
        return await self.answer(QueryKind.scan, query, *arguments, **named)

    async def answer(
        self, kind: QueryKind, query: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Runs a question of one statement of a kind. Raises as `look_up` does."""
        bound = bind(query, arguments, named)
        is_alone = kind is not QueryKind.scan or not self.is_pooled
        return await self.answer_in_time(kind, bound if is_alone else self._in_snapshot(bound))

    async def read_snapshot(
        self, query: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Runs a question of several statements, all of which see the database as it was at one moment."""
        return await self.answer_in_time(QueryKind.scan, self._in_snapshot(bind(query, arguments, named)))

    def _in_snapshot(self, query: Query[T]) -> Query[T]:
        return lambda connection: query_snapshot(connection, self._begin_snapshot, query)

    async def transact(
        self, command: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Runs a change as one transaction, again as a whole where another was in the way or the connection was lost.

        Raises what the change raises, Overloaded and DatabaseUnavailable when nothing was recorded, and OutcomeUnknown
        when the connection was lost during the commit.
        """
        lane = self._lanes[QueryKind.transaction]
        await lane.enter()
        try:
            return await self.write(command, *arguments, **named)
        finally:
            lane.leave()

    async def write(self, command: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Runs a change as `transact` does, but without a queue: for those who have one of their own."""
        return await self._write(bind(command, arguments, named), waits_for_locks=True)

    async def write_unless_locked(
        self, command: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Runs a change as `write` does, but raises Locked soon where that waits for a lock of somebody else."""
        return await self._write(bind(command, arguments, named), waits_for_locks=False)

    async def verify_changes(self) -> None:
        """Raises DatabaseUnavailable where no change would be recorded, or none was shortly before."""
        refusal = self._refusal
        if refusal is not None and time.monotonic() < refusal.until:
            raise DatabaseUnavailable(refusal.reason)
        run, progress = self._run_writer, transactions.Progress()
        if not await self._attempts.make(run, self._writer.run, transactions.may_change, limit=2, progress=progress):
            self._was_refused = True
            self.renew()
            raise DatabaseUnavailable(dialects.READ_ONLY)
        self._note_recovery()

    async def note_position(self) -> None:
        """Notes how far the primary's log is, now and from now on after each change."""
        try:
            position = await self.read_back(dialects.position)
        except (ServiceError, ClientGone, *dialects.DATABASE_ERRORS):
            # Nobody knows where the change is: until that can be told, only the primary knows enough.
            self.position = dialects.END_OF_LOG
        else:
            known = self.position
            self.position = position if known in (None, dialects.END_OF_LOG) else max(position, known)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator["Session"]:
        """One moment of the database for as long as a `with` block takes, for what is read in many portions.

        Nothing is tried again: what the driver raises comes out as it is.
        """
        connection = await self._run_reader(self._readers.take)
        try:
            session = Session(self._run_reader, connection)
            await session.run(dialects.execute, self._begin_snapshot)
            yield session
        finally:
            # The pool does not end transactions, and there may be no connection any more to end this one on.
            await self._run_reader(connection.invalidate)
            await self._run_reader(self._readers.give_back, connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Session"]:
        """One transaction for as long as a `with` block takes, for what is written in many portions.

        Nothing is tried again: what the driver raises comes out as it is, and then nothing was written.
        """
        connection = await self._run_writer(self._writer.take)
        try:
            transaction = await self._run_writer(connection.begin)
            yield Session(self._run_writer, connection)
            await self._run_writer(transaction.commit)
        except BaseException:
            if not connection.invalidated:
                await self._run_writer(connection.rollback)
            raise
        finally:
            await self._run_writer(self._writer.give_back, connection)

    def renew(self) -> None:
        """Uses none of the present connections again."""
        self._readers.renew()
        self._writer.renew()

    async def close(self) -> None:
        """Closes all connections."""
        await self._run_reader(self._readers.close)
        await self._run_writer(self._writer.close)

    async def answer_in_time(self, kind: QueryKind, query: Query[T]) -> T:
        """Runs a query as `run_query` does, and gives it up when its time is over or its client has gone away."""
        seconds, error = self._patience.query + GRACE_SECONDS, _QUERY_TIMEOUT
        if kind in _LOOK_UPS and seconds > LOOK_UP_SECONDS:
            seconds, error = LOOK_UP_SECONDS, DatabaseUnavailable
        deadline = Deadline(
            self._deadlines,
            time.monotonic() + seconds,
            error,
            client=current_client.get(),
            wait_until_lost=self._wait_until_lost,
        )
        try:
            with deadline:
                return await self.run_query(kind, query)
        finally:
            if deadline.has_passed and self._capabilities.is_async:
                self._attempts.note(NO_ANSWER_IN_TIME)
                self.renew()

    async def run_query(self, kind: QueryKind, query: Query[T]) -> T:
        """Runs a query when its lane has a slot."""
        lane = self._lanes[kind]
        await lane.enter(urgent=kind is QueryKind.read_back)
        leave = lane.leave
        try:
            with self._quick_deadline(kind):
                return await self._attempts.make(self._run_readers[kind], self._readers.run, query)
        except Stuck as stuck:
            # The caller has its answer in time; the slot is taken for as long as the thread is.
            leave = partial(stuck.call_after, asyncio.get_running_loop(), lane.leave)
            raise QueryTimeout from stuck
        finally:
            leave()

    def _quick_deadline(self, kind: QueryKind) -> AbstractContextManager[object]:
        """The time after which a standby counts as away."""
        if self._quick_seconds is None:
            return _NO_DEADLINE
        now = time.monotonic()
        if now < self.away_until:
            raise DatabaseUnavailable
        if kind is not QueryKind.scan:
            return Deadline(self._deadlines, now + self._quick_seconds, DatabaseUnavailable)
        end = now + self._patience.query + GRACE_SECONDS
        return Deadline(self._deadlines, end, wait_until_lost=self._wait_until_lost)

    async def _write(self, command: Query[T], *, waits_for_locks: bool) -> T:
        """Runs a change in its time, and notes whether the database takes any."""
        progress = transactions.Progress()
        transact: Callable[[Query[T]], T] = partial(transactions.transact, self._writer, progress=progress)
        try:
            async with asyncio.timeout(self._patience.write):
                answer = await self._attempts.make(
                    self._run_writer, transact, command, progress=progress, waits_for_locks=waits_for_locks
                )
        except Stuck as stuck:
            raise OutcomeUnknown from stuck
        except TimeoutError as error:
            self.renew()
            if progress.is_committing:
                raise OutcomeUnknown from error
            refusal = self._attempts.unavailable(progress.error)
            self._note_refusal(refusal)
            raise refusal from error
        except DatabaseUnavailable as error:
            self._note_refusal(error)
            raise
        self._refusal = None
        self._note_recovery()
        if self.after_commit is not None:
            self.after_commit()
        if self.position is not None:
            await self.note_position()
        return answer

    def _note_refusal(self, error: DatabaseUnavailable) -> None:
        if not isinstance(error, Locked):  # a lock is in the way of some changes only
            self._refusal = _Refusal(time.monotonic() + REFUSAL_SECONDS, error.reason)
            self._was_refused = True

    def _note_recovery(self) -> None:
        """Leaves what was connected while no changes were taken: it may lead to a standby."""
        if self._was_refused:
            self._was_refused = False
            self.renew()


class _Refusal(NamedTuple):
    """The database's last word on changes."""

    until: float
    reason: str


@asynccontextmanager
async def open_database(
    url: URL,
    *,
    pool_size: int = 8,
    max_scans: int = 4,
    query_timeout: float = 30.0,
    write_timeout: float = 10.0,
    connect_timeout: float = CONNECT_SECONDS,
    max_wait: float = 3.0,
    synchronous: str = "FULL",
    attempts: int = ATTEMPTS,
    quick_seconds: float | None = None,
    is_pooled: bool = False,
) -> AsyncIterator[Database]:
    """Opens a database for the time of a `with` block; no connection is made before the first use.

    Look-ups and lists share `pool_size` connections, and scans have `max_scans` of their own. What would wait for
    longer than `max_wait` seconds is refused. All times are in seconds: those of a question, of a transaction, of
    making a connection, and of a question that is no scan and counts as not answered then. With `is_pooled`, a pooler
    may give each transaction another connection to PostgreSQL.
    """
    capabilities = dialects.capabilities(url)
    patience = Patience(connect_timeout, query_timeout, write_timeout)
    if capabilities.is_async:  # lists leave a quarter of the connections, which they share, to look-ups
        widths = Widths(pool_size, max(1, pool_size - pool_size // 4), max_scans, capabilities.transactions)
    else:  # each has its own threads
        widths = Widths(SQLITE_READERS // 2, SQLITE_READERS // 2, max_scans, capabilities.transactions)
    stall = ORDINARY_STALL if quick_seconds is None else max_wait  # for a silent standby the primary answers soon
    lanes = make_lanes(widths, max_wait, ahead=0 if capabilities.is_async else AHEAD, ordinary_stall=stall)
    if capabilities.is_async:
        readers = Connections(engines.asynchronous_reader(url, pool_size + max_scans, patience, is_pooled=is_pooled))
        transactions = capabilities.writers + widths.transactions + HELD_TRANSACTIONS
        writer = Connections(engines.asynchronous_writer(url, transactions, patience, is_pooled=is_pooled))
        run_readers: Mapping[QueryKind, Run] = dict.fromkeys(QueryKind, greenlet_spawn)
        run_writer: Run = greenlet_spawn
    else:
        private_files.create_file(Path(str(url.database)))
        reader = engines.threaded_engine(url, patience, threads=widths.questions, writes=False)
        dialects.limit_time(reader, query_timeout)
        threads = Threads()
        readers = Connections(reader, threads)
        writer = Connections(engines.threaded_engine(url, patience, synchronous=synchronous), threads)
        run_readers = query_pools(threads, widths)
        run_writer = threads.pool(1, "database-writer")
    database = Database(
        *(readers, writer, run_readers, run_writer, lanes),
        patience=patience,
        attempts=attempts,
        quick_seconds=quick_seconds,
        begin_pooled_snapshot=engines.begin_pooled_snapshot(url, patience) if is_pooled else None,
    )
    try:
        yield database
    finally:
        await database.close()
