"""Transactions: what a question or a change does with one connection, and when that is not used again."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Transaction

from taskruns_service import dialects
from taskruns_service.errors import OutcomeUnknown

T = TypeVar("T")

First = Callable[[Connection], None] | None
"""What has to be asked on the same connection before the question."""


class Progress:
    """How far a change has come that is not done yet."""

    is_committing = False
    """Nobody can say what became of it then."""
    error: BaseException | None = None
    """What the attempt before this one met."""


def read(engine: Engine, query: Callable[..., T], arguments: tuple[Any, ...], *, first: First = None) -> T:
    """Runs a question, each statement of which sees what is committed before it."""
    with engine.connect() as connection:
        try:
            if first is not None:
                first(connection)
            return query(connection, *arguments)
        except dialects.DATABASE_ERRORS as error:
            _leave_if_useless(connection, error)
            raise


def read_snapshot(
    engine: Engine, query: Callable[..., T], arguments: tuple[Any, ...], *, begin: str, first: First = None
) -> T:
    """Runs a question, all statements of which see what `begin` begins with."""

    def query_snapshot(connection: Connection) -> T:
        connection.exec_driver_sql(begin)
        try:
            return query(connection, *arguments)
        finally:
            _end_snapshot(connection)

    return read(engine, query_snapshot, (), first=first)


def _leave_if_useless(connection: Connection, error: BaseException) -> None:
    """Does not use a connection again after an error that tells that it is of no use."""
    if not connection.invalidated and dialects.trouble(error).ends_connection:
        connection.invalidate(error)


def _end_snapshot(connection: Connection) -> None:
    if connection.invalidated:
        return
    try:
        connection.exec_driver_sql("ROLLBACK")
    except BaseException:
        connection.invalidate()  # the next question would find itself in this transaction
        raise


def transact(engine: Engine, command: Callable[..., T], arguments: tuple[Any, ...], progress: Progress) -> T:
    """Runs a change and commits it. Raises OutcomeUnknown where the database is lost during the commit."""
    progress.is_committing = False
    with engine.connect() as connection:
        try:
            return _commit(connection, command, arguments, progress)
        except dialects.DATABASE_ERRORS as error:
            _leave_if_useless(connection, error)
            raise


def _commit(connection: Connection, command: Callable[..., T], arguments: tuple[Any, ...], progress: Progress) -> T:
    transaction = connection.begin()
    try:
        answer = command(connection, *arguments)
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


def may_change(engine: Engine) -> bool:
    """Whether a transaction of changes can begin; it makes none."""
    with engine.connect() as connection:
        try:
            transaction = connection.begin()
            try:
                return dialects.takes_writes(connection)
            finally:
                _roll_back(connection, transaction)
        except dialects.DATABASE_ERRORS as error:
            _leave_if_useless(connection, error)
            raise
