"""The writer: takes the changes that wait, runs them as one transaction, and answers each caller after its commit."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import Connection

from taskruns_service.domain.errors import (
    DatabaseUnavailable,
    Locked,
    OutcomeUnknown,
    Overloaded,
    RefusedValue,
    ServiceError,
)
from taskruns_service.domain.ids import partition_of
from taskruns_service.storage.command import Command, Outcomes, R, execute_commands
from taskruns_service.storage.database import HELD_TRANSACTIONS, Database
from taskruns_service.storage.lanes import WRITES_WAIT

BATCH_WEIGHT = 3000
SMALL_WEIGHT = 10
MAX_WEIGHT = 5_000
PATIENCE = 0.8
"""For this part of a transaction's time the writer tries to write what somebody else's lock holds back."""
LONG_WAIT = 0.3
"""What waited in vain for a transaction that took this part of its time does not wait for another one."""

log = structlog.get_logger()

Apply = Callable[[Connection, Sequence[Any]], Outcomes]
"""Applies items in one transaction and gives an outcome for each, which may be a ServiceError."""


def weight_of(item: object) -> int:
    """How much there is to write, in states: from 1 to MAX_WEIGHT, so that beside it others have room in the queue."""
    weight: int = getattr(item, "weight", 1)
    return min(max(weight, 1), MAX_WEIGHT)


class Submission:
    """The items of one request, and their outcomes as they come."""

    def __init__(self, items: Sequence[object]) -> None:
        self.items = items
        self.weights = [weight_of(item) for item in items]
        self.weight = sum(self.weights)
        self.is_small = self.weight <= SMALL_WEIGHT  # so that others need not wait long for it
        self.outcomes: Outcomes = [None] * len(items)
        self._unsettled = len(items)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def set_outcome(self, index: int, outcome: object) -> None:
        """Keeps the outcome of one item; the last one wakes the caller."""
        self.outcomes[index] = outcome
        self._unsettled -= 1
        if self._unsettled == 0 and not self.done.done():
            self.done.set_result(None)


class _Waiting(NamedTuple):
    submission: Submission
    item_index: int
    item: object
    weight: int
    partition: int


class _Lane:
    """The items that one transaction after another takes from: those of small requests before those of large ones."""

    def __init__(self) -> None:
        self._small: deque[_Waiting] = deque()
        self._large: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()

    def take_all(self) -> list[_Waiting]:
        """Takes everything that waits."""
        waiting = [*self._small, *self._large]
        self._small.clear()
        self._large.clear()
        self._arrived.clear()
        return waiting

    def add(self, waiting: _Waiting) -> None:
        """Adds an item behind those that came before it."""
        (self._small if waiting.submission.is_small else self._large).append(waiting)
        self._arrived.set()

    async def take(self) -> list[_Waiting]:
        """Waits until there is something, then takes all of it up to a bound.

        While large requests wait, small ones get no more than half of a transaction, so that both go on.
        """
        await self._arrived.wait()
        batch: list[_Waiting] = []
        weight = _move(self._small, batch, BATCH_WEIGHT // 2 if self._large else BATCH_WEIGHT)
        _move(self._large, batch, BATCH_WEIGHT - weight)
        if not self._small and not self._large:
            self._arrived.clear()
        return batch


def _move(queue: deque[_Waiting], batch: list[_Waiting], limit: int) -> int:
    """Moves items from a queue until their weight reaches the limit; returns the weight."""
    weight = 0
    while queue and weight < limit:
        waiting = queue.popleft()
        weight += waiting.weight
        batch.append(waiting)
    return weight


def _is_lost(outcome: object) -> bool:
    """Whether the database did not answer a transaction."""
    return isinstance(outcome, DatabaseUnavailable | OutcomeUnknown) and not isinstance(outcome, Locked)


class Writer:
    """All changes of one process go through here.

    Under no load nothing waits; under load what came during one transaction shares the next. Small requests go before
    the rest of large ones, and where transactions may run side by side they have a lane of their own: the more of them
    share a transaction the less each costs. Of large requests, everything about one flow run goes through one lane, so
    that they do not wait for each other's locks.

    Where a transaction meets a lock of somebody else, its items leave the lane, and those of each flow run are tried by
    themselves: nobody waits for a lock of another flow run.
    """

    def __init__(self, database: Database, apply: Apply = execute_commands, *, capacity: int) -> None:
        """`capacity` is the weight of the small requests that may wait, and of the large ones again."""
        self._database = database
        self._apply = apply
        self._capacity = capacity
        self._lanes = [_Lane() for _ in range(database.writers)]
        self._small_lane, *self._large_lanes = self._lanes
        self._patience = PATIENCE * database.write_seconds
        self._held: dict[int, deque[_Waiting]] = {}
        self._holders: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(HELD_TRANSACTIONS)
        self._unsettled = {True: 0, False: 0}  # weight, of small requests and of large ones
        self._idle = asyncio.Event()
        self._idle.set()

    async def submit(self, items: Sequence[object], partitions: Sequence[UUID]) -> Outcomes:
        """Writes items and gives their outcomes in their order, after their commits.

        `partitions` has for each item the id of its flow run or of one of its task runs. Raises Overloaded when too
        much is waiting; nothing is written then.
        """
        if not items:
            return []
        submission = Submission(items)
        unsettled = self._unsettled[submission.is_small]
        if unsettled and unsettled + submission.weight > self._capacity:
            raise Overloaded(WRITES_WAIT, retry_after=1)
        self._unsettled[submission.is_small] += submission.weight
        self._idle.clear()
        for index, (run_id, item, weight) in enumerate(zip(partitions, items, submission.weights, strict=True)):
            partition = partition_of(run_id)
            waiting = _Waiting(submission, index, item, weight, partition)
            if partition in self._held:
                self._held[partition].append(waiting)
            else:
                self._lane(submission, partition).add(waiting)
        await submission.done
        return submission.outcomes

    def _lane(self, submission: Submission, partition: int) -> _Lane:
        """Returns the lane for an item, by the size of its request and its partition."""
        if submission.is_small or not self._large_lanes:
            return self._small_lane
        return self._large_lanes[partition % len(self._large_lanes)]

    async def submit_one(self, command: Command[R], partition: UUID) -> R:
        """Writes one item and gives its outcome; raises it if it is an error."""
        (outcome,) = await self.submit([command], [partition])
        if isinstance(outcome, ServiceError):
            raise outcome
        written: R = outcome
        return written

    async def _work(self, lane: _Lane) -> None:
        """Writes what comes into a lane, for ever."""
        while True:
            batch = await lane.take()
            if self._held:
                batch = self._without_held(batch)
            if not batch:
                continue
            began = time.monotonic()
            outcomes = await self._write([waiting.item for waiting in batch])
            for waiting, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, Locked):
                    self._hold(waiting)
                else:
                    self._settle(waiting, outcome)
            if any(map(_is_lost, outcomes)) and time.monotonic() - began > LONG_WAIT * self._database.write_seconds:
                for waiting in lane.take_all():
                    self._settle(waiting, DatabaseUnavailable())
            self._note_idle()

    def _settle(self, waiting: _Waiting, outcome: object) -> None:
        waiting.submission.set_outcome(waiting.item_index, outcome)
        self._unsettled[waiting.submission.is_small] -= waiting.weight

    def _note_idle(self) -> None:
        if not any(self._unsettled.values()):
            self._idle.set()

    def _without_held(self, batch: Sequence[_Waiting]) -> list[_Waiting]:
        """Moves what is about flow runs that are held to those; returns the rest."""
        for waiting in batch:
            if waiting.partition in self._held:
                self._held[waiting.partition].append(waiting)
        return [waiting for waiting in batch if waiting.partition not in self._held]

    def _hold(self, waiting: _Waiting) -> None:
        """Keeps an item out of the lanes, with what comes for its flow run meanwhile, until that can be written."""
        if (held := self._held.get(waiting.partition)) is not None:
            held.append(waiting)
            return
        self._held[waiting.partition] = deque([waiting])
        task = asyncio.create_task(self._write_held(waiting.partition), name="writer-held")
        self._holders.add(task)
        task.add_done_callback(self._holders.discard)

    async def _write_held(self, partition: int) -> None:
        """Writes the items of one flow run as soon as nobody else holds its locks, or gives them up after a while."""
        held = self._held[partition]
        end = time.monotonic() + self._patience
        while held:
            batch: list[_Waiting] = []
            _move(held, batch, BATCH_WEIGHT)
            async with self._slots:
                outcomes = await self._write([waiting.item for waiting in batch])
            locked = []
            for waiting, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, Locked):
                    locked.append(waiting)
                else:
                    self._settle(waiting, outcome)
            held.extendleft(reversed(locked))
            if not locked:
                end = time.monotonic() + self._patience
            elif time.monotonic() > end:
                for waiting in held:
                    self._settle(waiting, outcomes[-1])
                held.clear()
            self._note_idle()
        del self._held[partition]

    async def _write(self, items: Sequence[object]) -> Outcomes:
        """Writes items together or, where the database refuses that, in halves, until the one at fault stands alone."""
        try:
            return await self._database.write_unless_locked(self._apply, items)
        except RefusedValue as error:
            if len(items) == 1:
                return [error]
        except ServiceError as error:
            return [error] * len(items)
        except Exception as error:
            if len(items) == 1:
                log.exception("item refused", item=type(items[0]).__name__, error=type(error).__name__)
                return [ServiceError()]
        middle = len(items) // 2
        return await self._write(items[:middle]) + await self._write(items[middle:])

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Writer"]:
        """Writes for the time of a `with` block; at its end everything that was taken is written first."""
        tasks = [asyncio.create_task(self._work(lane), name=f"writer-{n}") for n, lane in enumerate(self._lanes)]
        try:
            yield self
        finally:
            await self._idle.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
