"""Watchers: the state of an open stream of any kind."""

import asyncio
import math
import time

from taskruns_service.queries.changes import Selection

HEARTBEAT_SECONDS = 15.0
"""The longest silence of a stream, which is shorter than the timeouts of proxies and load balancers."""
SEND_SECONDS = 20.0
"""How long a client may take to read one chunk."""

Point = tuple[int, Selection]
"""Where a batch begins: the sequence after which it has all changes, and what it has of them."""


class Watcher:
    """One open stream.

    It has a point and no queue: what comes next is read when the client has taken what came before.
    """

    def __init__(self, token: str | None = None) -> None:
        """`token` is the API key of the request; None without one."""
        self.token = token
        self.point: Point | None = None
        """Where its next batch begins; None until that is known, and for streams that send no batches."""
        self.farewell: bytes | None = None
        """The last event of the stream, once it has to end."""
        self.began = self._sent_at = time.monotonic()
        self._sending_since = math.inf
        self.was_given_up = False
        """Whether the stream is cancelled, without a last event."""
        self._task = asyncio.current_task()
        self._is_awake = False
        self._waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """Tells the stream that there may be something to send."""
        self._is_awake = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Waits until there may be something to send; raises CancelledError after `give_up`."""
        self._end_if_given_up()
        if not self._is_awake:
            # A future alone takes half the time of an `asyncio.Event`, which allows for several waiters.
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None
        self._is_awake = False

    def has_everything(self, sequence: int | None) -> bool:
        """Whether its client has all changes up to a sequence, and nothing is being sent."""
        return self._waiter is not None and self.point is not None and self.point[0] == sequence

    def end(self, farewell: bytes) -> None:
        """Ends the stream with an event, after what is being sent."""
        if self.farewell is None:
            self.farewell = farewell
            self.wake()

    def is_silent(self, now: float) -> bool:
        """Whether it is time for a heartbeat."""
        return now - self._sent_at >= HEARTBEAT_SECONDS

    def begin_sending(self) -> None:
        """Notes that a chunk is being sent; raises CancelledError after `give_up`."""
        self._end_if_given_up()
        self._sending_since = self._sent_at = time.monotonic()

    def end_sending(self) -> None:
        """Notes that the chunk has been sent."""
        self._sending_since = math.inf

    def is_stalled(self, now: float) -> bool:
        """Whether the client has taken too long to read a chunk."""
        return now - self._sending_since >= SEND_SECONDS

    def give_up(self) -> None:
        """Cancels the stream."""
        if self._task is not None and not self.was_given_up:
            self.was_given_up = True
            self._task.cancel()

    def _end_if_given_up(self) -> None:
        # A query that is answered at the moment of the cancellation returns its answer, and the cancellation is lost.
        if self.was_given_up:
            raise asyncio.CancelledError
