"""Executes one task run: its tries, its time-out, its result, and the states that it comes to on the way."""

import logging
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID, uuid4

import anyio
import msgspec
from anyio.to_thread import run_sync
from msgspec import UNSET, Struct

from taskruns import results
from taskruns.errors import ResultError, TaskRunsError
from taskruns.models import StateCreate, StateType
from taskruns.recording.reports import TaskRunState
from taskruns.results import Storage

T = TypeVar("T")
Emit: TypeAlias = Callable[[TaskRunState], None]

MESSAGE_MOST = 10_000
REFERENCE_MOST = 500_000
"""How many bytes the reference to a result may have, as one that is the value itself."""
TICK = timedelta(microseconds=1)
_log = logging.getLogger("taskruns")


class Skip(Exception):
    """Raise it in a task that is not needed this time: the task run is Skipped and the call returns None."""


class TaskTimedOut(TaskRunsError, TimeoutError):
    """A task took longer than its `timeout`."""


class Plan(Struct, frozen=True, kw_only=True):
    """All that is to know about one task run to execute it anywhere."""

    flow_run_id: UUID
    task_slug: str
    map_index: int
    task_name: str
    tags: tuple[str, ...]
    max_retries: int
    retry_delay: float
    timeout: float | None
    result: Storage | None
    fields: dict[str, Any]
    """What the location of the result may name."""
    made: datetime
    """When the task run was made. All its states are later, also those of a machine with a clock that is behind."""

    def state(
        self,
        type: StateType,
        message: str,
        timestamp: datetime,
        result: dict[str, Any] | None = None,
        details: dict[str, Any] | None = None,
    ) -> TaskRunState:
        """A state of this task run, to report."""
        return TaskRunState(
            flow_run_id=self.flow_run_id,
            task_slug=self.task_slug,
            map_index=self.map_index,
            task_name=self.task_name,
            tags=self.tags,
            state=StateCreate(
                id=uuid4(),
                type=type,
                message=message,
                timestamp=timestamp,
                result=UNSET if result is None else result,
                details=UNSET if details is None else details,
            ),
        )


