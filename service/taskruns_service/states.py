"""States: the 21 types of the field as data, and `advance`, the only place that decides what a reported state does."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace


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
CLOCK_DIFFERENCE = timedelta(seconds=0.5)
"""How far apart clocks may be that something keeps right, such as NTP."""
_NO_ID = UUID(int=0)
_NEVER_RAN = frozenset({_T.TriggerFailed})
_KINDS = {type_: descendants(type_) - {type_} for type_ in StateType}
_PLACES = {type_: place for place, type_ in enumerate(StateType)}


def _weight(type_: StateType) -> int:
    """What an end weighs: of the ends of one attempt a success counts before any other, and a failure last."""
    if type_ in GROUPS[StateGroup.successful]:
        return 3
    return 1 if type_ in _MAY_RUN_AGAIN else 2


_WEIGHTS = {type_: _weight(type_) for type_ in FINISHED}


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


class PastState(NamedTuple):
    """A state in the history of a run, as far as it decides what the run is.

    A state that was `forced` follows whatever was before it: its report insisted, or had no timestamp, so that it
    came after all that was known when it arrived.
    """

    timestamp: datetime
    type: StateType
    id: UUID
    forced: bool = False

    @property
    def order(self) -> tuple[datetime, int, UUID]:
        """The place in a history: by timestamp, then by type as in the state model, then by id."""
        return self.timestamp, _PLACES[self.type], self.id


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What states decide about a task run or a flow run. Version 0 means that nothing was reported yet.

    `version` counts how often the current state changed, `first_timestamp` is the earliest timestamp of any state.
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
        """Seconds from the earliest Running to the end, 0 if clocks differ and the end is first; None without both."""
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
    """What became of a report, the run after it, and the state as which it goes into the history.

    `state_id` of the run says which state is the current one: that of the report, the one of before, or another one of
    the history, which the report has made the current one.
    """

    kind: Kind
    run: Run
    past_state: PastState | None = None


def advance(
    run: Run,
    report: Report,
    *,
    now: datetime,
    is_known: bool = False,
    sequence: int = 0,
    history: "Callable[[], History] | None" = None,
) -> Outcome:
    """Decides what one reported state does to a run: a pure function, and the only place with an opinion on it.

    A run is what `fold` makes of its whole history, so that the same reports give the same run in whatever order they
    arrive. `history` reads that; it is called only for a report that is not simply the next one: its timestamp is not
    after that of the current state, or the run is finished. The rules, in their order:

    1. A state that `is_known`, since the history has it, is a duplicate: nothing changes.
    2. An expected version or sequence that is not the run's is a conflict: nothing changes.
    3. A report without a timestamp is as of now and comes after all that is known: it is recorded, or refused if it
       would make a finished run unfinished that did not fail or loop.
    4. A report that becomes the current state is recorded.
    5. One that would make a finished run unfinished, and is later than its end, is refused.
    6. Any other is late: it is in the history, and may count for `run_count`, `start_time` and `first_timestamp`.
    """
    if is_known:
        return Outcome(Kind.duplicate, run)
    if report.expected_version not in (None, run.version) or report.expected_sequence not in (None, sequence):
        return Outcome(Kind.version_conflict, run)

    is_timed = report.timestamp is not None
    if not (is_timed or report.force or may_follow(run.state, report.type)):
        return Outcome(Kind.terminal_state, run)
    past_state = PastState(
        report.timestamp or _next_timestamp(run, report.type, now), report.type, report.id, report.force or not is_timed
    )
    comes_last = not is_timed or run.state_timestamp is None or past_state.order > _order_of(run)
    if not is_timed or (comes_last and run.state not in FINISHED):
        after = _follow(run, past_state)
    else:
        known = History() if history is None else history()
        if run.state_timestamp is not None and (run.state_id or _NO_ID) not in known:  # as an import left it
            known.add(PastState(run.state_timestamp, run.state, run.state_id or _NO_ID, forced=True))
        after = known.run_with(past_state)
        if after.state_id == _NO_ID:
            after = replace(after, state_id=run.state_id)

    is_current = after.state_id == report.id
    has_changed = is_current or _essence(after) != _essence(run)
    if comes_last and not has_changed and report.type not in FINISHED:
        return Outcome(Kind.terminal_state, run)
    after = replace(
        after,
        version=run.version + (is_current or after.state_id != run.state_id),
        state_message=report.message if is_current else run.state_message,
        state_start_time=report.start_time if is_current else run.state_start_time,
        result=report.result if is_current else run.result,
    )
    return Outcome(Kind.recorded if is_current else Kind.late, after, past_state)


def fold(history: Iterable[PastState]) -> Run:
    """The run that a whole history makes, in whatever order it is given: without a version, a message and a result."""
    return History(history).run


class History:
    """The states that one run has had, in whatever order they come, and the run that they make.

    The followers of a new state are looked at again only as far as it matters to them, so that reports cost about the
    same however long the history is.
    """

    def __init__(self, states: Iterable[PastState] = ()) -> None:
        self._new = list(states)
        self._ids: set[UUID] = set()
        self._states: list[PastState] = []
        # After each of the states: the run, whose counts and times may be out of date, and whether it began to run.
        self._runs: list[Run] = []
        self._began: list[bool] = []

    def __contains__(self, state_id: UUID) -> bool:
        self._settle()
        return state_id in self._ids

    def add(self, past_state: PastState) -> None:
        """Adds a state."""
        self._new.append(past_state)

    @property
    def run(self) -> Run:
        """The run after all states: without a version, a message and a result."""
        self._settle()
        if not self._states:
            return Run()
        count = sum(self._began)
        return replace(
            self._runs[-1],
            run_count=count,
            first_timestamp=self._states[0].timestamp,
            start_time=self._states[self._began.index(True)].timestamp if count else None,
        )

    def run_with(self, past_state: PastState) -> Run:
        """The run with one more state, which is not added."""
        self._settle()
        other = History([past_state])
        other._states, other._runs, other._began = self._states.copy(), self._runs.copy(), self._began.copy()
        return other.run

    def _settle(self) -> None:
        """Puts the new states into their places: late, since most histories are never asked for."""
        for past_state in sorted(self._new, key=_order):
            place = bisect_left(self._states, past_state.order, key=_order)
            self._ids.add(past_state.id)
            self._states.insert(place, past_state)
            self._follow_from(place)
        self._new.clear()

    def _follow_from(self, place: int) -> None:
        """Looks at a new state and at its followers again, up to the first for which nothing has changed."""
        run = self._runs[place - 1] if place else Run()
        runs: list[Run] = []
        began: list[bool] = []
        for index in range(place, len(self._states)):
            after = _follow(run, self._states[index])
            runs.append(after)
            began.append(after.run_count > run.run_count)
            run = after
            if index > place and _decides_alike(after, self._runs[index - 1]):
                break
        self._runs[place : place + len(runs) - 1] = runs
        self._began[place : place + len(runs) - 1] = began


def _decides_alike(one: Run, other: Run) -> bool:
    """Whether two runs go on alike with the same states."""
    return one.state_id == other.state_id and (one.run_count > 0) == (other.run_count > 0)


def _order(past_state: PastState) -> tuple[datetime, int, UUID]:
    return past_state.order


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


def _follow(run: Run, past_state: PastState) -> Run:
    """The run after the next state of its history."""
    timestamp, type_, identifier, _ = past_state
    takes_over = _takes_over(run, past_state)
    # Without a Running before the end, the first one after it is that of the attempt that has ended: clocks differ.
    ran = type_ is StateType.Running and (takes_over or run.run_count == 0)
    return replace(
        run,
        run_count=run.run_count + ran,
        first_timestamp=_earliest(run.first_timestamp, timestamp),
        start_time=_earliest(run.start_time, timestamp) if ran else run.start_time,
        state=type_ if takes_over else run.state,
        state_id=identifier if takes_over else run.state_id,
        state_timestamp=timestamp if takes_over else run.state_timestamp,
        end_time=(timestamp if type_ in FINISHED else None) if takes_over else run.end_time,
    )


def may_follow(current: StateType, proposed: StateType) -> bool:
    """Whether `proposed` may replace `current` without insisting."""
    return current not in FINISHED or proposed in FINISHED or current in _MAY_RUN_AGAIN


def _takes_over(run: Run, past_state: PastState) -> bool:
    """Whether the next state of a history becomes the current one.

    Any may follow an unfinished state. Of the ends of one attempt the one that weighs most counts, the earliest of
    those, and what says it more exactly. A failed or looped run may begin another attempt.
    """
    current, proposed = run.state, past_state.type
    if past_state.forced or current not in FINISHED:
        return True
    if proposed in FINISHED:
        weighs_as_much = _WEIGHTS[proposed] == _WEIGHTS[current]
        return _WEIGHTS[proposed] > _WEIGHTS[current] or (weighs_as_much and proposed in _KINDS[current])
    return current in _MAY_RUN_AGAIN and not _is_start_by_another_clock(run, past_state)


def _is_start_by_another_clock(run: Run, past_state: PastState) -> bool:
    """Whether a Running after a failure is that of the attempt that failed, and not the first of another one."""
    if past_state.type is not StateType.Running or run.run_count or run.state in _NEVER_RAN:
        return False
    return run.state_timestamp is not None and past_state.timestamp - run.state_timestamp <= CLOCK_DIFFERENCE


def _next_timestamp(run: Run, type_: StateType, now: datetime) -> datetime:
    """The timestamp of a state that has none of its own, after which nothing is known."""
    current = run.state_timestamp
    if current is None or now > current:
        return now
    return current if _PLACES[type_] > _PLACES[run.state] else current + timedelta(microseconds=1)


def _order_of(run: Run) -> tuple[datetime | None, int, UUID]:
    return run.state_timestamp, _PLACES[run.state], run.state_id or _NO_ID


def _essence(run: Run) -> tuple[Any, ...]:
    """What a history decides about a run."""
    return run.state_id, run.run_count, run.first_timestamp, run.start_time


def _earliest(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else min(one, other)


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else max(0.0, (end - start).total_seconds())
