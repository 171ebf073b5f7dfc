"""Bodies: how long a request's body may take to arrive, and how much memory all bodies may take together."""

import math
import time

from litestar.types import HTTPReceiveMessage, Receive

from taskruns_service.domain.errors import Overloaded, RequestTimeout
from taskruns_service.storage.deadlines import Deadline, Deadlines

UNCOUNTED_BYTES = 16 * 1024
"""What each body has without asking, so that large bodies do not keep single reports out. Connections bound the sum."""
STOPPING = "The service is stopping, and the body did not arrive in time. Repeat the request."
DISCARDED_BYTES = 16 * 1024 * 1024
"""How much of a body is read and thrown away, since a client reads the answer only after it has sent the body."""


class BodyLimits:
    """The limits that the bodies of one process share."""

    def __init__(self, *, memory: int, seconds: float) -> None:
        """`memory` is in bytes and for all bodies; `seconds` are those that one body may take to arrive."""
        self.memory_left = memory
        self.seconds = seconds
        self.deadlines = Deadlines()
        self.end = math.inf
        """When all bodies are given up, as `time.monotonic` has it: the process is to end then."""

    def shorten(self, seconds: float) -> None:
        """Gives every body at most so many seconds from now, because the process is to end."""
        self.end = time.monotonic() + seconds
        self.deadlines.shorten(self.end)


class BodyReceiver:
    """Receives the messages of one request, as ASGI has it. It has to be released in the end."""

    def __init__(self, limits: BodyLimits, receive: Receive) -> None:
        self._limits = limits
        self._receive = receive
        self._end: float | None = None
        self.is_complete = False
        self._counted = -UNCOUNTED_BYTES

    async def __call__(self) -> HTTPReceiveMessage:
        """Receives one message; raises RequestTimeout and Overloaded while the body is not complete."""
        if self.is_complete:
            return await self._receive()  # type: ignore[return-value]
        message = await self._receive_in_time()
        if message["type"] == "http.request":
            self._count(len(message["body"]))
        return message

    async def discard(self) -> bool:
        """Receives the rest of the body without keeping it; whether it ended within the limits."""
        size = 0
        try:
            while not self.is_complete and size <= DISCARDED_BYTES:
                message = await self._receive_in_time()
                size += len(message["body"]) if message["type"] == "http.request" else 0
        except (RequestTimeout, Overloaded):
            return False
        return self.is_complete

    def release(self) -> None:
        """Gives back the memory of the body."""
        self._limits.memory_left += max(0, self._counted)
        self._counted = -UNCOUNTED_BYTES

    async def _receive_in_time(self) -> HTTPReceiveMessage:
        if self._end is None:
            self._end = time.monotonic() + self._limits.seconds
        try:
            with Deadline(self._limits.deadlines, min(self._end, self._limits.end), RequestTimeout):
                message: HTTPReceiveMessage = await self._receive()  # type: ignore[assignment]
        except RequestTimeout:
            if self._limits.end < self._end:
                raise Overloaded(STOPPING, retry_after=1) from None
            raise
        self.is_complete = message["type"] != "http.request" or not message["more_body"]
        return message

    def _count(self, size: int) -> None:
        counted = max(0, self._counted + size) - max(0, self._counted)
        if counted > self._limits.memory_left:
            raise Overloaded(
                "The bodies of other requests use all the memory that is reserved for bodies.", retry_after=1
            )
        self._limits.memory_left -= counted
        self._counted += size
