"""Chores: what the service does again and again, beside what it is asked for."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

STOP_SECONDS = 0.2

log = structlog.get_logger()


@asynccontextmanager
async def doing(*chores: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Does chores for the time of a `with` block, and waits until all have stopped; logs an error that ends one."""
    pending = {asyncio.create_task(_logged(chore)) for chore in chores}
    try:
        yield
    finally:
        while pending:
            for task in pending:
                task.cancel()
            # A question that is answered at this very moment is not cancelled any more, and its chore goes on.
            _, pending = await asyncio.wait(pending, timeout=STOP_SECONDS)


async def _logged(chore: Coroutine[Any, Any, None]) -> None:
    try:
        await chore
    except Exception as error:
        # At once, since nobody waits for a chore before the service stops, and it is not done any more from here on.
        log.exception("chore failed", error=type(error).__name__)
