"""The state model: what the types amount to, and what `advance` makes of every kind of report."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from msgspec.structs import replace

from taskruns_service.domain.history import History, may_follow
from taskruns_service.domain.runs import PastState, Report, Run
from taskruns_service.domain.states import FINISHED, GROUPS, STATE_TYPES, StateGroup, StateType, descendants, worst
from taskruns_service.domain.transitions import Verdict, advance
from tests.unit.reports import NOW, UNFINISHED, T, at, run_after, state

# Types and groups


def test_every_type_is_described_once() -> None:
    assert [info.type for info in STATE_TYPES] == list(StateType)
    assert all(info.sentence.endswith(".") for info in STATE_TYPES)


def test_there_are_22_types() -> None:
    assert len(StateType) == 22


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
            *(T.Failed, T.TimedOut, T.TriggerFailed, T.ValidationFailed, T.Crashed),
            *(T.Looped, T.Cancelled),
        },
        "successful": {T.Success, T.Cached, T.Mapped, T.Skipped},
        "failed": {T.Failed, T.TimedOut, T.TriggerFailed, T.ValidationFailed, T.Crashed},
    } == GROUPS


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (["Success", "Mapped", "Cached"], "Success"),
        (["Success", "Pending", "Skipped"], "Pending"),
        (["Submitted", "Queued", "Running"], "Running"),
        (["Cancelling", "Running", "Retrying"], "Retrying"),
        (["Retrying", "Cancelled", "Success"], "Cancelled"),
        (["ClientFailed", "TimedOut", "Cancelled"], "TimedOut"),
        (["TriggerFailed", "TimedOut", "Failed"], "Failed"),
        (["Looped"], "Looped"),
    ],
)
def test_worst_of_several_types_needs_attention_first(types: list[str], expected: str) -> None:
    for order in (types, types[::-1]):
        assert worst(map(StateType, order)) == expected


def test_any_two_types_have_a_worst_one() -> None:
    for first in StateType:
        assert {worst([first, second]) for second in StateType} <= set(StateType)
        assert all(worst([first, second]) == worst([second, first]) for second in StateType)


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
    run = replace(outcome.run, run_time=None, attempt_start_time=None)  # these have tests beside those of attempts
    assert (outcome.verdict, run) == (case.kind, replace(case.run, **case.changes))
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
    run, _ = run_after([state(T.Pending, 0, 1), state(T.TriggerFailed, 9, 2)])
    assert (run.start_time, run.end_time, run.duration, run.queue_time) == (None, at(9), None, None)


def test_unfinished_run_has_no_duration() -> None:
    assert (RUNNING.duration, RUNNING.queue_time) == (None, 10.0)
