"""Tasks of classes: methods, class methods and static methods, called, mapped and submitted, here and elsewhere."""

import asyncio
import inspect
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from typing import Any

import pytest

from taskruns import StateType, Task, flow_run, task
from tests.client.recording.recorded import task_runs
from tests.client.recording.scripts import Scripts

MAPPED, SUCCESS = StateType.MAPPED, StateType.SUCCESS


class Source(ABC):
    @abstractmethod
    def rows(self) -> list[int]: ...

    @task
    def total(self, offset: int = 0) -> int:
        return sum(self.rows()) + offset


class Numbers(Source):
    factor = 2
    magnitude = task(name="magnitude")(abs)

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers

    def rows(self) -> list[int]:
        return list(self.numbers)

    @task(max_retries=1)
    def add(self, x: int, by: int = 1) -> int:
        """Adds a number."""
        return self.numbers[0] + x * by

    @task
    def total(self, offset: int = 0) -> int:
        return self.factor * super().total(offset)

    @task
    async def add_async(self, x: int) -> int:
        await asyncio.sleep(0)
        return self.numbers[0] + x

    @task
    def items(self) -> Iterator[int]:
        yield from self.numbers

    @task
    @classmethod
    def scaled(cls, x: int) -> int:
        return cls.factor * x

    @task
    @classmethod
    async def scaled_async(cls, x: int) -> int:
        return cls.factor * x

    @task
    @staticmethod
    def plain(x: int) -> int:
        return x + 1

    @staticmethod
    @task
    def plain_task(x: int) -> int:
        return x + 1

    @property
    @task
    def first(self) -> int:
        return self.numbers[0]


class Larger(Numbers):
    factor = 10


numbers: Any = Numbers(10, 20)
# What is called with 5, and what comes of it.
CALLS: dict[str, tuple[Callable[[int], Any], int]] = {
    "method": (numbers.add, 15),
    "method of the class": (partial(Numbers.add, numbers), 15),
    "class method": (Numbers.scaled, 10),  # type: ignore[dict-item]
    "class method of an object": (numbers.scaled, 10),
    "class method of a subclass": (Larger.scaled, 50),  # type: ignore[dict-item]
    "static method": (Numbers.plain, 6),
    "static method of an object": (numbers.plain, 6),
    "static method above the task": (Numbers.plain_task, 6),
    "static method above the task, of an object": (numbers.plain_task, 6),
    "callable that is no function": (numbers.magnitude, 5),
}


@pytest.mark.parametrize("name", CALLS)
def test_task_of_a_class_is_called_as_its_function_would_be(name: str) -> None:
    call, value = CALLS[name]
    assert call(5) == value
    with flow_run("etl") as run:
        assert call(5) == value
    assert list(task_runs(run).values()) == [SUCCESS]


@pytest.fixture(scope="module")
def pools() -> Iterator[dict[str, Executor | None]]:
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(2))
        forked = stack.enter_context(ProcessPoolExecutor(1, get_context("fork")))
        spawned = stack.enter_context(ProcessPoolExecutor(1, get_context("spawn")))
        yield {"here": None, "threads": threads, "forked": forked, "spawned": spawned}


@pytest.mark.parametrize("pool", ["here", "threads", "forked", "spawned"])
@pytest.mark.parametrize("name", [name for name in CALLS if name != "method of the class"])
def test_task_of_a_class_is_mapped_and_submitted(name: str, pool: str, pools: dict[str, Executor | None]) -> None:
    call, value = CALLS[name]
    bound: Any = call
    with flow_run("etl", executor=pools[pool]) as run:
        assert bound.map([5, 5]) == [value, value]
        submitted: Future[int] = bound.submit(5)
        assert submitted.result() == value
    assert list(task_runs(run).values()) == [MAPPED, SUCCESS, SUCCESS, SUCCESS]


@pytest.mark.parametrize("name", ["add_async", "scaled_async"])
async def test_async_task_of_a_class_is_called_mapped_and_submitted(name: str) -> None:
    bound = getattr(Numbers(1), name)
    value = await bound(2)
    async with flow_run("etl") as run:
        assert await bound(2) == value == 3 + (name == "scaled_async")
        assert await bound.map([2, 2]) == [value, value]
        assert await bound.submit(2) == value
    assert list((await asyncio.to_thread(task_runs, run)).values()) == [SUCCESS, MAPPED, SUCCESS, SUCCESS, SUCCESS]


def test_methods_of_all_objects_are_runs_of_one_task() -> None:
    with flow_run("etl") as run:
        assert Numbers(1).add(2, by=3) == 7
        assert Numbers(2).add(2) == 4
        assert list(Numbers(1, 2).items()) == [1, 2]
        assert Numbers(3).first == 3
    assert [slug for slug, _ in task_runs(run)] == ["add-1", "add-2", "items-1", "first-1"]


def test_method_calls_that_of_its_base_class() -> None:
    with flow_run("etl") as run:
        assert Larger(1, 2).total(1) == 40
    assert [slug for slug, _ in task_runs(run)] == ["total-1", "total-2"]
    with pytest.raises(TypeError, match="abstract"):
        Source()  # type: ignore[abstract]


def test_bound_task_is_a_task_with_the_signature_of_its_method() -> None:
    assert isinstance(numbers.add, Task)
    add: Any = numbers.add
    assert (add.__name__, add.__doc__, add.max_retries) == ("add", "Adds a number.", 1)
    assert str(inspect.signature(numbers.add)) == "(x: int, by: int = 1) -> int"
    assert str(inspect.signature(Numbers.add)) == "(self, x: int, by: int = 1) -> int"
    assert Numbers.add is inspect.getattr_static(Numbers, "add")


def test_bound_task_is_pickled_with_its_object() -> None:
    copy = pickle.loads(pickle.dumps(numbers.add))
    assert copy(5) == 15
    assert inspect.getattr_static(Numbers, "add") is pickle.loads(pickle.dumps(Numbers.add))
    assert pickle.loads(pickle.dumps(Larger.scaled))(1) == 10


def test_task_is_not_made_of_what_cannot_be_called() -> None:
    with pytest.raises(TypeError, match=r"^task takes a function or a method, but this is a property\.$"):
        task(property(lambda self: 1))  # type: ignore[call-overload]


def test_methods_of_a_program_run_in_processes(scripts: Scripts) -> None:
    out, err = scripts.run(
        """
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context
        from taskruns import flow_run, task

        class Numbers:
            def __init__(self, number):
                self.number = number

            @task
            def add(self, x):
                return self.number + x

            @task
            @classmethod
            def name(cls, x):
                return cls.__name__ * x

        if __name__ == "__main__":
            for method in ("fork", "spawn"):
                with ProcessPoolExecutor(1, get_context(method)) as pool, flow_run("etl", executor=pool):
                    print(Numbers(1).add.map([1, 2]), Numbers(2).add.submit(1).result(), Numbers.name.map([1, 2]))
        """
    )
    assert err == ""
    assert out == "[2, 3] 3 ['Numbers', 'NumbersNumbers']\n" * 2
