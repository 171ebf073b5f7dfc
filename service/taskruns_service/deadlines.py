"""Deadlines: a question ends when its time is over, or when its client has gone away."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

from taskruns_service.errors import ClientGone, QueryTimeout, ServiceError

WATCH_SECONDS = 0.25
"""Questions that take less are not watched, so that they do not pay for it."""


class Client:
    """The client of one request, who may go away; several questions of the request may watch at a time."""

    def __init__(self, receive: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
        """`receive` is that of ASGI; the body has been read from it, or nobody will."""
        self._receive = receive
        self._listener: asyncio.Task[None] | None = None
        self._watchers = 0

    async def wait_until_gone(self) -> None:
        """Returns when the client has closed its connection."""
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen())
        self._watchers += 1
        try:
            await asyncio.shield(self._listener)
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._listener.cancel()
                self._listener = None

    async def _listen(self) -> None:
        try:
            while (await self._receive())["type"] != "http.disconnect":
                pass
        except ServiceError:
            # A body that nobody needs has not arrived in time: that tells nothing about the client.
            await asyncio.Event().wait()


current_client: ContextVar[Client | None] = ContextVar("current_client", default=None)


class Deadline:
    """Cancels what runs in a `with` block of a task after so many seconds, or when the current client has gone.

    Raises QueryTimeout or ClientGone then. It does what `asyncio.timeout` does, but costs look-ups a third of that.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._watcher: asyncio.Task[None] | None = None
        self._reason: type[Exception] | None = None

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(loop)
        # One timer, since most questions end before it.
        self._timer = loop.call_later(min(WATCH_SECONDS, self._seconds), self._start_watching, loop.time())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._watcher is None:
            return
        self._watcher.cancel()
        if self._reason is None:
            return
        assert self._task is not None
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise self._reason from error

    def _start_watching(self, began: float) -> None:
        self._watcher = asyncio.create_task(self._watch(began + self._seconds))

    async def _watch(self, end: float) -> None:
        client = current_client.get()
        reason: type[Exception] = ClientGone
        try:
            async with asyncio.timeout_at(end):
                await (asyncio.Event().wait() if client is None else client.wait_until_gone())
        except TimeoutError:
            reason = QueryTimeout
        assert self._task is not None
        self._reason, self._cancelling = reason, self._task.cancelling()
        self._task.cancel()
