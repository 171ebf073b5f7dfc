"""What becomes of task runs that are executed elsewhere or later."""

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import CancelledError, Future
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from msgspec import Struct

from taskruns.models import StateType
from taskruns.recording.execution import TICK, Emit, Plan, told
from taskruns.recording.reports import TaskRunState

R = TypeVar("R")


class Outcome(Struct, Generic[R], frozen=True, kw_only=True):
    """How a task run ended, and the states that it came to where they could not be reported."""

    value: R | None = None
    """What it returned."""
    error: BaseException | None = None
    """What it raised."""
    states: Sequence[TaskRunState] = ()
    """The states that are not reported yet."""


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


def values(outcomes: Sequence[Outcome[R]], plans: Sequence[Plan]) -> list[Any]:
    """What the children of a map returned; raises the error of the first one that failed, with a note."""
    failed = [(plan, outcome.error) for plan, outcome in zip(plans, outcomes, strict=True) if outcome.error is not None]
    if failed:
        plan, error = failed[0]
        error.add_note(f"In {plan.task_slug}[{plan.map_index}]; of {len(plans)} children {len(failed)} failed.")
        raise error
    return [outcome.value for outcome in outcomes]


class WatchedFuture(Future[R]):
    """A future that knows whether anybody asked how it ended."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        super().__init__()
        self._seen = False

    def result(self, timeout: float | None = None) -> R:
        """What the task returned; raises what it raised."""
        try:
            return super().result(timeout)
        finally:
            self._seen = self._seen or self.done()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the task raised, if it did."""
        try:
            return super().exception(timeout)
        finally:
            self._seen = self._seen or self.done()

    def failed_unseen(self) -> bool:
        """Waits for the end; whether it failed and nobody asked how it ended."""
        try:
            error = super().exception()
        except CancelledError:
            return False
        return error is not None and not self._seen


class TaskFuture(WatchedFuture[R]):
    """A task run in an executor; it reports the states that come back from there."""

    def __init__(self, inner: Future[Outcome[R]], plan: Plan, emit: Emit) -> None:
        """`inner` is what the executor gave."""
        super().__init__()
        self._inner: Future[Outcome[R]] | None = inner
        self._plan = plan
        self._emit = emit
        inner.add_done_callback(self._settle)

    def cancel(self) -> bool:
        """Takes the task run back, if it has not begun; whether that was possible."""
        inner = self._inner
        return inner is not None and inner.cancel()

    def _settle(self, inner: Future[Outcome[R]]) -> None:
        # Dask would run it once more, were a worker to die with a result that somebody still refers to.
        self._inner = None
        outcome: Outcome[R]
        try:
            outcome = inner.result()
        except CancelledError:
            self._report(StateType.CANCELLED, "Cancelled.")
            super().cancel()
            self.set_running_or_notify_cancel()
            return
        except BaseException as error:
            # The executor itself failed: a worker died, or what it was to send could not be pickled.
            self._report(StateType.FAILED, f"The executor failed: {told(error)}")
            outcome = Outcome(error=error)
        for report in outcome.states:
            self._emit(report)
        if outcome.error is not None:
            self.set_exception(outcome.error)
        else:
            self.set_result(outcome.value)  # type: ignore[arg-type] # without an error it is there

    def _report(self, type: StateType, message: str) -> None:
        self._emit(self._plan.state(type, message, max(datetime.now(UTC), self._plan.made + TICK)))


def settled(call: Callable[[], R]) -> WatchedFuture[R]:
    """A future of what is called right away."""
    future: WatchedFuture[R] = WatchedFuture()
    try:
        future.set_result(call())
    except Exception as error:
        future.set_exception(error)
    return future
