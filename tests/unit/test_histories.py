"""Many reports of one run: whatever their order, their number and their clocks, they make one run."""

from collections.abc import Iterable, Iterator
from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from taskruns_service.domain import history as history_module
from taskruns_service.domain.history import History, fold, follow, may_follow, replay, states_that_count
from taskruns_service.domain.runs import PastState, Report, Run
from taskruns_service.domain.states import FINISHED, GROUPS, StateGroup, StateType
from taskruns_service.domain.transitions import Verdict, advance
from tests.unit.reports import NOW, UNFINISHED, T, advance_in, at, remember, run_after, state

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
    arrived, kinds = run_after(data.draw(st.permutations(arrivals)))
    in_order, _ = run_after(chain)
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
    in_order, _ = run_after(chain)
    for arrivals in permutations(chain):
        arrived, _ = run_after(arrivals)
        assert without_version(arrived) == without_version(in_order)


sets = st.lists(st.tuples(st.sampled_from(StateType), st.integers(0, 6)), max_size=7).map(
    lambda pairs: [state(type_, seconds / 4, number) for number, (type_, seconds) in enumerate(pairs, 1)]
)


@given(sets, st.data())
def test_any_set_of_reports_ends_in_one_way(chain: list[Report], data: st.DataObject) -> None:
    """Ties, clocks that differ, ends of several reporters, unfinished states after the end: all sets."""
    arrived, _ = run_after(data.draw(st.permutations(chain)))
    in_order, _ = run_after(chain)
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
        for one in states_that_count(past_states[:number]):
            expected = follow(expected, one)
        assert history.run_with(past_state) == expected
        history.add(past_state)
        assert (history.run, past_state.id in history) == (expected, True)


