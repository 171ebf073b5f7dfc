"""Calls that only hand back what does the work later are recorded to the end of that work."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest

from taskruns import Skip, StateType, TaskTimedOut, flow_run, task
from tests.client.recording.recorded import PENDING, RUNNING, SUCCESS, WELL, history, task_runs, types

FAILED, CANCELLED, RETRYING = StateType.FAILED, StateType.CANCELLED, StateType.RETRYING


async def work(error: BaseException | None = None) -> str:
    await asyncio.sleep(0)
    if error is not None:
        raise error
    return "done"


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that is not async itself."""

    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


class Caller:
    async def __call__(self, *args: Any) -> str:
        return await work(*args)


DEFERRED: dict[str, Any] = {
    "wrapper": wrapped(work),
    "object": Caller(),
    "lambda": lambda error=None: work(error),
    "partial": functools.partial(work),
}


@pytest.mark.parametrize("kind", DEFERRED)
@pytest.mark.parametrize("use", ["call", "submit"])
async def test_function_that_returns_a_coroutine_is_recorded_to_its_end(kind: str, use: str) -> None:
    given: Any = task(DEFERRED[kind])
    name = given.name
    async with flow_run("etl") as run:
        call = given if use == "call" else given.submit
        assert await call() == "done"
        with pytest.raises(ValueError, match="late"):
            await call(ValueError("late"))

    assert history(run, f"{name}-1") == WELL
    assert run.view().get_task_run(f"{name}-1").get_result() == "done"
    assert types(run, f"{name}-2") == [PENDING, RUNNING, FAILED]


async def test_function_that_returns_a_coroutine_has_retries_and_time_outs() -> None:
    waits = iter([30, 0])

    @task(max_retries=1, timeout=0.1)
    @wrapped
    async def slow() -> str:
        await asyncio.sleep(next(waits))
        return "done"

    async with flow_run("etl") as run:
        assert await slow() == "done"
        slow_for_ever: Any = task(timeout=0.05, name="ever")(wrapped(functools.partial(asyncio.sleep, 30)))
        with pytest.raises(TaskTimedOut):
            await slow_for_ever()

    assert types(run, "slow-1") == [PENDING, RUNNING, RETRYING, RUNNING, SUCCESS]
    assert types(run, "ever-1") == [PENDING, RUNNING, StateType.TIMED_OUT]


@task
def count(to: int, error: BaseException | None = None) -> Iterator[int]:
    yield from range(to)
    if error is not None:
        raise error


@task
async def count_async(to: int, error: BaseException | None = None) -> AsyncIterator[int]:
    for number in range(to):
        yield number
    if error is not None:
        raise error


def items(generator: Any) -> list[int]:
    """All items of a generator, async or not."""
    if isinstance(generator, Iterator):
        return list(generator)

    async def collect() -> list[int]:
        return [item async for item in generator]

    return asyncio.run(collect())


@pytest.mark.parametrize("generating", [count, count_async], ids=["sync", "async"])
def test_generator_is_recorded_to_its_end(generating: Any) -> None:
    name = generating.name
    with flow_run("etl") as run:
        assert items(generating(3)) == [0, 1, 2]
        with pytest.raises(ValueError, match="late"):
            items(generating(3, ValueError("late")))
        assert items(generating(2, Skip("enough"))) == [0, 1]
        going = generating(3)
        assert task_runs(run)[f"{name}-4", -1] == RUNNING
        del going

    assert history(run, f"{name}-1") == WELL
    assert history(run, f"{name}-2")[-1] == (FAILED, "Unexpected error: ValueError('late')")
    assert history(run, f"{name}-3")[-1] == (StateType.SKIPPED, "enough")
    assert history(run, f"{name}-4")[-1] == (CANCELLED, "Stopped by GeneratorExit.")


def test_generator_takes_what_is_sent_and_thrown() -> None:
    @task
    def echo() -> Iterator[Any]:
        received = None
        while True:
            try:
                received = yield received
            except ValueError as error:
                received = error

    error = ValueError("no")
    with flow_run("etl") as run:
        generator: Any = echo()
        assert [next(generator), generator.send(1), generator.throw(error)] == [None, 1, error]
        generator.close()

    assert types(run, "echo-1") == [PENDING, RUNNING, CANCELLED]


@pytest.mark.parametrize("options", [{"max_retries": 1}, {"timeout": 1}])
def test_generator_has_neither_retries_nor_a_time_out(options: dict[str, Any]) -> None:
    for generating in (count, count_async):
        with pytest.raises(ValueError, match=r"is a generator, which supports neither max_retries nor a timeout"):
            task(**options)(generating.function)
    hidden: Any = task(name="hidden", **options)(lambda: (x for x in "abc"))
    with flow_run("etl") as run, pytest.raises(TypeError, match="returned a generator, which supports neither"):
        hidden()
    assert types(run, "hidden-1") == [PENDING, RUNNING, FAILED]


@pytest.mark.parametrize("error", [None, ValueError("late")])
def test_future_is_recorded_to_its_end(error: Exception | None) -> None:
    future: Future[int] = Future()
    given: Any = task(name="given")(lambda: future)
    with flow_run("etl") as run:
        assert given() is future
        assert types(run, "given-1") == [PENDING, RUNNING]
        if error is None:
            future.set_result(1)
        else:
            future.set_exception(error)

    assert types(run, "given-1")[-1] == (SUCCESS if error is None else FAILED)


async def test_tasks_of_the_event_loop_are_recorded_to_their_end() -> None:
    async with flow_run("etl") as run:
        given: Any = task(name="given")(lambda *args: asyncio.ensure_future(work(*args)))
        assert await given() == "done"
        with pytest.raises(ValueError, match="late"):
            await given(ValueError("late"))
        given().cancel()
        await asyncio.sleep(0)

    assert list(task_runs(run).values()) == [SUCCESS, FAILED, CANCELLED]


@task
def remote(kind: str) -> Any:
    return work() if kind == "coroutine" else (x for x in "abc")


@pytest.mark.parametrize("kind", ["coroutine", "generator"])
def test_work_that_comes_later_cannot_come_from_another_process(kind: str) -> None:
    with ProcessPoolExecutor(1) as pool, flow_run("etl", executor=pool) as run:
        with pytest.raises(TypeError, match=f"remote returned a {kind}, which cannot leave its process"):
            remote.submit(kind).result()
        assert remote.name == "remote"
    assert task_runs(run) == {("remote-1", -1): FAILED}


def test_generator_of_a_thread_is_recorded_to_its_end() -> None:
    pool: Executor
    with ThreadPoolExecutor(1) as pool, flow_run("etl", executor=pool) as run:
        assert list(count.submit(3).result()) == [0, 1, 2]
    assert types(run, "count-1") == [PENDING, RUNNING, SUCCESS]


def test_coroutine_function_is_still_a_coroutine_function() -> None:
    plain: Coroutine[Any, Any, str] = task(work)()
    assert asyncio.run(plain) == "done"
