"""What the state of a flow run says about how its task runs ended."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress

import pytest

from taskruns import FlowRunRecorder, Skip, flow_run, task

WELL = '<Success: "All tasks ended as the flow wanted.">'


@task(result=None)
def inverse(x: int) -> float:
    if x < 0:
        raise Skip("negative")
    return 1 / x


@task(result=None)
async def inverse_async(x: int) -> float:
    return inverse.function(x)


@task(result=None, max_retries=1)
def stubborn(x: int) -> float:
    return 1 / x


@task(result=None, timeout=0.01)
def slow() -> None:
    asyncio.run(asyncio.sleep(1))


@task(result=None)
def items() -> Iterator[int]:
    yield from (1, 2, 3)


@task(result=None)
def outer() -> None:
    caught(inverse, 0)


def caught(call: Callable[..., object], *args: object) -> object:
    """Calls a function, and takes its error as what the flow expects."""
    with suppress(ArithmeticError, TimeoutError):
        return call(*args)
    return None


def state(run: FlowRunRecorder) -> str:
    return repr(run.view().state)


def test_flow_run_without_failures_ended_as_the_flow_wanted() -> None:
    with flow_run("etl") as run:
        inverse(1)
        inverse(-1)
        inverse.map([1, 2])
        list(items())
        inverse.submit(1)
    assert state(run) == WELL
    with flow_run("etl") as run:
        pass
    assert state(run) == WELL


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        (lambda: caught(inverse, 0), "1 of 2 task runs succeeded (1 Failed)."),
        (lambda: caught(stubborn, 0), "1 of 2 task runs succeeded (1 Failed)."),
        (lambda: caught(slow), "1 of 2 task runs succeeded (1 TimedOut)."),
        (lambda: caught(inverse.map, [0, 1, 0]), "2 of 4 task runs succeeded (2 Failed)."),
        (lambda: inverse.submit(0).exception(), "1 of 2 task runs succeeded (1 Failed)."),
        (outer, "2 of 3 task runs succeeded (1 Failed)."),
        (lambda: (caught(inverse, 0), caught(slow)), "1 of 3 task runs succeeded (1 Failed, 1 TimedOut)."),
        (lambda: next(items()), "1 of 2 task runs succeeded (1 Cancelled)."),
        (lambda: open_items.append(items()), "1 of 2 task runs succeeded (1 not finished)."),
    ],
    ids=[
        "error",
        "retry",
        "time-out",
        "map",
        "submit",
        "inner task",
        "two kinds",
        "generator dropped",
        "generator open",
    ],
)
def test_flow_run_says_how_many_task_runs_failed(flow: Callable[[], object], message: str) -> None:
    with flow_run("etl") as run:
        inverse(1)
        flow()
    assert state(run) == f'<Success: "{message}">'
    open_items.clear()


open_items: list[Iterator[int]] = []


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_flow_run_says_how_many_task_runs_failed_in_an_executor(pool: Callable[[int], Executor]) -> None:
    with pool(1) as executor, flow_run("etl", executor=executor) as run:
        caught(inverse.map, [0, 1, -1])
        inverse.submit(0).exception()
    assert state(run) == '<Success: "2 of 4 task runs succeeded (2 Failed).">'


async def test_flow_run_says_how_many_async_task_runs_failed() -> None:
    async with flow_run("etl") as run:
        with pytest.raises(ZeroDivisionError):
            await inverse_async(0)
        with pytest.raises(ZeroDivisionError):
            await inverse_async.map([0, 1])
        later = inverse_async.submit(0)
        with pytest.raises(ZeroDivisionError):
            await later
    assert await asyncio.to_thread(state, run) == '<Success: "1 of 4 task runs succeeded (3 Failed).">'


def test_map_that_was_stopped_counts_its_children_alone() -> None:
    with flow_run("etl") as run:
        with pytest.raises(KeyboardInterrupt):
            interrupted.map([1, 2, 3])
        inverse(1)
    assert state(run) == '<Success: "1 of 4 task runs succeeded (3 Cancelled).">'


@task(result=None)
def interrupted(x: int) -> None:
    raise KeyboardInterrupt


def test_error_that_leaves_the_flow_is_what_its_state_says() -> None:
    with pytest.raises(ZeroDivisionError), flow_run("etl") as run:
        inverse(0)
    assert state(run) == "<Failed: \"Unexpected error: ZeroDivisionError('division by zero')\">"
