"""Attempts: how often work is tried at the database, and what its errors are to those who wait for it."""

import asyncio
import random
from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy import URL

from taskruns_service.domain.errors import DatabaseUnavailable, Locked, QueryTimeout, RefusedValue
from taskruns_service.storage import dialects
from taskruns_service.storage.dialects import ErrorKind
from taskruns_service.storage.threads import Run
from taskruns_service.storage.transactions import Progress

T = TypeVar("T")
A = TypeVar("A")

ATTEMPTS = 7
FIRST_PAUSE = 0.02  # seconds, doubled for each further attempt: about 1.3 in all

_FINAL = frozenset({ErrorKind.unavailable, ErrorKind.timeout, ErrorKind.invalid, ErrorKind.refused})
"""What would be the same the next moment."""

NO_ANSWER_IN_TIME = "No answer in time."

log = structlog.get_logger()


class Attempts:
    """Attempts at one database."""

    def __init__(self, url: URL, max_attempts: int, renew: Callable[[], None]) -> None:
        """`renew` is called when all connections lead to a server that is not the right one any more."""
        self._url = url
        self._max_attempts = max_attempts
        self._renew = renew
        self.damage: str | None = None
        """What is wrong with the file, once an attempt has met it."""

    async def make(
        self,
        run: Run,
        function: Callable[[A], T],
        argument: A,
        *,
        limit: int | None = None,
        progress: Progress | None = None,
        waits_for_locks: bool = True,
    ) -> T:
        """Runs a function, again where another transaction was in the way or the connection was lost.

        `progress` is that of a change. Raises DatabaseUnavailable, or Locked when somebody else's lock stays,
        RefusedValue, QueryTimeout if it is no change, and what the driver raises for what is wrong with the statement.
        """
        limit = limit or self._max_attempts
        for attempt in range(1, limit + 1):
            try:
                return await run(function, argument)
            except dialects.DATABASE_ERRORS as error:
                last, error_kind = error, dialects.error_kind(error)
                self.damage = dialects.damage_of(self._url, error) or self.damage
            if progress is not None:
                progress.error = last
            if error_kind is ErrorKind.demoted and attempt == 1:
                self._renew()
            is_over = (
                attempt == limit or error_kind in _FINAL or (error_kind is ErrorKind.locked and not waits_for_locks)
            )
            # What has waited for an answer in vain would wait again.
            if is_over or isinstance(last, TimeoutError):
                break
            # Full jitter, so that transactions that met once do not meet again.
            await asyncio.sleep(random.uniform(0, FIRST_PAUSE * 2 ** (attempt - 1)))
        if error_kind in (ErrorKind.refused, ErrorKind.conflict):
            raise last
        if error_kind is ErrorKind.timeout and progress is None:
            raise QueryTimeout from last
        if error_kind is ErrorKind.invalid:
            complaint = dialects.complaint(last)
            log.warning("value refused", reason=complaint)
            raise RefusedValue(f"The database cannot store a value of the request: {complaint}") from last
        raise self.unavailable(last) from last

    def unavailable(self, error: BaseException | None) -> DatabaseUnavailable:
        """What an error of the database, or its silence, is to clients; the log has more of it."""
        self.note(NO_ANSWER_IN_TIME if error is None else dialects.complaint(error))
        if error is None:
            return DatabaseUnavailable()
        kind = Locked if dialects.error_kind(error) is ErrorKind.locked else DatabaseUnavailable
        return kind(dialects.explanation(error))

    def note(self, cause: str) -> None:
        """Writes into the log why the database was not available."""
        log.warning("database unavailable", **dialects.place_of(self._url), cause=cause)
