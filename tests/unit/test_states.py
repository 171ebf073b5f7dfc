"""The state model: what the types amount to, and what `advance` makes of every kind of report."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from taskruns_service.domain import history as history_module
from taskruns_service.domain.history import History, fold, follow, may_follow, replay
from taskruns_service.domain.runs import PastState, Report, Run
from taskruns_service.domain.states import FINISHED, GROUPS, STATE_TYPES, StateGroup, StateType, descendants
from taskruns_service.domain.transitions import Verdict, advance

T = StateType
NOW = datetime(2021, 5, 12, 19, 0, tzinfo=UTC)
UNFINISHED = frozenset(StateType) - FINISHED


def at(seconds: float) -> datetime:
    """A moment some seconds after six o'clock, an hour before NOW."""
    return NOW - timedelta(hours=1) + timedelta(seconds=seconds)


def state(type_: StateType, seconds: float | None, number: int = 0, **members: Any) -> Report:
    """A reported state whose id is a number."""
    return Report(id=UUID(int=number), type=type_, timestamp=None if seconds is None else at(seconds), **members)


def told(reports: Iterable[Report], run: Run | None = None) -> tuple[Run, list[Verdict]]:
    """The run after some reports, one after the other, and what became of each."""
    run, history, kinds = run or Run(), dict[UUID, PastState](), []
    for report in reports:
        kind, run, past_state = advance(
            run, report, now=NOW, is_known=report.id in history, history=lambda: History(history.values())
        )
        kinds.append(kind)
        if past_state is not None:
            history[report.id] = past_state
    return run, kinds


# Types and groups


def test_every_type_is_described_once() -> None:
    assert [info.type for info in STATE_TYPES] == list(StateType)
    assert all(info.sentence.endswith(".") for info in STATE_TYPES)


def test_there_are_the_21_types_of_the_field() -> None:
    assert len(StateType) == 21


@pytest.mark.parametrize("type_", StateType)
def test_type_is_pending_or_running_or_finished(type_: StateType) -> None:
    main = (StateGroup.pending, StateGroup.running, StateGroup.finished)
    assert sum(type_ in GROUPS[group] for group in main) == 1


def test_groups_hold_these_types() -> None:
    assert {
        "pending": {
            *(T.Pending, T.Scheduled, T.Paused, T.Resume, T.Retrying, T.Queued),
            *(T.Submitted, T.ClientFailed),
        },
        "running": {T.Running, T.Cancelling},
        "finished": {
            *(T.Finished, T.Success, T.Cached, T.Mapped, T.Skipped),
            *(T.Failed, T.TimedOut, T.TriggerFailed, T.ValidationFailed),
            *(T.Looped, T.Cancelled),
        },
        "successful": {T.Success, T.Cached, T.Mapped, T.Skipped},
        "failed": {T.Failed, T.TimedOut, T.TriggerFailed, T.ValidationFailed},
    } == GROUPS


def test_type_generalises_itself_and_its_kinds() -> None:
    assert descendants(T.Scheduled) == {T.Scheduled, T.Paused, T.Resume, T.Retrying, T.Queued}
    assert descendants(T.Looped) == {T.Looped}


# What one report does


class Case(NamedTuple):
    """A run, a report, what becomes of it, what it changes about the run, and its place in the history."""

    run: Run
    report: Report
    kind: Verdict
    changes: dict[str, Any]
    timestamp: datetime | None = None


FRESH = Run()
RUNNING = Run(
    version=2,
    state=T.Running,
    state_id=UUID(int=2),
    state_timestamp=at(10),
    run_count=1,
    first_timestamp=at(0),
    start_time=at(10),
)
FAILED = replace(RUNNING, version=3, state=T.Failed, state_id=UUID(int=3), state_timestamp=at(20), end_time=at(20))
SUCCESS = replace(FAILED, state=T.Success, result={"type": "LocalResult"}, state_message="Done.")


