"""The tasks of a flow run, each with what there is to know of all its task runs."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from taskruns_service.domain.states import StateType
from taskruns_service.schemas.common import FlowRunId, Slug, Timestamp

MAX_TASKS = 10_000
"""How many tasks an answer has; people look at far fewer, but a loop may make a task of each iteration."""


class FlowRunTask(Struct, frozen=True, kw_only=True):
    """A task of a flow run, with all its task runs: one, or the mapped parent and its children."""

    task_slug: Slug
    task_run_id: Annotated[
        UUID | None,
        Meta(
            description="The id of the task run with the map index -1: the only one, or the mapped parent. Null if the "
            "flow run has only children."
        ),
    ]
    is_mapped: Annotated[bool, Meta(description="Whether the task was mapped.")]
    state: Annotated[
        StateType,
        Meta(
            description="The worst type of state among the task runs: a failed one if any failed, otherwise Cancelled, "
            "Retrying, a running one, a pending one, or a successful one, in this order.",
        ),
    ]
    count: Annotated[int, Meta(description="The number of task runs, including the mapped parent.", examples=[8])]
    task_run_counts: Annotated[
        dict[str, int],
        Meta(description="The number of task runs in each state.", examples=[{"Success": 7, "Mapped": 1}]),
    ]
    first_start_time: Annotated[
        Timestamp | None, Meta(description="The earliest start of a task run; null if none has started.")
    ]
    last_end_time: Annotated[
        Timestamp | None, Meta(description="The latest end of a task run; null if none has ended.")
    ]
    retries: Annotated[
        int,
        Meta(
            description="The number of attempts after the first one of each task run, including those after a pause or "
            "a restart."
        ),
    ]


class FlowRunTasks(Struct, frozen=True, kw_only=True):
    """The tasks of a flow run, in the order in which they started; those that have not started come last."""

    flow_run_id: FlowRunId
    sequence: Annotated[int, Meta(description="The sequence of the flow run; this is the ETag.", examples=[42])]
    items: Annotated[list[FlowRunTask], Meta(max_length=MAX_TASKS, description="The tasks.")]
    truncated: Annotated[
        bool,
        Meta(
            description=f"Whether the flow run has more than {MAX_TASKS:,} tasks; the items are then those that "
            "started first."
        ),
    ]
