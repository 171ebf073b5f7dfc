"""Transitions: `advance` is the only place that decides what a reported state does to a run."""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from taskruns_service.domain.history import History, follow, may_follow, takes_over
from taskruns_service.domain.runs import PastState, Report, Run
from taskruns_service.domain.states import FINISHED, PLACES, StateType

_NO_ID = UUID(int=0)


class Verdict(StrEnum):
    """What became of a report."""

    recorded = "recorded"
    duplicate = "duplicate"
    late = "late"
    version_conflict = "version-conflict"
    terminal_state = "terminal-state"


class Transition(NamedTuple):
    """What became of a report, the run after it, and the state as which it goes into the history.

    `state_id` of the run says which state is the current one: that of the report, the one of before, or another one of
    the history, which the report has made the current one.
    """

    verdict: Verdict
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
    has_later_states: "Callable[[], bool]" = lambda: True,
) -> Transition:
    """Decides what one reported state does to a run: a pure function, and the only place with an opinion on it.

    A run is what `fold` makes of its whole history, so that the same reports give the same run in whatever order they
    arrive. `history` reads that; it is called only for a report that is not simply the next one: its timestamp is not
    after that of the current state, or it may change when the run ended. `has_later_states` says whether the history
    may have states after the current one, which is asked of finished runs that go on. The rules, in their order:

    1. A state that `is_known`, since the history has it, is a duplicate: nothing changes.
    2. An expected version or sequence that is not the run's is a conflict: nothing changes.
    3. A report without a timestamp is as of now and comes after all that is known: it is recorded, or refused if it
       would make a finished run unfinished that did not fail or loop.
    4. A report that becomes the current state is recorded.
    5. One that would make a finished run unfinished, and is later than its end, is refused.
    6. Any other is late: it is in the history, and may count for `run_count`, `start_time` and `first_timestamp`.

    A run that the service calls Crashed, since it heard nothing of it, is with the next report as if it had not been
    called so. Its current state is another one then: whoever asked takes the Crashed state out of the history.
    """
    if is_known:
        return Transition(Verdict.duplicate, run)
    if report.expected_version not in (None, run.version) or report.expected_sequence not in (None, sequence):
        return Transition(Verdict.version_conflict, run)

    is_timed = report.timestamp is not None
    if not (is_timed or report.force or may_follow(run.state, report.type)):
        return Transition(Verdict.terminal_state, run)
    known, before = None, run
    if run.state is StateType.Crashed:
        known = _history_of(run, history).without_silence()
        before = known.run
    past_state = PastState(
        report.timestamp or _next_timestamp(before, report.type, now),
        report.type,
        report.id,
        report.force or not (is_timed or report.type is StateType.Crashed),
    )
    comes_last = not is_timed or before.state_timestamp is None or past_state.order > _order_of(before)
    is_forced = not is_timed and past_state.forced
    if known is None and (is_forced or (comes_last and _is_next(run, past_state, has_later_states))):
        if history is not None and takes_over(run, past_state) and _is_attempt_unknown(run, report.type):
            run = replace(run, attempt_start_time=history().run.attempt_start_time)
        after = follow(run, past_state)
    else:
        after = (known or _history_of(run, history)).run_with(past_state)
        if after.state_id == _NO_ID:
            after = replace(after, state_id=run.state_id)

    is_current = after.state_id == report.id
    has_changed = is_current or _essence(after) != _essence(run)
    if comes_last and not has_changed and report.type not in FINISHED:
        return Transition(Verdict.terminal_state, run)
    after = replace(
        after,
        version=run.version + (is_current or after.state_id != run.state_id),
        state_message=report.message if is_current else run.state_message,
        state_start_time=report.start_time if is_current else run.state_start_time,
        result=report.result if is_current else run.result,
    )
    return Transition(Verdict.recorded if is_current else Verdict.late, after, past_state)


def _history_of(run: Run, history: "Callable[[], History] | None") -> History:
    """The history of a run, which has its current state in any case."""
    known = History() if history is None else history()
    if run.state_timestamp is not None and (run.state_id or _NO_ID) not in known:  # as an import left it
        known.add(PastState(run.state_timestamp, run.state, run.state_id or _NO_ID, forced=True))
    return known


def _is_next(run: Run, past_state: PastState, has_later_states: "Callable[[], bool]") -> bool:
    """Whether a state after the current one changes the run as if it were the last of the history.

    A finished run may have states after its end that do not count. Among them a state that does not count either
    changes nothing, but a Running may be the first of the run.
    """
    if run.state not in FINISHED:
        return True
    if not takes_over(run, past_state):
        return past_state.type is not StateType.Running
    return past_state.type not in FINISHED and not has_later_states()


def _is_attempt_unknown(run: Run, type_: StateType) -> bool:
    """Whether the start of the latest attempt, which rows do not have, matters to a run that enters another state."""
    if run.attempt_start_time is not None or not run.run_count:
        return False
    return run.state is StateType.Cancelling or (run.state in FINISHED and type_ in FINISHED)


def _next_timestamp(run: Run, type_: StateType, now: datetime) -> datetime:
    """The timestamp of a state that has none of its own, after which nothing is known."""
    current = run.state_timestamp
    if current is None or now > current:
        return now
    return current if PLACES[type_] > PLACES[run.state] else current + timedelta(microseconds=1)


def _order_of(run: Run) -> tuple[datetime | None, int, UUID]:
    return run.state_timestamp, PLACES[run.state], run.state_id or _NO_ID


def _essence(run: Run) -> tuple[object, ...]:
    """What a history decides about a run."""
    return run.state_id, run.run_count, run.first_timestamp, run.start_time
