"""What becomes of task runs that are executed elsewhere or later."""

import asyncio
import pickle
from collections.abc import Awaitable, Callable, Generator, Sequence
from concurrent.futures import CancelledError, Future
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from msgspec import UNSET, Struct
from msgspec.structs import replace

from taskruns.models import StateType
from taskruns.recording.bounds import safe_repr
from taskruns.recording.progress import TICK, Emit, Progress, TaskRunSpec
from taskruns.recording.reports import Report, TaskRunState
from taskruns.recording.tracebacks import traceback_details
from taskruns.type_aliases import Awaited, JsonObject

R = TypeVar("R")


class Outcome(Struct, Generic[R], frozen=True, kw_only=True):
    """How a task run ended, and its states and log lines where they could not be reported."""

    value: R | None = None
    """What it returned."""
    error: BaseException | None = None
    """What it raised."""
    reports: Sequence[Report] = ()
    """What is not reported yet."""
    pickled: bytes | None = None
    """What it returned, where it comes from another process: what does not unpickle would break a pool that does it."""

    def opened(self) -> "Outcome[R]":
        """The same with its value. One that does not unpickle is an error, and the task run Failed instead."""
        if self.pickled is None:
            return self
        try:
            return Outcome(value=pickle.loads(self.pickled), reports=self.reports)
        except BaseException as cause:
            error = RuntimeError(f"Cannot unpickle what the task returned: {safe_repr(cause)}")
            error.__cause__ = cause
            return Outcome(error=error, reports=[_failed(report, error) for report in self.reports])


def _failed(report: Report, error: Exception) -> Report:
    """The report of a success, as one of an error that came after it; any other report as it is."""
    if not isinstance(report, TaskRunState) or report.state.type is not StateType.SUCCESS:
        return report
    state = replace(
        report.state,
        type=StateType.FAILED,
        message=f"Unexpected error: {safe_repr(error)}",
        result=UNSET,
        details=traceback_details(error),
    )
    return replace(report, state=state)


def outcome_of(call: Callable[[], R]) -> Outcome[R]:
    """How a call ends; what is not an Exception, such as Ctrl-C, is raised."""
    try:
        return Outcome(value=call())
    except Exception as error:
        return Outcome(error=error)


async def outcome_of_async(awaitable: Awaitable[R]) -> Outcome[R]:
    """How a coroutine ends; what is not an Exception, such as a cancellation, is raised."""
    try:
        return Outcome(value=await awaitable)
    except Exception as error:
        return Outcome(error=error)


def values(outcomes: Sequence[Outcome[R]], specs: Sequence[TaskRunSpec]) -> list[R | None]:
    """What the children of a map returned; raises the error of the first one that failed, with a note."""
    failed = [(spec, outcome.error) for spec, outcome in zip(specs, outcomes, strict=True) if outcome.error is not None]
    if failed:
        spec, error = failed[0]
        error.add_note(f"In {spec.task_slug}[{spec.map_index}]; of {len(specs)} children {len(failed)} failed.")
        raise error
    return [outcome.value for outcome in outcomes]


class Watch:
    """Whether anybody asked how something ended."""

    def __init__(self) -> None:
        """Nobody has."""
        self.is_seen = False


class WatchedFuture(Future[R]):
    """A future that knows whether anybody asked how it ended."""

    loop: None = None
    """No event loop executes it."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        super().__init__()
        self.watch = Watch()

    def result(self, timeout: float | None = None) -> R:
        """Returns what the task returned; raises what it raised."""
        try:
            return super().result(timeout)
        finally:
            self.watch.is_seen |= self.done()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Returns what the task raised, if anything."""
        try:
            return super().exception(timeout)
        finally:
            self.watch.is_seen |= self.done()

    def withdraw(self, *, is_cancellation: bool) -> None:
        """Takes it back if it has not begun; a thread or a process that has begun goes on."""
        self.cancel()

    def has_failed(self) -> bool:
        """Whether it has ended with an error."""
        return not self.cancelled() and super().exception() is not None


