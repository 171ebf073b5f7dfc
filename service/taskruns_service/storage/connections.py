"""The connections of one engine, each of which is kept from its first use on until it is of no use any more."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection, Engine

from taskruns_service.storage import dialects
from taskruns_service.storage.threads import Threads

T = TypeVar("T")


class Connections:
    """Takes connections from SQLAlchemy's pool, and gives them back only when they are of no use any more.

    The pool makes objects and calls listeners each time that a connection is taken, a sixth of what a look-up costs
    (docs/decisions/0026-what-goes-past-sqlalchemy.md).
    """

    def __init__(self, engine: Engine, threads: Threads | None = None) -> None:
        """`threads` are those that use the connections, which they interrupt when nobody waits any more."""
        self.engine = engine
        self._threads = threads
        self._idle: list[Connection] = []
        self._in_use: dict[Connection, float] = {}
        # One for each function that waits for the pool; other than a number, threads may change it at any time.
        self._pool_waits: list[None] = []
        self._renewal = 0.0

    def run(self, work: Callable[[Connection], T]) -> T:
        """Runs a function with a connection, which is not used again after an error that tells that it is of no use.

        Raises what the function raises, and what the driver raises where no connection is made.
        """
        connection = self.take()
        try:
            return work(connection)
        except dialects.DATABASE_ERRORS as error:
            if not connection.invalidated and dialects.error_kind(error).ends_connection:
                connection.invalidate(error)
            raise
        finally:
            self.give_back(connection)

    def take(self) -> Connection:
        """Takes a connection that `give_back` takes again; raises what the driver raises where none is made."""
        connection = self._next()
        while connection.info["connected"] < self._renewal or dialects.is_closed(connection):
            connection.invalidate()
            connection.close()
            connection = self._next()
        self._in_use[connection] = time.monotonic()
        if self._threads is not None:
            self._threads.hold(connection.connection.driver_connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keeps a connection for the next use, unless it is lost, in a transaction, or somebody waits at the pool."""
        if self._threads is not None:
            self._threads.release()
        del self._in_use[connection]
        if connection.invalidated or connection.in_transaction() or self._pool_waits:
            connection.close()
        else:
            self._idle.append(connection)

    def renew(self) -> None:
        """Uses none of the present connections again: the server that they lead to is not the right one any more."""
        self._renewal = time.monotonic()

    def waiting(self, seconds: float) -> Sequence[dialects.AsyncpgConnection]:
        """The driver's connections that have been in use for so long without a break."""
        since = time.monotonic() - seconds
        return [
            driver
            for connection, start in self._in_use.items()
            if start < since and not connection.invalidated
            if (driver := connection.connection.driver_connection) is not None
        ]

    def close(self) -> None:
        """Closes the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()
        self.engine.dispose()

    def _next(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _connect(self) -> Connection:
        self._pool_waits.append(None)
        try:
            start = time.monotonic()
            connection = self.engine.connect()
        finally:
            self._pool_waits.pop()
        connection.info.setdefault("connected", start)
        return connection
