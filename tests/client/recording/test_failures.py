"""What goes wrong in a task: errors, retries, time-outs and skips, and what interrupts a program."""

import asyncio
import inspect
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from taskruns import Skip, StateType, TaskTimedOut, flow_run, task
from tests.client.recording.recorded import (
    PENDING,
    RUNNING,
    SUCCESS,
    WELL,
    Broken,
    history,
    raises_its_own,
    task_run,
    task_runs,
    types,
)


@task
def inc(x: int) -> int:
    """Adds one."""
    return x + 1


@task
def fail(error: BaseException) -> None:
    raise error


def test_error_is_recorded_and_raised() -> None:
    error = ValueError("no")
    with flow_run("etl") as run, raises_its_own(error):
        fail(error)

    assert history(run, "fail-1") == [*WELL[:2], (StateType.FAILED, "Unexpected error: ValueError('no')")]
    assert run.view().state == SUCCESS


def test_task_is_tried_again_until_it_succeeds() -> None:
    answers = iter([KeyError("a"), KeyError("b"), None])

    @task(max_retries=3, retry_delay=0.01)
    def flaky() -> str:
        if error := next(answers):
            raise error
        return "done"

    with flow_run("etl") as run:
        assert flaky() == "done"

    assert history(run, "flaky-1") == [
        *WELL[:2],
        (StateType.RETRYING, "Retrying after try 1 of 4: KeyError('a')"),
        WELL[1],
        (StateType.RETRYING, "Retrying after try 2 of 4: KeyError('b')"),
        *WELL[1:],
    ]
    assert task_run(run, "flaky-1").run_count == 3


def test_last_try_fails_with_the_last_error() -> None:
    error = ValueError("no")
    failing = task(name="failing", max_retries=1)(fail.function)
    with flow_run("etl") as run, raises_its_own(error):
        failing(error)

    assert types(run, "failing-1") == [PENDING, RUNNING, StateType.RETRYING, RUNNING, StateType.FAILED]


def test_retry_waits_as_long_as_it_is_told_and_says_until_when() -> None:
    failing = task(name="failing", max_retries=1, retry_delay=timedelta(seconds=0.2))(fail.function)
    with flow_run("etl") as run, pytest.raises(ValueError, match="no"):
        failing(ValueError("no"))

    found = task_run(run, "failing-1")
    states = list(run._client.task_runs.states(found.id))
    retrying, again = states[2], states[3]
    assert retrying.details is not None
    start = datetime.fromisoformat(retrying.details["start_time"])
    assert 0 < (start - retrying.timestamp).total_seconds() < 0.3
    assert again.timestamp >= start


@pytest.mark.parametrize("use", ["sync", "async"])
def test_task_that_takes_too_long_timed_out(use: str) -> None:
    @task(timeout=0.05)
    def sync() -> None:
        time.sleep(0.5)

    @task(timeout=0.05)
    async def asynchronous() -> None:
        await asyncio.sleep(0.5)

    with flow_run("etl") as run, pytest.raises(TaskTimedOut, match=r"^Task run took longer than 0\.05 s\.$") as caught:
        sync() if use == "sync" else asyncio.run(asynchronous())

    assert isinstance(caught.value, TimeoutError)
    slug = "sync-1" if use == "sync" else "asynchronous-1"
    assert history(run, slug)[2:] == [(StateType.TIMED_OUT, "Task run took longer than 0.05 s.")]
    assert run.view().state == StateType.SUCCESS


def test_time_out_is_tried_again() -> None:
    waits = iter([0.5, 0])

    @task(timeout=0.1, max_retries=1)
    def slow() -> None:
        time.sleep(next(waits))

    with flow_run("etl") as run:
        slow()

    assert types(run, "slow-1") == [PENDING, RUNNING, StateType.RETRYING, RUNNING, SUCCESS]


def test_task_in_time_returns_and_raises_as_without_a_time_out() -> None:
    error = ValueError("no")
    assert inspect.signature(task(timeout=5)(inc.function)) == inspect.signature(inc.function)
    with flow_run("etl"):
        assert task(timeout=5)(inc.function)(1) == 2
        with raises_its_own(error):
            task(timeout=5)(fail.function)(error)


def test_task_that_is_called_by_a_task_with_a_time_out_is_recorded_too() -> None:
    @task(timeout=5)
    def outer() -> int:
        return inc(1)

    with flow_run("etl") as run:
        outer()

    assert task_runs(run) == {("outer-1", -1): SUCCESS, ("inc-1", -1): SUCCESS}


