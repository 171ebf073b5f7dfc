"""The writer: takes the changes that wait, runs them as one transaction, and answers each caller after its commit."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import Connection

from taskruns_service.database import Database
from taskruns_service.errors import Overloaded, RefusedValue, ServiceError
from taskruns_service.ids import family_of

BATCH_ITEMS = 1000
FEW_ITEMS = 10

log = structlog.get_logger()

Apply = Callable[[Connection, Sequence[Any]], list[Any]]
"""Applies items in one transaction and gives an outcome for each, which may be a ServiceError."""


class Submission:
    """The items of one request, and their outcomes as they come."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items
        self.outcomes: list[Any] = [None] * len(items)
        self._left = len(items)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def settle(self, index: int, outcome: Any) -> None:
        """Keeps the outcome of one item; the last one wakes the caller."""
        self.outcomes[index] = outcome
        self._left -= 1
        if self._left == 0 and not self.done.done():
            self.done.set_result(None)


class _Waiting(NamedTuple):
    submission: Submission
    place: int

    @property
    def item(self) -> Any:
        return self.submission.items[self.place]


class _Lane:
    """The items that one transaction after another takes from, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()

    def add(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        self._arrived.set()

    async def take(self) -> list[_Waiting]:
        """Waits until there is something, then takes all of it up to a bound."""
        await self._arrived.wait()
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_ITEMS))]
        if not self._waiting:
            self._arrived.clear()
        return batch


class Writer:
    """All changes of one process go through here.

    Under no load nothing waits; under load what came during one transaction shares the next. Requests of few items
    have a lane of their own: the more of them share a transaction the less each costs, and none waits for the long ones
    of bulk requests. Of those, everything about one flow run goes through one lane, so that they do not wait for each
    other's locks.
    """

    def __init__(self, database: Database, apply: Apply, *, capacity: int) -> None:
        self._database = database
        self._apply = apply
        self._capacity = capacity
        self._lanes = [_Lane() for _ in range(database.writers)]
        self._few, *self._many = self._lanes
        self._unsettled = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def submit(self, items: Sequence[Any], families: Sequence[UUID]) -> list[Any]:
        """Writes items and gives their outcomes in their order, after their commits.

        `families` has for each item the id of its flow run or of one of its task runs. Raises Overloaded when too much
        is waiting; nothing is written then.
        """
        if not items:
            return []
        if self._unsettled and self._unsettled + len(items) > self._capacity:
            raise Overloaded(retry_after=1)
        submission = Submission(items)
        self._unsettled += len(items)
        self._idle.clear()
        for index, family in enumerate(families):
            self._lane(len(items), family).add(_Waiting(submission, index))
        await submission.done
        return submission.outcomes

    def _lane(self, items: int, family: UUID) -> _Lane:
        """Where an item of a request of so many goes."""
        if items <= FEW_ITEMS or not self._many:
            return self._few
        return self._many[family_of(family) % len(self._many)]

    async def submit_one(self, item: Any, family: UUID) -> Any:
        """Writes one item and gives its outcome; raises it if it is an error."""
        (outcome,) = await self.submit([item], [family])
        if isinstance(outcome, ServiceError):
            raise outcome
        return outcome

    async def _work(self, lane: _Lane) -> None:
        """Writes what comes into a lane, for ever."""
        while True:
            batch = await lane.take()
            outcomes = await self._write([waiting.item for waiting in batch])
            for waiting, outcome in zip(batch, outcomes, strict=True):
                waiting.submission.settle(waiting.place, outcome)
            self._unsettled -= len(batch)
            if not self._unsettled:
                self._idle.set()

    async def _write(self, items: list[Any]) -> list[Any]:
        """Writes items together or, where the database refuses that, in halves, until the one at fault stands alone."""
        try:
            return await self._database.transact(self._apply, items)
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
