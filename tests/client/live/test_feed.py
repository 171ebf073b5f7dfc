"""What a feed does after failures, by a clock that only its waits move."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from taskruns._generated.types import Call
from taskruns.errors import ConnectionFailed, ProblemError, TaskRunsError, TimedOut, Unavailable, problem_error
from taskruns.live.connection import NoStream, run
from taskruns.live.events import FlowRunEvent
from taskruns.live.feed import Feed, Limits
from taskruns.live.flow_runs import FlowRunSource
from taskruns.retry_policy import Policy

T = TypeVar("T")

FLOW_RUN = "8e445d74-9ca6-425b-98e5-72754b7ea174"


class Network:
    """A network on which every stream fails in the same way, and every call finds that nothing has changed."""

    is_open = False

    def __init__(self, failure: Callable[[], TaskRunsError]) -> None:
        self.failure = failure
        self.now = self.seconds_to_fail = 0.0
        self.attempts: list[float] = []
        """When streams were requested."""
        self.polls: list[float] = []

    async def open(self, call: Call[object], seconds: float) -> bytes:
        self.attempts.append(self.now)
        self.now += self.seconds_to_fail
        raise self.failure()

    async def read(self, seconds: float) -> bytes:
        raise AssertionError

    async def send(self, call: Call[T]) -> T:
        self.polls.append(self.now)
        return call.decode(304, b"")

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def close(self) -> None:
        pass

    def until(self, seconds: float, **limits: float) -> None:
        """Runs a feed on it that knew the flow run before; with the longest waits."""
        source = FlowRunSource(FLOW_RUN, "3", (), logs=False)
        feed: Feed[FlowRunEvent] = Feed(
            source,
            Policy(),
            Limits(timeout=seconds, **limits),
            was_reached=True,
            clock=lambda: self.now,
            chance=lambda: 1.0,
        )
        while not feed.is_over:
            run(feed.step(self))


def refused() -> TaskRunsError:
    return ConnectionFailed("refused")


def overloaded(code: str = "overloaded", retry_after: float = 7.0) -> ProblemError:
    error = problem_error(
        503,
        f'{{"type":"","title":"","status":503,"detail":"","instance":"","code":"{code}","request_id":""}}'.encode(),
        "",
        "/",
    )
    error.retry_after = retry_after
    return error


def test_waits_double_up_to_half_a_minute() -> None:
    network = Network(refused)
    network.until(130, patience=1000)
    waits = [later - earlier for earlier, later in zip(network.attempts, network.attempts[1:], strict=False)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert network.polls == []


def test_service_says_how_long_to_wait() -> None:
    network = Network(overloaded)
    network.until(30)
    assert network.attempts == [0, 7, 14, 21, 28]


def test_patience_ends() -> None:
    network = Network(refused)
    with pytest.raises(ConnectionFailed):
        network.until(1000, patience=20)
    assert network.now >= 20
    with pytest.raises(Unavailable):
        Network(overloaded).until(1000, patience=5)


def test_polling_takes_over_for_longer_each_time() -> None:
    network = Network(lambda: TimedOut("kept back"))
    network.until(400, interval=2.0)
    assert network.attempts == [0, 10, 30, 70, 150, 310]
    assert network.polls[:6] == [0, 2, 4, 6, 8, 10]


def test_polling_takes_over_for_as_long_as_the_service_says_within_bounds() -> None:
    network = Network(lambda: overloaded("too-many-watchers", 60))
    network.until(100)
    assert network.attempts == [0, 60]
    network = Network(lambda: overloaded("too-many-watchers", 1e9))
    network.until(700)
    assert network.attempts == [0, 300, 600]


def test_timeout_that_comes_before_an_answer_is_an_end_and_no_error() -> None:
    network = Network(refused)
    network.seconds_to_fail = 3
    network.until(3, patience=0)
    assert network.attempts == [0]


def test_older_service_is_polled_for_five_minutes() -> None:
    network = Network(lambda: NoStream("a page"))
    network.until(700, interval=10.0)
    assert network.attempts == [0, 300, 600]


def test_stream_does_not_wait_for_the_next_poll() -> None:
    network = Network(lambda: TimedOut("kept back"))
    network.until(60, interval=3600.0)
    assert network.attempts == [0, 10, 30]
    assert network.polls == [0, 10, 30]