def came(type_: StateType, seconds: float, version: int, **members: Any) -> dict[str, Any]:
    """What every accepted state changes."""
    return {
        "state": type_,
        "state_id": UUID(int=9),
        "state_message": None,
        "state_timestamp": at(seconds),
        "result": None,
        "version": version,
        **members,
    }


CASES = {
    "the first state is recorded": Case(
        FRESH, state(T.Pending, 0, 9), Verdict.recorded, came(T.Pending, 0, 1, first_timestamp=at(0)), at(0)
    ),
    "Running starts the run": Case(
        FRESH,
        state(T.Running, 5, 9),
        Verdict.recorded,
        came(T.Running, 5, 1, run_count=1, first_timestamp=at(5), start_time=at(5)),
        at(5),
    ),
    "a finished state ends the run, with its message and result": Case(
        RUNNING,
        state(T.Success, 12.5, 9, message="Done.", result={"type": "LocalResult"}),
        Verdict.recorded,
        came(T.Success, 12.5, 3, end_time=at(12.5), state_message="Done.", result={"type": "LocalResult"}),
        at(12.5),
    ),
    "the next state has its own message and result": Case(
        SUCCESS, state(T.Cached, 30, 9), Verdict.recorded, came(T.Cached, 30, 4, end_time=at(30)), at(30)
    ),
    "Cancelling is not another run": Case(
        RUNNING, state(T.Cancelling, 11, 9), Verdict.recorded, came(T.Cancelling, 11, 3), at(11)
    ),
    "a retry has no end, and keeps its start": Case(
        FAILED, state(T.Retrying, 21, 9), Verdict.recorded, came(T.Retrying, 21, 4, end_time=None), at(21)
    ),
    "Running again counts, and keeps the earliest start": Case(
        FAILED, state(T.Running, 21, 9), Verdict.recorded, came(T.Running, 21, 4, run_count=2, end_time=None), at(21)
    ),
    "of equal timestamps the later in the state model wins": Case(
        RUNNING, state(T.Success, 10, 9), Verdict.recorded, came(T.Success, 10, 3, end_time=at(10)), at(10)
    ),
    "a state without a timestamp is as of now": Case(
        RUNNING, state(T.Success, None, 9), Verdict.recorded, came(T.Success, 3600, 3, end_time=NOW), NOW
    ),
    "a state without a timestamp is never late": Case(
        replace(RUNNING, state_timestamp=at(7200)),
        state(T.Success, None, 9),
        Verdict.recorded,
        came(T.Success, 7200, 3, end_time=at(7200)),
        at(7200),
    ),
    "an id that was seen is a duplicate": Case(RUNNING, state(T.Running, 10, 1), Verdict.duplicate, {}),
    "a duplicate is one whatever else it says": Case(
        RUNNING, state(T.Failed, 99, 1, expected_version=7, force=True), Verdict.duplicate, {}
    ),
    "the expected version is recorded": Case(
        RUNNING,
        state(T.Success, 20, 9, expected_version=2),
        Verdict.recorded,
        came(T.Success, 20, 3, end_time=at(20)),
        at(20),
    ),
    "another expected version is a conflict": Case(
        RUNNING, state(T.Success, 20, 9, expected_version=1), Verdict.version_conflict, {}
    ),
    "force does not help against a version conflict": Case(
        RUNNING, state(T.Success, 20, 9, expected_version=3, force=True), Verdict.version_conflict, {}
    ),
    "version 0 is expected of a run without states": Case(
        FRESH,
        state(T.Pending, 0, 9, expected_version=0),
        Verdict.recorded,
        came(T.Pending, 0, 1, first_timestamp=at(0)),
        at(0),
    ),
    "the expected sequence is recorded": Case(
        RUNNING,
        state(T.Success, 20, 9, expected_sequence=5),
        Verdict.recorded,
        came(T.Success, 20, 3, end_time=at(20)),
        at(20),
    ),
    "another expected sequence is a conflict": Case(
        RUNNING, state(T.Success, 20, 9, expected_sequence=4), Verdict.version_conflict, {}
    ),
    "a conflict comes before lateness": Case(
        RUNNING, state(T.Pending, 1, 9, expected_version=1), Verdict.version_conflict, {}
    ),
    "a late state that says nothing new changes nothing": Case(
        RUNNING, state(T.Submitted, 5, 9), Verdict.late, {}, at(5)
    ),
    "a late earliest state counts for the time in the queue": Case(
        RUNNING, state(T.Pending, -5, 9), Verdict.late, {"first_timestamp": at(-5)}, at(-5)
    ),
    "a late Running counts, and is the start if it is the earliest": Case(
        RUNNING, state(T.Running, 4, 9), Verdict.late, {"run_count": 2, "start_time": at(4)}, at(4)
    ),
    "a late Running between start and end only counts": Case(
        FAILED, state(T.Running, 15, 9), Verdict.late, {"run_count": 2}, at(15)
    ),
    "of equal timestamps the earlier in the state model is late": Case(
        RUNNING, state(T.Submitted, 10, 9), Verdict.late, {}, at(10)
    ),
    "an end before the only Running is that of another clock": Case(
        RUNNING, state(T.Success, 5, 9), Verdict.recorded, came(T.Success, 5, 3, end_time=at(5)), at(5)
    ),
    "so is a failure that is half a second before it": Case(
        RUNNING, state(T.Failed, 9.5, 9), Verdict.recorded, came(T.Failed, 9.5, 3, end_time=at(9.5)), at(9.5)
    ),
    "a failure long before the only Running is that of another attempt": Case(
        RUNNING, state(T.Failed, 5, 9), Verdict.late, {}, at(5)
    ),
    "what never ran has no Running to end": Case(RUNNING, state(T.TriggerFailed, 9.5, 9), Verdict.late, {}, at(9.5)),
    "an end before a second Running does not end that": Case(
        replace(RUNNING, run_count=2, start_time=at(1)), state(T.Failed, 5, 9), Verdict.late, {}, at(5)
    ),
    "force does not make a late state current": Case(
        RUNNING, state(T.Queued, 5, 9, force=True), Verdict.late, {}, at(5)
    ),
    "a success is not overwritten by a failure": Case(SUCCESS, state(T.Failed, 30, 9), Verdict.late, {}, at(30)),
    "a success is not overwritten by a cancellation": Case(
        SUCCESS, state(T.Cancelled, 30, 9), Verdict.late, {}, at(30)
    ),
    "a second success does not move the end": Case(SUCCESS, state(T.Success, 30, 9), Verdict.late, {}, at(30)),
    "an earlier success of another report is the end": Case(
        SUCCESS, state(T.Success, 15, 9), Verdict.recorded, came(T.Success, 15, 4, end_time=at(15)), at(15)
    ),
    "a failure that turns out to be a success is one": Case(
        FAILED, state(T.Success, 30, 9), Verdict.recorded, came(T.Success, 30, 4, end_time=at(30)), at(30)
    ),
    "a failure may be said more exactly": Case(
        FAILED, state(T.TimedOut, 30, 9), Verdict.recorded, came(T.TimedOut, 30, 4, end_time=at(30)), at(30)
    ),
    "force overwrites a success": Case(
        SUCCESS, state(T.Failed, 30, 9, force=True), Verdict.recorded, came(T.Failed, 30, 4, end_time=at(30)), at(30)
    ),
    "an end without a timestamp is the last word": Case(
        SUCCESS, state(T.Failed, None, 9), Verdict.recorded, came(T.Failed, 3600, 4, end_time=NOW), NOW
    ),
    "a late unfinished state is late and not refused": Case(SUCCESS, state(T.Submitted, 5, 9), Verdict.late, {}, at(5)),
    "a successful run refuses Running": Case(SUCCESS, state(T.Running, 30, 9), Verdict.terminal_state, {}),
    "a successful run refuses Retrying": Case(SUCCESS, state(T.Retrying, 30, 9), Verdict.terminal_state, {}),
    "force makes a finished run run again": Case(
        SUCCESS,
        state(T.Running, 30, 9, force=True),
        Verdict.recorded,
        came(T.Running, 30, 4, run_count=2, end_time=None),
        at(30),
    ),
    "a looped run may become anything": Case(
        replace(FAILED, state=T.Looped),
        state(T.Submitted, 30, 9),
        Verdict.recorded,
        came(T.Submitted, 30, 4, end_time=None),
        at(30),
    ),
}


