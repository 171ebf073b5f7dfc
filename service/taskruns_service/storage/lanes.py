"""Lanes: how much work of one kind the database does at a time, and which work is refused before it waits too long."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum, auto
from functools import partial
from typing import NamedTuple

from taskruns_service.domain.errors import Overloaded

MAX_WAITING = 1000
PATIENCE = 1.5
"""How many times as long as a lane's `max_wait` work waits that was expected to wait less."""
MAX_RETRY_SECONDS = 30
WRITES_WAIT = "Too many writes are waiting. Nothing was recorded; retry the request later."
GAP_WEIGHT = 0.05
ORDINARY_STALL = 0.25
"""Seconds for which a database or the event loop may pause without anything being refused for that."""


class QueryKind(StrEnum):
    """What work costs the database; work of one kind never waits for work of another."""

    look_up = auto()
    """A question by primary key or natural key."""
    read_back = auto()
    """A look-up ahead of all others, which is never refused."""
    read = auto()
    """A page that an index has, or counts that are kept."""
    scan = auto()
    """A question that may read a whole table: aggregates over rows, filters without an index."""
    transaction = auto()
    """A change that does not go through the writer."""


class Widths(NamedTuple):
    """How much work of each kind runs at a time."""

    look_ups: int
    reads: int
    scans: int
    transactions: int

    @property
    def questions(self) -> int:
        """How many questions run at a time."""
        return self.look_ups + self.reads + self.scans


class _Turn(NamedTuple):
    """What waits for a slot, and since when; what may not be refused has waited since never."""

    future: asyncio.Future[None]
    since: float


class Lane:
    """Runs a bounded number of pieces of work at a time; others wait in their order, if they do not wait too long."""

    def __init__(
        self, width: int, max_wait: float, refusal: str, *, ahead: int = 0, ordinary_stall: float = ORDINARY_STALL
    ) -> None:
        """`width` is how much runs at a time; so much more is given out `ahead`, so that threads need not wait for it.

        `max_wait` is in seconds; `refusal` is the sentence for work that would wait longer. For `ordinary_stall`
        seconds nothing may come to its end without anything being refused for that.
        """
        self._width = width
        self._ahead = ahead
        self._free = width + ahead
        self._max_wait = max_wait
        self._refusal = refusal
        self._ordinary_stall = ordinary_stall
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: deque[_Turn] = deque()
        self._last_start = 0.0
        # While all slots are taken: when one came free last, and how long it took, on average.
        self._last_end = 0.0
        self._gap = 0.0
        self._gap_count = 0

    async def enter(self, *, urgent: bool = False) -> None:
        """Takes a slot, which `leave` gives back. Urgent work goes ahead of the rest and is never refused.

        Raises Overloaded: without waiting, wherever the wait can be foreseen.
        """
        if self._free:
            self._free -= 1
            self._last_start = time.monotonic()
            if not self._free:
                self._last_end = self._last_start
            return
        if not urgent and (len(self._waiting) >= MAX_WAITING or self.expected_wait() > self._max_wait):
            raise self._overloaded()
        turn = _Turn(asyncio.get_running_loop().create_future(), math.inf if urgent else time.monotonic())
        (self._waiting.appendleft if urgent else self._waiting.append)(turn)
        self._watch()
        try:
            await turn.future
        except asyncio.CancelledError:
            if turn.future.cancelled():
                with suppress(ValueError):
                    self._waiting.remove(turn)
            elif turn.future.exception() is None:
                self.leave()  # its turn came at the same moment
            raise

    def leave(self) -> None:
        """Gives a slot to the work that has waited longest."""
        if self._waiting:
            now = time.monotonic()
            self._gap_count += 1
            weight = max(GAP_WEIGHT, 1 / self._gap_count)
            self._gap += weight * (now - self._last_end - self._gap)
            self._last_start = self._last_end = now
        while self._waiting:
            future = self._waiting.popleft().future
            if not future.done():
                future.set_result(None)
                return
        self._free += 1
        self._gap_count = 0

    def _watch(self) -> None:
        """Looks after those that wait: one timer for all of them, since few of them need it."""
        if self._timer is None and self._waiting:
            self._timer = asyncio.get_running_loop().call_later(self._max_wait / 2, self._refuse_oldest)

    def _refuse_oldest(self) -> None:
        self._timer = None
        too_early = time.monotonic() - PATIENCE * self._max_wait
        refused = [turn for turn in self._waiting if turn.since < too_early]
        for turn in refused:
            self._waiting.remove(turn)
            turn.future.set_exception(self._overloaded())
        self._watch()

    def expected_wait(self) -> float:
        """Returns how many seconds more work would wait.

        The rate at which slots come free tells, and while none does, because slow work has them all, the time since
        the last one did.
        """
        waiting = len(self._waiting) + 1
        by_rate = (waiting + self._ahead) * self._gap if self._gap_count else 0.0
        stall = time.monotonic() - self._last_start
        return max(by_rate, waiting * stall / self._width if stall > self._ordinary_stall else 0.0)

    def _overloaded(self) -> Overloaded:
        return Overloaded(self._refusal, retry_after=min(MAX_RETRY_SECONDS, max(1, math.ceil(self.expected_wait()))))


_QUESTIONS = "Too many queries are waiting. Retry the request later."


def make_lanes(
    widths: Widths, max_wait: float, *, ahead: int, ordinary_stall: float = ORDINARY_STALL
) -> Mapping[QueryKind, Lane]:
    """Returns the lanes of one database; for each that runs, so many quick questions are given out `ahead`.

    None of those is refused for a stall of `ordinary_stall` seconds.
    """
    quick = partial(Lane, max_wait=max_wait, refusal=_QUESTIONS, ordinary_stall=ordinary_stall)
    look_ups = quick(widths.look_ups, ahead=ahead * widths.look_ups)
    return {
        QueryKind.look_up: look_ups,
        QueryKind.read_back: look_ups,
        QueryKind.read: quick(widths.reads, ahead=ahead * widths.reads),
        QueryKind.scan: Lane(widths.scans, max_wait, _QUESTIONS),
        QueryKind.transaction: Lane(widths.transactions, max_wait, WRITES_WAIT),
    }
