"""Connections: how they are made to each database, and when they are not used any more."""

import asyncio
import socket
import sqlite3
from collections.abc import Sequence
from typing import Any

import asyncpg
from asyncpg import connect_utils
from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from taskruns_service.storage.dialects.deadlines import Deadline
from taskruns_service.storage.dialects.driver import AsyncpgConnection
from taskruns_service.storage.dialects.error_kinds import NO_ANSWER, complaint, explanation
from taskruns_service.storage.dialects.matching import add_functions
from taskruns_service.storage.dialects.messages import add_message_kinds
from taskruns_service.storage.dialects.statistics import add_statistics
from taskruns_service.storage.dialects.time_keys import add_time_keys

CLOSE_SECONDS = 1.0
SILENCE_SECONDS = 5
"""After this long without a packet of the server, the kernel asks whether it is still there."""
PROBE_SECONDS = 2
UNACKNOWLEDGED_SECONDS = 9
"""After this long without an acknowledgement of the server's kernel the connection is lost."""


def prepare_sqlite(
    connection: sqlite3.Connection, deadline: Deadline, *, synchronous: str, writes: bool, lock_timeout: float
) -> None:
    """Sets up one connection: the writer's, or that of a reader, which cannot write whatever it is told.

    `deadline` is what the functions in Python go by; a lock of another process is waited for `lock_timeout` seconds.
    """
    pragmas = [
        "journal_mode = WAL",
        f"synchronous = {synchronous}",
        "foreign_keys = ON",
        f"busy_timeout = {int(lock_timeout * 1000)}",
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
    add_message_kinds(connection, deadline)
    add_time_keys(connection, deadline)


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """A connection whose kernel notices when its server is gone, and whose end is not waited for long."""

    def __init__(self, protocol: object, transport: asyncio.Transport, *arguments: object) -> None:
        super().__init__(protocol, transport, *arguments)
        if (connected := transport.get_extra_info("socket")) is not None:
            _keep_alive(connected)

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the driver's own parameter
        """Closes it: what it runs is cancelled first."""
        await super().close(timeout=min(timeout or CLOSE_SECONDS, CLOSE_SECONDS))


class _TlsRequest(connect_utils.TLSUpgradeProto):  # type: ignore[misc]
    """The request for TLS with which a connection begins, of an attempt that may be cancelled at any moment.

    Nobody reads the outcome of a request that is cancelled while its socket is being connected. The event loop would
    report it as an error that was never retrieved, "unexpected connection_lost() call".
    """

    def connection_lost(self, exc: Exception | None) -> None:
        """Notes the end of the connection; whoever waits for the outcome of the request still gets it."""
        super().connection_lost(exc)
        if not self.on_data.cancelled():
            self.on_data.exception()  # retrieves it


connect_utils.TLSUpgradeProto = _TlsRequest


def _keep_alive(connected: socket.socket) -> None:
    """Bounds how long a connection outlives a server that is gone without a word, as after a power cut."""
    if connected.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _TCP_OPTIONS.items():
        if (option := getattr(socket, name, None)) is not None:  # not every system has all of them
            connected.setsockopt(socket.IPPROTO_TCP, option, value)


_TCP_OPTIONS = {
    "TCP_KEEPIDLE": SILENCE_SECONDS,
    "TCP_KEEPINTVL": PROBE_SECONDS,
    "TCP_KEEPCNT": (UNACKNOWLEDGED_SECONDS - SILENCE_SECONDS) // PROBE_SECONDS,
    "TCP_USER_TIMEOUT": UNACKNOWLEDGED_SECONDS * 1000,
}


_CONNECTION_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


async def connect(
    *,
    host: str | Sequence[str] | None = None,
    port: int | Sequence[int] | None = None,
    target_session_attrs: str | None = None,
    timeout: float,  # noqa: ASYNC109 - the driver's own parameter
    **options: object,
) -> asyncpg.Connection:
    """Connects to PostgreSQL within `timeout` seconds: of several hosts, to the first that answers as it should.

    They are all asked at once: one that is frozen would otherwise take the time that the others need.
    """
    try:
        return await _connect(host, port, target_session_attrs, timeout=timeout, **options)
    except asyncpg.PostgresError as error:
        if explanation(error) != NO_ANSWER:
            raise
        # Whatever else it says, nothing was asked yet that could be wrong.
        raise ConnectionError(complaint(error)) from error


async def _connect(
    host: str | Sequence[str] | None,
    port: int | Sequence[int] | None,
    target_session_attrs: str | None,
    **options: object,
) -> AsyncpgConnection:
    common = {"connection_class": _Connection, **options}
    if host is None or isinstance(host, str) or isinstance(port, int) or port is None:
        connection: AsyncpgConnection = await asyncpg.connect(
            host=host, port=port, target_session_attrs=target_session_attrs, **common
        )
        return connection
    # Where any will do, the driver would not wait for the better one.
    choices = ("standby", "any") if target_session_attrs == "prefer-standby" else (target_session_attrs,)
    for attributes in choices:
        attempts = [
            asyncio.create_task(
                asyncpg.connect(host=its_host, port=its_port, target_session_attrs=attributes, **common)
            )
            for its_host, its_port in zip(host, port, strict=True)
        ]
        try:
            return await _first_made(attempts)
        except _CONNECTION_ERRORS as error:
            failure = error
    raise failure


async def _first_made(attempts: Sequence[asyncio.Task[AsyncpgConnection]]) -> AsyncpgConnection:
    """The first connection that is made; the others are given up. Raises the most telling error where none is."""
    chosen = None
    try:
        for attempt in asyncio.as_completed(attempts):
            try:
                chosen = await attempt
                return chosen
            except _CONNECTION_ERRORS:
                pass  # another host may do
    finally:
        for task in attempts:
            task.cancel()
        for outcome in await asyncio.gather(*attempts, return_exceptions=True):
            if isinstance(outcome, asyncpg.Connection) and outcome is not chosen:
                outcome.terminate()
    raise _most_telling([error for task in attempts if (error := task.exception()) is not None])


def _most_telling(errors: Sequence[BaseException]) -> BaseException:
    """What the operator should hear of when no host could be used: not that a standby is one."""
    return min(errors, key=lambda error: isinstance(error, asyncpg.TargetServerAttributeNotMatched))


async def find_silent(
    engine: Engine, waiting: Sequence[AsyncpgConnection], seconds: float
) -> Sequence[AsyncpgConnection]:
    """Those of the connections that wait for an answer while PostgreSQL says that it has waited for them for so long.

    As when one process of the server is frozen, or the network carries nothing for one connection any more. Raises
    OSError when PostgreSQL takes no connection within `seconds`, or does not answer on it.
    """
    _, options = engine.dialect.create_connect_args(engine.url)
    options.pop("prepared_statement_cache_size", None)  # SQLAlchemy's own
    try:
        connection = await connect(timeout=seconds, **options)
    except OSError:
        raise
    except _CONNECTION_ERRORS:
        return []  # it is there, and says why it takes no connection
    by_process = {connection.get_server_pid(): connection for connection in waiting}
    values = (list(by_process), APPLICATION_NAME, seconds)
    try:
        rows = await connection.fetch(_WAITING_FOR_CLIENTS, *values, timeout=seconds)
    except OSError:
        raise
    except _CONNECTION_ERRORS:
        return []
    finally:
        connection.terminate()
    return [by_process[pid] for (pid,) in rows]


APPLICATION_NAME = "taskruns-service"
# A pooler has numbers of its own for connections: the name keeps those from meaning a process of somebody else.
_WAITING_FOR_CLIENTS = """
    SELECT pid FROM pg_stat_activity
    WHERE pid = ANY($1) AND application_name = $2 AND usename = current_user
    AND state IN ('idle', 'active') AND wait_event = 'ClientRead'
    AND clock_timestamp() - state_change > $3 * interval '1 second'
"""


def is_closed(connection: Connection) -> bool:
    """Whether the server has closed a connection, which is known without asking it."""
    return connection.dialect.is_async and connection.connection.driver_connection.is_closed()  # type: ignore[union-attr]


def limit_time(engine: Engine, seconds: float) -> None:
    """Makes SQLite give up a statement after this long, as PostgreSQL does by itself."""

    @event.listens_for(engine, "connect")
    def watch(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        connection.set_progress_handler(deadline_of(record.info).has_passed, 100_000)

    @event.listens_for(engine, "before_cursor_execute")
    def start(connection: Connection, *_: object) -> None:
        deadline_of(connection.info).start(seconds)


def deadline_of(info: dict[str, Any]) -> Deadline:
    """The deadline of a connection, which is with what its pool knows of it."""
    deadline: Deadline = info.setdefault("deadline", Deadline())
    return deadline


HEAP_BYTES = 1_000_000_000
"""What SQLite may take in this process: a sort keeps its rows in memory, and a row may have a list in it."""
END_OF_LOG = 2**63 - 1
"""A position in PostgreSQL's log that no standby ever comes to."""


def position(connection: Connection) -> int:
    """Up to where the primary has written its log (bytes): all that is committed is before it."""
    cursor = connection.exec_driver_sql("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
    return int(cursor.scalar_one())


def has_replayed(connection: Connection, position: int) -> bool:
    """Whether a standby knows all that was committed before a position.

    A statement of its own, before the question: within one, what is seen may be older than the position that is read.
    A server that was never a standby has replayed nothing; on one that was promoted the position stands still.
    """
    statement = "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') >= $1"
    return bool(connection.exec_driver_sql(statement, (position,)).scalar_one())


def takes_writes(connection: Connection) -> bool:
    """Whether the transaction that was begun on a connection may write."""
    if connection.dialect.name == "sqlite":
        return True  # otherwise it had not begun
    return bool(connection.exec_driver_sql("SHOW transaction_read_only").scalar_one() == "off")
