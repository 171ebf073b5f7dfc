"""Background tasks: they stop, whatever they are at."""

import asyncio
from contextlib import suppress

from structlog.testing import capture_logs

from taskruns_service.api.background_tasks import running


async def test_task_that_was_not_cancelled_the_first_time_is_cancelled_again() -> None:
    began = asyncio.Event()

    async def task() -> None:
        with suppress(asyncio.CancelledError):  # as a question whose answer was there already
            began.set()
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    async with asyncio.timeout(30), running(task()):
        await began.wait()


async def test_task_that_fails_does_not_keep_the_others_from_stopping() -> None:
    async def fail() -> None:
        raise RuntimeError

    stopped = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with running(fail(), work()):
        await asyncio.sleep(0)
    assert stopped.is_set()


async def test_task_that_fails_is_in_the_log_while_the_service_goes_on() -> None:
    failed = asyncio.Event()

    async def fail() -> None:
        failed.set()
        raise RuntimeError

    with capture_logs() as lines:
        async with running(fail()):
            await failed.wait()
            await asyncio.sleep(0)
            (line,) = lines
    assert (line["event"], line["log_level"], line["error"]) == ("background task failed", "error", "RuntimeError")
