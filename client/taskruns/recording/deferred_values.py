"""Values that only do the work of a task later, recorded to its end: coroutines, generators and futures."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from taskruns.recording.progress import Progress, Skip, store_result
from taskruns.type_aliases import Awaited

Y = TypeVar("Y")
S = TypeVar("S")
R = TypeVar("R")

_Raised = type[BaseException] | BaseException


def kind_of(value: object) -> str | None:
    """What a value is that does the work later; None for all others."""
    kind = type(value)
    if hasattr(kind, "add_done_callback") and hasattr(kind, "exception"):
        return "future"
    # What can be awaited or entered, as a response of aiohttp, is to stay what it is.
    if isinstance(value, Coroutine) and not hasattr(kind, "__aenter__"):
        return "coroutine"
    if isinstance(value, AsyncGenerator):
        return "async generator"
    return "generator" if isinstance(value, Generator) else None


def drop(value: object) -> None:
    """Ends what nobody will take the value of."""
    if (end := getattr(value, "close", None) or getattr(value, "cancel", None)) is not None:
        end()


class _Recorded:
    """The end of a generator, which is told once."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._is_ended = False

    def succeed(self) -> None:
        if not self._is_ended:
            self._is_ended = True
            self._progress.succeed(("Task run succeeded.", None))

    def fail(self, error: BaseException) -> None:
        if not self._is_ended:
            self._is_ended = True
            self._progress.fail(error)


class RecordedGenerator(Generator[Y, S, R]):
    """A generator whose task run ends when it does; one that is closed or dropped before its end is Cancelled."""

    def __init__(self, generator: Generator[Y, S, R], progress: Progress) -> None:
        """Goes on as `generator` does."""
        self._generator = generator
        self._progress = progress
        self._end = _Recorded(progress)

    def send(self, value: S) -> Y:
        """Goes on to the next item."""
        return self._step(partial(self._generator.send, value))

    def throw(self, error: _Raised, value: Any = None, trace: TracebackType | None = None, /) -> Y:
        """Raises an error where it stands."""
        return self._step(lambda: self._generator.throw(error if value is None else value))

    def _step(self, resume: Callable[[], Y]) -> Y:
        try:
            with self._progress.active():
                return resume()
        except StopIteration:
            self._end.succeed()
            raise
        except Skip as skip:
            self._end.fail(skip)
            raise StopIteration from None
        except BaseException as error:
            self._end.fail(error)
            raise

    def __del__(self) -> None:
        self.close()


class RecordedAsyncGenerator(AsyncGenerator[Y, S]):
    """An async generator whose task run ends when it does; one that is closed or dropped before is Cancelled."""

    def __init__(self, generator: AsyncGenerator[Y, S], progress: Progress) -> None:
        """Goes on as `generator` does."""
        self._generator = generator
        self._progress = progress
        self._end = _Recorded(progress)

    async def asend(self, value: S) -> Y:
        """Goes on to the next item."""
        return await self._step(self._generator.asend(value))

    async def athrow(self, error: _Raised, value: Any = None, trace: TracebackType | None = None, /) -> Y:
        """Raises an error where it stands."""
        return await self._step(self._generator.athrow(error if value is None else value))

    async def _step(self, item: Awaited[Y]) -> Y:
        try:
            with self._progress.active():
                return await item
        except StopAsyncIteration:
            self._end.succeed()
            raise
        except Skip as skip:
            self._end.fail(skip)
            raise StopAsyncIteration from None
        except BaseException as error:
            self._end.fail(error)
            raise

    def __del__(self) -> None:
        # The event loop closes the generator itself.
        self._end.fail(GeneratorExit())


def record_future(future: Any, progress: Progress) -> Any:
    """Returns a future; its task run ends when the future does."""
    end: Callable[[Any], None] = partial(_end, progress)
    future.add_done_callback(end)
    return future


def _end(progress: Progress, future: Any) -> None:
    # Of the class above: one of this package notes who asks how it ended, and this is nobody.
    kinds: list[Any] = [Future, asyncio.Future, type(future)]
    plain = next(kind for kind in kinds if isinstance(future, kind))
    if future.cancelled():
        progress.cancel()
    elif (error := plain.exception(future)) is not None:
        progress.fail(error)
    else:
        progress.succeed(store_result(plain.result(future), progress.spec))
