"""States: the 21 types of the field as data, and `advance`, the only place that decides what a reported state does."""

from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec


class StateType(StrEnum):
    """The type of a state. New types may be added: read an unknown one as you would its group."""

    Pending = "Pending"
    Scheduled = "Scheduled"
    Paused = "Paused"
    Resume = "Resume"
    Retrying = "Retrying"
    Queued = "Queued"
    Submitted = "Submitted"
    ClientFailed = "ClientFailed"
    Running = "Running"
    Cancelling = "Cancelling"
    Finished = "Finished"
    Success = "Success"
    Cached = "Cached"
    Mapped = "Mapped"
    Skipped = "Skipped"
    Failed = "Failed"
    TimedOut = "TimedOut"
    TriggerFailed = "TriggerFailed"
    ValidationFailed = "ValidationFailed"
    Looped = "Looped"
    Cancelled = "Cancelled"


class StateGroup(StrEnum):
    """What a state amounts to: pending, running or finished; some finished ones are successful or failed."""

    pending = "pending"
    running = "running"
    finished = "finished"
    successful = "successful"
    failed = "failed"


class TypeInfo(NamedTuple):
    """One row of the state model: the type that `parent` generalises, and a sentence for people."""

    type: StateType
    parent: StateType | None
    sentence: str


_T = StateType
STATE_TYPES: tuple[TypeInfo, ...] = (
    TypeInfo(_T.Pending, None, "Waits to run."),
    TypeInfo(_T.Scheduled, _T.Pending, "Waits for a moment in time to run."),
    TypeInfo(_T.Paused, _T.Scheduled, "Waits for a person to let it go on."),
    TypeInfo(_T.Resume, _T.Scheduled, "Was paused and may go on."),
    TypeInfo(_T.Retrying, _T.Scheduled, "Failed and waits to be tried again."),
    TypeInfo(_T.Queued, _T.Scheduled, "Waits for a free place."),
    TypeInfo(_T.Submitted, None, "Was handed over to be run."),
    TypeInfo(_T.ClientFailed, None, "Could not be started by the client that should run it."),
    TypeInfo(_T.Running, None, "Is running."),
    TypeInfo(_T.Cancelling, _T.Running, "Is running and was asked to stop."),
    TypeInfo(_T.Finished, None, "Ended."),
    TypeInfo(_T.Success, _T.Finished, "Ended well."),
    TypeInfo(_T.Cached, _T.Success, "Ended well, and its result may be used again."),
    TypeInfo(_T.Mapped, _T.Success, "Made one child for each item; the children do the work."),
    TypeInfo(_T.Skipped, _T.Success, "Was not needed."),
    TypeInfo(_T.Failed, _T.Finished, "Ended with an error."),
    TypeInfo(_T.TimedOut, _T.Failed, "Took longer than it was allowed."),
    TypeInfo(_T.TriggerFailed, _T.Failed, "Never ran, because what it waits for did not end as it needs."),
    TypeInfo(_T.ValidationFailed, _T.Failed, "Made a result that its own check refused."),
    TypeInfo(_T.Looped, _T.Finished, "Ended one turn of a loop."),
    TypeInfo(_T.Cancelled, _T.Finished, "Was stopped before it ended."),
)
_PARENTS = {info.type: info.parent for info in STATE_TYPES}


def descendants(type_: StateType) -> frozenset[StateType]:
    """A type and all that it generalises: `Failed` has `TimedOut`, `TriggerFailed` and `ValidationFailed`."""

    def ancestors(one: StateType | None) -> Iterable[StateType]:
        while one is not None:
            yield one
            one = _PARENTS[one]

    return frozenset(one for one in StateType if type_ in ancestors(one))


