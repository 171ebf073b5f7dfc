"""Transactions: what a question or a change does with one connection, and when that is not used again."""

from collections.abc import Callable
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Transaction

from taskruns_service.domain.errors import OutcomeUnknown
from taskruns_service.storage import dialects
from taskruns_service.storage.connections import Connections
from taskruns_service.storage.threads import Run

P = ParamSpec("P")
T = TypeVar("T")

Query = Callable[[Connection], T]


def bind(function: Callable[..., T], arguments: tuple[object, ...], named: dict[str, object]) -> Query[T]:
    """A function of a connection and some arguments as one of a connection alone."""
    return lambda connection: function(connection, *arguments, **named)


class Progress:
    """How far a change has come that is not done yet."""

    is_committing = False
    """Nobody can say what became of it then."""
    error: BaseException | None = None
    """What the attempt before this one met."""


def query_snapshot(connection: Connection, begin: str, query: Query[T]) -> T:
    """Runs a query all statements of which see one moment of the database; `begin` is the SQL to begin with."""
    dialects.execute(connection, begin)
    try:
        return query(connection)
    finally:
        _end_snapshot(connection)


def _end_snapshot(connection: Connection) -> None:
    if connection.invalidated:
        return
    try:
        dialects.execute(connection, "ROLLBACK")
    except BaseException:
        connection.invalidate()  # the next question would find itself in this transaction
        raise


def transact(connections: Connections, command: Query[T], progress: Progress) -> T:
    """Runs a change and commits it. Raises OutcomeUnknown where the database is lost during the commit."""
    progress.is_committing = False
    return connections.run(lambda connection: _commit(connection, command, progress))


def _commit(connection: Connection, command: Query[T], progress: Progress) -> T:
    transaction = connection.begin()
    try:
        answer = command(connection)
    except BaseException:
        _roll_back(connection, transaction)
        raise
    progress.is_committing = True
    try:
        transaction.commit()
    except dialects.DATABASE_ERRORS as error:
        # The next transaction would find itself in this one.
        connection.invalidate(error)
        if dialects.leaves_outcome_open(error):
            raise OutcomeUnknown from error
        raise
    return answer


def _roll_back(connection: Connection, transaction: Transaction) -> None:
    """Ends a transaction after an error, which stays the one that is heard of."""
    if connection.invalidated:
        return
    try:
        transaction.rollback()
    except dialects.DATABASE_ERRORS:
        connection.invalidate()  # SQLite has ended some by itself


def may_change(connection: Connection) -> bool:
    """Whether a transaction of changes can begin; it makes none."""
    transaction = connection.begin()
    try:
        return dialects.takes_writes(connection)
    finally:
        _roll_back(connection, transaction)


class Session:
    """A connection in a transaction that goes on, for one function after another."""

    def __init__(self, run: Run, connection: Connection) -> None:
        self._run = run
        self._connection = connection

    async def run(self, function: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Runs a question or a change in the transaction."""
        return await self._run(partial(function, self._connection, *arguments, **named))
