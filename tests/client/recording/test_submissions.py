"""The flow run ends after all that was submitted in it, and fails by what failed and nobody looked at."""

import asyncio
import gc
import pickle
import weakref
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from taskruns import StateType, flow_run, task
from taskruns.recording.futures import WatchedTask
from tests.client.recording.recorded import PENDING, RUNNING, SUCCESS, task_runs, types
from tests.waiting import eventually

FAILED, CANCELLED = StateType.FAILED, StateType.CANCELLED


@task(result=None)
async def wait(event: asyncio.Event) -> None:
    await event.wait()


@task(result=None)
async def nap(seconds: float) -> None:
    await asyncio.sleep(seconds)


@task
async def fail() -> None:
    raise ValueError("no")


async def test_submitted_coroutine_that_failed_and_nobody_looked_at_fails_the_flow_run() -> None:
    async with flow_run("etl") as run:
        fail.submit()  # type: ignore[unused-awaitable]
    assert run.view().state.message == "1 submitted tasks failed, and their errors were not retrieved."
    assert run.view().state == FAILED


@pytest.mark.parametrize("look", ["await", "gather", "result", "exception"])
async def test_submitted_coroutine_that_somebody_looked_at_does_not_fail_the_flow_run(look: str) -> None:
    async with flow_run("etl") as run:
        submitted = fail.submit()
        match look:
            case "await":
                with pytest.raises(ValueError, match="no"):
                    await submitted
            case "gather":
                await asyncio.gather(submitted, return_exceptions=True)
            case _:
                await asyncio.wait([submitted])
                with pytest.raises(ValueError, match="no"):
                    raise submitted.exception() or AssertionError if look == "exception" else submitted.result()  # type: ignore[misc]
    assert run.view().state == SUCCESS


async def test_flow_run_ends_after_submitted_coroutines() -> None:
    async with flow_run("etl") as run:
        nap.submit(0.2)  # type: ignore[unused-awaitable]
    assert task_runs(run) == {("nap-1", -1): SUCCESS}
    assert run.view().state == SUCCESS


async def test_flow_run_of_a_plain_block_ends_after_submitted_coroutines() -> None:
    event = asyncio.Event()
    with flow_run("etl") as run:
        going = wait.submit(event)
    assert (await asyncio.to_thread(run.view)).state == RUNNING
    event.set()
    await going
    assert (await asyncio.to_thread(run.view)).state == SUCCESS


async def test_error_takes_back_coroutines_that_have_not_begun() -> None:
    with suppress(ZeroDivisionError):
        async with flow_run("etl") as run:
            nap.submit(0.1)  # type: ignore[unused-awaitable]
            await asyncio.sleep(0)
            nap.submit(30)  # type: ignore[unused-awaitable]
            raise ZeroDivisionError
    assert types(run, "nap-1") == [PENDING, RUNNING, SUCCESS]
    assert types(run, "nap-2") == [PENDING, CANCELLED]


async def test_cancelled_flow_run_cancels_submitted_coroutines() -> None:
    runs: list[Any] = []

    async def flow() -> None:
        async with flow_run("etl") as run:
            runs.append(run)
            nap.submit(30)  # type: ignore[unused-awaitable]

    flowing = asyncio.ensure_future(flow())
    await asyncio.sleep(0.1)
    flowing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flowing
    await asyncio.to_thread(eventually, lambda: runs[0].view().state == CANCELLED)
    assert types(runs[0], "nap-1") == [PENDING, RUNNING, CANCELLED]


async def test_submitted_coroutine_is_a_task_of_the_loop() -> None:
    async with flow_run("etl"):
        submitted = nap.submit(0)
        assert isinstance(submitted, asyncio.Task)
        assert isinstance(submitted, WatchedTask)


# Values in memory, and on their way from other processes


class Thing:
    pass


class OneWay(Exception):
    def __init__(self, a: str, b: int) -> None:
        super().__init__(a)


@task(result=None)
def thing() -> Any:
    return Thing()


@task(result=None)
def one_way(x: int) -> Any:
    return OneWay("hello", 12) if x == 1 else x


@task(result=None)
def take(value: Any) -> str:
    return type(value).__name__


def test_submitted_value_is_let_go_while_the_flow_run_goes_on() -> None:
    with ThreadPoolExecutor(1) as pool, flow_run("memory", executor=pool):
        reference = weakref.ref(thing.submit().result())
        take.submit(1).result()  # the thread has ended its turn with the first one
        gc.collect()
        assert reference() is None


def test_value_that_does_not_unpickle_fails_its_own_task_run() -> None:
    pool: Executor
    with ProcessPoolExecutor(2) as pool, flow_run("value", executor=pool) as run:
        with pytest.raises(RuntimeError, match=r"Cannot unpickle what the task returned: TypeError"):
            one_way.map(range(4))
        assert take.map([1, 2]) == ["int", "int"]
    states = task_runs(run)
    assert [index for index in range(4) if states["one_way-1", index] != SUCCESS] == [1]
    assert states["one_way-1", 1] == FAILED


def test_argument_that_does_not_unpickle_fails_its_own_task_run() -> None:
    pickle.dumps(OneWay("a", 1))
    pool: Executor
    with ProcessPoolExecutor(2) as pool, flow_run("value", executor=pool) as run:
        with pytest.raises(RuntimeError, match="Cannot unpickle the task or its arguments: TypeError"):
            take.map([1, OneWay("a", 1), 2])
        assert take.map([1, 2]) == ["int", "int"]
    states = task_runs(run)
    assert [states["take-1", index] for index in range(3)] == [SUCCESS, FAILED, SUCCESS]
