"""Background: a thread for work that would keep the event loop from everybody else's requests."""

import asyncio
import ctypes
import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from taskruns_service.domain.errors import Overloaded

P = ParamSpec("P")
T = TypeVar("T")

CAPACITY = 32
"""Pieces of work that wait or run. What waits keeps a request of up to 8 MiB in memory."""


TIDY_SECONDS = 5.0


def _tidy() -> None:
    gc.collect(1)  # what is young: to look through all takes a tenth of a second, in which nothing else runs
    if _trim is not None:
        _trim(0)


def _find_trim() -> Callable[[int], int] | None:
    """The function of the C library that gives freed memory back; glibc has one."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return trim


_trim = _find_trim()


class Background:
    """One thread: Python runs one at a time, and each further one would take its turns from the event loop."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="background")
        self._pending = 0
        self._is_untidy = False

    async def run(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Runs a function and returns what it returns; raises what it raises, and Overloaded when too much waits."""
        if self._pending >= CAPACITY:
            raise Overloaded("Too many large requests are waiting. Retry the request later.", retry_after=1)
        self._pending += 1
        work = asyncio.get_running_loop().run_in_executor(self._executor, lambda: function(*arguments, **named))
        try:
            return await work
        finally:
            self._pending -= 1
            self._is_untidy = True

    async def tidy(self) -> None:
        """After work, for ever: collects what refers to itself, and gives memory back to the system."""
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            if self._is_untidy and not self._pending:
                self._is_untidy = False
                await asyncio.get_running_loop().run_in_executor(self._executor, _tidy)

    def close(self) -> None:
        """Waits for the work that was begun."""
        self._executor.shutdown(cancel_futures=True)