def history_of(run: Run) -> list[PastState]:
    """The history of one of the runs in CASES."""
    history = [PastState(at(0), T.Pending, UUID(int=1)), PastState(at(10), T.Running, UUID(int=2))]
    history += [PastState(at(1), T.Running, UUID(int=4))] * (run.run_count - 1)
    return history + [PastState(at(20), run.state, UUID(int=3))] * (run.state in FINISHED)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_report_does_what_the_rules_say(case: Case) -> None:
    outcome = advance(
        case.run,
        case.report,
        now=NOW,
        is_known=case.report.id == UUID(int=1),
        sequence=5,
        history=lambda: History(history_of(case.run)),
    )
    assert (outcome.verdict, outcome.run) == (case.kind, replace(case.run, **case.changes))
    assert (outcome.past_state and outcome.past_state.timestamp) == case.timestamp


@pytest.mark.parametrize("current", StateType)
def test_finished_run_becomes_unfinished_only_when_it_failed_or_looped(current: StateType) -> None:
    followers = {proposed for proposed in UNFINISHED if may_follow(current, proposed)}
    if current in FINISHED - GROUPS[StateGroup.failed] - {T.Looped}:
        assert followers == set()
    else:
        assert {T.Pending, T.Scheduled, T.Retrying, T.Queued, T.Running} <= followers