@pytest.mark.parametrize(("seconds_between", "steps_of_a_report"), [(0, 3), (1, 2)])
def test_a_long_history_does_not_make_each_report_take_longer(
    monkeypatch: pytest.MonkeyPatch, seconds_between: int, steps_of_a_report: int
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
    assert steps < 500 * steps_of_a_report


@given(sets)
def test_run_is_what_its_history_makes(arrivals: list[Report]) -> None:
    history: dict[UUID, PastState] = {}
    run = Run()
    for report in arrivals:
        _, run, past_state = advance_in(history, run, report)
        if past_state is not None:
            history[report.id] = past_state
        assert without_version(run) == fold(history.values())


def as_read(run: Run) -> Run:
    """A run as it is read from its row, which does not have the start of the latest attempt."""
    return replace(run, attempt_start_time=run.state_timestamp if run.state is T.Running else None)


@given(st.lists(st.tuples(st.sampled_from(StateType), st.none() | st.integers(0, 6), st.booleans()), max_size=9))
def test_row_of_a_run_has_the_run_time_of_its_history(drawn: list[tuple[StateType, int | None, bool]]) -> None:
    run, history = Run(), dict[UUID, PastState]()
    for number, (type_, seconds, force) in enumerate(drawn, 1):
        report = state(type_, seconds, number, force=force)
        _, after, past_state = advance_in(history, as_read(run), report)
        if past_state is not None:
            remember(history, past_state, run, after)
        run = after
        assert run.run_time == fold(history.values()).run_time


@pytest.mark.parametrize("types", list(permutations((T.Pending, T.Running, T.Success))))
def test_ties_end_as_in_the_state_model(types: tuple[StateType, ...]) -> None:
    run, kinds = run_after([state(type_, 1, number) for number, type_ in enumerate(types, 1)])
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
        kind, after, past_state = advance_in(history, run, report)
        if past_state is not None:
            remember(history, past_state, run, after)
        yield run, after, kind
        run = after


@given(st.lists(reports, max_size=15))
def test_run_has_an_end_exactly_while_it_is_finished(arrivals: list[Report]) -> None:
    run, _ = run_after(arrivals)
    assert run.end_time == (run.state_timestamp if run.state in FINISHED else None)


@given(st.lists(reports, max_size=15))
def test_duplicates_change_nothing(arrivals: list[Report]) -> None:
    run, kinds = run_after(arrivals)
    again = [one for one, kind in zip(arrivals, kinds, strict=True) if kind in (Verdict.recorded, Verdict.late)]
    outcomes = [advance(run, one, now=NOW, is_known=True) for one in again]
    assert outcomes == [(Verdict.duplicate, run, None)] * len(again)


# Silence


def silence(number: int) -> Report:
    """What the service says of a run of which it has heard nothing for long."""
    return state(T.Crashed, None, number, force=True)


@given(sets.filter(bool), st.data())
def test_run_that_reports_on_is_as_if_it_had_never_been_called_crashed(
    chain: list[Report], data: st.DataObject
) -> None:
    """Whatever the clocks say, and whenever the service said it: each order, and several times."""
    arrivals = data.draw(st.permutations(chain))
    expected, _ = run_after(arrivals)
    places = sorted(data.draw(st.lists(st.integers(0, len(chain) - 1), min_size=1, max_size=4)), reverse=True)
    interrupted = list(arrivals)
    for number, place in enumerate(places, 100):
        if run_after(interrupted[:place])[0].state in UNFINISHED:
            interrupted.insert(place, silence(number))
    assert without_version(run_after(interrupted)[0]) == without_version(expected)


@given(sets)
def test_silent_run_is_crashed_until_something_is_heard_of_it(chain: list[Report]) -> None:
    heard, _ = run_after(chain)
    if heard.state in UNFINISHED:
        crashed, kinds = run_after([*chain, silence(100)])
        assert (crashed.state, crashed.end_time, kinds[-1]) == (T.Crashed, crashed.state_timestamp, Verdict.recorded)
        assert replace(crashed, first_timestamp=None) == replace(
            heard,
            state=T.Crashed,
            state_id=UUID(int=100),
            state_timestamp=crashed.state_timestamp,
            end_time=crashed.end_time,
            run_time=crashed.run_time,
            first_timestamp=None,
            version=heard.version + 1,
        )


@given(st.lists(st.tuples(st.sampled_from(StateType), st.integers(0, 6)), max_size=7))
def test_history_without_the_silence_is_that_of_the_reports(states: list[tuple[StateType, int]]) -> None:
    reported = [PastState(at(seconds), type_, UUID(int=number)) for number, (type_, seconds) in enumerate(states)]
    said = PastState(at(3), T.Crashed, UUID(int=100), forced=True)
    history = History([*reported, said])
    assert history.silence_id == said.id
    assert history.without_silence().run == fold(reported)
    assert history.without_silence().silence_id is None


@pytest.mark.parametrize("type_", sorted(set(StateType) - {T.Crashed}))
def test_reported_crash_gives_way_to_whatever_comes_after_it(type_: StateType) -> None:
    chain = [state(T.Running, 1, 1), state(T.Crashed, 2, 2), state(type_, 3, 3)]
    without, _ = run_after([chain[0], chain[2]])
    for arrivals in permutations(chain):
        assert without_version(run_after(arrivals)[0]) == without_version(without)


@pytest.mark.parametrize("type_", sorted(FINISHED - {T.Crashed}))
def test_reported_crash_gives_way_to_an_end_before_it(type_: StateType) -> None:
    chain = [state(T.Running, 1, 1), state(type_, 2, 2), state(T.Crashed, 3, 3)]
    without, _ = run_after(chain[:2])
    for arrivals in permutations(chain):
        assert without_version(run_after(arrivals)[0]) == without_version(without)


# Histories from elsewhere


@pytest.mark.parametrize("report", [state(T.Running, 15, 9), state(T.Success, 20, 9), state(T.Failed, 20, 9)])
def test_run_whose_history_is_lost_keeps_its_state(report: Report) -> None:
    run = Run(version=3, state=T.Success, state_timestamp=at(20), first_timestamp=at(20), end_time=at(20))
    outcome = advance(run, report, now=NOW)
    assert (outcome.verdict, outcome.run.state, outcome.run.state_id, outcome.run.end_time) == (
        *(Verdict.late, T.Success, None, at(20)),
    )


OF_PREFECT_1 = [type_ for type_ in StateType if type_ is not T.Crashed]


@given(st.lists(st.tuples(st.sampled_from(OF_PREFECT_1), st.integers(0, 9)), min_size=1, max_size=9))
def test_replayed_history_gives_what_reports_in_its_order_give(states: list[tuple[StateType, int]]) -> None:
    states.sort(key=lambda one: (one[1], list(StateType).index(one[0])))
    reports_ = [state(type_, seconds, number, force=True) for number, (type_, seconds) in enumerate(states, 1)]
    reported, _ = run_after(reports_)
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


# What is read


@pytest.mark.parametrize(
    "types",
    [
        (T.Running, T.Failed, T.Retrying, T.Running, T.Failed),
        (T.Running, T.Looped, T.Running, T.Looped),
        (T.Running, T.Success, T.Failed, T.Success, T.Cancelled),
    ],
    ids=lambda types: "-".join(types[1:]),
)
def test_report_that_comes_last_reads_no_history(types: tuple[StateType, ...]) -> None:
    """However often a task is retried or loops, a report costs the same."""
    run, past = Run(), list[PastState]()
    for number, type_ in enumerate(types, 1):
        report = state(type_, number, number)
        _, run, past_state = advance(as_read(run), report, now=NOW, history=None, has_later_states=lambda: False)
        assert past_state is not None
        past.append(past_state)
        assert without_version(as_read(run)) == as_read(fold(past))
