"""History: the states that a run has had, in whatever order they were reported, and the run that they make."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from taskruns_service.domain.runs import PastState, Run, seconds_between
from taskruns_service.domain.states import (
    FINISHED,
    GROUPS,
    MAY_RUN_AGAIN,
    StateGroup,
    StateType,
    descendants,
)

CLOCK_DIFFERENCE = timedelta(seconds=0.5)
"""How far apart clocks may be that something keeps right, such as NTP."""
MICROSECONDS = 6
"""To how many digits of a second times are kept: sums of floats are rounded to them, so that no order changes one."""
_NEVER_RAN = frozenset({StateType.TriggerFailed})
_STILL_RUNNING = GROUPS[StateGroup.running] - {StateType.Running}
_KINDS = {type_: descendants(type_) - {type_} for type_ in StateType}


def _weight(type_: StateType) -> int:
    """What an end weighs: of the ends of one attempt a success counts before any other, and a failure last.

    Crashed gives way to any other: it only says that none was heard of.
    """
    if type_ in GROUPS[StateGroup.successful]:
        return 3
    if type_ is StateType.Crashed:
        return 0
    return 1 if type_ in MAY_RUN_AGAIN else 2


_WEIGHTS = {type_: _weight(type_) for type_ in FINISHED}


def fold(history: Iterable[PastState]) -> Run:
    """The run that a whole history makes, in whatever order it is given: without a version, a message and a result."""
    return History(history).run


class History:
    """The states that one run has had, in whatever order they come, and the run that they make.

    The followers of a new state are looked at again only as far as it matters to them, so that reports cost about the
    same however long the history is.

    A Crashed state counts only while nothing comes after it: with the next state of the run, the run is as if nobody
    had said it. So no state follows one, and they are kept apart.
    """

    def __init__(self, states: Iterable[PastState] = ()) -> None:
        self._new = list(states)
        self._ids: set[UUID] = set()
        self._crashes: list[PastState] = []
        self._states: list[PastState] = []
        # After each of the states: the run, whose counts and times may be out of date, whether it began to run, and
        # the seconds that the state added to the time it ran.
        self._runs: list[Run] = []
        self._began: list[bool] = []
        self._run_times: list[float] = []

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
        run = self._run_without_crash()
        for crash in self._crashes:
            if not self._states or crash.order > self._states[-1].order:
                run = follow(run, crash)
        return run

    def _run_without_crash(self) -> Run:
        if not self._states:
            return Run()
        count, run = sum(self._began), self._runs[-1]
        has_ended_attempt = count > (run.attempt_start_time is not None and run.state not in FINISHED)
        return replace(
            run,
            run_count=count,
            run_time=round(sum(self._run_times), MICROSECONDS) if has_ended_attempt else None,
            first_timestamp=self._states[0].timestamp,
            start_time=self._states[self._began.index(True)].timestamp if count else None,
        )

    def run_with(self, past_state: PastState) -> Run:
        """The run with one more state, which is not added."""
        other = self._copy()
        other.add(past_state)
        return other.run

    @property
    def silence_id(self) -> UUID | None:
        """The state by which the service says that it hears nothing of the run; None if it does not."""
        self._settle()
        return next((crash.id for crash in self._crashes if crash.is_silence), None)

    def without_silence(self) -> "History":
        """The history as if the service had not said that it hears nothing of the run."""
        other = self._copy()
        other._crashes = [crash for crash in self._crashes if not crash.is_silence]
        return other

    def _copy(self) -> "History":
        self._settle()
        other = History()
        other._ids, other._crashes = self._ids.copy(), self._crashes.copy()
        other._states, other._runs = self._states.copy(), self._runs.copy()
        other._began, other._run_times = self._began.copy(), self._run_times.copy()
        return other

    def _settle(self) -> None:
        """Puts the new states into their places: late, since most histories are never asked for."""
        for past_state in sorted(self._new, key=_order):
            self._ids.add(past_state.id)
            if past_state.type is StateType.Crashed:
                insort(self._crashes, past_state, key=_order)
                continue
            place = bisect_left(self._states, past_state.order, key=_order)
            self._states.insert(place, past_state)
            self._follow_from(place)
        self._new.clear()

    def _follow_from(self, place: int) -> None:
        """Looks at a new state and at its followers again, up to the first for which nothing has changed."""
        run = self._runs[place - 1] if place else Run()
        runs: list[Run] = []
        began: list[bool] = []
        run_times: list[float] = []
        for index in range(place, len(self._states)):
            after = follow(run, self._states[index])
            runs.append(after)
            began.append(after.run_count > run.run_count)
            run_times.append((after.run_time or 0.0) - (run.run_time or 0.0))
            run = after
            if index > place and _decides_alike(after, self._runs[index - 1]):
                break
        self._runs[place : place + len(runs) - 1] = runs
        self._began[place : place + len(runs) - 1] = began
        self._run_times[place : place + len(runs) - 1] = run_times


def states_that_count(history: Iterable[PastState]) -> list[PastState]:
    """The states of a history in their order, without each Crashed state that another state comes after."""
    states = sorted(history, key=_order)
    last = next((state.order for state in reversed(states) if state.type is not StateType.Crashed), None)
    return [state for state in states if state.type is not StateType.Crashed or last is None or state.order > last]


def _decides_alike(run: Run, other: Run) -> bool:
    """Whether two runs go on alike with the same states."""
    return (run.state_id, run.run_count > 0, run.attempt_start_time) == (
        other.state_id,
        other.run_count > 0,
        other.attempt_start_time,
    )


def _order(past_state: PastState) -> tuple[datetime, int, UUID]:
    return past_state.order


def replay(history: Sequence[tuple[StateType, datetime]], *, version: int) -> Run:
    """The run that a whole history leads to, whose states were all accepted elsewhere, in this order.

    The last one is the current state, whatever its timestamp; the times are as `advance` would find them.
    """
    state, timestamp = history[-1]
    started = [moment for type_, moment in history if type_ is StateType.Running]
    run = Run()
    if started:
        past_states = (PastState(moment, type_, UUID(int=n), forced=True) for n, (type_, moment) in enumerate(history))
        for past_state in sorted(past_states, key=_order):
            run = follow(run, past_state)
    return replace(
        run,
        version=version,
        state=state,
        state_timestamp=timestamp,
        run_count=len(started),
        first_timestamp=min(moment for _, moment in history),
        start_time=min(started, default=None),
        end_time=timestamp if state in FINISHED else None,
        state_id=None,
    )


def follow(run: Run, past_state: PastState) -> Run:
    """The run after the next state of its history."""
    timestamp, type_, identifier, _ = past_state
    is_current = takes_over(run, past_state)
    # Without a Running before the end, the first one after it is that of the attempt that has ended: clocks differ.
    ran = type_ is StateType.Running and (is_current or run.run_count == 0)
    run_time, attempt_start_time = _attempt_after(run, past_state, is_current=is_current, ran=ran)
    return replace(
        run,
        run_count=run.run_count + ran,
        first_timestamp=_earliest(run.first_timestamp, timestamp),
        start_time=_earliest(run.start_time, timestamp) if ran else run.start_time,
        state=type_ if is_current else run.state,
        state_id=identifier if is_current else run.state_id,
        state_timestamp=timestamp if is_current else run.state_timestamp,
        end_time=(timestamp if type_ in FINISHED else None) if is_current else run.end_time,
        run_time=run_time,
        attempt_start_time=attempt_start_time,
    )


def _attempt_after(
    run: Run, past_state: PastState, *, is_current: bool, ran: bool
) -> tuple[float | None, datetime | None]:
    """The run time and the start of the latest attempt after the next state of a history."""
    timestamp, type_, _, _ = past_state
    run_time, start = run.run_time, run.attempt_start_time
    if is_current and start is not None:
        was_ended, goes_on = run.end_time is not None, type_ in _STILL_RUNNING
        if type_ in FINISHED or not (was_ended or goes_on):
            since = start if run.end_time is None else max(start, run.end_time)
            run_time = round((run_time or 0.0) + (seconds_between(since, timestamp) or 0.0), MICROSECONDS)
        if type_ not in FINISHED and (was_ended or not goes_on):
            start = None
    if ran:
        start = timestamp
        run_time = run_time if is_current else 0.0
    return run_time, start


def takes_over(run: Run, past_state: PastState) -> bool:
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
    return current in MAY_RUN_AGAIN and not _is_start_by_another_clock(run, past_state)


def _is_start_by_another_clock(run: Run, past_state: PastState) -> bool:
    """Whether a Running after a failure is that of the attempt that failed, and not the first of another one."""
    if past_state.type is not StateType.Running or run.run_count or run.state in _NEVER_RAN:
        return False
    return run.state_timestamp is not None and past_state.timestamp - run.state_timestamp <= CLOCK_DIFFERENCE


def may_follow(current: StateType, proposed: StateType) -> bool:
    """Whether `proposed` may replace `current` without insisting."""
    return current not in FINISHED or proposed in FINISHED or current in MAY_RUN_AGAIN


def _earliest(moment: datetime | None, other: datetime) -> datetime:
    return other if moment is None else min(moment, other)