@pytest.mark.parametrize("current", StateType)
def test_every_run_may_become_finished(current: StateType) -> None:
    assert all(may_follow(current, proposed) for proposed in FINISHED)


# Times


def test_duration_and_queue_time_are_seconds_between_times() -> None:
    run = Run(first_timestamp=at(0), start_time=at(0.25), end_time=at(1.75))
    assert (run.queue_time, run.duration) == (0.25, 1.5)


def test_run_that_never_ran_has_no_duration_and_no_queue_time() -> None:
    run, _ = told([state(T.Pending, 0, 1), state(T.TriggerFailed, 9, 2)])
    assert (run.start_time, run.end_time, run.duration, run.queue_time) == (None, at(9), None, None)


def test_unfinished_run_has_no_duration() -> None:
    assert (RUNNING.duration, RUNNING.queue_time) == (None, 10.0)


# Many reports


@st.composite
def chains(draw: st.DrawFn) -> list[Report]:
    """Reports in the order of their timestamps, where each may follow each one before it."""
    types: list[StateType] = []
    for type_ in draw(st.lists(st.sampled_from(StateType), min_size=1, max_size=8)):
        if all(may_follow(before, type_) for before in types):
            types.append(type_)
    moments = draw(st.lists(st.integers(0, 10**9), min_size=len(types), max_size=len(types), unique=True))
    pairs = zip(types, sorted(moments), strict=True)
    return [state(type_, moment / 10**6, number) for number, (type_, moment) in enumerate(pairs, 1)]


def without_version(run: Run) -> Run:
    return replace(run, version=0)


@given(chains(), st.data())
def test_reports_give_the_same_run_in_any_order_and_any_number(chain: list[Report], data: st.DataObject) -> None:
    arrivals = [*chain, *data.draw(st.lists(st.sampled_from(chain), max_size=5))]
    arrived, kinds = told(data.draw(st.permutations(arrivals)))
    in_order, _ = told(chain)
    assert without_version(arrived) == without_version(in_order)
    assert (arrived.duration, arrived.queue_time) == (in_order.duration, in_order.queue_time)
    assert {kind for kind in kinds if kind is not Verdict.duplicate} <= {Verdict.recorded, Verdict.late}


