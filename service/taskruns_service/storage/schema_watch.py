"""Watching the database: whether this version of the service may use it, and how safe it is with what is written."""

import asyncio
from contextlib import suppress

from taskruns_service.domain.errors import ClientGone, ConfigurationError, ServiceError
from taskruns_service.storage import dialects, migrations
from taskruns_service.storage.database import Database
from taskruns_service.storage.replicas import Replicas

WATCH_SECONDS = 5.0
RISKS_SECONDS = 0.4
"""How long an answer waits for the first look at most."""


class Watch:
    """What is known of one database."""

    def __init__(self, database: Database, synchronous: str, standbys: Replicas | None = None) -> None:
        self._database = database
        self._standbys = standbys
        self._synchronous = synchronous
        self._schema_refusal: str | None = None
        self._risks: list[str] | None = None

    @property
    def refusal(self) -> str | None:
        """Why the database may not be used, None if it may: its schema is of another version, or it is damaged."""
        return self._database.damage or self._schema_refusal

    async def risks(self) -> list[str]:
        """A sentence for each way in which the database may lose what it has answered; [] while that is unknown."""
        if self._risks is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(RISKS_SECONDS):
                    await self.look()
        return self._risks or []

    async def run(self) -> None:
        """Looks again and again, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(WATCH_SECONDS)

    async def look(self) -> None:
        """Looks at the schema and the settings of the database."""
        try:
            await self._database.read_back(migrations.verify)
            self._schema_refusal = None
            risks = await self._database.read_back(dialects.durability_risks, self._synchronous)
            standbys = [] if self._standbys is None else await self._standbys.durability_risks()
            self._risks = list(dict.fromkeys(risks + standbys))
        except ConfigurationError as error:
            self._schema_refusal = str(error)
        except (ServiceError, ClientGone, *dialects.DATABASE_ERRORS):
            pass  # whoever asks something meets that as well
