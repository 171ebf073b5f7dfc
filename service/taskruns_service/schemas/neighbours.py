"""The neighbours of task runs: in their map, in earlier flow runs, and along the edges of their flow."""

from typing import Annotated

from msgspec import Meta, Struct

from taskruns_service.schemas.common import CurrentStateType, FlowRunId, MapIndex, Slug, TaskRunId, Timestamp

MAX_EARLIER_TASK_RUNS = 10
"""How many task runs of earlier flow runs an answer has."""
MAX_EARLIER_FLOW_RUNS = 100
"""Among how many earlier flow runs of each version of the flow they are."""
MAX_FLOW_VERSIONS = 10
"""Of how many versions of the flow they are."""
MAX_CONNECTED_TASKS = 100
"""How many upstream tasks, and how many downstream tasks, an answer has."""


class TaskRunNeighbour(Struct, frozen=True, kw_only=True):
    """A task run beside another one."""

    id: TaskRunId
    flow_run_id: FlowRunId
    flow_run_name: Annotated[str, Meta(description="The name of its flow run.")]
    task_slug: Slug
    map_index: MapIndex
    state: CurrentStateType
    start_time: Annotated[Timestamp | None, Meta(description="The time when the run was first Running.")]
    duration: Annotated[float | None, Meta(description="The seconds from start to end.", examples=[1.468647])]


class TaskRunNeighbours(Struct, frozen=True, kw_only=True):
    """The task runs beside a task run."""

    task_run_id: TaskRunId
    mapped_parent: Annotated[
        TaskRunNeighbour | None, Meta(description="The mapped parent of a child; null for all other task runs.")
    ]
    previous_child: Annotated[
        TaskRunNeighbour | None,
        Meta(description="Of a mapped child: the child with the next lower map index; null if there is none."),
    ]
    next_child: Annotated[
        TaskRunNeighbour | None,
        Meta(description="Of a mapped child: the child with the next higher map index; null if there is none."),
    ]
    earlier_task_runs: Annotated[
        list[TaskRunNeighbour],
        Meta(
            max_length=MAX_EARLIER_TASK_RUNS,
            description="The task runs with the same slug and map index in flow runs of the same flow that were "
            f"created earlier, the latest first: those among the last {MAX_EARLIER_FLOW_RUNS} flow runs of this "
            f"version of the flow and of each of the {MAX_FLOW_VERSIONS - 1} versions before it.",
        ),
    ]
    upstream: Annotated[
        list[TaskRunNeighbour],
        Meta(
            max_length=MAX_CONNECTED_TASKS,
            description="The task runs of the same flow run that this one depends on, by slug. Only flows that were "
            "registered have edges.",
        ),
    ]
    downstream: Annotated[
        list[TaskRunNeighbour],
        Meta(
            max_length=MAX_CONNECTED_TASKS,
            description="The task runs of the same flow run that depend on this one, by slug. Of a mapped task "
            "downstream, it is the child of the same item, or otherwise the mapped parent.",
        ),
    ]
    truncated: Annotated[
        bool,
        Meta(description=f"Whether there are more than {MAX_CONNECTED_TASKS} tasks upstream or downstream."),
    ]
