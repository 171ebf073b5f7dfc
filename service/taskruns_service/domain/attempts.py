"""Attempts: the stretches of a task run's history in which it ran."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from taskruns_service.domain.history import follow, states_that_count
from taskruns_service.domain.runs import PastState, Run, seconds_between
from taskruns_service.domain.states import FINISHED, GROUPS, StateGroup, StateType


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt: from a Running state to the state that ended it.

    `state` is the state that ended the attempt. Until it ends, that is the Running or Cancelling state it is in; if
    another Running state ended it, the last state it was in.
    """

    number: int
    start_time: datetime
    end_time: datetime | None
    state: PastState

    @property
    def duration(self) -> float | None:
        """Seconds from start to end, 0 if clocks differ and the end is first; None while the attempt goes on."""
        return seconds_between(self.start_time, self.end_time)

    def is_current(self, state_id: UUID | None) -> bool:
        """Whether a run with this current state is in this attempt or ended with it; not if it waits for another."""
        return self.state.id == state_id and self.state.type not in GROUPS[StateGroup.pending]


def attempts_of(history: Iterable[PastState]) -> list[Attempt]:
    """The attempts in a history, the oldest first; the order of the states given does not matter.

    There are as many as the `run_count` of the run that `fold` makes of the same history, and they take its `run_time`.
    """
    attempts: list[Attempt] = []
    run = Run()
    current: PastState | None = None
    for past_state in states_that_count(history):
        before, run = run, follow(run, past_state)
        if run.state_id == past_state.id:
            current = past_state
            if attempts:
                attempts[-1] = _after(attempts[-1], past_state, before)
        if run.run_count > before.run_count and current is not None:
            # If clocks differ, `current` is the end of this attempt, although its timestamp is earlier.
            attempts.append(
                Attempt(number=run.run_count, start_time=past_state.timestamp, end_time=run.end_time, state=current)
            )
    return attempts


def _after(attempt: Attempt, past_state: PastState, before: Run) -> Attempt:
    """The latest attempt after the run, as it was `before`, has entered another state."""
    if attempt.end_time is None:
        if past_state.type not in GROUPS[StateGroup.running]:
            return replace(attempt, end_time=past_state.timestamp, state=past_state)
        if past_state.type is StateType.Running:
            return replace(attempt, end_time=past_state.timestamp)
        return replace(attempt, state=past_state)
    is_its_end = before.state_id == attempt.state.id and before.state in FINISHED and past_state.type in FINISHED
    return replace(attempt, end_time=past_state.timestamp, state=past_state) if is_its_end else attempt
