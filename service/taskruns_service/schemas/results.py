"""Where the results of task runs are."""

from typing import Annotated

from msgspec import Meta, Struct

from taskruns_service.domain.results import ResultReference
from taskruns_service.schemas.common import CurrentStateType, MapIndex, TaskRunId


class ChildResult(Struct, frozen=True, kw_only=True):
    """The result of one child of a mapped task run."""

    task_run_id: TaskRunId
    map_index: MapIndex
    state: CurrentStateType
    reference: Annotated[ResultReference | None, Meta(description="Where the result is; null if there is none.")]


class TaskRunResult(Struct, frozen=True, kw_only=True):
    """The location of a task run's result or, for a mapped parent, of the results of its children."""

    task_run_id: TaskRunId
    state: CurrentStateType
    reference: Annotated[ResultReference | None, Meta(description="Where the result is; null for a mapped parent.")]
    children: Annotated[
        list[ChildResult] | None,
        Meta(description="The children of a mapped parent, by map index; null for other task runs."),
    ]
    next_cursor: Annotated[
        str | None, Meta(description="The cursor of the next page of children; null on the last page.")
    ]
