"""Watchers: the state of one open stream, whatever it sends."""

import asyncio
import math
import time

HEARTBEAT_SECONDS = 15.0
"""A stream is never silent for longer, which is less than proxies and load balancers wait."""
SEND_SECONDS = 20.0
"""How long a client may take to read what is sent at a time."""

Point = tuple[int, tuple[str, ...]]
"""Where a batch begins: the sequence after which it has all changes, and the task slugs that it is limited to."""


class Watcher:
    """One open stream.

    It has a point in what there is to send, and no queue: what it has not sent yet is read when its client takes it.
    """

    def __init__(self, token: str | None = None) -> None:
        """`token` is the API key that the stream was opened with; None where none is needed."""
        self.token = token
        self.point: Point | None = None
        """Where the next batch for it begins; None before that is known, and for what sends no batches."""
        self.farewell: bytes | None = None
        """The event that the stream ends with, once it has to."""
        self.began = self._sent_at = time.monotonic()
        self._sending_since = math.inf
        self.was_given_up = False
        """Whether the stream ends without a farewell."""
        self._task = asyncio.current_task()
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """Has the stream look for something to send."""
        self._awake.set()

    async def wait(self) -> None:
        """Waits until there may be something to send."""
        await self._awake.wait()
        self._awake.clear()

    def end(self, farewell: bytes) -> None:
        """Ends the stream with an event, once what is being sent is through."""
        if self.farewell is None:
            self.farewell = farewell
            self.wake()

    def is_silent(self, now: float) -> bool:
        """Whether it is time for a heartbeat."""
        return now - self._sent_at >= HEARTBEAT_SECONDS

    def begin_sending(self) -> None:
        """Notes that something is on its way to the client."""
        self._sending_since = self._sent_at = time.monotonic()

    def end_sending(self) -> None:
        """Notes that nothing is on its way any more."""
        self._sending_since = math.inf

    def is_stalled(self, now: float) -> bool:
        """Whether the client has not read what was sent for so long that the stream is given up."""
        return now - self._sending_since >= SEND_SECONDS

    def give_up(self) -> None:
        """Ends the stream without a word."""
        if self._task is not None and not self.was_given_up:
            self.was_given_up = True
            self._task.cancel()
