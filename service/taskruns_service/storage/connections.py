"""The connections of one engine: which of them are in use, and which are of no use any more."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine

from taskruns_service.storage import dialects
from taskruns_service.storage.threads import Threads

T = TypeVar("T")


class Connections:
    """Takes connections from SQLAlchemy's pool, which keeps them, and closes those that are of no use any more."""

    def __init__(self, engine: Engine, threads: Threads | None = None) -> None:
        """`threads` are those that use the connections, which they interrupt when nobody waits any more."""
        self.engine = engine
        self._threads = threads
        # Weak, so that the pool gets a connection back whatever becomes of the function that used it.
        self._in_use: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()
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
        connection = self._connect()
        while connection.info["connected"] < self._renewal or dialects.is_closed(connection):
            connection.invalidate()
            connection.close()
            connection = self._connect()
        self._in_use[connection] = time.monotonic()
        if self._threads is not None:
            self._threads.hold(connection.connection.driver_connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Gives a connection back to the pool."""
        if self._threads is not None:
            self._threads.release()
        self._in_use.pop(connection, None)
        self._release(connection)

    def renew(self) -> None:
        """Uses none of the present connections again: the server that they lead to is not the right one any more."""
        self._renewal = time.monotonic()

    def waiting(self, seconds: float) -> Sequence[dialects.AsyncpgConnection]:
        """The driver's connections that have been in use for so long without a break."""
        since = time.monotonic() - seconds
        return [
            driver
            for connection, start in list(self._in_use.items())
            if start < since and not connection.invalidated
            if (driver := connection.connection.driver_connection) is not None
        ]

    def close(self) -> None:
        """Closes the connections that are not in use."""
        self.engine.dispose()

    def _connect(self) -> Connection:
        start = time.monotonic()
        connection = self.engine.connect()
        connection.info.setdefault("connected", start)
        return connection

    def _release(self, connection: Connection) -> None:
        connection.close()


class KeptConnections(Connections):
    """Keeps connections from use to use, for functions that run in threads.

    The pool makes objects and calls listeners each time that a connection is taken, a sixth of what a look-up costs
    (docs/decisions/0026-what-goes-past-sqlalchemy.md).
    """

    def __init__(self, engine: Engine, threads: Threads) -> None:
        super().__init__(engine, threads)
        self._idle: list[Connection] = []
        # One for each thread that waits for the pool; other than a number, threads may change it at any time.
        self._pool_waits: list[None] = []

    def close(self) -> None:
        """Closes the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()
        super().close()

    def _connect(self) -> Connection:
        with suppress(IndexError):
            return self._idle.pop()
        self._pool_waits.append(None)
        try:
            with suppress(IndexError):  # one that was released before its thread could see that this one waits
                return self._idle.pop()
            return super()._connect()
        finally:
            self._pool_waits.pop()

    def _release(self, connection: Connection) -> None:
        if connection.invalidated or connection.in_transaction():
            connection.close()
            return
        self._idle.append(connection)
        if self._pool_waits:
            with suppress(IndexError):  # taken by now
                self._idle.pop().close()
