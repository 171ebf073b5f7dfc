"""Async tasks: what is recorded of tasks that are coroutines, one at a time, mapped, submitted and cancelled."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from taskruns import Skip, StateType, flow_run, task
from tests.client.recording.recorded import PENDING, RUNNING, SUCCESS, WELL, history, task_runs, types


@task
async def wait(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


async def test_async_task_is_recorded_and_gives_its_value() -> None:
    with flow_run("etl") as run:
        assert await wait(0.0) == 0.0

    assert history(run, "wait-1") == WELL
    assert run.view().get_task_run("wait-1").get_result() == 0.0


async def test_children_of_an_async_map_run_at_once() -> None:
    arrived = asyncio.Barrier(3)

    @task(timeout=10)
    async def meet(x: int) -> int:
        await arrived.wait()
        return x

    async with flow_run("etl") as run:
        assert await meet.map([1, 2, 3]) == [1, 2, 3]

    assert list(task_runs(run).values()) == [StateType.MAPPED, SUCCESS, SUCCESS, SUCCESS]


async def test_failing_child_of_an_async_map_is_raised_with_a_note() -> None:
    @task
    async def broken(x: int) -> None:
        raise ValueError(x)

    async with flow_run("etl"):
        with pytest.raises(ValueError, match=r"^1\b") as caught:
            await broken.map([1, 2])
    assert caught.value.__notes__ == ["In broken-1[0]; of 2 children 2 failed."]


async def test_submitted_async_task_is_a_task_of_the_loop() -> None:
    async with flow_run("etl") as run:
        submitted = [wait.submit(0.01), wait.submit(0.0)]
        assert [await one for one in submitted] == [0.01, 0.0]

    assert list(task_runs(run)) == [("wait-1", -1), ("wait-2", -1)]


async def test_async_task_is_tried_again() -> None:
    answers = iter([ValueError("no"), None])

    @task(max_retries=1)
    async def flaky() -> None:
        if error := next(answers):
            raise error

    async with flow_run("etl") as run:
        await flaky()

    assert types(run, "flaky-1") == [PENDING, RUNNING, StateType.RETRYING, RUNNING, SUCCESS]


async def test_async_task_may_be_skipped() -> None:
    @task
    async def skipped() -> int:
        raise Skip("nothing new")

    async with flow_run("etl") as run:
        assert await skipped() is None

    assert history(run, "skipped-1")[-1] == (StateType.SKIPPED, "nothing new")


@pytest.mark.parametrize("moment", ["running", "retrying", "writing"])
async def test_cancelled_async_task_is_recorded(moment: str, tmp_path: Path) -> None:
    @task(max_retries=1, retry_delay=30)
    async def slow() -> Any:
        if moment == "retrying":
            raise ValueError("no")
        if moment == "running":
            await asyncio.sleep(30)
        return Halting()

    class Halting:
        def __reduce__(self) -> Any:
            writing.set()
            time.sleep(0.3)
            return int, ()

    writing = threading.Event()
    async with flow_run("etl") as run:
        going = slow.submit()
        await asyncio.sleep(0.2)
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going

    *_, (type, message) = history(run, "slow-1")
    assert (type, message) == (StateType.CANCELLED, "Stopped by CancelledError.")


async def test_flow_runs_of_concurrent_coroutines_do_not_mix() -> None:
    async def flow(name: str) -> Any:
        async with flow_run(name) as run:
            await wait(0.01)
            await wait(0.01)
        return run

    for run in await asyncio.gather(*(flow(f"etl-{number}") for number in range(5))):
        assert list(task_runs(run)) == [("wait-1", -1), ("wait-2", -1)]


async def test_outside_of_a_flow_run_an_async_task_is_the_plain_function() -> None:
    assert await wait(0.0) == 0.0
    assert await wait.map([0.0, 0.01]) == [0.0, 0.01]
    assert await wait.submit(0.0) == 0.0
