"""Deadlines: what takes too long is ended, and a question too when its client has gone away."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from taskruns_service.domain.errors import ClientGone, DatabaseUnavailable, QueryTimeout, ServiceError

WATCH_SECONDS = 0.25
"""The clients of questions that take less are not watched, so that they do not pay for it."""
LOOK_SECONDS = 0.05


class Client:
    """The client of one request, who may go away; several questions of the request may watch at a time."""

    def __init__(self, receive: Callable[[], Awaitable[Mapping[str, object]]]) -> None:
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


class Deadlines:
    """The deadlines that one event loop looks after, with one timer for all: most blocks end long before theirs."""

    def __init__(self) -> None:
        self._open: set[Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, deadline: "Deadline") -> None:
        """Looks after a deadline until it is discarded."""
        self._open.add(deadline)
        if self._timer is None:
            self._look_later()

    def discard(self, deadline: "Deadline") -> None:
        """Looks after a deadline no more."""
        self._open.discard(deadline)

    def shorten(self, end: float) -> None:
        """Ends all that is open at `end` at the latest."""
        for deadline in self._open:
            deadline.shorten(end)

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        now = time.monotonic()
        for deadline in list(self._open):
            deadline.look(now)
        if self._open:
            self._look_later()


class Deadline:
    """Cancels what runs in a `with` block of a task when its time is over, or when nobody gives or needs its answer.

    Raises `error` or DatabaseUnavailable then, or ClientGone, up to LOOK_SECONDS later. It does what `asyncio.timeout`
    does at a tenth of the price, since every look-up has one.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        end: float,
        error: type[ServiceError] = QueryTimeout,
        *,
        client: Client | None = None,
        wait_until_lost: Callable[[], Coroutine[object, object, None]] | None = None,
    ) -> None:
        """`end` is as `time.monotonic` has it; without a `client` nobody can go away.

        `wait_until_lost` returns when the database does not answer.
        """
        self._deadlines = deadlines
        self._end = end
        self._error = error
        self._client = client
        self._wait_until_lost = wait_until_lost
        self._is_watched = client is not None or wait_until_lost is not None
        self._watcher: asyncio.Task[None] | None = None
        self._reason: type[Exception] | None = None

    @property
    def has_passed(self) -> bool:
        """Whether the block was cancelled though its client is still there."""
        return self._reason not in (None, ClientGone)

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        self._watch_from = time.monotonic() + WATCH_SECONDS
        self._deadlines.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._deadlines.discard(self)
        if self._watcher is not None:
            self._watcher.cancel()
        if self._reason is None:
            return
        assert self._task is not None
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise self._reason from error

    def look(self, now: float) -> None:
        """Ends the block if its time is over; watches its client and the database if it takes long."""
        if now >= self._end:
            self._cancel(self._error)
        elif self._is_watched and self._watcher is None and now >= self._watch_from:
            self._watcher = asyncio.create_task(self._watch())

    def shorten(self, end: float) -> None:
        """Ends the block at `end` at the latest."""
        self._end = min(self._end, end)

    async def _watch(self) -> None:
        reasons: dict[asyncio.Task[None], type[Exception]] = {}
        if self._client is not None:
            reasons[asyncio.create_task(self._client.wait_until_gone())] = ClientGone
        if self._wait_until_lost is not None:
            reasons[asyncio.create_task(self._wait_until_lost())] = DatabaseUnavailable
        try:
            done, _ = await asyncio.wait(reasons, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in reasons:
                waiting.cancel()
        self._cancel(reasons[done.pop()])

    def _cancel(self, reason: type[Exception]) -> None:
        self._deadlines.discard(self)
        if self._reason is None:
            assert self._task is not None
            self._reason, self._cancelling = reason, self._task.cancelling()
            self._task.cancel()
