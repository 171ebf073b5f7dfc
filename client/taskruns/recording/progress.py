"""One task run: what it is, the states that it comes to, and where its result is kept."""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn, TypeAlias
from uuid import UUID, uuid4

import msgspec
from msgspec import UNSET, Struct

from taskruns import results
from taskruns.errors import ResultError, TaskRunsError
from taskruns.models import StateCreate, StateType
from taskruns.recording.bounds import MAX_MESSAGE_LENGTH, safe_json, safe_repr, safe_text
from taskruns.recording.log_capture import Capture
from taskruns.recording.reports import Report, TaskRunState
from taskruns.recording.run_logs import LogOptions, RunLog
from taskruns.recording.state_counts import BAD_ENDS, GOOD_ENDS
from taskruns.recording.termination import Terminated
from taskruns.recording.tracebacks import traceback_details
from taskruns.results import Storage
from taskruns.type_aliases import Arguments, JsonObject

Emit: TypeAlias = Callable[[Report], None]

MAX_REFERENCE_BYTES = 500_000
"""How many bytes the reference to a result may have, as one that is the value itself."""
_active: ContextVar["TaskRunSpec | None"] = ContextVar("taskruns_task_run", default=None)
_ENDS = (*GOOD_ENDS, *BAD_ENDS)
TICK = timedelta(microseconds=1)
_log = logging.getLogger("taskruns")


class Skip(Exception):
    """Raise it in a task that is not needed this time: the task run is Skipped and the call returns None."""


class TaskTimedOut(TaskRunsError, TimeoutError):
    """A task took longer than its `timeout`."""


class TaskRunSpec(Struct, frozen=True, kw_only=True):
    """All that is to know about one task run to execute it anywhere."""

    flow_run_id: UUID
    task_run_id: UUID
    task_slug: str
    map_index: int
    task_name: str
    tags: tuple[str, ...]
    max_retries: int
    retry_delay: float
    timeout: float | None
    result: Storage | None
    fields: Arguments
    """What the location of the result may name."""
    created_at: datetime
    """When the task run was made. All its states are later, also those of a machine with a clock that is behind."""
    logs: LogOptions | None = None
    """What is recorded of its log; None: nothing."""

    def state(
        self,
        type: StateType,
        message: str,
        timestamp: datetime,
        result: JsonObject | None = None,
        details: JsonObject | None = None,
        *,
        force: bool = False,
    ) -> TaskRunState:
        """A state of this task run, to report; `force`: it holds whatever state the task run had before."""
        return TaskRunState(
            flow_run_id=self.flow_run_id,
            task_run_id=self.task_run_id,
            task_slug=self.task_slug,
            map_index=self.map_index,
            task_name=self.task_name,
            tags=self.tags,
            state=StateCreate(
                id=uuid4(),
                type=type,
                message=safe_text(message, MAX_MESSAGE_LENGTH),
                timestamp=timestamp,
                result=UNSET if result is None else result,
                details=UNSET if details is None else details,
                force=force or UNSET,
            ),
        )


def active_spec() -> TaskRunSpec | None:
    """The task run that this code is part of, if it is."""
    return _active.get()