TRIES = {
    "restarted": (T.Failed, T.Scheduled, T.Submitted),
    "retried and cancelled": (T.Failed, T.Running, T.Cancelling),
    "retried": (T.Running, T.Failed, T.Retrying, T.Running),
}


@pytest.mark.parametrize("types", TRIES.values(), ids=TRIES)
def test_next_try_is_the_same_in_whatever_order_its_states_arrive(types: tuple[StateType, ...]) -> None:
    chain = [state(type_, number, number) for number, type_ in enumerate(types, 1)]
    in_order, _ = told(chain)
    for arrivals in permutations(chain):
        arrived, _ = told(arrivals)
        assert without_version(arrived) == without_version(in_order)


sets = st.lists(st.tuples(st.sampled_from(StateType), st.integers(0, 6)), max_size=7).map(
    lambda pairs: [state(type_, seconds / 4, number) for number, (type_, seconds) in enumerate(pairs, 1)]
)


@given(sets, st.data())
def test_any_set_of_reports_ends_in_one_way(chain: list[Report], data: st.DataObject) -> None:
    """Ties, clocks that differ, ends of several reporters, unfinished states after the end: all sets."""
    arrived, _ = told(data.draw(st.permutations(chain)))
    in_order, _ = told(chain)
    assert without_version(arrived) == without_version(in_order)


@given(st.lists(st.tuples(st.sampled_from(StateType), st.integers(0, 6), st.booleans()), max_size=7), st.data())
def test_history_makes_one_run_in_any_order(states: list[tuple[StateType, int, bool]], data: st.DataObject) -> None:
    history = [
        PastState(at(seconds), type_, UUID(int=number), forced)
        for number, (type_, seconds, forced) in enumerate(states)
    ]
    assert fold(data.draw(st.permutations(history))) == fold(history)


@given(st.lists(st.tuples(st.sampled_from(StateType), st.integers(0, 6), st.booleans()), max_size=12))
def test_history_makes_the_same_run_one_state_at_a_time(drawn: list[tuple[StateType, int, bool]]) -> None:
    past_states = [
        PastState(at(seconds), type_, UUID(int=number), forced)
        for number, (type_, seconds, forced) in enumerate(drawn, 1)
    ]
    history = History()
    for number, past_state in enumerate(past_states, 1):
        expected = Run()
        for one in sorted(past_states[:number], key=lambda one: one.order):
            expected = follow(expected, one)
        assert history.run_with(past_state) == expected
        history.add(past_state)
        assert (history.run, past_state.id in history) == (expected, True)


@pytest.mark.parametrize("seconds_between", [0, 1])
def test_a_long_history_does_not_make_each_report_take_longer(
    monkeypatch: pytest.MonkeyPatch, seconds_between: int
) -> None:
    steps = 0

    def counted(run: Run, past_state: PastState) -> Run:
        nonlocal steps
        steps += 1
        return follow(run, past_state)

    monkeypatch.setattr(history_module, "follow", counted)
    run, history = Run(), History()
    for number in range(1, 500):
        report = state(T.Running if number % 2 else T.Success, 1 + number * seconds_between, number)
        run, past_state = advance(run, report, now=NOW, history=lambda: history)[1:]
        if past_state is not None:
            history.add(past_state)
    assert steps < 500 * 2.5


@given(sets)
def test_run_is_what_its_history_makes(arrivals: list[Report]) -> None:
    history: dict[UUID, PastState] = {}
    run = Run()
    for report in arrivals:
        _, run, past_state = advance(run, report, now=NOW, history=lambda: History(history.values()))
        if past_state is not None:
            history[report.id] = past_state
        assert without_version(run) == fold(history.values())


