"""Attempts: where they begin and end in a history, whatever the order of its states."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskruns_service.domain.attempts import attempts_of
from taskruns_service.domain.history import fold
from taskruns_service.domain.runs import PastState
from taskruns_service.domain.states import FINISHED, GROUPS, StateGroup
from tests.unit.reports import T, at

Step = tuple[T, float]
Expected = tuple[T, float, float | None, bool]
"""The state of an attempt, its start and its end in seconds, and whether it is the current one."""

HISTORIES: dict[str, tuple[Sequence[Step], Sequence[Expected], float]] = {
    "nothing": ([], [], 0),
    "never ran": ([(T.Pending, 0), (T.TriggerFailed, 1)], [], 0),
    "cached without running": ([(T.Pending, 0), (T.Cached, 1)], [], 0),
    "skipped": ([(T.Running, 0), (T.Skipped, 1)], [(T.Skipped, 0, 1, True)], 1),
    "mapped": ([(T.Running, 0), (T.Mapped, 2)], [(T.Mapped, 0, 2, True)], 2),
    "running": ([(T.Pending, 0), (T.Running, 1)], [(T.Running, 1, None, True)], 0),
    "cancelling": ([(T.Running, 1), (T.Cancelling, 2)], [(T.Cancelling, 1, None, True)], 0),
    "cancelled": ([(T.Running, 1), (T.Cancelling, 2), (T.Cancelled, 4)], [(T.Cancelled, 1, 4, True)], 3),
    "retried": (
        [(T.Running, 0), (T.Retrying, 2), (T.Running, 60), (T.Success, 63)],
        [(T.Retrying, 0, 2, False), (T.Success, 60, 63, True)],
        5,
    ),
    "retried after a failure": (
        [(T.Running, 0), (T.Failed, 2), (T.Retrying, 3), (T.Running, 60), (T.Failed, 64)],
        [(T.Failed, 0, 2, False), (T.Failed, 60, 64, True)],
        6,
    ),
    "waiting for a retry": ([(T.Running, 0), (T.Retrying, 2)], [(T.Retrying, 0, 2, False)], 2),
    "cancelled while waiting": (
        [(T.Running, 0), (T.Retrying, 2), (T.Cancelled, 9)],
        [(T.Retrying, 0, 2, False)],
        2,
    ),
    "paused and resumed": (
        [(T.Running, 0), (T.Paused, 1), (T.Resume, 9), (T.Running, 10), (T.Success, 12)],
        [(T.Paused, 0, 1, False), (T.Success, 10, 12, True)],
        3,
    ),
    "looped": (
        [(T.Running, 0), (T.Looped, 1), (T.Running, 2), (T.Success, 4)],
        [(T.Looped, 0, 1, False), (T.Success, 2, 4, True)],
        3,
    ),
    "restarted while running": (
        [(T.Running, 0), (T.Running, 5), (T.Success, 7)],
        [(T.Running, 0, 5, False), (T.Success, 5, 7, True)],
        7,
    ),
    "several ends": ([(T.Running, 0), (T.Failed, 2), (T.Success, 3), (T.Failed, 4)], [(T.Success, 0, 3, True)], 3),
    "of one moment": ([(T.Pending, 1), (T.Running, 1), (T.Success, 1)], [(T.Success, 1, 1, True)], 0),
    "an end of another clock": ([(T.Success, 9.5), (T.Running, 10)], [(T.Success, 10, 9.5, True)], 0),
    "a failure of another clock": (
        [(T.Failed, 9.5), (T.Running, 9.75), (T.Running, 20), (T.Success, 21)],
        [(T.Failed, 9.75, 9.5, False), (T.Success, 20, 21, True)],
        1,
    ),
    "refused after the end": ([(T.Running, 0), (T.Success, 1), (T.Running, 2)], [(T.Success, 0, 1, True)], 1),
    "tenths": (
        [(T.Running, 0), (T.Retrying, 0.1), (T.Running, 1), (T.Failed, 1.2)],
        [(T.Retrying, 0, 0.1, False), (T.Failed, 1, 1.2, True)],
        0.3,
    ),
}


@pytest.mark.parametrize("name", HISTORIES)
@pytest.mark.parametrize("backwards", [False, True])
def test_history_has_these_attempts(name: str, backwards: bool) -> None:
    steps, expected, seconds = HISTORIES[name]
    history = [PastState(at(moment), type_, UUID(int=number)) for number, (type_, moment) in enumerate(steps, 1)]
    run = fold(history)
    attempts = attempts_of(reversed(history) if backwards else history)
    assert [
        (attempt.state.type, attempt.start_time, attempt.end_time, attempt.is_current(run.state_id))
        for attempt in attempts
    ] == [(type_, at(start), None if end is None else at(end), current) for type_, start, end, current in expected]
    assert [attempt.number for attempt in attempts] == list(range(1, run.run_count + 1))
    assert (run.run_time or 0) == seconds


histories = st.lists(st.tuples(st.sampled_from(T), st.integers(0, 24), st.booleans()), max_size=9).map(
    lambda states: [
        PastState(at(quarters / 4), type_, UUID(int=number), forced)
        for number, (type_, quarters, forced) in enumerate(states, 1)
    ]
)


@given(histories, st.data())
def test_attempts_agree_with_the_run_in_any_order(history: list[PastState], data: st.DataObject) -> None:
    attempts, run = attempts_of(data.draw(st.permutations(history))), fold(history)
    assert attempts == attempts_of(history)
    assert len(attempts) == run.run_count
    assert all(attempt.end_time is not None for attempt in attempts[:-1])
    if attempts:
        assert attempts[0].start_time == run.start_time
        assert (attempts[-1].end_time is None) == (
            run.state in GROUPS[StateGroup.running] and run.state_id == attempts[-1].state.id
        )
    current = [attempt for attempt in attempts if attempt.is_current(run.state_id)]
    assert current in ([], attempts[-1:])
    if current and run.state in FINISHED:
        assert current[0].end_time == run.end_time
        assert len(attempts) > 1 or run.run_time == run.duration
    durations = [attempt.duration for attempt in attempts if attempt.duration is not None]
    assert run.run_time == (round(sum(durations), 6) if durations else None)
