"""Mapped tasks: what is recorded of the parent and its children, and which error the caller gets."""

from typing import Any

import pytest

from taskruns import StateType, flow_run, task, unmapped
from tests.client.recording.recorded import PENDING, SUCCESS, WELL, history, task_runs


@task
def inc(x: int) -> int:
    return x + 1


@task
def fail(error: BaseException) -> None:
    raise error


def test_map_takes_several_iterables_and_named_ones_and_what_is_the_same_for_all() -> None:
    @task
    def joined(a: int, b: str, *, c: int, d: str) -> str:
        return f"{a}{b}{c}{d}"

    def check() -> None:
        results = joined.map(range(2), unmapped("b"), c=iter([3, 4]), d=unmapped("dd"))
        assert results == ["0b3dd", "1b4dd"]

    check()
    with flow_run("etl"):
        check()


def test_map_over_nothing_is_a_mapped_task_run_without_children() -> None:
    with flow_run("etl") as run:
        assert inc.map([]) == []

    assert history(run, "inc-1") == [WELL[0], (StateType.MAPPED, "Mapped over 0 items.")]
    assert run.view().get_task_run("inc-1").get_result() == []


@pytest.mark.parametrize(
    ("iterables", "told"),
    [
        (([1], [1, 2]), "map needs iterables of the same length, but they have [1, 2] items."),
        ((unmapped(1),), "map needs iterables of the same length, but all are unmapped."),
        ((), "map needs iterables of the same length, but all are unmapped."),
    ],
)
def test_map_over_iterables_of_different_lengths_is_refused_and_not_recorded(
    iterables: tuple[Any, ...], told: str
) -> None:
    with flow_run("etl") as run, pytest.raises(ValueError) as caught:  # noqa: PT011 # its text is compared
        inc.map(*iterables)

    assert str(caught.value) == told
    assert task_runs(run) == {}


def test_all_children_run_and_then_the_first_error_is_raised_with_a_note() -> None:
    ran = []

    @task
    def odd(x: int) -> int:
        ran.append(x)
        if x % 2 == 0:
            raise ValueError(x)
        return x

    with flow_run("etl") as run, pytest.raises(ValueError, match=r"^2\b") as caught:
        odd.map([1, 2, 3, 4])

    assert ran == [1, 2, 3, 4]
    assert caught.value.__notes__ == ["In odd-1[1]; of 4 children 2 failed."]
    assert list(task_runs(run).values()) == [
        StateType.MAPPED,
        SUCCESS,
        StateType.FAILED,
        SUCCESS,
        StateType.FAILED,
    ]


def test_ctrl_c_in_a_child_stops_the_map() -> None:
    with pytest.raises(KeyboardInterrupt), flow_run("etl") as run:
        fail.map([KeyboardInterrupt(), ValueError("never")])

    assert list(task_runs(run).values()) == [StateType.CANCELLED] * 3
    assert history(run, "fail-1")[1:] == [
        (StateType.MAPPED, "Mapped over 2 items."),
        (StateType.CANCELLED, "Stopped by KeyboardInterrupt."),
    ]
    assert history(run, "fail-1", 1) == [(PENDING, "Waiting to run."), (StateType.CANCELLED, "Cancelled.")]
