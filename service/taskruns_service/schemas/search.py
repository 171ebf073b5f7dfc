"""What a search finds."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from taskruns_service.domain.states import StateType
from taskruns_service.schemas.common import Timestamp

MAX_HITS = 20
"""How many hits an answer has."""


class HitKind(StrEnum):
    """What a hit is. Later versions can add kinds."""

    flow = "flow"
    task = "task"
    flow_run = "flow_run"
    task_run = "task_run"


class SearchHit(Struct, frozen=True, kw_only=True):
    """A flow, a task, a flow run or a task run that was found."""

    kind: HitKind
    id: Annotated[
        UUID | None,
        Meta(description="The id of the run; null for a flow, which is known by its name, and a task, by its slug."),
    ]
    name: Annotated[
        str,
        Meta(
            description="The name of the flow or of the run, or the slug of the task; of a task run without a name of "
            "its own, its task slug.",
            examples=["example-mapped"],
        ),
    ]
    flow_name: Annotated[str | None, Meta(description="The name of the flow of the run; null for a task.")]
    flow_run_id: Annotated[UUID | None, Meta(description="The id of the flow run; null for a flow and a task.")]
    flow_run_name: Annotated[str | None, Meta(description="The name of the flow run; null for a flow and a task.")]
    map_index: Annotated[int | None, Meta(description="The map index of a task run; otherwise null.")]
    state: Annotated[StateType | None, Meta(description="The state of the run; null for a flow and a task.")]
    created: Annotated[
        Timestamp | None, Meta(description="The time when the service created the run; null for a flow and a task.")
    ]


class SearchHits(Struct, frozen=True, kw_only=True):
    """What a search found, by kind."""

    items: Annotated[
        list[SearchHit], Meta(max_length=MAX_HITS, description="Flows, tasks, flow runs and task runs, in this order.")
    ]
    truncated: Annotated[bool, Meta(description="Whether there is more that matches.")]