class WatchedTask(asyncio.Task[R]):
    """A task of the event loop that knows whether anybody asked how it ended."""

    def __init__(self, coroutine: Awaited[R], progress: Progress) -> None:
        """Executes a coroutine, which is a task run, in the event loop that runs here."""
        self.loop = asyncio.get_running_loop()
        super().__init__(coroutine, loop=self.loop)
        self.watch = Watch()
        self._progress = progress
        settle: Callable[[Any], None] = WatchedTask[R]._settle
        self.add_done_callback(settle)

    def _settle(self) -> None:
        if self.cancelled() and not self._progress.is_begun:
            self._progress.cancel()

    def __await__(self) -> Generator[None, None, R]:
        """Waits for what the task returns; raises what it raises."""
        try:
            return (yield from super().__await__())
        finally:
            self.watch.is_seen |= self.done()

    def result(self) -> R:
        """Returns what the task returned; raises what it raised."""
        self.watch.is_seen |= self.done()
        return super().result()

    def exception(self) -> BaseException | None:
        """Returns what the task raised, if anything."""
        self.watch.is_seen |= self.done()
        return super().exception()

    def withdraw(self, *, is_cancellation: bool) -> None:
        """Takes it back if it has not begun; `is_stop`: stops it if it has."""
        if not is_cancellation and self._progress.is_begun:
            return
        if self.loop is running_loop():
            self.cancel()
        elif self.loop.is_running():
            self.loop.call_soon_threadsafe(self.cancel)

    def has_failed(self) -> bool:
        """Whether it has ended with an error."""
        return not self.cancelled() and super().exception() is not None


class TaskFuture(WatchedFuture[R]):
    """A task run in an executor; it reports the states that come back from there."""

    def __init__(self, inner: Future[Outcome[R]], spec: TaskRunSpec, emit: Emit) -> None:
        """`inner` is what the executor gave."""
        super().__init__()
        self._inner: Future[Outcome[R]] | None = inner
        self._spec = spec
        self._emit = emit
        inner.add_done_callback(self._settle)

    def cancel(self) -> bool:
        """Cancels the task run if it has not started; returns whether that was possible."""
        inner = self._inner
        return inner is not None and inner.cancel()

    def abandon(self, message: str) -> None:
        """Reports the task run as Cancelled, though it has begun; if it succeeds nevertheless, that counts more."""
        self._report(StateType.CANCELLED, message)

    def _settle(self, inner: Future[Outcome[R]]) -> None:
        # Dask would run it once more, were a worker to die with a result that somebody still refers to.
        self._inner = None
        outcome: Outcome[R]
        try:
            outcome = inner.result().opened()
        except CancelledError:
            self._report(StateType.CANCELLED, "Cancelled.")
            super().cancel()
            self.set_running_or_notify_cancel()
            return
        except BaseException as error:
            # The executor itself failed: a worker died, or what it was to send could not be pickled.
            self._report(StateType.FAILED, f"The executor failed: {safe_repr(error)}", traceback_details(error))
            outcome = Outcome(error=error)
        for report in outcome.reports:
            self._emit(report)
        _settle(self, outcome)

    def _report(self, type: StateType, message: str, details: JsonObject | None = None) -> None:
        timestamp = max(datetime.now(UTC), self._spec.created_at + TICK)
        self._emit(self._spec.state(type, message, timestamp, details=details))


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def settled(outcome: Outcome[R]) -> WatchedFuture[R]:
    """A future of what was called right away."""
    future: WatchedFuture[R] = WatchedFuture()
    _settle(future, outcome)
    return future


def _settle(future: Future[R], outcome: Outcome[R]) -> None:
    if outcome.error is not None:
        future.set_exception(outcome.error)
    else:
        future.set_result(outcome.value)  # type: ignore[arg-type] # without an error it is there
