"""When a call is sent again and how long after, without a network and without waiting."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from taskruns.errors import (
    Conflict,
    ConnectionFailed,
    DatabaseUnavailable,
    InvalidSetting,
    OutcomeUnknown,
    ProblemError,
    QueryTimeout,
    TimedOut,
    VersionConflict,
    problem_error,
)
from taskruns.models import Problem
from taskruns.retry_policy import FIRST_WAIT, LONGEST_RETRY_AFTER, LONGEST_WAIT, Attempts, Policy, retry_after

NOW = datetime(2021, 5, 12, 18, 0, tzinfo=UTC)
PASSING = [408, 425, 429, 500, 502, 503, 504, 599]
NOT_TAKEN = [425, 429]
LASTING = [400, 401, 403, 404, 405, 409, 412, 413, 415, 422]


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def attempts(method: str = "GET", repeatable: bool | None = None, chance: float = 1, **policy: Any) -> Attempts:
    """The attempts of a call, with a clock that stands still and a chance that is always the same."""
    clock = policy.pop("clock", None) or Clock()
    return Attempts(Policy(**policy), method, repeatable, clock=clock, chance=lambda: chance)


def answer(status: int) -> ProblemError:
    """What the client makes of an answer of a proxy with this status."""
    return problem_error(status, b"", "", "/")


def of_service(kind: type[ProblemError], status: int) -> ProblemError:
    """A problem as the service answers it."""
    problem = answer(status).problem
    return kind(replace(problem, code=str(kind.of_code)))


def may_repeat(of: Attempts, error: ProblemError, headers: dict[str, str] | None = None) -> bool:
    """Whether there is another attempt after this answer; if not, it has to be raised itself."""
    try:
        of.after_problem(error, headers or {})
    except ProblemError as raised:
        if raised is not error:
            raise
        return False
    return True


def is_sent_again(of: Attempts, error: ConnectionFailed, *, was_sent: bool) -> bool:
    """Whether there is another attempt after none was answered; if not, the error has to be raised itself."""
    try:
        of.after_failure(error, was_sent=was_sent)
    except ConnectionFailed as raised:
        if raised is not error:
            raise
        return False
    return True


def test_waits_double_up_to_a_limit() -> None:
    of = attempts(max_retries=7)
    waits = [of.after_problem(answer(503), {}) for _ in range(7)]
    assert waits == [0.5, 1, 2, 4, 8, 8, 8]
    assert (FIRST_WAIT, LONGEST_WAIT) == (0.5, 8)


@given(st.floats(0, 1), st.integers(0, 2000))
def test_wait_is_anything_from_nothing_to_the_whole(chance: float, failures: int) -> None:
    """Full jitter: clients that failed together do not come back together."""
    of = attempts(chance=chance, max_retries=failures + 1)
    of.count = failures
    assert of.after_failure(ConnectionFailed(), was_sent=True) == chance * [0.5, 1, 2, 4, 8][min(failures, 4)]


# Waits that together are the deadline, but for how numbers are rounded.
@example(chance=1 / 3, max_retries=2, deadline=0.5, answered=False)
@given(st.floats(0, 1), st.integers(0, 10), st.floats(0.001, 100), st.booleans())
def test_attempts_end(chance: float, max_retries: int, deadline: float, answered: bool) -> None:
    """However it goes, there are no more attempts than allowed, and no wait ends after the deadline."""
    clock = Clock()
    of = attempts(chance=chance, max_retries=max_retries, deadline=deadline, clock=clock)
    with suppress(ProblemError, TimedOut):
        for _ in range(max_retries + 1):
            assert of.timeout() > 0
            clock.now += of.after_problem(answer(503), {}) if answered else of.after_failure(TimedOut(), was_sent=True)
        pytest.fail("there was an attempt too many")
    assert of.count <= max_retries
    assert clock.now < 1000 + deadline


def test_no_more_attempts_than_allowed() -> None:
    of = attempts(max_retries=2)
    assert [may_repeat(of, answer(503)) for _ in range(3)] == [True, True, False]
    assert not may_repeat(attempts(max_retries=0), answer(503))


def test_last_error_says_how_often_it_was_tried() -> None:
    of = attempts(max_retries=1)
    first, last = answer(503), answer(503)
    assert may_repeat(of, first)
    assert not may_repeat(of, last)
    assert last.__notes__ == ["This was attempt 2."]
    assert not hasattr(first, "__notes__")


def test_only_attempt_says_nothing_about_attempts() -> None:
    error = answer(503)
    assert not may_repeat(attempts(max_retries=0), error)
    assert not hasattr(error, "__notes__")


@pytest.mark.parametrize("status", PASSING)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_what_passes_is_tried_again(method: str, status: int) -> None:
    assert may_repeat(attempts(method), answer(status))


@pytest.mark.parametrize("status", LASTING)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_stays_is_raised_at_once(method: str, status: int) -> None:
    assert not may_repeat(attempts(method, repeatable=True), answer(status))


@pytest.mark.parametrize("status", PASSING)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_may_have_been_done_is_not_repeated(method: str, status: int) -> None:
    """Except for what the answer says was not taken at all."""
    assert may_repeat(attempts(method), answer(status)) is (status in NOT_TAKEN)


@pytest.mark.parametrize("status", PASSING)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_carries_its_ids_is_repeated(method: str, status: int) -> None:
    assert may_repeat(attempts(method, repeatable=True), answer(status))


def test_caller_may_say_that_nothing_is_repeated() -> None:
    assert not may_repeat(attempts("GET", repeatable=False), answer(503))


def test_question_that_took_too_long_is_not_asked_again() -> None:
    assert not may_repeat(attempts(), of_service(QueryTimeout, 503))
    assert may_repeat(attempts(), of_service(DatabaseUnavailable, 503))


def test_unknown_outcome_is_repeated_only_with_ids() -> None:
    assert may_repeat(attempts("POST", repeatable=True), of_service(OutcomeUnknown, 503))
    assert not may_repeat(attempts("POST"), of_service(OutcomeUnknown, 503))


def test_lost_race_is_for_the_caller_to_look_at() -> None:
    assert not may_repeat(attempts("PATCH", repeatable=True), of_service(VersionConflict, 412))
    assert not may_repeat(attempts("POST", repeatable=True), of_service(Conflict, 409))


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("repeatable", [True, False])
def test_what_was_never_sent_is_always_tried_again(method: str, repeatable: bool) -> None:
    assert is_sent_again(attempts(method, repeatable), ConnectionFailed(), was_sent=False)


def test_what_was_sent_is_tried_again_only_if_it_may_be_repeated() -> None:
    assert is_sent_again(attempts("GET"), ConnectionFailed(), was_sent=True)
    assert is_sent_again(attempts("POST", repeatable=True), ConnectionFailed(), was_sent=True)
    error = TimedOut("No answer.")
    assert not is_sent_again(attempts("POST"), error, was_sent=True)
    assert error.__notes__ == ["The request was not retried, because the service may have carried it out."]


def test_service_may_say_how_long_to_wait() -> None:
    assert attempts().after_problem(answer(503), {"retry-after": "7"}) == 7
    assert attempts().after_problem(answer(429), {"retry-after": "0"}) == 0
    assert attempts().after_problem(answer(503), {"retry-after": str(int(LONGEST_RETRY_AFTER))}) == 60


def test_waits_no_longer_than_a_minute_for_the_service() -> None:
    error = answer(503)
    assert not may_repeat(attempts(), error, {"retry-after": "61"})
    assert error.__notes__ == ["The service asks for a wait of 61 s, which exceeds this client's maximum."]


def test_wait_that_can_not_be_read_is_none() -> None:
    assert attempts(chance=0.5).after_problem(answer(503), {"retry-after": "soon"}) == 0.25


@given(st.integers(0, 10**9))
def test_seconds_to_wait_are_read(seconds: int) -> None:
    assert retry_after(str(seconds), NOW) == retry_after(f" {seconds} ", NOW) == seconds


@given(st.integers(-(10**6), 10**6))
def test_date_to_wait_for_is_read(seconds: int) -> None:
    moment = NOW + timedelta(seconds=seconds)
    assert retry_after(format_datetime(moment, usegmt=True), NOW) == max(0, seconds)
    assert retry_after(moment.strftime("%a, %d %b %Y %H:%M:%S -0000"), NOW) == max(0, seconds)


@given(st.text() | st.from_regex(r"Mon, \d{1,30} Jan \d{1,30} \d{1,30}:00:00 [+-]\d{1,30}", fullmatch=True))
def test_no_header_is_too_odd_to_be_read(value: str) -> None:
    seconds = retry_after(value, NOW)
    assert seconds is None or seconds >= 0


def test_no_header_asks_for_nothing() -> None:
    assert retry_after(None, NOW) is None


def test_attempt_waits_no_longer_than_the_deadline() -> None:
    clock = Clock()
    of = attempts(timeout=30, deadline=40, clock=clock)
    assert of.timeout() == 30
    clock.now += 25
    assert of.timeout() == 15
    clock.now += 15
    with pytest.raises(TimedOut, match=r"^The deadline of 40 s passed before the request could be sent\.$"):
        of.timeout()


def test_wait_that_passes_the_deadline_is_not_begun() -> None:
    clock = Clock()
    of = attempts(deadline=10, clock=clock)
    clock.now += 9.75
    error = answer(503)
    assert not may_repeat(of, error)
    assert error.__notes__ == ["The deadline of 10 s leaves no time for another attempt."]
    assert not may_repeat(attempts(deadline=10), answer(503), {"retry-after": "10"})
    assert may_repeat(attempts(deadline=10), answer(503), {"retry-after": "9"})


def test_without_a_deadline_there_is_no_end() -> None:
    clock = Clock()
    of = attempts(clock=clock)
    clock.now += 1e9
    assert of.timeout() == 30
    assert may_repeat(of, answer(503))


def test_defaults_are_what_the_documentation_says() -> None:
    assert Policy() == Policy(timeout=30, max_retries=2, deadline=None)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"timeout": 0}, "timeout is 0, but must be a number of seconds greater than 0."),
        ({"timeout": -1.5}, "timeout is -1.5, but must be a number of seconds greater than 0."),
        ({"timeout": float("nan")}, "timeout is nan, but must be a number of seconds greater than 0."),
        ({"timeout": float("inf")}, "timeout is inf, but must be a number of seconds greater than 0."),
        ({"max_retries": -1}, "max_retries is -1, but must be a whole number of 0 or more."),
        ({"deadline": 0}, "deadline is 0, but must be a number of seconds greater than 0."),
        ({"deadline": float("nan")}, "deadline is nan, but must be a number of seconds greater than 0."),
    ],
)
def test_policy_that_makes_no_sense_is_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidSetting) as raised:
        Policy(**given)
    assert str(raised.value) == sentence
    with pytest.raises(InvalidSetting):
        replace(Policy(), **given)


def test_problems_of_the_tests_are_problems() -> None:
    assert isinstance(answer(503).problem, Problem)
