"""The open streams of one process: their number and what ends them."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager

import structlog
from msgspec.structs import replace

from taskruns_service.domain.errors import Overloaded, ServiceError, TooManyWatchers
from taskruns_service.live import events
from taskruns_service.live.hubs import Hub
from taskruns_service.live.traffic import Traffic
from taskruns_service.live.watchers import Watcher
from taskruns_service.storage.dialects import DATABASE_ERRORS

SWEEP_SECONDS = 1.0
LIFETIME_SECONDS = 3_600.0
"""The longest life of a stream, so that load balancers can distribute the streams again."""
QUIET_SECONDS = 600.0
"""How long a finished flow run stays unchanged before its streams end."""
SHORTEST_RETRY, LONGEST_RETRY = 0.5, 2.5
"""The range of the seconds after which clients reconnect, so that they do not all return at once."""
REPORT_SECONDS = 60.0

log = structlog.get_logger()

FindScope = Callable[[str], Awaitable[str | None]]
"""Finds the scope of an API key; None if it is unknown or revoked."""


class Streams:
    """The open streams of one process."""

    def __init__(self, limit: int, traffic: Traffic, hubs: Collection[Hub], find_scope: FindScope | None) -> None:
        """`find_scope` is None if the service requires no keys."""
        self._limit = limit
        self._traffic = traffic
        self._hubs = hubs
        self._find_scope = find_scope
        self._watchers: set[Watcher] = set()
        self._is_open = asyncio.Event()
        self._is_stopping = False

    @property
    def count(self) -> int:
        """The number of open streams."""
        return len(self._watchers)

    @contextmanager
    def opened(self, watcher: Watcher) -> Iterator[None]:
        """Counts a stream as open, for the time of a `with` block.

        Raises TooManyWatchers, or Overloaded while the process stops.
        """
        if self._is_stopping:
            raise Overloaded("The service is stopping. Retry the request later.", retry_after=1)
        if len(self._watchers) >= self._limit:
            raise TooManyWatchers(retry_after=random.randint(5, 15))
        self._watchers.add(watcher)
        self._is_open.set()
        try:
            yield
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                self._is_open.clear()

    def stop(self) -> None:
        """Ends all streams, and refuses new ones."""
        self._is_stopping = True
        for watcher in self._watchers:
            _dismiss(watcher, "stopping")

    async def run(self) -> None:
        """Ends streams that are due, wakes those that are due for a heartbeat, and logs the traffic, forever."""
        reported, reported_at = replace(self._traffic), time.monotonic()
        while True:
            await self._is_open.wait()
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.monotonic()
            self._sweep(now)
            await self._check_keys()
            if now - reported_at >= REPORT_SECONDS:
                log.info("streams", watchers=len(self._watchers), **self._traffic.since(reported))
                reported, reported_at = replace(self._traffic), now

    def _sweep(self, now: float) -> None:
        for watcher in self._watchers:
            if watcher.is_stalled(now):
                self._traffic.stalls += 1
                watcher.give_up()
            elif now - watcher.began >= LIFETIME_SECONDS:
                _dismiss(watcher, "rebalance")
            elif watcher.is_silent(now):
                watcher.wake()
        for hub in self._hubs:
            if hub.is_finished and now - hub.last_change >= QUIET_SECONDS:
                for watcher in hub.watchers:
                    if watcher.has_everything(hub.sequence) and now - watcher.began >= QUIET_SECONDS:
                        _dismiss(watcher, "finished")

    async def _check_keys(self) -> None:
        """Ends the streams of revoked keys; each key is looked up once."""
        if self._find_scope is None:
            return
        for token in {watcher.token for watcher in self._watchers if watcher.token is not None}:
            try:
                scope = await self._find_scope(token)
            except (ServiceError, *DATABASE_ERRORS):
                return  # the next sweep tries again
            if scope is None:
                for watcher in self._watchers:
                    if watcher.token == token:
                        _dismiss(watcher, "unauthenticated")


def _dismiss(watcher: Watcher, code: str) -> None:
    watcher.end(events.bye_event(code, random.uniform(SHORTEST_RETRY, LONGEST_RETRY)))
