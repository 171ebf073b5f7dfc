"""Background tasks: what the service does again and again, beside its requests."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

import structlog

STOP_SECONDS = 0.2

log = structlog.get_logger()


@asynccontextmanager
async def running(*tasks: Coroutine[object, None, None]) -> AsyncIterator[None]:
    """Runs tasks for the time of a `with` block, then stops them and waits; logs an error that ends one."""
    pending = {asyncio.create_task(_logged(task)) for task in tasks}
    try:
        yield
    finally:
        while pending:
            for task in pending:
                task.cancel()
            # A question that is answered at this very moment is not cancelled any more, and its task goes on.
            _, pending = await asyncio.wait(pending, timeout=STOP_SECONDS)


async def _logged(task: Coroutine[object, None, None]) -> None:
    try:
        await task
    except Exception as error:
        # At once, since nobody waits for a task before the service stops, and it is not done any more from here on.
        log.exception("background task failed", error=type(error).__name__)
