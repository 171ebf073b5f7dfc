"""States as people read and ask them, for every type there is."""

import pytest

from taskruns import State, StateType
from taskruns_service.domain.states import FINISHED, descendants
from taskruns_service.domain.states import StateType as Known

QUESTIONS = {
    "is_pending": "Pending",
    "is_scheduled": "Scheduled",
    "is_submitted": "Submitted",
    "is_queued": "Queued",
    "is_retrying": "Retrying",
    "is_running": "Running",
    "is_finished": "Finished",
    "is_successful": "Success",
    "is_failed": "Failed",
    "is_cached": "Cached",
    "is_mapped": "Mapped",
    "is_skipped": "Skipped",
    "is_looped": "Looped",
    "is_cancelled": "Cancelled",
}


def test_prints_its_type_and_message() -> None:
    assert repr(State(StateType.SUCCESS, "Task run succeeded.")) == '<Success: "Task run succeeded.">'
    assert str(State(StateType.PENDING)) == "<Pending>"


def test_shows_control_characters_escaped() -> None:
    assert repr(State(StateType.FAILED, "a\x1b[31m\nb")) == '<Failed: "a\\x1b[31m\\nb">'


def test_equals_states_of_its_type_and_the_name_of_the_type() -> None:
    state = State(StateType.SUCCESS, "Task run succeeded.")
    assert state == State(StateType.SUCCESS) == "Success" == state
    assert state == StateType.SUCCESS
    assert state != State(StateType.MAPPED)
    assert (state != "Success") is (state != State(StateType.SUCCESS)) is False
    assert {state, State(StateType.SUCCESS), "Success"} == {"Success"}


def test_knows_every_type_of_the_service() -> None:
    assert [str(type) for type in StateType] == sorted(str(type) for type in Known)


@pytest.mark.parametrize("type", StateType)
@pytest.mark.parametrize(("question", "kind"), QUESTIONS.items())
def test_is_of_the_kinds_that_the_service_says(type: StateType, question: str, kind: str) -> None:
    assert getattr(State(type), question)() == (Known(type) in descendants(Known(kind)))


@pytest.mark.parametrize("type", StateType)
def test_is_finished_when_the_service_says(type: StateType) -> None:
    assert State(type).is_finished() == (Known(type) in FINISHED)


def test_is_nothing_in_particular_if_its_type_is_unknown() -> None:
    state = State(StateType("Dreaming"), "Zzz")
    assert repr(state) == '<Dreaming: "Zzz">'
    assert not any(getattr(state, question)() for question in QUESTIONS)
