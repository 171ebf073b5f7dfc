"""What a feed does with the network. Both clients have it as coroutines; the synchronous one suspends none of them."""

from collections.abc import Coroutine
from typing import Protocol, TypeVar

from taskruns._generated.types import Call
from taskruns.errors import InvalidAnswer

T = TypeVar("T")


class NoStream(InvalidAnswer):
    """Something answered, but not with an event stream."""


class Connection(Protocol):
    """A place for one stream, and for calls beside it."""

    @property
    def is_open(self) -> bool:
        """Whether there is a stream."""
        ...

    async def open(self, call: Call[object], seconds: float) -> bytes:
        """Opens the stream, and returns its first bytes, which are there within so many seconds.

        Raises:
            NoStream: If the answer is a success, but not an event stream.
            TaskRunsError: If the service refuses to send one, or is unavailable.
        """
        ...

    async def read(self, seconds: float) -> bytes:
        """Returns the next bytes of the stream, which come within so many seconds; nothing at its end.

        Raises:
            ConnectionFailed: If the connection is lost, or nothing comes.
        """
        ...

    async def send(self, call: Call[T]) -> T:
        """Sends a call once, and returns its answer."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        ...

    async def close(self) -> None:
        """Closes the stream, if there is one."""
        ...


def run(coroutine: Coroutine[object, None, T]) -> T:
    """Runs a coroutine that suspends nowhere, as those of a feed do on a connection of the synchronous client."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    coroutine.close()
    raise RuntimeError("A coroutine of the synchronous client was suspended.")
