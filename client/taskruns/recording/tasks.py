"""Tasks: functions that are recorded as task runs inside a flow run, and are plain functions outside."""

import asyncio
import copyreg
import inspect
import pickle
import sys
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from contextvars import ContextVar
from datetime import timedelta
from functools import partial, update_wrapper
from importlib import import_module
from typing import Any, Concatenate, Generic, Never, ParamSpec, Self, TypeAlias, TypeVar, cast, overload

from taskruns.recording.bounds import MAX_NAME_LENGTH, check_names
from taskruns.recording.deferred_values import kind_of
from taskruns.recording.execution import execute, execute_async
from taskruns.recording.flow_runs import FlowRunRecorder, current_flow_run
from taskruns.recording.futures import Outcome, WatchedTask, outcome_of, running_loop, settled
from taskruns.recording.mapping import Call, MapRun, calls_of, unmapped
from taskruns.recording.places import DEFAULT, ResultOption
from taskruns.recording.progress import Progress, TaskRunSpec
from taskruns.recording.run_logs import level_number
from taskruns.recording.submissions import Submitted
from taskruns.recording.workers import Job, in_executor
from taskruns.type_aliases import Arguments, Awaited, Positional

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

Mapped: TypeAlias = Iterable[Any] | unmapped[Any]
"""An argument of `map`: an item for each child, or one value for all of them."""
AnyTask: TypeAlias = "Task[..., Any]"
"""A task, whatever it takes and returns."""

_by_value: ContextVar[bool] = ContextVar("taskruns_by_value", default=False)

_running: set["asyncio.Task[object]"] = set()
"""What was submitted to an event loop, which by itself would let it be collected before it ends."""

NUMBER_ROOM = 15
"""How many characters of a slug are left for the number at its end."""