class Progress:
    """What a task run has come to so far, told state by state."""

    def __init__(self, spec: TaskRunSpec, emit: Emit, *, is_remote: bool = False) -> None:
        """Tells the states to `emit`; `is_remote`: what the task returns is for another process."""
        self.spec: Final = spec
        self.is_remote: Final = is_remote
        self._emit = emit
        self._log: RunLog | None = None
        self._latest = spec.created_at
        self._tries = 0
        self._timeout_error: TaskTimedOut | None = None

    def report_state(
        self,
        type: StateType,
        message: str,
        *,
        result: JsonObject | None = None,
        details: JsonObject | None = None,
        force: bool = False,
    ) -> None:
        """Tells a state. Each has a later moment than the one before, however coarse the clock is."""
        if self._log is not None and type in _ENDS:
            self._log.close()
            self._log = None
        self._latest = max(datetime.now(UTC), self._latest + TICK)
        self._emit(self.spec.state(type, message, self._latest, result, details, force=force))

    @property
    def is_begun(self) -> bool:
        """Whether a try has begun."""
        return self._tries > 0

    def begin(self) -> None:
        """A try begins."""
        self._tries += 1
        self.report_state(StateType.RUNNING, "Starting task run.")

    def succeed(self, outcome: tuple[str, JsonObject | None]) -> None:
        """The task returned; `outcome` is that of `store_result`."""
        message, reference = outcome
        self.report_state(StateType.SUCCESS, message, result=reference)

    def fail(self, error: BaseException) -> float | None:
        """The task raised: seconds to wait for the next try; None if there is none."""
        if isinstance(error, Skip):
            nothing = results.wire(results.ConstantResult(None).write(None))
            self.report_state(StateType.SKIPPED, _message(error) or "The task was not needed.", result=nothing)
        elif is_cancellation(error):
            self.report_state(StateType.CANCELLED, cancellation_message(error))
        elif isinstance(error, Exception) and self._tries <= self.spec.max_retries:
            return self._retry(error)
        elif error is self._timeout_error:
            self.report_state(StateType.TIMED_OUT, str(error))
        else:
            self._report_failure(error)
        return None

    def _report_failure(self, error: BaseException) -> None:
        self.report_state(StateType.FAILED, f"Unexpected error: {safe_repr(error)}", details=traceback_details(error))

    @contextmanager
    def active(self) -> Generator[None, None, None]:
        """Says to the code of the task which task run it is part of, and captures what it logs."""
        token = _active.set(self.spec)
        spec = self.spec
        if self._log is None and spec.logs is not None:  # a large map has many that have not begun
            self._log = RunLog(spec.logs, self._emit, spec.flow_run_id, spec.task_run_id)
        try:
            with Capture(self._log):
                yield
        finally:
            with suppress(ValueError):  # A coroutine may be closed from elsewhere than it was begun.
                _active.reset(token)

    def refuse(self, reason: str) -> NoReturn:
        """The task returned what cannot be recorded: it Failed, however many tries are left."""
        error = TypeError(f"{self.spec.task_name} {reason}")
        self._report_failure(error)
        raise error

    def cancel(self) -> None:
        """Somebody took the task run back before it began."""
        self.report_state(StateType.CANCELLED, "Cancelled.")

    def stop(self, error: BaseException) -> None:
        """Somebody stopped the map that the task run is the parent of: it was Mapped, and is no success any more."""
        self.report_state(StateType.CANCELLED, cancellation_message(error), force=True)

    def timed_out(self) -> TaskTimedOut:
        """The try took too long: the error to raise. That of a task that this one calls is an error like any other."""
        self._timeout_error = TaskTimedOut(f"Task run took longer than {self.spec.timeout:g} s.")
        return self._timeout_error

    @contextmanager
    def reporting_cancellation(self) -> Generator[None, None, None]:
        """Tells it too if somebody stops the task run between two tries or while its result is written."""
        try:
            yield
        except BaseException as error:
            self.fail(error)
            raise

    def _retry(self, error: Exception) -> float:
        delay = self.spec.retry_delay
        details: JsonObject = {"start_time": (datetime.now(UTC) + timedelta(seconds=delay)).isoformat()}
        if error is not self._timeout_error:
            details |= traceback_details(error)
        self.report_state(
            StateType.RETRYING,
            f"Retrying after try {self._tries} of {self.spec.max_retries + 1}: {safe_repr(error)}",
            details=details,
        )
        return delay


def is_cancellation(error: BaseException | None) -> bool:
    """Whether somebody wanted it to stop: Ctrl-C, SIGTERM, a cancelled coroutine, an exit without an error."""
    if isinstance(error, SystemExit):
        return isinstance(error, Terminated) or error.code in (None, 0)
    return error is not None and not isinstance(error, Exception)


def cancellation_message(error: BaseException) -> str:
    """The message of what an error has stopped."""
    return f"Stopped by {'SIGTERM' if isinstance(error, Terminated) else type(error).__name__}."


def _message(error: Exception) -> str:
    try:
        return safe_text(str(error))
    except Exception:
        return ""


def store_result(value: object, spec: TaskRunSpec) -> tuple[str, JsonObject | None]:
    """Writes what a task returned to where its result is kept: the message of its success, and the reference."""
    message = "Task run succeeded."
    if spec.result is None:
        return message, None
    try:
        reference = results.wire(spec.result.write(value, **spec.fields))
        size = len(msgspec.json.encode(reference))
        if size > MAX_REFERENCE_BYTES:
            raise ResultError(f"Its reference would have {size} bytes: more than {MAX_REFERENCE_BYTES}.")
        if safe_json(reference) != reference:
            raise ResultError("Its reference contains NUL, a broken surrogate, or more than 100 levels.")
    except Exception as error:
        # The task did its work; that its result is lost is no reason to do it again.
        message = f"{message} Its result could not be kept: {safe_repr(error)}"
        _log.warning("%s: %s", spec.task_slug, message)
        return message, None
    return message, reference
