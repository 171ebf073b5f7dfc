"""Receipts: what became of the states that were reported."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from taskruns_service.domain.states import StateType
from taskruns_service.schemas.common import (
    STATE_EXAMPLE,
    TASK_RUN_EXAMPLE,
    CurrentStateType,
    FlowRunId,
    TaskRunId,
    Version,
)
from taskruns_service.schemas.problems import ItemProblem

Outcome = Annotated[
    str,
    Meta(
        description="`created`, `existing`, `recorded`, `late` (added to the history only, because a newer state was "
        "known), `duplicate` (already recorded), or `refused` (see `problem`).",
        examples=["recorded"],
        extra_json_schema={"x-extensible-enum": ["created", "existing", "recorded", "late", "duplicate", "refused"]},
    ),
]


class TaskRunStateReceipt(Struct, frozen=True, kw_only=True):
    """The outcome of a report of a task run's state."""

    outcome: Outcome
    id: Annotated[UUID, Meta(description="The id of the state.", examples=[STATE_EXAMPLE])]
    task_run_id: TaskRunId
    version: Version
    state: CurrentStateType


class FlowRunStateReceipt(Struct, frozen=True, kw_only=True):
    """The outcome of a report of a flow run's state."""

    outcome: Outcome
    id: Annotated[UUID, Meta(description="The id of the state.", examples=[STATE_EXAMPLE])]
    flow_run_id: FlowRunId
    version: Version
    state: CurrentStateType


class TaskRunReceipt(Struct, frozen=True, kw_only=True):
    """The outcome of one item."""

    index: Annotated[int, Meta(description="The index of the item in the request, starting at 0.")]
    outcome: Outcome
    task_run_id: Annotated[
        UUID | None, Meta(description="The id of the task run; null if there is none.", examples=[TASK_RUN_EXAMPLE])
    ]
    version: Annotated[int | None, Meta(description="The current version of the task run.")]
    state: Annotated[StateType | None, Meta(description="The type of the task run's current state.")]
    problem: Annotated[ItemProblem | None, Meta(description="Why the item was refused; null if it was accepted.")]


class TaskRunReceipts(Struct, frozen=True, kw_only=True):
    """The outcomes of the items, in the order of the request."""

    items: list[TaskRunReceipt]