def test_time_out_of_another_task_is_a_failure_of_the_one_that_called_it() -> None:
    @task(timeout=0.05)
    def inner() -> None:
        time.sleep(0.5)

    @task(timeout=5)
    def outer() -> None:
        inner()

    with flow_run("etl") as run, pytest.raises(TaskTimedOut):
        outer()

    assert task_runs(run) == {("outer-1", -1): StateType.FAILED, ("inner-1", -1): StateType.TIMED_OUT}


def test_time_out_error_of_the_function_itself_is_a_failure() -> None:
    with flow_run("etl") as run, pytest.raises(TimeoutError, match="the socket"):
        fail(TimeoutError("the socket"))

    assert types(run, "fail-1")[-1] == StateType.FAILED


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Skip("nothing new"), "nothing new"),
        (Skip(), "The task was not needed."),
        (Skip(Broken()), "The task was not needed."),
        (Skip("a\0b\ud800"), "a\\x00b\\ud800"),
        (Skip("x" * 100_000), "x" * 10_000),
    ],
)
def test_skipped_task_returns_none(given: Skip, message: str) -> None:
    with flow_run("etl") as run:
        assert fail(given) is None

    assert history(run, "fail-1")[-1] == (StateType.SKIPPED, message)
    assert run.view().get_task_run("fail-1").get_result() is None


class BrokenError(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("a\0b"), "Unexpected error: ValueError('a\\x00b')"),
        (ValueError("\ud800"), "Unexpected error: ValueError('\\ud800')"),
        (BrokenError(), "Unexpected error: BrokenError (its repr raised an error)"),
        (ValueError("x" * 1_000_000), f"Unexpected error: {repr(ValueError('x' * 1_000_000))[:10_000]}"),
    ],
)
def test_hostile_error_is_recorded_and_raised(error: Exception, message: str) -> None:
    with raises_its_own(error), flow_run("etl") as run:
        fail(error)

    assert history(run, "fail-1")[-1] == (StateType.FAILED, message)
    assert run.view().state.message == message


class RawError(Exception):
    def __repr__(self) -> str:
        return "RawError(\0\ud800)"


def test_repr_with_what_no_database_takes_is_escaped() -> None:
    with flow_run("etl") as run, pytest.raises(RawError):
        fail(RawError())

    assert history(run, "fail-1")[-1] == (StateType.FAILED, "Unexpected error: RawError(\\x00\\ud800)")


@pytest.mark.parametrize(
    ("error", "type", "message"),
    [
        (KeyboardInterrupt(), StateType.CANCELLED, "Stopped by KeyboardInterrupt."),
        (SystemExit(), StateType.CANCELLED, "Stopped by SystemExit."),
        (SystemExit(0), StateType.CANCELLED, "Stopped by SystemExit."),
        (SystemExit(3), StateType.FAILED, "Unexpected error: SystemExit(3)"),
        (SystemExit("no disk"), StateType.FAILED, "Unexpected error: SystemExit('no disk')"),
        (asyncio.CancelledError(), StateType.CANCELLED, "Stopped by CancelledError."),
        (GeneratorExit(), StateType.CANCELLED, "Stopped by GeneratorExit."),
    ],
)
def test_what_stops_a_program_is_recorded_and_raised_and_never_tried_again(
    error: BaseException, type: StateType, message: str
) -> None:
    stopped = task(name="stopped", max_retries=3)(fail.function)
    with raises_its_own(error), flow_run("etl") as run:
        stopped(error)

    assert history(run, "stopped-1") == [*WELL[:2], (type, message)]
    assert (run.view().state.type, run.view().state.message) == (type, message)


def test_ctrl_c_between_two_tries_is_recorded() -> None:
    failing = task(name="failing", max_retries=1, retry_delay=30)(fail.function)
    with interrupted(), flow_run("etl") as run:
        failing(ValueError("no"))

    assert history(run, "failing-1")[2:] == [
        (StateType.RETRYING, "Retrying after try 1 of 2: ValueError('no')"),
        (StateType.CANCELLED, "Stopped by KeyboardInterrupt."),
    ]


class Slow:
    def __reduce__(self) -> Any:
        time.sleep(30)


def test_ctrl_c_while_the_result_is_written_is_recorded() -> None:
    slow = task(name="slow")(Slow)
    with interrupted(), flow_run("etl") as run:
        slow()

    assert types(run, "slow-1") == [PENDING, RUNNING, StateType.CANCELLED]


@contextmanager
def interrupted() -> Iterator[None]:
    """Somebody presses Ctrl-C in the middle of the block."""
    timer = threading.Timer(0.2, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        yield
    timer.join()
