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
    """Keeps connections from use to use, and closes those that are of no use any more.

    SQLAlchemy's pool makes them and bounds their number. It makes objects and calls listeners each time that one is
    taken, a sixth of what a look-up costs, so that it is passed by as long as nobody waits for it
    (docs/decisions/0026-what-goes-past-sqlalchemy.md).
    """

    def __init__(self, engine: Engine, threads: Threads | None = None) -> None:
        """`threads` are those that use the connections, which they interrupt when nobody waits any more."""
        self.engine = engine
        self._threads = threads
        # Weak, so that the pool gets a connection back whatever becomes of the function that used it.
        self._in_use: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()
        self._idle: list[Connection] = []
        # One for each use that waits for the pool; other than a number, threads may change it at any time.
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
            kind = dialects.error_kind(error)
            if kind.ends_connection and not connection.invalidated:
                connection.invalidate(error)
            if kind is dialects.ErrorKind.lost:
                self.renew()  # what became of this one became of the others, as when the server was restarted
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
        """Gives a connection back."""
        if self._threads is not None:
            self._threads.release()
        self._in_use.pop(connection, None)
        if connection.invalidated or connection.in_transaction():
            connection.close()
            return
        self._idle.append(connection)
        if self._pool_waits:
            with suppress(IndexError):  # taken by now
                self._idle.pop().close()

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
        while self._idle:
            self._idle.pop().close()
        self.engine.dispose()

    def _connect(self) -> Connection:
        """One of those that are kept, or else one of the pool."""
        with suppress(IndexError):
            return self._idle.pop()
        self._pool_waits.append(None)
        try:
            with suppress(IndexError):  # one that was released before its thread could see that this one waits
                return self._idle.pop()
            start = time.monotonic()
            connection = self.engine.connect()
        finally:
            self._pool_waits.pop()
        connection.info.setdefault("connected", start)
        return connection
