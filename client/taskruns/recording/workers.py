"""Hands task runs to an executor, and executes them there: in a thread of this process, or in another process."""

import os
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from functools import partial
from multiprocessing.reduction import ForkingPickler
from traceback import format_exception
from typing import Generic, Protocol, TypeVar
from uuid import UUID, uuid4

from msgspec import Struct

from taskruns.client import default_client
from taskruns.models import StateType
from taskruns.recording.bounds import safe_repr
from taskruns.recording.execution import execute
from taskruns.recording.flow_runs import FlowRunRecorder, recording
from taskruns.recording.futures import Outcome, TaskFuture
from taskruns.recording.heartbeats import heart_of
from taskruns.recording.outbox import outbox_of
from taskruns.recording.progress import Emit, Progress, TaskRunSpec
from taskruns.recording.reports import Report, TaskRunState
from taskruns.type_aliases import Arguments, Positional

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_process = uuid4()


def _renew() -> None:
    global _process  # noqa: PLW0603 # a forked process is another one
    _process = uuid4()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


class Origin(Struct, frozen=True, kw_only=True):
    """Where a task run was handed over."""

    process: UUID
    recorder: UUID
    """The recorder of its flow run, in that process."""
    url: str
    """The service that its flow run reports to."""
    heartbeat: float | None
    """The seconds between two heartbeats of its flow run."""


class Callee(Protocol[R_co]):
    """What has a function, and can be pickled where the function itself cannot: a task."""

    @property
    def function(self) -> Callable[..., R_co]:
        """The function."""
        ...


class Job(Struct, Generic[R], frozen=True, kw_only=True):
    """A call of a task, as a task run."""

    task: Callee[R]
    args: Positional
    kwargs: Arguments
    spec: TaskRunSpec

    def run(self, emit: Emit, *, is_remote: bool = False) -> R | None:
        """Executes it; `is_remote`: in another process."""
        return execute(self.task.function, self.args, self.kwargs, Progress(self.spec, emit, is_remote=is_remote))


class Parcel(Struct, Generic[R], frozen=True):
    """A job on its way to a process pool, which an argument that does not unpickle in a worker would break."""

    content: Job[R] | bytes

    def __reduce__(self) -> tuple[type["Parcel[R]"], tuple[bytes]]:
        """Pickles the job by itself, when the pool sends it and as the pool does."""
        return Parcel, (bytes(ForkingPickler.dumps(self.content)),)

    def opened(self) -> Job[R]:
        """The job. Raises RuntimeError for one that does not unpickle."""
        if isinstance(self.content, Job):
            return self.content
        try:
            job: Job[R] = pickle.loads(self.content)
        except BaseException as error:
            raise RuntimeError(f"Cannot unpickle the task or its arguments: {safe_repr(error)}") from None
        return job


def in_executor(run: FlowRunRecorder, executor: Executor, job: Job[R]) -> TaskFuture[R]:
    """Has an executor execute a task run."""
    inner: Future[Outcome[R]]
    try:
        origin = Origin(process=_process, recorder=run.recorder_id, url=run.url, heartbeat=run.heartbeat)
        if isinstance(executor, ProcessPoolExecutor):
            inner = executor.submit(_unpack_and_work, Parcel(job), origin)
        else:
            inner = executor.submit(_work, job, origin)
    except Exception as error:
        inner = Future()
        inner.set_exception(error)
    return TaskFuture(inner, job.spec, run.emit)


def _unpack_and_work(parcel: Parcel[R], origin: Origin) -> Outcome[R]:
    return _work(parcel.opened(), origin)


def _work(job: Job[R], origin: Origin) -> Outcome[R]:
    """Executes a task run in a worker."""
    run = recording(origin.recorder) if origin.process == _process else None
    if run is not None:
        with run.active(in_executor=True):
            return _outcome(partial(job.run, run.emit), ())
    reports: list[Report] = []
    client = default_client(origin.url)
    live = outbox_of(client, persistent=False)

    def emit(report: Report) -> None:
        # All reports travel back with the outcome; what is of interest before the end is also sent live.
        reports.append(report)
        if not isinstance(report, TaskRunState) or report.state.type is StateType.RUNNING:
            live.put(report)

    with heart_of(client).beating(job.spec.flow_run_id, origin.heartbeat):
        outcome = _outcome(partial(job.run, emit, is_remote=True), reports)
    try:
        value = pickle.dumps(outcome.value, pickle.HIGHEST_PROTOCOL)
    except Exception:
        return outcome  # that of Dask pickles more, and any other says why it cannot
    live.withdraw(outcome.reports)
    if outcome.error is not None:
        return Outcome(error=_portable(outcome.error), reports=outcome.reports)
    return Outcome(pickled=value, reports=outcome.reports)


def _outcome(call: Callable[[], R | None], reports: Sequence[Report]) -> Outcome[R]:
    try:
        value = call()
    except BaseException as error:
        return Outcome(error=error, reports=tuple(reports))
    return Outcome(value=value, reports=tuple(reports))


def _portable(error: BaseException) -> BaseException:
    """The error with where it was raised, or what can be told of it if it cannot be pickled."""
    where = "".join(format_exception(error)).rstrip()
    try:
        error.add_note(f"In the process of the worker:\n{where}")
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"A task raised an error that cannot be pickled: {safe_repr(error)}")
        error.add_note(f"In the process of the worker:\n{where}")
    return error
