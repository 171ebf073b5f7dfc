"""When a request is sent again, and how long after: decisions without I/O, shared by both clients."""

import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf

from msgspec import Struct

from taskruns.errors import ConnectionFailed, InvalidSetting, ProblemError, QueryTimeout, TimedOut

FIRST_WAIT = 0.5
LONGEST_WAIT = 8.0
LONGEST_RETRY_AFTER = 60.0
_PASSING = frozenset({408, 425, 429})
_NOT_TAKEN = frozenset({425, 429})
_REPEATABLE_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE"})


class Policy(Struct, frozen=True, kw_only=True):
    """How long a call may take and how often it is tried."""

    timeout: float = 30.0
    """Seconds that one attempt waits for the service."""
    max_retries: int = 2
    """How often a call is repeated that failed and may be repeated."""
    deadline: float | None = None
    """Seconds that all attempts of a call and the waits between them may take; None: no limit."""
    max_answer_bytes: int = 100_000_000
    """How many bytes an answer may have once it is decompressed."""

    def __post_init__(self) -> None:
        if not 0 < self.timeout < inf:
            raise InvalidSetting(f"timeout is {self.timeout!r}, but must be a number of seconds greater than 0.")
        if self.max_retries < 0:
            raise InvalidSetting(f"max_retries is {self.max_retries!r}, but must be a whole number of 0 or more.")
        if self.deadline is not None and not self.deadline > 0:
            raise InvalidSetting(f"deadline is {self.deadline!r}, but must be a number of seconds greater than 0.")
        if self.max_answer_bytes < 1:
            raise InvalidSetting(
                f"max_answer_bytes is {self.max_answer_bytes!r}, but must be a whole number greater than 0."
            )


class Attempts:
    """The attempts of one call: after each one it says how long to wait for the next, or raises why there is none."""

    def __init__(
        self,
        policy: Policy,
        method: str,
        repeatable: bool | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """A call may be repeated if its method says so, or if `repeatable` does, as of reports that carry their ids."""
        self._policy = policy
        self._repeatable = method in _REPEATABLE_METHODS if repeatable is None else repeatable
        self._clock = clock
        self._chance = chance
        self._end = inf if policy.deadline is None else clock() + policy.deadline
        self.count = 0
        """How many attempts have failed."""

    def timeout(self) -> float:
        """Seconds that the next attempt may wait for the service.

        Raises:
            TimedOut: If the deadline has passed.
        """
        if (seconds := self.seconds_left()) <= 0:
            raise TimedOut(f"The deadline of {self._policy.deadline:g} s passed before the request could be sent.")
        return min(self._policy.timeout, seconds)

    def seconds_left(self) -> float:
        """Seconds until the deadline; infinite without one."""
        return self._end - self._clock()

    def after_failure(self, error: ConnectionFailed, *, was_sent: bool) -> float:
        """Seconds to wait after an attempt without an answer; raises `error` if there is no further one."""
        if not (self._repeatable or not was_sent):
            error.add_note("The request was not retried, because the service may have carried it out.")
            raise error
        return self._next_wait(error, None)

    def after_problem(self, error: ProblemError, headers: Mapping[str, str]) -> float:
        """Seconds to wait after an answer of 400 and more; raises `error` if there is no further attempt."""
        requested_wait = error.retry_after = retry_after(headers.get("retry-after"), datetime.now(UTC))
        again = error.status in _PASSING or error.status >= 500
        if not again or isinstance(error, QueryTimeout) or not (self._repeatable or error.status in _NOT_TAKEN):
            raise error
        if requested_wait is not None and requested_wait > LONGEST_RETRY_AFTER:
            error.add_note(
                f"The service asks for a wait of {requested_wait:.0f} s, which exceeds this client's maximum."
            )
            raise error
        return self._next_wait(error, requested_wait)

    def _next_wait(self, error: Exception, requested_wait: float | None) -> float:
        if self.count >= self._policy.max_retries:
            if self.count:
                error.add_note(f"This was attempt {self.count + 1}.")
            raise error
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(self.count, 10))  # 2 to the power of 1,024 is no float
        wait = self._chance() * longest if requested_wait is None else requested_wait
        if self._clock() + wait >= self._end:
            error.add_note(f"The deadline of {self._policy.deadline:g} s leaves no time for another attempt.")
            raise error
        self.count += 1
        return wait


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header (RFC 9110, 10.2.3) asks for, as a number or a date; None if it says nothing."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())
