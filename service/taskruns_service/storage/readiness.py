"""Readiness: whether the database answers questions and records changes, found out in bounded time."""

import asyncio
from contextvars import Context

from taskruns_service.domain.errors import ConfigurationError, DatabaseUnavailable, QueryTimeout
from taskruns_service.storage import dialects, migrations
from taskruns_service.storage.database import Database

READY_SECONDS = 1.5
"""How long an answer waits for the check; after that the database counts as not answering."""


class Readiness:
    """Whether the service can do its work; requests that arrive during a check share its result."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._check: asyncio.Task[None] | None = None

    async def reason_against(self) -> str | None:
        """Why the service is not ready, as a sentence; None if it is."""
        if self._check is None or self._check.done():
            # In a context of its own: the client of one request may go away, and others wait for the same answer.
            self._check = asyncio.create_task(self._verify(), context=Context())
        check = self._check
        await asyncio.wait({check}, timeout=READY_SECONDS)
        if not check.done():
            check.cancel()  # nobody waits for its end: a server that does not answer takes its time
            self._check = None
            return dialects.NO_ANSWER
        try:
            check.result()
        except ConfigurationError as error:
            return str(error)
        except DatabaseUnavailable as error:
            return error.reason
        except (QueryTimeout, asyncio.CancelledError):
            return dialects.NO_ANSWER
        except dialects.DATABASE_ERRORS as error:
            return self._database.damage or dialects.explanation(error)
        return None

    async def _verify(self) -> None:
        await self._database.verify_changes()
        await self._database.read_back(migrations.verify)
