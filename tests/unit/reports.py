"""Reports of states, and the run after them, for the tests of the state model."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from taskruns_service.domain.history import History
from taskruns_service.domain.runs import PastState, Report, Run
from taskruns_service.domain.states import FINISHED, StateType
from taskruns_service.domain.transitions import Transition, Verdict, advance

T = StateType
NOW = datetime(2021, 5, 12, 19, 0, tzinfo=UTC)
UNFINISHED = frozenset(StateType) - FINISHED


def at(seconds: float) -> datetime:
    """A moment some seconds after six o'clock, an hour before NOW."""
    return NOW - timedelta(hours=1) + timedelta(seconds=seconds)


def state(type_: StateType, seconds: float | None, number: int = 0, **members: Any) -> Report:
    """A reported state whose id is a number."""
    return Report(id=UUID(int=number), type=type_, timestamp=None if seconds is None else at(seconds), **members)


def run_after(reports: Iterable[Report], run: Run | None = None) -> tuple[Run, list[Verdict]]:
    """The run after some reports, one after the other, and what became of each."""
    run, history, kinds = run or Run(), dict[UUID, PastState](), []
    for report in reports:
        kind, after, past_state = advance_in(history, run, report)
        kinds.append(kind)
        if past_state is not None:
            remember(history, past_state, run, after)
        run = after
    return run, kinds


def advance_in(history: Mapping[UUID, PastState], run: Run, report: Report) -> Transition:
    """What a report does to a run whose history can be read as a database is."""
    return advance(
        run,
        report,
        now=NOW,
        is_known=report.id in history,
        history=lambda: History(history.values()),
        has_later_states=lambda: has_later_states(history, run),
    )


def has_later_states(history: Mapping[UUID, PastState], run: Run) -> bool:
    """Whether a history has states as of the moment of the current one, or later."""
    current = run.state_timestamp
    return current is None or any(
        past_state.timestamp >= current for past_state in history.values() if past_state.id != run.state_id
    )


def remember(history: dict[UUID, PastState], past_state: PastState, before: Run, after: Run) -> None:
    """Adds a state to a history, which leaves out that nothing was heard of the run if something was."""
    history[past_state.id] = past_state
    if before.state is T.Crashed and after.state_id != before.state_id:
        assert before.state_id is not None
        if history[before.state_id].is_silence:
            del history[before.state_id]
