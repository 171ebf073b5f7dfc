# Generated from openapi.json by `make client`. Do not edit.
"""GET /task-runs/{task_run_id}/neighbours."""

from uuid import UUID

from ...models import TaskRunNeighbours
from ...types import Answers, Call, Json, prepare

_ANSWERS: Answers[TaskRunNeighbours] = {200: Json[TaskRunNeighbours](TaskRunNeighbours)}


def build(task_run_id: UUID | str) -> Call[TaskRunNeighbours]:
    """Get the neighbours of a task run.

    Get the task runs beside a task run.

    They are the mapped parent and the children before and after a child, the same task in earlier flow runs,
    and, if the flow was registered with its edges, the task runs upstream and downstream.

    If the service requires API keys, use one with the scope `read`.

    Args:
        task_run_id: The id of the task run.

    Answer: `TaskRunNeighbours`.
    """
    return prepare(
        "get_task_run_neighbours",
        "GET",
        "/task-runs/{task_run_id}/neighbours",
        _ANSWERS,
        segments=[("task_run_id", task_run_id)],
    )