class Task(Generic[P, R_co]):
    """A function that is recorded as a task run when it is called inside a flow run. `task` creates it."""

    def __init__(
        self,
        function: Callable[P, R_co],
        *,
        name: str | None,
        slug: str | None,
        tags: Iterable[str],
        result: ResultOption,
        max_retries: int,
        retry_delay: float | timedelta,
        timeout: float | timedelta | None,
        capture_logs: bool | None,
        capture_prints: bool | None,
        log_level: int | str | None,
    ) -> None:
        """See `task`."""
        plain = _plain(function)
        if not callable(plain):
            raise TypeError(f"task takes a function or a method, but this is a {type(function).__name__}.")
        # First, as it brings along the attributes of the function, whatever their names.
        update_wrapper(self, plain)
        self.function = function
        self._origin: tuple[AnyTask, object, type | None] | None = None
        # An object that can be called may have no name of its own.
        self.name = getattr(function, "__name__", type(function).__name__) if name is None else name
        self.tags = tuple(sorted(set(tags)))
        self.slug = slug
        self.result = result
        self.max_retries = max_retries
        self.retry_delay = _seconds(retry_delay)
        self.timeout = None if timeout is None else _seconds(timeout)
        self.capture_logs = capture_logs
        self.capture_prints = capture_prints
        self.log_level = None if log_level is None else level_number(log_level)
        self.is_async = _is_function(inspect.iscoroutinefunction, plain)
        self.is_generator = any(
            _is_function(kind, plain) for kind in (inspect.isgeneratorfunction, inspect.isasyncgenfunction)
        )
        self._check()

    def _check(self) -> None:
        check_names("The name of a task", self.name)
        check_names("A tag", *self.tags)
        check_names("A slug without its number", self._base, max_length=MAX_NAME_LENGTH - NUMBER_ROOM)
        if self.max_retries < 0 or self.retry_delay < 0:
            raise ValueError(f"max_retries and retry_delay of {self.name} must be 0 or more.")
        if self.timeout is not None and self.timeout <= 0:
            raise ValueError(f"The timeout of {self.name} must be more than 0 seconds.")
        if self.is_generator and (self.max_retries or self.timeout is not None):
            raise ValueError(
                f"{self.name} is a generator, which supports neither max_retries nor a timeout: its caller already has "
                f"the yielded values. Make a task of a function that returns a list."
            )

    @property
    def _base(self) -> str:
        return "-".join((self.name, *self.tags)) if self.slug is None else self.slug

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self: "Task[Concatenate[Any, Q], T]", instance: object, owner: type | None = None) -> "Task[Q, T]": ...
    def __get__(self, instance: object, owner: type | None = None) -> "AnyTask":
        """Binds the task of a method to an object or a class, as its function would be bound."""
        bind = getattr(type(self.function), "__get__", None)
        function = self.function if bind is None else bind(self.function, instance, owner)
        if function is self.function:
            return self
        bound: AnyTask = object.__new__(type(self))
        vars(bound).update(vars(self), __wrapped__=function, function=function, _origin=(self, instance, owner))
        return bound

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Calls the function; inside a flow run as a task run."""
        run = current_flow_run()
        if run is None:
            return self.function(*args, **kwargs)
        return cast(R_co, self._execute(Progress(self._announce_spec(run), run.emit), args, kwargs))

    # Nothing is known of a function without annotations, nor of its map and submit; it fits the first overload, and
    # not those of a coroutine function.
    @overload
    def map(self: "Task[..., Never]", *iterables: Mapped, **named: Mapped) -> Any: ...
    @overload
    def map(self: "Task[..., Awaited[T]]", *iterables: Mapped, **named: Any) -> Awaited[list[T]]: ...
    @overload
    def map(self, *iterables: Mapped, **named: Any) -> list[R_co]: ...
    def map(self, *iterables: Mapped, **named: Mapped) -> Any:
        """Calls the function for each item; inside a flow run, as the children of a mapped task run.

        All children run, even if some fail; then the first error is raised, with a note. For an async task, await the
        call; its children run concurrently.

        Raises:
            ValueError: If the iterables differ in length.
        """
        calls = calls_of(iterables, named)
        run = current_flow_run()
        if self.is_async:
            return self._map_async(run, calls)
        if run is None:
            return [self.function(*args, **kwargs) for args, kwargs in calls]
        map_run = self._map_run(run, calls)
        return map_run.execute() if run.executor is None else map_run.execute_in(run.executor)

    async def _map_async(self, run: FlowRunRecorder | None, calls: list[Call]) -> list[object]:
        if run is None:
            function = cast("Callable[..., Awaitable[object]]", self.function)
            return list(await asyncio.gather(*(function(*args, **kwargs) for args, kwargs in calls)))
        return await self._map_run(run, calls).execute_async()

    @overload
    def submit(self: "Task[P, Never]", *args: P.args, **kwargs: P.kwargs) -> Any: ...
    @overload
    def submit(  # type: ignore[overload-overlap] # a coroutine function is both, and the first is meant
        self: "Task[P, Awaited[T]]", *args: P.args, **kwargs: P.kwargs
    ) -> "asyncio.Task[T]": ...
    @overload
    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Future[R_co]: ...
    def submit(self, *args: object, **kwargs: object) -> Any:
        """Calls the function in the flow run's executor and returns a future; for an async task, an `asyncio.Task`.

        Without an executor, or outside of a flow run, it is called immediately.
        """
        run = current_flow_run()
        if run is None:
            return self._submit_plain(args, kwargs)
        submitted: Submitted
        spec = self._announce_spec(run)
        if run.executor is not None and not self.is_async:
            submitted = in_executor(run, run.executor, self._job(spec, args, kwargs))
        else:
            progress = Progress(spec, run.emit)
            outcome: Outcome[object] = outcome_of(partial(self._execute, progress, args, kwargs))
            is_coroutine = self._is_for_loop(outcome.value)
            submitted = (
                WatchedTask(cast("Awaited[object]", outcome.value), progress) if is_coroutine else settled(outcome)
            )
        run.submissions.add(submitted)
        return submitted

    def _submit_plain(self, args: Positional, kwargs: Arguments) -> Any:
        outcome: Outcome[object] = outcome_of(partial(self.function, *args, **kwargs))
        if not self._is_for_loop(outcome.value):
            return settled(outcome)
        running = asyncio.ensure_future(cast("Awaited[object]", outcome.value))
        _running.add(running)
        running.add_done_callback(_running.discard)
        return running

    def _is_for_loop(self, value: object) -> bool:
        """Whether an event loop is to execute what a call has returned."""
        return self.is_async or (kind_of(value) == "coroutine" and running_loop() is not None)

    def _job(self, spec: TaskRunSpec, args: Positional, kwargs: Arguments) -> Job[R_co]:
        return Job(task=self, args=args, kwargs=kwargs, spec=spec)

    def _execute(self, progress: Progress, args: Positional, kwargs: Arguments) -> Any:
        function: Callable[..., Any] = self.function
        return (execute_async if self.is_async else execute)(function, args, kwargs, progress)

    def _slug(self, run: FlowRunRecorder) -> str:
        return run.slugs.next_slug(self._base, counted=self.slug is None)

    def _announce_spec(self, run: FlowRunRecorder) -> TaskRunSpec:
        """Makes a task run, which is Pending."""
        spec = self._make_spec(run, self._slug(run), result=self.result)
        run.announce(spec)
        return spec

    def _make_spec(
        self, run: FlowRunRecorder, task_slug: str, map_index: int = -1, *, result: ResultOption
    ) -> TaskRunSpec:
        return run.make_spec(
            task_slug,
            map_index,
            task_name=self.name,
            tags=self.tags,
            max_retries=self.max_retries,
            retry_delay=self.retry_delay,
            timeout=self.timeout,
            result=result,
            logs=run.logs.changed(self.capture_logs, self.capture_prints, self.log_level),
        )

    def _map_run(self, run: FlowRunRecorder, calls: list[Call]) -> MapRun:
        """Makes the parent of a map and its children."""
        slug = self._slug(run)
        parent = self._make_spec(run, slug, result=None)
        specs = [self._make_spec(run, slug, index, result=self.result) for index in range(len(calls))]
        return MapRun(run, parent, [self._job(spec, *call) for spec, call in zip(specs, calls, strict=True)])

    def __reduce__(self) -> tuple[object, ...]:
        """Pickles as its name where another process can import it, and otherwise as the function that it is.

        A task of a program goes as both: a process of multiprocessing has the program, a worker elsewhere has not.
        """
        if self._origin is not None:
            return _bound, self._origin
        module, name = self.function.__module__, self.function.__qualname__
        named = _look_up(module, name) is self
        if named and module != "__main__":
            return _imported, (module, name)
        if _by_value.get():
            return copyreg.__newobj__, (type(self),), self.__dict__  # type: ignore[attr-defined]
        token = _by_value.set(True)
        try:
            # All of it, as the function may call this task itself.
            pickled = import_module("cloudpickle").dumps(self)
        except Exception:
            if not named:
                raise
            pickled = None
        finally:
            _by_value.reset(token)
        return _unpickled, (name if named else None, pickled)

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
    capture_logs: bool | None = None,
    capture_prints: bool | None = None,
    log_level: int | str | None = None,
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
    capture_logs: bool | None = None,
    capture_prints: bool | None = None,
    log_level: int | str | None = None,
) -> Task[P, R] | Callable[[Callable[P, R]], Task[P, R]]:
    """Makes a task of a function, sync or async: `@task` or `@task(max_retries=3, retry_delay=10)`.

    Args:
        function: The function.
        name: The name of the task. Default: the name of the function.
        slug: The slug of its task run in a flow run. Default: the name, the tags, and a number from 1. Your own slug
            gets a number from its second task run on.
        tags: The tags of its task runs.
        result: The storage for what it returns. Default: the storage of the flow run; None: no storage.
        max_retries: The maximum number of retries when it raises an Exception.
        retry_delay: The seconds between two attempts.
        timeout: The maximum seconds for an attempt. A function that exceeds it continues in its thread, but nothing
            waits for it.
        capture_logs: Whether to record what it logs. Default: as the flow run says.
        capture_prints: Whether to record what it prints as well. Default: as the flow run says.
        log_level: The least severe level to record. Default: that of the flow run.

    Raises:
        ValueError: If an argument is out of bounds.
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
            capture_logs=capture_logs,
            capture_prints=capture_prints,
            log_level=log_level,
        )

    return decorate if function is None else decorate(function)


