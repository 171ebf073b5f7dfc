"""The databases of commands: opened for one question or change, and for as long as that may take."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from taskruns_service.domain.errors import DatabaseUnavailable
from taskruns_service.settings import Settings
from taskruns_service.storage import dialects
from taskruns_service.storage.database import Database, open_database

T = TypeVar("T")

COMMAND_SECONDS = 3600.0
"""Commands read and write whole databases, and nobody waits for their answer over HTTP."""


def opened(settings: Settings, *, of_standbys: bool = False) -> AbstractAsyncContextManager[Database]:
    """The database of the settings for the time of a `with` block, or that of the standbys if there are some."""
    return open_database(
        settings.read_url if of_standbys and settings.read_url else settings.url,
        query_timeout=COMMAND_SECONDS,
        write_timeout=COMMAND_SECONDS,
        synchronous=settings.synchronous,
        is_pooled=settings.is_pooled,
    )


def ask(settings: Settings, query: Callable[..., T], *arguments: object, of_standbys: bool = False) -> T:
    """Runs a query. Raises what it raises, and DatabaseUnavailable."""

    async def run() -> T:
        async with opened(settings, of_standbys=of_standbys) as database:
            return await database.read_snapshot(query, *arguments)

    return asyncio.run(run())


def change(settings: Settings, command: Callable[..., T], *arguments: object) -> T:
    """Runs a change in one transaction. Raises what it raises, and DatabaseUnavailable."""

    async def run() -> T:
        async with opened(settings) as database:
            return await database.transact(command, *arguments)

    return asyncio.run(run())


def durability_risks(settings: Settings) -> list[str]:
    """A sentence for each way in which the databases may lose what they have answered, or standbys cannot be used."""
    risks = ask(settings, dialects.durability_risks, settings.synchronous)
    if settings.read_url is not None:
        try:
            risks += ask(settings, dialects.durability_risks, settings.synchronous, of_standbys=True)
        except DatabaseUnavailable as error:
            risks.append(f"No standby answers, so the primary does: {error.reason}")
    return list(dict.fromkeys(risks))
