"""Runs and their histories as the service answers them: always with all members, so that no client has to guess."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from taskruns_service.domain.json_values import JsonObject
from taskruns_service.domain.states import StateType
from taskruns_service.schemas.common import (
    STATE_EXAMPLE,
    TRACEBACK_EXAMPLE,
    CurrentStateType,
    FlowRunId,
    MapIndex,
    NextCursor,
    Parameters,
    Sequence,
    Slug,
    TaskRunId,
    Timestamp,
    Version,
)

_StateMessage = Annotated[
    str | None, Meta(description="The message of the current state.", examples=["Task run succeeded."])
]
_StateTimestamp = Annotated[Timestamp | None, Meta(description="The time when the run entered its current state.")]
_RunCount = Annotated[int, Meta(description="The number of times the run was Running.")]
_StartTime = Annotated[Timestamp | None, Meta(description="The time when the run was first Running.")]
_EndTime = Annotated[
    Timestamp | None, Meta(description="The time when the run entered its current state, if that state is finished.")
]
_Duration = Annotated[float | None, Meta(description="The seconds from start to end.", examples=[1.468647])]
_RunTime = Annotated[
    float | None,
    Meta(
        description="The seconds spent running, without the waits for retries, pauses and restarts: the sum of the "
        "attempts that have ended; null until one has. A mapped parent has the sum of its children.",
        examples=[1.468647],
    ),
]
_QueueTime = Annotated[
    float | None, Meta(description="The seconds from the earliest state to the start.", examples=[0.25])
]
_Created = Annotated[Timestamp, Meta(description="The time when the service created the run.")]
_Updated = Annotated[Timestamp, Meta(description="The time when the service last changed the run.")]
_Counts = Annotated[
    dict[str, int],
    Meta(description="The number of task runs in each state.", examples=[{"Success": 7, "Mapped": 1}]),
]


class TaskRun(Struct, frozen=True, kw_only=True):
    """One run of a task in a flow run."""

    id: TaskRunId
    flow_run_id: FlowRunId
    flow_run_name: Annotated[
        str,
        Meta(
            description="The name of the flow run. Renaming the flow run does not change `version`.",
            examples=["example-mapped-7ea174"],
        ),
    ]
    flow_id: Annotated[UUID, Meta(description="The id of the flow.")]
    flow_name: Annotated[str, Meta(description="The name of the flow.", examples=["example-mapped"])]
    task_id: Annotated[UUID, Meta(description="The id of the task, which is the same in every run of the flow.")]
    task_slug: Slug
    task_name: Annotated[
        str,
        Meta(
            description="The name of the task, which its copies in the flow share: say_hello-1 and say_hello-2 are "
            "both named say_hello.",
            examples=["say_hello"],
        ),
    ]
    map_index: MapIndex
    name: Annotated[str | None, Meta(description="The name of the task run; null if it has none.")]
    tags: Annotated[list[str], Meta(description="The tags of the task run.", examples=[["etl"]])]
    state: CurrentStateType
    state_message: _StateMessage
    state_timestamp: _StateTimestamp
    version: Annotated[
        int,
        Meta(description="The number of state changes. The ETag is `version`, a dot, and `sequence`.", examples=[3]),
    ]
    run_count: _RunCount
    start_time: _StartTime
    end_time: _EndTime
    duration: _Duration
    run_time: _RunTime
    queue_time: _QueueTime
    has_result: Annotated[bool, Meta(description="Whether the current state has a stored result.")]
    sequence: Sequence
    created: _Created
    updated: _Updated


class FlowRunSummary(Struct, frozen=True, kw_only=True):
    """One run of a flow as it appears in lists, without parameters and context."""

    id: FlowRunId
    flow_id: Annotated[UUID, Meta(description="The id of the flow.")]
    flow_name: Annotated[str, Meta(description="The name of the flow.", examples=["example-mapped"])]
    name: Annotated[str, Meta(description="The name of the run.", examples=["example-mapped-7ea174"])]
    labels: Annotated[list[str], Meta(description="The labels of the flow run.", examples=[["prod"]])]
    parent_task_run_id: Annotated[
        UUID | None,
        Meta(
            description="The id of the task run that started the flow run; null if none did. The task run may not have "
            "been reported yet, or may have been deleted."
        ),
    ]
    state: CurrentStateType
    state_message: _StateMessage
    state_timestamp: _StateTimestamp
    version: Version
    run_count: _RunCount
    start_time: _StartTime
    end_time: _EndTime
    duration: _Duration
    run_time: _RunTime
    queue_time: _QueueTime
    sequence: Annotated[
        int,
        Meta(description="The number of changes to the flow run and its task runs; this is the ETag.", examples=[42]),
    ]
    task_run_counts: _Counts
    last_heartbeat: Annotated[
        Timestamp | None,
        Meta(
            description="The time of the last heartbeat, by the database's clock; null if none came. A heartbeat does "
            "not change `sequence`."
        ),
    ]
    created: _Created
    updated: _Updated


class FlowRun(FlowRunSummary, frozen=True, kw_only=True):
    """One run of a flow."""

    parameters: Parameters
    context: Annotated[JsonObject, Meta(description="The context of the flow run, as sent.")]
    idempotency_key: Annotated[
        str | None, Meta(description="The key with which the flow run was created; null if there was none.")
    ]


class TaskRunPage(Struct, frozen=True, kw_only=True):
    """A page of task runs, with the cursor of the next page."""

    items: list[TaskRun]
    next_cursor: NextCursor


class FlowRunPage(Struct, frozen=True, kw_only=True):
    """A page of flow runs, with the cursor of the next page."""

    items: list[FlowRunSummary]
    next_cursor: NextCursor


class State(Struct, frozen=True, kw_only=True):
    """One entry in a run's history."""

    id: Annotated[UUID, Meta(description="The id of the state.", examples=[STATE_EXAMPLE])]
    type: Annotated[StateType, Meta(description="The type of the state.")]
    version: Annotated[int | None, Meta(description="The version of the run after this state; null for a late state.")]
    sequence: Sequence
    message: Annotated[str | None, Meta(description="A human-readable message.")]
    timestamp: Annotated[Timestamp, Meta(description="The time when the run entered the state.")]
    received: Annotated[Timestamp, Meta(description="The time when the service received the state.")]
    result: Annotated[JsonObject | None, Meta(description="The reference to the result, as sent.")]
    details: Annotated[
        JsonObject | None,
        Meta(
            description="Data that only some types have, as sent: `start_time` of Scheduled and Retrying is the time "
            "when the run is due; `traceback` of Failed and Retrying is the formatted traceback of the error.",
            examples=[TRACEBACK_EXAMPLE],
        ),
    ]
    is_late: Annotated[bool, Meta(description="Whether the state arrived late and never became the current state.")]


class StatePage(Struct, frozen=True, kw_only=True):
    """A page of states, oldest first, with the cursor of the next page."""

    items: list[State]
    next_cursor: NextCursor