class Progress:
    """What a task run has come to so far, told state by state."""

    def __init__(self, plan: Plan, emit: Emit) -> None:
        """Tells the states to `emit`."""
        self.plan: Final = plan
        self._emit = emit
        self._latest = plan.made
        self._tries = 0
        self._late: TaskTimedOut | None = None

    def come_to(
        self,
        type: StateType,
        message: str,
        *,
        result: dict[str, Any] | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        """Tells a state. Each has a later moment than the one before, however coarse the clock is."""
        self._latest = max(datetime.now(UTC), self._latest + TICK)
        self._emit(self.plan.state(type, message, self._latest, result, details))

    def begin(self) -> None:
        """A try begins."""
        self._tries += 1
        self.come_to(StateType.RUNNING, "Starting task run.")

    def succeed(self, kept: tuple[str, dict[str, Any] | None]) -> None:
        """The task returned; `kept` is what `keep` made of its value."""
        message, reference = kept
        self.come_to(StateType.SUCCESS, message, result=reference)

    def fail(self, error: BaseException) -> float | None:
        """The task raised: seconds to wait for the next try; None if there is none."""
        if isinstance(error, Skip):
            nothing = results.wire(results.ConstantResult(None).write(None))
            self.come_to(StateType.SKIPPED, _said(error) or "The task was not needed.", result=nothing)
        elif is_stop(error):
            self.come_to(StateType.CANCELLED, f"Stopped by {type(error).__name__}.")
        elif isinstance(error, Exception) and self._tries <= self.plan.max_retries:
            return self._retry(error)
        elif error is self._late:
            self.come_to(StateType.TIMED_OUT, str(error))
        else:
            self.come_to(StateType.FAILED, f"Unexpected error: {told(error)}")
        return None

    def late(self) -> TaskTimedOut:
        """The try took too long: the error to raise. That of a task that this one calls is an error like any other."""
        self._late = TaskTimedOut(f"Task run took longer than {self.plan.timeout:g} s.")
        return self._late

    @contextmanager
    def stoppable(self) -> Generator[None, None, None]:
        """Tells it too if somebody stops the task run between two tries or while its result is written."""
        try:
            yield
        except BaseException as error:
            self.fail(error)
            raise

    def _retry(self, error: Exception) -> float:
        delay = self.plan.retry_delay
        self.come_to(
            StateType.RETRYING,
            f"Retrying after try {self._tries} of {self.plan.max_retries + 1}: {told(error)}",
            details={"start_time": (datetime.now(UTC) + timedelta(seconds=delay)).isoformat()},
        )
        return delay


def is_stop(error: BaseException) -> bool:
    """Whether somebody wanted it to stop: Ctrl-C, a cancelled coroutine, an exit without an error."""
    if isinstance(error, SystemExit):
        return error.code in (None, 0)
    return not isinstance(error, Exception)


def told(value: object) -> str:
    """The repr of a value in one line that any database takes."""
    try:
        return told_text(repr(value))
    except Exception:
        return f"{type(value).__name__} (its repr raised an error of its own)"


def told_text(text: str) -> str:
    """A text that any database takes: never too long, without NUL and broken surrogates."""
    return text[:MESSAGE_MOST].encode(errors="backslashreplace").decode().replace("\x00", "\\x00")[:MESSAGE_MOST]


def _said(error: Exception) -> str:
    try:
        return told_text(str(error))
    except Exception:
        return ""


def keep(value: object, plan: Plan) -> tuple[str, dict[str, Any] | None]:
    """Writes what a task returned to where its result is kept: the message of its success, and the reference."""
    message = "Task run succeeded."
    if plan.result is None:
        return message, None
    try:
        reference = results.wire(plan.result.write(value, **plan.fields))
        size = len(msgspec.json.encode(reference))
        if size > REFERENCE_MOST:
            raise ResultError(f"The reference to it would have {size} bytes: more than {REFERENCE_MOST}.")
    except Exception as error:
        # The task did its work; that its result is lost is no reason to do it again.
        message = f"{message} Its result could not be kept: {told(error)}"
        _log.warning("%s: %s", plan.task_slug, message)
        return message, None
    return message, reference


def execute(
    function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any], plan: Plan, emit: Emit
) -> T | None:
    """Runs a function as a task run: returns what it returns, None if it was skipped, or raises its last error."""
    progress = Progress(plan, emit)
    while True:
        try:
            progress.begin()
            value = _in_time(function, args, kwargs, progress)
        except BaseException as error:
            if (delay := progress.fail(error)) is None:
                if isinstance(error, Skip):
                    return None
                raise
            with progress.stoppable():
                time.sleep(delay)
        else:
            with progress.stoppable():
                progress.succeed(keep(value, plan))
            return value


async def execute_async(
    function: Callable[..., Coroutine[Any, Any, T]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    plan: Plan,
    emit: Emit,
) -> T | None:
    """Runs an async function as a task run: gives its value, None if it was skipped, or raises its last error."""
    progress = Progress(plan, emit)
    while True:
        try:
            progress.begin()
            value = await _in_time_async(function, args, kwargs, progress)
        except BaseException as error:
            if (delay := progress.fail(error)) is None:
                if isinstance(error, Skip):
                    return None
                raise
            with progress.stoppable():
                await anyio.sleep(delay)
        else:
            with progress.stoppable():
                progress.succeed(keep(value, plan) if plan.result is None else await run_sync(keep, value, plan))
            return value


async def _in_time_async(
    function: Callable[..., Coroutine[Any, Any, T]], args: tuple[Any, ...], kwargs: dict[str, Any], progress: Progress
) -> T:
    with anyio.move_on_after(progress.plan.timeout):
        return await function(*args, **kwargs)
    raise progress.late()


def _in_time(function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any], progress: Progress) -> T:
    """Calls a function, in a thread of its own if it has a time-out.

    When it is late it is not waited for any more. It goes on in its thread, as nothing can stop it, and what it returns
    is dropped.
    """
    plan = progress.plan
    if plan.timeout is None:
        return function(*args, **kwargs)
    outcome: list[tuple[T | None, BaseException | None]] = []

    def call() -> None:
        try:
            outcome.append((function(*args, **kwargs), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=copy_context().run, args=(call,), name=plan.task_slug, daemon=True)
    thread.start()
    thread.join(plan.timeout)
    if not outcome:
        raise progress.late()
    value, error = outcome[0]
    if error is not None:
        raise error
    return value  # type: ignore[return-value]
