"""Chores: what the service does again and again, beside what it is asked for."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

STOP_SECONDS = 0.2


@asynccontextmanager
async def doing(*chores: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Does chores for the time of a `with` block, and waits until all have stopped."""
    pending = {asyncio.create_task(chore) for chore in chores}
    try:
        yield
    finally:
        while pending:
            for task in pending:
                task.cancel()
            # A question that is answered at this very moment is not cancelled any more, and its chore goes on.
            _, pending = await asyncio.wait(pending, timeout=STOP_SECONDS)
