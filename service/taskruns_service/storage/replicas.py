"""Routes reads to standbys without breaking read-your-writes."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog
from sqlalchemy import URL, Connection

from taskruns_service.domain.errors import (
    ClientGone,
    DatabaseUnavailable,
    FlowRunNotFound,
    NothingFound,
    ServiceError,
    TaskRunNotFound,
)
from taskruns_service.storage import dialects
from taskruns_service.storage.database import Database, open_database
from taskruns_service.storage.lanes import QueryKind
from taskruns_service.storage.transactions import Query

T = TypeVar("T")

REST_SECONDS = 5.0
PROMOTION_SECONDS = 1.0
"""For so long a connection is taken to lead to a standby, once the server has said that it is one."""
ANSWER_SECONDS = 1.0
"""A standby that has not taken a connection by then, or answered anything but a scan, is away."""

log = structlog.get_logger()


class Behind(Exception):
    """The standby does not know yet what the client has seen."""


class NoStandby(Exception):
    """The server is no standby, as after its promotion: it hears nothing of the primary any more."""


class Replicas:
    """The standbys of a primary; while they do not answer, the primary is asked."""

    def __init__(self, primary: Database, database: Database) -> None:
        self._primary = primary
        self._database = database

    async def durability_risks(self) -> list[str]:
        """A sentence for each way in which a standby may lose what it has, or be damaged; [] while none answers."""
        if time.monotonic() < self._database.away_until:
            return []
        try:
            return await self._database.read_back(dialects.durability_risks, "")
        except (ServiceError, ClientGone, *dialects.DATABASE_ERRORS):
            return []

    def since(self, position: int | None) -> Database:
        """The database for one request whose client has seen everything up to a position, None if it does not say."""
        return self._primary if time.monotonic() < self._database.away_until else _ReplicaFirst(self, position)

    def _rest(self, event: str) -> None:
        """Skips the standbys for REST_SECONDS, with what already waits for them."""
        now = time.monotonic()
        if now < self._database.away_until:
            return  # others have met it before
        self._database.away_until = now + REST_SECONDS
        self._database.renew()
        log.warning(event)


class _ReplicaFirst(Database):
    """A database as one request reads it."""

    def __init__(self, replicas: Replicas, position: int | None) -> None:
        self._replicas = replicas
        self._position = position
        self._is_behind = False
        self._capabilities = replicas._primary._capabilities
        self._patience = replicas._primary._patience
        self._begin_snapshot = replicas._primary._begin_snapshot
        self.is_pooled = replicas._primary.is_pooled
        self._readers = replicas._primary._readers
        self._writer = replicas._primary._writer
        self._attempts = replicas._primary._attempts
        self._deadlines = replicas._primary._deadlines
        self._wait_until_lost = None  # each of the servers has its own

    async def run_query(self, kind: QueryKind, query: Query[T]) -> T:
        """Runs a query on a standby, and on the primary if the standby does not know enough or does not answer.

        The primary also gets what the request asks after a query for which the standby did not know enough: it is
        about the same runs, and of a run that it does not know, the standby has empty lists.
        """
        replicas = self._replicas
        if not self._is_behind:
            try:
                return await replicas._database.run_query(kind, _on_standby(self._position, query))
            except (Behind, NothingFound, FlowRunNotFound, TaskRunNotFound):
                self._is_behind = True
            except NoStandby:
                replicas._rest("standby was promoted")
            except DatabaseUnavailable:
                replicas._rest("standby unavailable")
            except dialects.DATABASE_ERRORS:
                pass  # standbys cancel queries that conflict with WAL replay
        return await replicas._primary.answer_in_time(kind, query)


def _on_standby(position: int | None, query: Query[T]) -> Query[T]:
    """A query that raises NoStandby on any other server, and Behind where the log is not replayed up to a position."""

    def query_standby(connection: Connection) -> T:
        now = time.monotonic()
        if position is not None or now >= connection.info.get("standby_until", 0.0):
            replayed = dialects.replayed_position(connection)
            if replayed is None:
                raise NoStandby
            connection.info["standby_until"] = now + PROMOTION_SECONDS
            if position is not None and replayed < position:
                raise Behind
        return query(connection)

    return query_standby


@asynccontextmanager
async def open_replicas(primary: Database, url: URL | None, **options: Any) -> AsyncIterator[Replicas | None]:
    """Opens the standbys for the time of a `with` block, with options of `open_database`; None without a URL."""
    if url is None:
        yield None
        return
    async with open_database(
        url, attempts=1, connect_timeout=ANSWER_SECONDS, quick_seconds=ANSWER_SECONDS, **options
    ) as database:
        yield Replicas(primary, database)
