"""Stopping: how a process ends what is open, so that it ends soon and nothing that was taken on is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

ANSWER_SECONDS = 15.0
"""How long the requests that have arrived may take to be answered."""
BODY_SECONDS = 1.0
"""How long the bodies that are on their way may take to arrive."""
READ_SECONDS = 2.0
"""How long clients may take to read their answers."""
LOOK_SECONDS = 0.05


def _nothing() -> None:
    """Is to be done before there are any streams."""


OnStop = Callable[[Callable[[], object]], None]
"""Takes what is to be called when the process is asked to stop, which happens in a signal handler or at once."""


class Requests:
    """The requests of one process."""

    def __init__(self) -> None:
        self.unanswered = 0
        """How many have no answer yet that has begun."""

    async def wait_until_answered(self) -> None:
        """Waits until all have an answer; nobody else waits, so that requests do not pay for an event."""
        while self.unanswered:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)


class Stopping:
    """The end of one process, from a signal on.

    The server stops accepting connections and waits for those that are open. So the bodies that do not arrive are given
    up, then the requests are answered, and what is still open after that is closed: connections of clients that send
    nothing or read nothing, and streams.
    """

    def __init__(self, requests: Requests, give_up_bodies: Callable[[float], None], close: Callable[[], None]) -> None:
        """`give_up_bodies` lets bodies have so many seconds more; `close` closes all connections."""
        self.end_streams: Callable[[], None] = _nothing
        """Takes leave of the clients of streams."""
        self._requests = requests
        self._give_up_bodies = give_up_bodies
        self._close = close
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def ready(self, on_stop: OnStop | None) -> AsyncIterator[None]:
        """Ends what is open when `on_stop` tells to, for the time of a `with` block."""
        loop = asyncio.get_running_loop()
        if on_stop is not None:
            on_stop(lambda: loop.call_soon_threadsafe(self._begin))
        try:
            yield
        finally:
            if self._task is not None:
                self._task.cancel()

    def _begin(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._end())

    async def _end(self) -> None:
        self.end_streams()
        self._give_up_bodies(BODY_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._requests.wait_until_answered()
        await asyncio.sleep(READ_SECONDS)
        self._close()
