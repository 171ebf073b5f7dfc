"""What was submitted in a flow run: it ends after all of it, and fails by what failed and nobody looked at."""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from taskruns.recording.futures import TaskFuture, Watch, WatchedFuture, WatchedTask, running_loop

Submitted: TypeAlias = WatchedFuture[Any] | WatchedTask[Any]

LOOP_SECONDS = 1.0
"""How often to see whether an event loop still runs."""


class Submissions:
    """What was submitted and has not ended. What has ended is not held, so that its values may go."""

    def __init__(self) -> None:
        """Nothing was submitted."""
        self._changed = threading.Condition()
        self._pending: set[Submitted] = set()
        self._failed: list[Watch] = []
        self._at_end: Callable[[], None] | None = None

    def add(self, submitted: Submitted) -> None:
        """Has the flow run end after it."""
        with self._changed:
            self._pending.add(submitted)
        future: Any = submitted
        future.add_done_callback(self._settle)

    def _settle(self, submitted: Submitted) -> None:
        with self._changed:
            self._pending.discard(submitted)
            if submitted.has_failed():
                self._failed.append(submitted.watch)
            at_end = None if self._pending else self._at_end
            self._changed.notify_all()
        if at_end is not None:
            at_end()

    def withdraw(self, *, is_cancellation: bool) -> None:
        """Takes back what has not begun; `is_stop`: coroutines that have begun are cancelled too."""
        with self._changed:
            pending = list(self._pending)
        for submitted in pending:
            submitted.withdraw(is_cancellation=is_cancellation)

    def wait(self, seconds: float | None = None) -> None:
        """Waits until all has ended, at most so long.

        What no event loop executes while this thread waits does not count.
        """
        own = running_loop()
        end = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            # An event loop that stops for good says nothing.
            while any(
                submitted.loop is None or (submitted.loop is not own and submitted.loop.is_running())
                for submitted in self._pending
            ):
                remaining = LOOP_SECONDS if end is None else min(LOOP_SECONDS, end - time.monotonic())
                if remaining <= 0:
                    return
                self._changed.wait(remaining)

    async def wait_async(self, seconds: float | None = None) -> None:
        """Waits until all has ended, without blocking the event loop; at most so long."""
        if self._pending:
            # With a place of its own: the tasks that it waits for need those that there are.
            await run_sync(self.wait, seconds, abandon_on_cancel=True, limiter=CapacityLimiter(1))

    def abandon(self, message: str) -> None:
        """Reports what goes on in executors as Cancelled: nobody waits for it any more."""
        with self._changed:
            pending = list(self._pending)
        for submitted in pending:
            if isinstance(submitted, TaskFuture):
                submitted.abandon(message)

    def call_at_end(self, function: Callable[[], None]) -> None:
        """Calls a function once all has ended that an event loop executes; now, if there is nothing of that."""
        with self._changed:
            if any(submitted.loop is not None and submitted.loop.is_running() for submitted in self._pending):
                self._at_end = function
                return
        function()

    def count_failed_unseen(self) -> int:
        """How many failed while nobody asked how they ended."""
        return sum(not watch.is_seen for watch in self._failed)
