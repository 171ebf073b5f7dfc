"""Bodies: how long a request's body may take to arrive, and how much memory all bodies may take together."""

import asyncio

from litestar.types import HTTPReceiveMessage, Receive

from taskruns_service.errors import Overloaded, RequestTimeout

UNCOUNTED_BYTES = 16 * 1024
"""What each body has without asking, so that large bodies do not keep single reports out. Connections bound the sum."""


class BodyLimits:
    """The limits that the bodies of one process share."""

    def __init__(self, *, memory: int, seconds: float) -> None:
        """`memory` is in bytes and for all bodies; `seconds` are those that one body may take to arrive."""
        self.memory_left = memory
        self.seconds = seconds

    def receiving(self, receive: Receive) -> "BodyReceiver":
        """Returns what receives the body of one request within the limits; it has to be released in the end."""
        return BodyReceiver(self, receive)


class BodyReceiver:
    """Receives the messages of one request, as ASGI has it."""

    def __init__(self, limits: BodyLimits, receive: Receive) -> None:
        self._limits = limits
        self._receive = receive
        self._deadline: float | None = None
        self._is_complete = False
        self._size = 0

    async def __call__(self) -> HTTPReceiveMessage:
        """Receives one message; raises RequestTimeout and Overloaded while the body is not complete."""
        if self._is_complete:
            return await self._receive()  # type: ignore[return-value]
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._limits.seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise RequestTimeout from None
        if message["type"] == "http.request":
            self._is_complete = not message["more_body"]
            self._count(len(message["body"]))
        else:
            self._is_complete = True
        return message  # type: ignore[return-value]

    def _count(self, size: int) -> None:
        counted = max(0, self._size + size - UNCOUNTED_BYTES) - max(0, self._size - UNCOUNTED_BYTES)
        if counted > self._limits.memory_left:
            raise Overloaded("The bodies of other requests take all the memory that there is for them.", retry_after=1)
        self._limits.memory_left -= counted
        self._size += size

    def release(self) -> None:
        """Gives back the memory of the body."""
        self._limits.memory_left += max(0, self._size - UNCOUNTED_BYTES)
        self._size = 0