def _bound(task: AnyTask, instance: object, owner: type | None) -> AnyTask:
    return task.__get__(instance, owner)


def _imported(module: str, name: str) -> object:
    import_module(module)
    return _look_up(module, name)


def _unpickled(name: str | None, pickled: bytes | None) -> object:
    if name is not None and isinstance(_look_up("__main__", name), Task):
        return _look_up("__main__", name)
    if pickled is None:
        raise RuntimeError(
            f"The task {name} of the main program cannot be found here: define it in a module, or pickle it by value."
        )
    return pickle.loads(pickled)


def _look_up(module: str, qualname: str) -> object:
    member: object = sys.modules.get(module)
    for name in qualname.split("."):
        member = inspect.getattr_static(member, name, None)
    return _plain(member)


def _plain(function: object) -> object:
    """The function of a class method or a static method; any other object itself."""
    return cast(Any, function).__func__ if isinstance(function, classmethod | staticmethod) else function


def _is_function(is_kind: Callable[[object], bool], function: object) -> bool:
    """Whether a function is of a kind, or an object whose call is one."""
    return is_kind(function) or is_kind(inspect.getattr_static(type(function), "__call__", None))


def _seconds(duration: float | timedelta) -> float:
    return duration.total_seconds() if isinstance(duration, timedelta) else duration
