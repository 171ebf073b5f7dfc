"""What the service has of a flow run, in the words that the tests compare, and what its caller gets."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from taskruns import Client, FlowRunRecorder
from taskruns.models import StateType, TaskRun

PENDING, RUNNING, SUCCESS = StateType.PENDING, StateType.RUNNING, StateType.SUCCESS
WELL = [(PENDING, "Waiting to run."), (RUNNING, "Starting task run."), (SUCCESS, "Task run succeeded.")]


def task_run(run: FlowRunRecorder, task_slug: str, map_index: int = -1) -> TaskRun:
    """A task run of a flow run, once the service has heard of all that happened."""
    return run.view().get_task_run(task_slug, map_index=map_index).task_run


def history(run: FlowRunRecorder, task_slug: str, map_index: int = -1) -> list[tuple[StateType, str | None]]:
    """The types and messages of the states that a task run had, oldest first."""
    found = task_run(run, task_slug, map_index)
    with Client() as client:
        return [(state.type, state.message) for state in client.task_runs.states(found.id)]


def types(run: FlowRunRecorder, task_slug: str, map_index: int = -1) -> list[StateType]:
    """The types of the states that a task run had, oldest first."""
    return [type for type, _ in history(run, task_slug, map_index)]


def task_runs(run: FlowRunRecorder) -> dict[tuple[str, int], StateType]:
    """The states of all task runs of a flow run."""
    return {(view.task_slug, view.map_index): view.state.type for view in run.view().get_all_task_runs()}


@contextmanager
def raises_its_own(error: BaseException) -> Iterator[None]:
    """An error leaves the block as it is, and not as a copy of it."""
    with pytest.raises(type(error)) as caught:
        yield
    assert caught.value is error


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")
