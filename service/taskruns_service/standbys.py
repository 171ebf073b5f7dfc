"""Standbys: where a question is asked, so that they may answer it and nobody sees less than they have seen before."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import structlog
from sqlalchemy import URL, Connection

from taskruns_service import dialects
from taskruns_service.database import Database, open_database
from taskruns_service.errors import DatabaseUnavailable, FlowRunNotFound, TaskRunNotFound
from taskruns_service.lanes import Kind

T = TypeVar("T")

REST_SECONDS = 5.0
ANSWER_SECONDS = 1.0
"""A standby that has not taken a connection by then, or answered anything but a scan, is away."""

log = structlog.get_logger()


class Behind(Exception):
    """The standby does not know yet what the client has seen."""


class Standbys:
    """The standbys of a primary; while they do not answer, the primary is asked."""

    def __init__(self, primary: Database, database: Database) -> None:
        self._primary = primary
        self._database = database
        self._away_until = 0.0

    def since(self, position: int | None) -> Database:
        """The database for one request whose client has seen everything up to a position, None if it does not say."""
        return self._primary if time.monotonic() < self._away_until else _StandbyFirst(self, position)

    async def ask(
        self, position: int | None, kind: Kind, how: Any, query: Callable[..., T], *arguments: Any, **named: Any
    ) -> T:
        """Asks a standby, and the primary for what the standby does not know or can not answer."""
        try:
            first = None if position is None else partial(_refuse_behind, position=position)
            return await self._database.ask(kind, partial(how, first=first), query, *arguments, **named)
        except (Behind, FlowRunNotFound, TaskRunNotFound):
            pass  # the primary may have it
        except (DatabaseUnavailable, *dialects.DATABASE_ERRORS) as error:
            # Another question need not find out again. A standby also gives up one that is in the way of the replay.
            if isinstance(error, DatabaseUnavailable):
                self._away_until = time.monotonic() + REST_SECONDS
                self._database.renew()
                log.warning("standby unavailable")
        return await self._primary.answer_with(kind, how, query, *arguments, **named)


class _StandbyFirst(Database):
    """A database as one request reads it."""

    def __init__(self, standbys: Standbys, position: int | None) -> None:
        self._standbys = standbys
        self._position = position
        self._traits = standbys._primary._traits
        self._patience = standbys._primary._patience
        self._renewals = standbys._primary._renewals
        self._attempts = standbys._primary._attempts
        self._deadlines = standbys._primary._deadlines
        self._wait_until_lost = None  # each of the servers has its own

    async def ask(self, kind: Kind, how: Any, query: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Asks the standbys first."""
        return await self._standbys.ask(self._position, kind, how, query, *arguments, **named)


def _refuse_behind(connection: Connection, *, position: int) -> None:
    if not dialects.has_replayed(connection, position):
        raise Behind


@asynccontextmanager
async def open_standbys(primary: Database, url: URL | None, **options: Any) -> AsyncIterator[Standbys | None]:
    """Opens the standbys for the time of a `with` block, with options of `open_database`; None without a URL."""
    if url is None:
        yield None
        return
    async with open_database(
        url, attempts=1, connect_timeout=ANSWER_SECONDS, quick_seconds=ANSWER_SECONDS, **options
    ) as database:
        yield Standbys(primary, database)