@pytest.mark.parametrize("types", list(permutations((T.Pending, T.Running, T.Success))))
def test_ties_end_as_in_the_state_model(types: tuple[StateType, ...]) -> None:
    run, kinds = told([state(type_, 1, number) for number, type_ in enumerate(types, 1)])
    assert (run.state, run.run_count, run.start_time, run.end_time, run.duration) == (T.Success, 1, at(1), at(1), 0)
    assert set(kinds) <= {Verdict.recorded, Verdict.late}


reports = st.builds(
    state,
    st.sampled_from(StateType),
    st.none() | st.integers(0, 20),
    st.integers(1, 12),
    force=st.just(False) | st.booleans(),
    expected_version=st.none() | st.none() | st.integers(0, 4),
)


@given(st.lists(reports, max_size=15))
def test_run_stays_finished_unless_it_failed_or_looped_or_a_report_insists(arrivals: list[Report]) -> None:
    insisted = any(report.force for report in arrivals)
    for run, after, _ in steps(arrivals):
        if run.state in FINISHED and after.state not in FINISHED:
            assert insisted or run.state in GROUPS[StateGroup.failed] | {T.Looped}


@given(st.lists(reports, max_size=15))
def test_version_counts_how_often_the_state_changed(arrivals: list[Report]) -> None:
    for run, after, kind in steps(arrivals):
        assert after.version == run.version + (after.state_id != run.state_id)
        assert kind is not Verdict.recorded or after.version == run.version + 1


def steps(arrivals: Iterable[Report]) -> Iterator[tuple[Run, Run, Verdict]]:
    """The run before and after each report, and what became of that."""
    run, history = Run(), dict[UUID, PastState]()
    for report in arrivals:
        kind, after, past_state = advance(
            run, report, now=NOW, is_known=report.id in history, history=lambda: History(history.values())
        )
        if past_state is not None:
            history[report.id] = past_state
        yield run, after, kind
        run = after


@given(st.lists(reports, max_size=15))
def test_run_has_an_end_exactly_while_it_is_finished(arrivals: list[Report]) -> None:
    run, _ = told(arrivals)
    assert run.end_time == (run.state_timestamp if run.state in FINISHED else None)


@given(st.lists(reports, max_size=15))
def test_duplicates_change_nothing(arrivals: list[Report]) -> None:
    run, kinds = told(arrivals)
    again = [one for one, kind in zip(arrivals, kinds, strict=True) if kind in (Verdict.recorded, Verdict.late)]
    outcomes = [advance(run, one, now=NOW, is_known=True) for one in again]
    assert outcomes == [(Verdict.duplicate, run, None)] * len(again)


# Histories from elsewhere


@pytest.mark.parametrize("report", [state(T.Running, 15, 9), state(T.Success, 20, 9), state(T.Failed, 20, 9)])
def test_run_whose_history_is_lost_keeps_its_state(report: Report) -> None:
    run = Run(version=3, state=T.Success, state_timestamp=at(20), first_timestamp=at(20), end_time=at(20))
    outcome = advance(run, report, now=NOW)
    assert (outcome.verdict, outcome.run.state, outcome.run.state_id, outcome.run.end_time) == (
        *(Verdict.late, T.Success, None, at(20)),
    )


@given(st.lists(st.tuples(st.sampled_from(StateType), st.integers(0, 9)), min_size=1, max_size=9))
def test_replayed_history_gives_what_reports_in_its_order_give(states: list[tuple[StateType, int]]) -> None:
    states.sort(key=lambda one: (one[1], list(StateType).index(one[0])))
    reports_ = [state(type_, seconds, number, force=True) for number, (type_, seconds) in enumerate(states, 1)]
    reported, _ = told(reports_)
    replayed = replay([(type_, at(seconds)) for type_, seconds in states], version=len(states))
    assert replayed == replace(reported, state_id=None)


def test_last_state_of_a_replayed_history_is_current_whatever_its_timestamp() -> None:
    run = replay([(T.Running, at(5)), (T.Success, at(4))], version=7)
    assert (run.version, run.state, run.end_time, run.start_time, run.first_timestamp) == (
        7,
        T.Success,
        at(4),
        at(5),
        at(4),
    )