GROUPS: dict[StateGroup, frozenset[StateType]] = {
    StateGroup.pending: descendants(_T.Pending) | {_T.Submitted, _T.ClientFailed},
    StateGroup.running: descendants(_T.Running),
    StateGroup.finished: descendants(_T.Finished),
    StateGroup.successful: descendants(_T.Success),
    StateGroup.failed: descendants(_T.Failed),
}
FINISHED = GROUPS[StateGroup.finished]
_MAY_RUN_AGAIN = GROUPS[StateGroup.failed] | {_T.Looped}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A state that somebody reports, as `advance` reads it. Without a timestamp it is as of its arrival."""

    id: UUID
    type: StateType
    timestamp: datetime | None
    id_is_new: bool = False
    """Whether the service made the id just now, so that it can not be in a history."""
    message: str | None = None
    result: dict[str, Any] | None = None
    details: dict[str, Any] = {}
    expected_version: int | None = None
    expected_sequence: int | None = None
    force: bool = False

    @property
    def start_time(self) -> datetime | None:
        """When a state that waits, such as Scheduled or Retrying, is due; None where the details say nothing of it."""
        if not self.details:
            return None
        given = self.details.get("start_time")
        try:
            due = datetime.fromisoformat(given) if isinstance(given, str) else None
            return due and (due if due.tzinfo else due.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            return None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What states decide about a task run or a flow run. Version 0 means that nothing was reported yet.

    `version` counts the changes, `first_timestamp` is the earliest timestamp of any of its states.
    """

    version: int = 0
    state: StateType = StateType.Pending
    state_id: UUID | None = None
    state_message: str | None = None
    state_timestamp: datetime | None = None
    state_start_time: datetime | None = None
    result: dict[str, Any] | None = None
    run_count: int = 0
    first_timestamp: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None

    @property
    def duration(self) -> float | None:
        """Seconds from the earliest Running to the end; None until there are both."""
        return _seconds(self.start_time, self.end_time)

    @property
    def queue_time(self) -> float | None:
        """Seconds from the earliest state to the earliest Running; None until it ran."""
        return _seconds(self.first_timestamp, self.start_time)


class Kind(StrEnum):
    """What became of a report."""

    recorded = "recorded"
    duplicate = "duplicate"
    late = "late"
    version_conflict = "version-conflict"
    terminal_state = "terminal-state"


class Outcome(NamedTuple):
    """What became of a report, the run after it, and the timestamp under which it goes into the history."""

    kind: Kind
    run: Run
    timestamp: datetime | None = None


def advance(run: Run, report: Report, *, now: datetime, seen: Container[UUID] = (), sequence: int = 0) -> Outcome:
    """Decides what one reported state does to a run: a pure function, and the only place with an opinion on it.

    The rules, in their order:

    1. An id that is in `seen` is a duplicate: nothing changes.
    2. An expected version or sequence that is not the run's is a conflict: nothing changes.
    3. A timestamp older than the current state's is late: the state stays, but the report counts for `start_time`,
       `first_timestamp` and `run_count`, so that the same reports give the same run in whatever order they arrive.
       Of equal timestamps the later arrival wins.
    4. A finished run does not become unfinished, unless it failed or looped, or the report insists. After a failure
       any unfinished state may follow, since the one that began the next try may have been overtaken.
    5. Everything else becomes the current state. `end_time` is its timestamp while it is a finished one.
    """
    if report.id in seen:
        return Outcome(Kind.duplicate, run)
    if report.expected_version not in (None, run.version) or report.expected_sequence not in (None, sequence):
        return Outcome(Kind.version_conflict, run)

    current = run.state_timestamp
    timestamp = report.timestamp or (now if current is None else max(now, current))
    if current is not None and timestamp < current:
        aged = _aged(run, report.type, timestamp)
        changed = aged if aged == run else msgspec.structs.replace(aged, version=run.version + 1)
        return Outcome(Kind.late, changed, timestamp)
    if not (report.force or may_follow(run.state, report.type)):
        return Outcome(Kind.terminal_state, run)

    following = msgspec.structs.replace(
        _aged(run, report.type, timestamp),
        version=run.version + 1,
        state=report.type,
        state_id=report.id,
        state_message=report.message,
        state_timestamp=timestamp,
        state_start_time=report.start_time,
        result=report.result,
        end_time=timestamp if report.type in FINISHED else None,
    )
    return Outcome(Kind.recorded, following, timestamp)


def replay(history: Sequence[tuple[StateType, datetime]], *, version: int) -> Run:
    """The run that a whole history leads to, whose states were all accepted elsewhere, in this order.

    The last one is the current state, whatever its timestamp; the times are as `advance` would find them.
    """
    state, timestamp = history[-1]
    started = [moment for type_, moment in history if type_ is StateType.Running]
    return Run(
        version=version,
        state=state,
        state_timestamp=timestamp,
        run_count=len(started),
        first_timestamp=min(moment for _, moment in history),
        start_time=min(started, default=None),
        end_time=timestamp if state in FINISHED else None,
    )


def may_follow(current: StateType, proposed: StateType) -> bool:
    """Whether `proposed` may replace `current` without insisting."""
    return current not in FINISHED or proposed in FINISHED or current in _MAY_RUN_AGAIN


def _aged(run: Run, type_: StateType, timestamp: datetime) -> Run:
    """The run with what every report counts for, late or not."""
    ran = type_ is StateType.Running
    return msgspec.structs.replace(
        run,
        run_count=run.run_count + ran,
        first_timestamp=_earliest(run.first_timestamp, timestamp),
        start_time=_earliest(run.start_time, timestamp) if ran else run.start_time,
    )


def _earliest(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else min(one, other)


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else (end - start).total_seconds()
