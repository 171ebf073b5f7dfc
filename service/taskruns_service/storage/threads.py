"""Threads: run what waits for SQLite, so that the event loop does not, and interrupt it when nobody waits any more."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar, overload

from taskruns_service.storage.lanes import QueryKind, Widths

T = TypeVar("T")
A = TypeVar("A")

INTERRUPT_SECONDS = 0.5
INTERRUPT_PAUSE = 0.02


class Run(Protocol):
    """Runs a function, with an argument or none, that waits for the database while the event loop does not."""

    @overload
    async def __call__(self, function: Callable[[], T], /) -> T: ...

    @overload
    async def __call__(self, function: Callable[[A], T], argument: A, /) -> T: ...


class Interruptible(Protocol):
    """A connection of a driver that can be interrupted from another thread."""

    def interrupt(self) -> None:
        """Ends what the connection does."""


class Stuck(Exception):
    """A thread does not end though it was interrupted; `future` tells when it does."""

    def __init__(self, future: Future[Any]) -> None:
        super().__init__()
        self.future = future

    def call_after(self, loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
        """Calls a function on an event loop when the thread has ended."""
        self.future.add_done_callback(lambda _: loop.call_soon_threadsafe(function))


class Threads:
    """Threads, and which connection each of them uses."""

    def __init__(self) -> None:
        self._local = threading.local()

    def pool(self, count: int, name: str) -> Run:
        """Returns what runs functions in so many threads.

        When that is cancelled, what the function's connection does is interrupted; it raises Stuck where that does not
        end it.
        """
        pool = ThreadPoolExecutor(count, thread_name_prefix=name)

        async def run(function: Callable[..., T], /, *arguments: object) -> T:
            job = _Job()
            future = pool.submit(self._call, job, function, arguments)
            try:
                return await asyncio.wrap_future(future)
            except asyncio.CancelledError:
                end = time.monotonic() + INTERRUPT_SECONDS
                while time.monotonic() < end:
                    # Between two statements there is nothing to interrupt, so that it takes more than one attempt.
                    job.interrupt()
                    if future.done():
                        if future.cancelled() or future.exception() is not None:
                            raise
                        return future.result()  # as of a change that was committed at this moment
                    await asyncio.sleep(INTERRUPT_PAUSE)
                raise Stuck(future) from None

        return run

    def _call(self, job: "_Job", function: Callable[..., T], arguments: tuple[object, ...]) -> T:
        self._local.job = job
        return function(*arguments)

    def hold(self, connection: Interruptible | None) -> None:
        """Notes which connection of the driver the present thread uses."""
        self._local.job.connection = connection

    def release(self) -> None:
        """Notes that the present thread uses no connection any more."""
        # Under the lock, so that the next question of the connection is not interrupted in place of this one.
        with self._local.job.lock:
            self._local.job.connection = None


class _Job:
    """What one thread does at present, and on which connection."""

    def __init__(self) -> None:
        self.connection: Interruptible | None = None
        self.lock = threading.Lock()

    def interrupt(self) -> None:
        with self.lock:
            if self.connection is not None:
                self.connection.interrupt()


def query_pools(threads: Threads, widths: Widths) -> Mapping[QueryKind, Run]:
    """A pool of threads for each lane of questions."""
    look_up = threads.pool(widths.look_ups, "database-look-up")
    return {
        QueryKind.look_up: look_up,
        QueryKind.read_back: look_up,
        QueryKind.read: threads.pool(widths.reads, "database-read"),
        QueryKind.scan: threads.pool(widths.scans, "database-scan"),
    }
