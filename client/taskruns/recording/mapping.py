"""Maps: a Mapped parent and its children, which are executed here, in an executor or by the event loop."""

import asyncio
from collections.abc import Generator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from taskruns.models import StateType
from taskruns.recording.execution import execute, execute_async
from taskruns.recording.flow_runs import FlowRunRecorder
from taskruns.recording.futures import Outcome, TaskFuture, outcome_of, outcome_of_async, values
from taskruns.recording.progress import Progress, TaskRunSpec
from taskruns.recording.workers import Job, in_executor
from taskruns.type_aliases import Arguments, Positional

T = TypeVar("T")

Call: TypeAlias = tuple[Positional, Arguments]


ChildOutcome: TypeAlias = Outcome[Any]
"""How a child ended; the children of one map may return values of different types."""
Values: TypeAlias = list[Any]
"""What the children returned, in the order of the items."""


class unmapped(Generic[T]):  # noqa: N801 # it reads as a word of the call: inc.map(xs, unmapped(3))
    """An argument of `map` that is the same for all children."""

    def __init__(self, value: T) -> None:
        """The value for all of them."""
        self.value = value


def calls_of(iterables: Sequence[Any], named: Arguments) -> list[Call]:
    """The arguments of each child. Raises ValueError if the iterables are not of one length."""
    columns = [*iterables, *named.values()]
    mapped = {place: list(column) for place, column in enumerate(columns) if not isinstance(column, unmapped)}
    widths = {len(items) for items in mapped.values()}
    if len(widths) != 1:
        lengths = f"they have {sorted(widths)} items" if widths else "all are unmapped"
        raise ValueError(f"map needs iterables of the same length, but {lengths}.")
    (width,) = widths
    filled = [mapped[place] if place in mapped else [column.value] * width for place, column in enumerate(columns)]
    plain = len(iterables)
    rows: list[Positional] = list(zip(*filled, strict=True))
    return [(row[:plain], dict(zip(named, row[plain:], strict=True))) for row in rows]


class MapRun:
    """The task runs of one `map`. Whoever stops it stops the children that have not begun, and it is Cancelled."""

    def __init__(self, run: FlowRunRecorder, parent: TaskRunSpec, jobs: Sequence[Job[Any]]) -> None:
        """`jobs` are the children; nothing is reported before one of the methods is called."""
        self._run = run
        self._jobs = jobs
        self._parent = Progress(parent, run.emit)
        self._children = [Progress(job.spec, run.emit) for job in jobs]
        self._futures: list[TaskFuture[Any]] = []

    def execute(self) -> Values:
        """Executes the children here, one after another; returns their values, or raises the first error."""
        outcomes: list[ChildOutcome] = []
        with self._reporting_cancellation():
            self._announce()
            for job, child in zip(self._jobs, self._children, strict=True):
                outcomes.append(outcome_of(partial(execute, job.task.function, job.args, job.kwargs, child)))
        return self._values(outcomes)

    def execute_in(self, executor: Executor) -> Values:
        """The same in an executor."""
        with self._reporting_cancellation():
            self._announce()
            for job in self._jobs:
                self._futures.append(in_executor(self._run, executor, job))
            outcomes = [outcome_of(future.result) for future in self._futures]
        return self._values(outcomes)

    async def execute_async(self) -> Values:
        """The same by the event loop, all at once."""
        with self._reporting_cancellation():
            self._announce()
            children = [asyncio.ensure_future(self._child(index)) for index in range(len(self._jobs))]
            try:
                outcomes = await asyncio.gather(*children)
            except BaseException:
                for child in children:
                    child.cancel()
                # The flow run ends after them.
                await asyncio.gather(*children, return_exceptions=True)
                raise
        return self._values(outcomes)

    async def _child(self, index: int) -> ChildOutcome:
        job = self._jobs[index]
        return await outcome_of_async(execute_async(job.task.function, job.args, job.kwargs, self._children[index]))

    def _announce(self) -> None:
        self._run.announce(self._parent.spec)
        for job in self._jobs:
            self._run.announce(job.spec)
        self._parent.report_state(StateType.MAPPED, f"Mapped over {len(self._jobs)} items.")

    def _values(self, outcomes: Sequence[ChildOutcome]) -> Values:
        return values(outcomes, [job.spec for job in self._jobs])

    @contextmanager
    def _reporting_cancellation(self) -> Generator[None, None, None]:
        try:
            yield
        except BaseException as stop:  # Ctrl-C, or an exit: children that have not begun are not wanted any more
            self._parent.stop(stop)
            for future in self._futures:
                if not (future.cancel() or future.done()):
                    self._run.submissions.add(future)
            for child in self._children[len(self._futures) :]:
                if not child.is_begun:
                    child.cancel()
            raise
