"""A feed: a stream that is opened again when it ends, or polling instead. Without I/O, shared by both clients."""

import logging
import random
import time
from collections.abc import Callable, Iterator
from math import inf
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from taskruns._generated.types import Call, Json
from taskruns.errors import (
    ConnectionFailed,
    FlowRunNotFound,
    InvalidArgument,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    ProblemError,
    SequenceUnknown,
    TaskRunsError,
    TimedOut,
    TooManyWatchers,
    Unauthenticated,
)
from taskruns.live.connection import Connection, NoStream
from taskruns.live.parser import Message, Parser
from taskruns.live.problems import problem
from taskruns.models import ByeCode, ByeEvent, ResyncEvent
from taskruns.retry_policy import Policy

E = TypeVar("E")

FIRST_BYTE_SECONDS = 5.0
"""A stream sends its first bytes at once; a proxy that keeps them for longer is one that buffers."""
SILENCE_SECONDS = 30.0
"""Without a byte for so long, which is twice as long as between two heartbeats, the connection is lost."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds between attempts: a random part of the first, then of twice as many each time."""
FIRST_POLLING, LONGEST_POLLING = 10.0, 300.0
"""For how many seconds polling takes the place of streams that do not work, before the next attempt."""
QUIET_SECONDS = 600.0
"""A flow run that is finished, and has not changed for so long, is not watched any longer, as the service does it."""
MAX_FRUITLESS = 2
"""After so many streams in a row that brought nothing, polling takes their place."""
_PASSING = frozenset({408, 425, 429})
_log = logging.getLogger("taskruns")


class Limits(Struct, frozen=True, kw_only=True):
    """How a feed is polled, and how long it may take, in seconds."""

    interval: float = 1.0
    """Between two polls."""
    patience: float = 300.0
    """How long the service may be unavailable."""
    timeout: float = inf
    """How long the feed lasts."""

    def __post_init__(self) -> None:
        if not (self.interval > 0 and self.timeout > 0 and self.patience >= 0):
            raise InvalidArgument("interval and timeout must be greater than 0, and patience must not be negative.")


class Source(Protocol[E]):
    """What a feed is about: how its stream is opened and read, and the lists that say the same."""

    @property
    def path(self) -> str:
        """The path of the stream."""
        ...

    @property
    def can_poll(self) -> bool:
        """Whether lists say all that the stream does."""
        ...

    @property
    def is_finished(self) -> bool:
        """Whether everything that it is about is finished."""
        ...

    def call(self) -> Call[object]:
        """The call that opens the stream at the present position."""
        ...

    async def catch_up(self, connection: Connection) -> tuple[list[E], bool]:
        """Polls one page of what came between the last poll and the stream that is open now.

        Returns:
            The events that are new, and whether it was the last page.
        """
        ...

    def read(self, message: Message) -> list[E]:
        """The events in a message that are new.

        Raises:
            Behind: If the stream left something out.
        """
        ...

    async def poll(self, connection: Connection) -> tuple[list[E], bool]:
        """Polls one page: the events that are new, and whether it was the last one."""
        ...

    def has_sequence(self, sequence: int) -> bool:
        """Whether the position of a stream that was left behind is one of this service."""
        ...


class Behind(Exception):
    """The stream is ahead of the position: what is missing has to be polled."""


_read_bye = Json[ByeEvent](ByeEvent)
_read_resync = Json[ResyncEvent](ResyncEvent)


