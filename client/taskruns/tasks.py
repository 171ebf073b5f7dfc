"""Tasks: functions that are recorded as task runs inside a flow run, and are plain functions outside."""

import asyncio
import inspect
import pickle
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from datetime import timedelta
from functools import partial, update_wrapper
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar, cast, overload

from taskruns.execution import Plan, Progress, execute, execute_async
from taskruns.futures import outcome_of, outcome_of_async, settled, values
from taskruns.models import StateType
from taskruns.recorder import DEFAULT, NAME_MOST, FlowRunRecorder, ResultOption, current_flow_run
from taskruns.workers import Job, in_executor

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

Call: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]

NUMBER_ROOM = 15
"""How many characters of a slug are left for the number at its end."""


class unmapped(Generic[T]):  # noqa: N801 # it reads as a word of the call: inc.map(xs, unmapped(3))
    """An argument of `map` that is the same for all children."""

    def __init__(self, value: T) -> None:
        """The value for all of them."""
        self.value = value


class Task(Generic[P, R]):
    """A function that is recorded as a task run when it is called inside a flow run; made by `task`."""

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str | None,
        slug: str | None,
        tags: Iterable[str],
        result: ResultOption,
        max_retries: int,
        retry_delay: float | timedelta,
        timeout: float | timedelta | None,
    ) -> None:
        """See `task`."""
        self.function = function
        self.name = function.__name__ if name is None else name
        self.tags = tuple(sorted(set(tags)))
        self.slug = slug
        self.result = result
        self.max_retries = max_retries
        self.retry_delay = _seconds(retry_delay)
        self.timeout = None if timeout is None else _seconds(timeout)
        self.is_async = inspect.iscoroutinefunction(function)
        self._check()
        update_wrapper(self, function)

    def _check(self) -> None:
        most = NAME_MOST - NUMBER_ROOM
        if not 0 < len(self._base) <= most:
            raise ValueError(f"The slug {self._base!r} has {len(self._base)} characters: it may have 1 to {most}.")
        if self.max_retries < 0 or self.retry_delay < 0:
            raise ValueError(f"max_retries and retry_delay of {self.name} have to be 0 or more.")
        if self.timeout is not None and self.timeout <= 0:
            raise ValueError(f"The timeout of {self.name} has to be more than 0 seconds.")

    @property
    def _base(self) -> str:
        return "-".join((self.name, *self.tags)) if self.slug is None else self.slug

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls the function; inside a flow run as a task run."""
        run = current_flow_run()
        if run is None:
            return self.function(*args, **kwargs)
        return cast(R, self._execute(run, self._plan(run, self._slug(run)), args, kwargs))

    @overload
    def map(
        self: "Task[..., Coroutine[Any, Any, T]]", *iterables: "Iterable[Any] | unmapped[Any]", **named: Any
    ) -> Coroutine[Any, Any, list[T]]: ...
    @overload
    def map(self, *iterables: "Iterable[Any] | unmapped[Any]", **named: Any) -> list[R]: ...
    def map(self, *iterables: "Iterable[Any] | unmapped[Any]", **named: "Iterable[Any] | unmapped[Any]") -> Any:
        """Calls the function for each item; inside a flow run as the children of a mapped task run.

        All children run, also if some fail; then the error of the first one that failed is raised, with a note. That of
        an async task is awaited, and its children run at once.

        Raises:
            ValueError: If the iterables are not of the same length.
        """
        calls = _calls(iterables, named)
        run = current_flow_run()
        if self.is_async:
            return self._map_async(run, calls)
        if run is None:
            return [self.function(*args, **kwargs) for args, kwargs in calls]
        plans = self._plan_map(run, len(calls))
        if run.executor is not None:
            jobs = [self._job(plan, *call) for plan, call in zip(plans, calls, strict=True)]
            futures = [in_executor(run, run.executor, job) for job in jobs]
            return values([outcome_of(future.result) for future in futures], plans)
        children = (partial(self._execute, run, plan, *call) for plan, call in zip(plans, calls, strict=True))
        return values([outcome_of(child) for child in children], plans)

    async def _map_async(self, run: FlowRunRecorder | None, calls: list[Call]) -> list[Any]:
        if run is None:
            function: Callable[..., Awaitable[Any]] = cast(Any, self.function)
            return list(await asyncio.gather(*(function(*args, **kwargs) for args, kwargs in calls)))
        plans = self._plan_map(run, len(calls))
        children = (self._execute(run, plan, *call) for plan, call in zip(plans, calls, strict=True))
        return values(await asyncio.gather(*map(outcome_of_async, children)), plans)

    @overload
    def submit(  # type: ignore[overload-overlap] # a coroutine function is both, and the first is meant
        self: "Task[P, Coroutine[Any, Any, T]]", *args: P.args, **kwargs: P.kwargs
    ) -> "asyncio.Task[T]": ...
    @overload
    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Future[R]: ...
    def submit(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function in the flow run's executor and returns a future; of an async task, an `asyncio.Task`.

        Without an executor, and outside of a flow run, it is called right away.
        """
        if self.is_async:
            return asyncio.ensure_future(cast(Coroutine[Any, Any, Any], self(*args, **kwargs)))
        run = current_flow_run()
        if run is None or run.executor is None:
            return settled(partial(self, *args, **kwargs))
        plan = self._plan(run, self._slug(run))
        future = in_executor(run, run.executor, self._job(plan, args, kwargs))
        run.wait_for(future)
        return future

    def _job(self, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Job[R]:
        return Job(task=self, args=args, kwargs=kwargs, plan=plan)

    def _execute(self, run: FlowRunRecorder, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        function: Callable[..., Any] = self.function
        return (execute_async if self.is_async else execute)(function, args, kwargs, plan, run.emit)

    def _slug(self, run: FlowRunRecorder) -> str:
        return run.slug_of(self._base, counted=self.slug is None)

    def _plan(self, run: FlowRunRecorder, task_slug: str, map_index: int = -1) -> Plan:
        return run.plan(
            task_slug,
            map_index,
            task_name=self.name,
            tags=self.tags,
            max_retries=self.max_retries,
            retry_delay=self.retry_delay,
            timeout=self.timeout,
            result=self.result,
        )

    def _plan_map(self, run: FlowRunRecorder, width: int) -> list[Plan]:
        """Makes the parent of a map, which is Mapped, and its children."""
        slug = self._slug(run)
        parent = self._plan(run, slug)
        children = [self._plan(run, slug, index) for index in range(width)]
        Progress(parent, run.emit).come_to(StateType.MAPPED, f"Mapped over {width} items.")
        return children

    def __reduce__(self) -> Any:
        """Pickles as its name where another process can import it, and otherwise as the function that it is."""
        module = sys.modules.get(self.function.__module__)
        if self.function.__module__ != "__main__" and _found(module, self.function.__qualname__) is self:
            return self.function.__qualname__
        try:
            import cloudpickle  # type: ignore[import-untyped]
        except ImportError:
            return self.function.__qualname__
        # Named by its module it would be found as this task, so it goes by its code.
        return _rebuilt, (cloudpickle.dumps((self.function, self._options())),)

    def _options(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "slug": self.slug,
            "tags": self.tags,
            "result": self.result,
            "max_retries": self.max_retries,
            "retry_delay": self.retry_delay,
            "timeout": self.timeout,
        }

    def __repr__(self) -> str:
        return f"<task {self.name}>"


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(
    *,
    name: str | None = None,
    slug: str | None = None,
    tags: Iterable[str] = (),
    result: ResultOption = DEFAULT,
    max_retries: int = 0,
    retry_delay: float | timedelta = 0,
    timeout: float | timedelta | None = None,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    slug: str | None = None,
    tags: Iterable[str] = (),
    result: ResultOption = DEFAULT,
    max_retries: int = 0,
    retry_delay: float | timedelta = 0,
    timeout: float | timedelta | None = None,
) -> Task[P, R] | Callable[[Callable[P, R]], Task[P, R]]:
    """Makes a task of a function, async or not: `@task` or `@task(max_retries=3, retry_delay=10)`.

    Args:
        function: The function.
        name: The name of the task; not given: that of the function.
        slug: What its task run is known by in a flow run; not given: name, tags and a number from 1. A given one has a
            number from its second task run on.
        tags: Tags of its task runs.
        result: Where what it returns is kept; not given: where the flow run says; None: nowhere.
        max_retries: How often it is tried again when it raises an Exception.
        retry_delay: Seconds between two tries.
        timeout: Seconds that a try may take. A function that is late goes on in its thread, but nobody waits for it.

    Raises:
        ValueError: If one of them is out of bounds.
    """

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        return Task(
            function,
            name=name,
            slug=slug,
            tags=tags,
            result=result,
            max_retries=max_retries,
            retry_delay=retry_delay,
            timeout=timeout,
        )

    return decorate if function is None else decorate(function)


def _rebuilt(pickled: bytes) -> Task[..., Any]:
    function, options = pickle.loads(pickled)
    return Task(function, **options)


def _found(module: object, qualname: str) -> object:
    for name in qualname.split("."):
        module = getattr(module, name, None)
    return module


def _seconds(duration: float | timedelta) -> float:
    return duration.total_seconds() if isinstance(duration, timedelta) else duration


def _calls(iterables: Sequence[Any], named: dict[str, Any]) -> list[Call]:
    """The arguments of each child."""
    columns = [*iterables, *named.values()]
    mapped = [column if isinstance(column, unmapped) else list(column) for column in columns]
    widths = {len(column) for column in mapped if not isinstance(column, unmapped)}
    if len(widths) != 1:
        told = f"they have {sorted(widths)} items" if widths else "all are unmapped"
        raise ValueError(f"map needs iterables of one length, and {told}.")
    filled = [[column.value] * max(widths) if isinstance(column, unmapped) else column for column in mapped]
    plain = len(iterables)
    return [(row[:plain], dict(zip(named, row[plain:], strict=True))) for row in zip(*filled, strict=True)]