class Feed(Generic[E]):
    """The events of a source, each once, from wherever they can be had."""

    def __init__(
        self,
        source: Source[E],
        policy: Policy,
        limits: Limits,
        *,
        was_reached: bool = False,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`policy` says how large an event may be, and how often a service is tried that was not reached before."""
        self.is_over = False
        """Whether there will be no further events."""
        self.is_polling = False
        """Whether the last events came, or would have come, by polling."""
        self._source = source
        self._policy = policy
        self._limits = limits
        self._clock = clock
        self._chance = chance
        self._end = clock() + limits.timeout
        self._parser = Parser(policy.max_answer_bytes)
        self._was_reached, self._was_open = was_reached, False
        self._reached_at = self._changed_at = clock()
        self._failures = 0
        self._fruitless = 0
        self._fallbacks = 0
        self._has_polled = False
        self._must_poll = False
        self._messages: Iterator[Message] = iter(())
        self._next_step = self._stream_from = -inf

    async def step(self, connection: Connection) -> list[E]:
        """Takes the next step, and returns the events that it brought, if any.

        Raises:
            TaskRunsError: If there is no way to go on.
        """
        try:
            if (wait := min(self._next_step, self._end) - self._clock()) > 0:
                await connection.sleep(wait)
            if self._clock() >= self._end:
                self.is_over = True
                await connection.close()
                return []
            events = await self._advance(connection)
        except Behind:
            await self._leave(connection, 0)
            self._must_poll = True
            # Not at once, as of a stream that always leaves something out.
            self._stream_from = self._clock() + self._chance() * FIRST_WAIT
        except TaskRunsError as error:
            await self._leave(connection, 0)
            self._next_step += self._wait_after(error)
        except BaseException:
            # Whoever cancels a step, or interrupts it, may take the next one: it connects again.
            await self._leave(connection, 0)
            raise
        else:
            if events:
                self._changed_at = self._clock()
            return events
        return []

    async def _advance(self, connection: Connection) -> list[E]:
        if connection.is_open:
            if self._has_polled:
                return await self._catch_up(connection)
            message = next(self._messages, None)
            return await (self._read(connection) if message is None else self._take(message, connection))
        self.is_polling = self._must_poll or self._clock() < self._stream_from
        return await (self._poll(connection) if self.is_polling else self._connect(connection))

    def _seconds_left(self) -> float:
        return self._end - self._clock()

    async def _leave(self, connection: Connection, wait: float) -> None:
        self._next_step = self._clock() + wait
        await connection.close()

    async def _connect(self, connection: Connection) -> list[E]:
        self._parser, self._was_open = Parser(self._policy.max_answer_bytes), False
        chunk = await connection.open(self._source.call(), min(FIRST_BYTE_SECONDS, self._seconds_left()))
        self._was_open = True
        self._note_contact()
        self._messages = self._parser.feed(chunk)
        return []

    async def _catch_up(self, connection: Connection) -> list[E]:
        events, is_complete = await self._source.catch_up(connection)
        self._has_polled = not is_complete
        return events

    async def _read(self, connection: Connection) -> list[E]:
        chunk = await connection.read(min(SILENCE_SECONDS, self._seconds_left()))
        if not chunk:
            raise ConnectionFailed(f"The event stream of {self._source.path} ended unexpectedly.")
        self._note_contact()
        self._note_success()
        self._messages = self._parser.feed(chunk)
        return []

    async def _take(self, message: Message, connection: Connection) -> list[E]:
        self._note_success()
        match message.event:
            case "bye":
                bye = message.decode(_read_bye)
                if bye.code == ByeCode.UNAUTHENTICATED:
                    raise problem(Unauthenticated, "The API key was revoked.", self._source.path)
                self.is_over = bye.code == ByeCode.FINISHED
                wait = bye.retry_after if 0 <= bye.retry_after <= LONGEST_WAIT else LONGEST_WAIT
                await self._leave(connection, wait)
            case "resync":
                sequence = message.decode(_read_resync).sequence
                if not self._source.has_sequence(sequence):
                    raise problem(
                        SequenceUnknown, f"The flow run is back at the sequence {sequence}.", self._source.path
                    )
                raise Behind
            case "gone":
                raise problem(FlowRunNotFound, "The flow run was deleted.", self._source.path)
            case _:
                return self._source.read(message)
        return []

    async def _poll(self, connection: Connection) -> list[E]:
        self._has_polled = True
        events, is_complete = await self._source.poll(connection)
        self._note_contact()
        self._failures = 0
        if is_complete:
            self._must_poll = False
            self._next_step = min(self._clock() + self._limits.interval, self._stream_from)
            is_quiet = self._clock() - self._changed_at >= QUIET_SECONDS
            self.is_over = self._source.is_finished and is_quiet and not events
        return events

    def _note_contact(self) -> None:
        self._was_reached, self._reached_at = True, self._clock()

    def _note_success(self) -> None:
        self._failures = self._fruitless = self._fallbacks = 0

    def _wait_after(self, error: TaskRunsError) -> float:
        """Seconds to wait for the next attempt, which may be a poll; raises `error` if there is none."""
        if self.is_polling:
            self._stream_from = self._clock()  # perhaps the stream is there again
        elif (seconds := self._seconds_without_stream(error)) is not None:
            _log.info("%s: polling for %.0f s (%s)", self._source.path, seconds, type(error).__name__)
            self._stream_from = self._clock() + seconds
            return 0
        if not _is_passing(error):
            raise error
        if self._seconds_left() <= 0:
            return 0  # the next step ends the feed
        away = self._clock() - self._reached_at
        requested_wait = error.retry_after if isinstance(error, ProblemError) else None
        has_patience = away + (requested_wait or 0) < self._limits.patience
        if not (has_patience and (self._was_reached or self._failures < self._policy.max_retries)):
            raise error
        wait = self._chance() * min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(self._failures, 10))
        self._failures += 1
        _log.info("%s failed (%s), next attempt in %.2f s", self._source.path, type(error).__name__, wait)
        return wait if requested_wait is None else requested_wait

    def _seconds_without_stream(self, error: TaskRunsError) -> float | None:
        """For how many seconds polling takes the place of the stream after an error; None if it does not."""
        if not self._source.can_poll or isinstance(error, Overloaded):
            return None
        if isinstance(error, NoStream | MethodNotAllowed) or _is_unknown_path(error):
            return LONGEST_POLLING
        is_buffered = isinstance(error, TimedOut) and not self._was_open
        if not (is_buffered or isinstance(error, TooManyWatchers)):
            if not (self._was_open or (isinstance(error, ProblemError) and error.status >= 500)):
                return None  # as of a connection that is refused: polls would be as well
            self._fruitless += 1
            if self._fruitless < MAX_FRUITLESS:
                return None
        seconds: float = min(LONGEST_POLLING, FIRST_POLLING * 2 ** min(self._fallbacks, 10))
        self._fallbacks += 1
        requested_wait = error.retry_after if isinstance(error, ProblemError) else None
        return min(LONGEST_POLLING, max(seconds, requested_wait or 0))


def _is_unknown_path(error: TaskRunsError) -> bool:
    """Whether the service does not know the path of the stream, as an older one."""
    return isinstance(error, NotFound) and error.code in ("not-found", "not-a-problem")


def _is_passing(error: TaskRunsError) -> bool:
    if isinstance(error, ProblemError):
        return error.status >= 500 or error.status in _PASSING
    return isinstance(error, ConnectionFailed)
