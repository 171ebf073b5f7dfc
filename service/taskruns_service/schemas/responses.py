"""What the service answers: always with all members, so that no client has to guess."""

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from taskruns_service.domain.errors import Fault, ServiceError
from taskruns_service.domain.results import ResultReference
from taskruns_service.domain.states import StateType
from taskruns_service.schemas.common import (
    FLOW_RUN_EXAMPLE,
    STATE_EXAMPLE,
    TASK_RUN_EXAMPLE,
    FlowRunId,
    MapIndex,
    Parameters,
    Slug,
    TaskRunId,
    Timestamp,
)

_State = Annotated[StateType, Meta(description="The type of its current state; Pending before any state was reported.")]
_StateMessage = Annotated[
    str | None, Meta(description="The message of its current state.", examples=["Task run succeeded."])
]
_StateTimestamp = Annotated[Timestamp | None, Meta(description="When it came to its current state.")]
_Version = Annotated[int, Meta(description="How often its state has changed.", examples=[3])]
_RunCount = Annotated[int, Meta(description="How often it was Running.")]
_StartTime = Annotated[Timestamp | None, Meta(description="When it was Running first.")]
_EndTime = Annotated[
    Timestamp | None, Meta(description="When it came to its current state, if that is a finished one.")
]
_Duration = Annotated[float | None, Meta(description="Seconds from start to end.", examples=[1.468647])]
_QueueTime = Annotated[float | None, Meta(description="Seconds from its earliest state to its start.", examples=[0.25])]
_Sequence = Annotated[
    int, Meta(description="The number of its latest change among all changes of its flow run, from 1.")
]
_Created = Annotated[Timestamp, Meta(description="When the service made it.")]
_Updated = Annotated[Timestamp, Meta(description="When the service last changed it.")]
_NextPage = Annotated[str | None, Meta(description="The cursor of the next page; null on the last one.")]
_Counts = Annotated[
    dict[str, int],
    Meta(description="How many of its task runs are in each state.", examples=[{"Success": 7, "Mapped": 1}]),
]


class TaskRun(Struct, frozen=True, kw_only=True):
    """One task of a flow, as it ran in one flow run."""

    id: TaskRunId
    flow_run_id: FlowRunId
    flow_run_name: Annotated[
        str,
        Meta(
            description="The name of its flow run. A flow run that is renamed leaves `version` as it is.",
            examples=["example-mapped-7ea174"],
        ),
    ]
    flow_name: Annotated[str, Meta(description="The name of the flow.", examples=["example-mapped"])]
    task_id: Annotated[UUID, Meta(description="The id of the task, the same in every run of its flow.")]
    task_slug: Slug
    map_index: MapIndex
    name: Annotated[str | None, Meta(description="Its name, if it was given one.")]
    tags: Annotated[list[str], Meta(description="Its tags.", examples=[["etl"]])]
    state: _State
    state_message: _StateMessage
    state_timestamp: _StateTimestamp
    version: Annotated[
        int,
        Meta(description="How often its state has changed; with a dot and its `sequence`, its ETag.", examples=[3]),
    ]
    run_count: _RunCount
    start_time: _StartTime
    end_time: _EndTime
    duration: _Duration
    queue_time: _QueueTime
    has_result: Annotated[bool, Meta(description="Whether its current state has a result that was kept.")]
    sequence: _Sequence
    created: _Created
    updated: _Updated


class FlowRunSummary(Struct, frozen=True, kw_only=True):
    """One run of a flow, as lists have it: without parameters and context."""

    id: FlowRunId
    flow_id: Annotated[UUID, Meta(description="The id of the flow.")]
    flow_name: Annotated[str, Meta(description="The name of the flow.", examples=["example-mapped"])]
    name: Annotated[str, Meta(description="The name of the run.", examples=["example-mapped-7ea174"])]
    labels: Annotated[list[str], Meta(description="Its labels.", examples=[["prod"]])]
    state: _State
    state_message: _StateMessage
    state_timestamp: _StateTimestamp
    version: _Version
    run_count: _RunCount
    start_time: _StartTime
    end_time: _EndTime
    duration: _Duration
    queue_time: _QueueTime
    sequence: Annotated[int, Meta(description="How many changes it and its task runs had; its ETag.", examples=[42])]
    task_run_counts: _Counts
    created: _Created
    updated: _Updated


class FlowRun(FlowRunSummary, frozen=True, kw_only=True):
    """One run of a flow."""

    parameters: Parameters
    context: Annotated[dict[str, Any], Meta(description="Its context, as it was given.")]
    idempotency_key: Annotated[str | None, Meta(description="The key under which it was created, if any.")]


class TaskRunPage(Struct, frozen=True, kw_only=True):
    """Some of the task runs, and where the others are."""

    items: list[TaskRun]
    next: _NextPage


class FlowRunPage(Struct, frozen=True, kw_only=True):
    """Some of the flow runs, and where the others are."""

    items: list[FlowRunSummary]
    next: _NextPage


def _chosen(name: str, of: type[Struct], doc: str) -> type[Struct]:
    """A Struct with the members of another, none of which must be there: what `fields=` answers with."""
    hints = msgspec.structs.fields(of)
    made = msgspec.defstruct(
        name, [(hint.name, hint.type | UnsetType, UNSET) for hint in hints], frozen=True, kw_only=True, module=__name__
    )
    made.__doc__ = doc
    return made


def _names_of(name: str, of: type[Struct], doc: str) -> type[StrEnum]:
    """The names of the members of a Struct: what `fields=` takes."""
    make: Any = StrEnum
    made: type[StrEnum] = make(name, [(member, member) for member in of.__struct_fields__], module=__name__)
    made.__doc__ = doc
    return made


class State(Struct, frozen=True, kw_only=True):
    """One entry in the history of a run."""

    id: Annotated[UUID, Meta(description="The id of the state.", examples=[STATE_EXAMPLE])]
    type: Annotated[StateType, Meta(description="The type of the state.")]
    version: Annotated[int | None, Meta(description="The version of the run that it made; null for a late one.")]
    sequence: _Sequence
    message: Annotated[str | None, Meta(description="A sentence for people.")]
    timestamp: Annotated[Timestamp, Meta(description="When the run came to it.")]
    received_at: Annotated[Timestamp, Meta(description="When the service heard of it.")]
    result: Annotated[dict[str, Any] | None, Meta(description="The reference to the result, as it was given.")]
    details: Annotated[dict[str, Any] | None, Meta(description="What only some types have, as it was given.")]
    accepted: Annotated[bool, Meta(description="False for a late one: a newer state was known already.")]


class StatePage(Struct, frozen=True, kw_only=True):
    """Some of the states, oldest first, and where the others are."""

    items: list[State]
    next: _NextPage


Outcome = Annotated[
    str,
    Meta(
        description="`created`, `existing`, `recorded`, `late` (only in the history, as a newer state was known), "
        "`duplicate` (recorded before) or `refused` (see `problem`).",
        examples=["recorded"],
        extra_json_schema={"x-extensible-enum": ["created", "existing", "recorded", "late", "duplicate", "refused"]},
    ),
]


class TaskRunStateReceipt(Struct, frozen=True, kw_only=True):
    """What became of a state of a task run."""

    outcome: Outcome
    id: Annotated[UUID, Meta(description="The id of the state.", examples=[STATE_EXAMPLE])]
    task_run_id: TaskRunId
    version: _Version
    state: _State


class FlowRunStateReceipt(Struct, frozen=True, kw_only=True):
    """What became of a state of a flow run."""

    outcome: Outcome
    id: Annotated[UUID, Meta(description="The id of the state.", examples=[STATE_EXAMPLE])]
    flow_run_id: FlowRunId
    version: _Version
    state: _State


class CurrentState(Struct, frozen=True, kw_only=True):
    """What a run is now."""

    version: int
    state: StateType
    state_timestamp: Timestamp | None


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong (RFC 9457). `code` says it to programs, `detail` to people."""

    type: Annotated[str, Meta(description="A URI for the code.", examples=["urn:taskruns:problem:task-run-not-found"])]
    title: Annotated[str, Meta(description="The code in words.", examples=["Task run not found"])]
    status: Annotated[int, Meta(description="The HTTP status.", examples=[404])]
    detail: Annotated[str, Meta(description="What went wrong and what to do.")]
    instance: Annotated[str, Meta(description="The path that was asked for.")]
    code: Annotated[str, Meta(description="The code; new ones may be added.", examples=["task-run-not-found"])]
    request_id: Annotated[str, Meta(description="The request's id, which is in the log and in X-Request-Id too.")]
    errors: Annotated[list[Fault] | UnsetType, Meta(description="What is wrong with the request, and where.")] = UNSET
    current: Annotated[CurrentState | UnsetType, Meta(description="What the run is now.")] = UNSET
    limit: Annotated[int | UnsetType, Meta(description="The limit that was passed.")] = UNSET


class ItemProblem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an item was refused."""

    code: Annotated[str, Meta(description="The code, as in a problem.", examples=["terminal-state"])]
    detail: Annotated[str, Meta(description="What went wrong and what to do.")]
    errors: Annotated[list[Fault] | UnsetType, Meta(description="Which of its states, and why.")] = UNSET
    current: Annotated[CurrentState | UnsetType, Meta(description="What the run is now.")] = UNSET


class TaskRunReceipt(Struct, frozen=True, kw_only=True):
    """What became of one item."""

    index: Annotated[int, Meta(description="The place of the item in the request, from 0.")]
    outcome: Outcome
    task_run_id: Annotated[
        UUID | None, Meta(description="The id of its task run; null if there is none.", examples=[TASK_RUN_EXAMPLE])
    ]
    version: Annotated[int | None, Meta(description="The version of the task run now.")]
    state: Annotated[StateType | None, Meta(description="The type of the state of the task run now.")]
    problem: Annotated[ItemProblem | None, Meta(description="Why it was refused.")]


class TaskRunReceipts(Struct, frozen=True, kw_only=True):
    """What became of the items, in their order."""

    items: list[TaskRunReceipt]


class ChildResult(Struct, frozen=True, kw_only=True):
    """The result of one child of a mapped task run."""

    task_run_id: TaskRunId
    map_index: MapIndex
    state: _State
    reference: Annotated[ResultReference | None, Meta(description="Where its result is; null if it has none.")]


class TaskRunResult(Struct, frozen=True, kw_only=True):
    """Where the result of a task run is; for a mapped parent, where the results of its children are."""

    task_run_id: TaskRunId
    state: _State
    reference: Annotated[ResultReference | None, Meta(description="Where its result is; null for a mapped parent.")]
    children: Annotated[
        list[ChildResult] | None,
        Meta(description="The children of a mapped parent, by map index; null for all others."),
    ]
    next: Annotated[str | None, Meta(description="The cursor of the next page of children; null on the last one.")]


class Measures(Struct, frozen=True, kw_only=True):
    """The measures that were asked for. Durations and queue times are in seconds; null if no task run has one."""

    sum_duration: float | None | UnsetType = UNSET
    avg_duration: float | None | UnsetType = UNSET
    min_duration: float | None | UnsetType = UNSET
    max_duration: float | None | UnsetType = UNSET
    p50_duration: float | None | UnsetType = UNSET
    p95_duration: float | None | UnsetType = UNSET
    p99_duration: float | None | UnsetType = UNSET
    sum_queue_time: float | None | UnsetType = UNSET
    avg_queue_time: float | None | UnsetType = UNSET
    min_queue_time: float | None | UnsetType = UNSET
    max_queue_time: float | None | UnsetType = UNSET
    p50_queue_time: float | None | UnsetType = UNSET
    p95_queue_time: float | None | UnsetType = UNSET
    p99_queue_time: float | None | UnsetType = UNSET
    first_start_time: Timestamp | None | UnsetType = UNSET
    last_end_time: Timestamp | None | UnsetType = UNSET


class GroupKey(Struct, frozen=True, kw_only=True):
    """What the task runs of a group have in common: a member for each `group_by`."""

    state: Annotated[StateType | UnsetType, Meta(description="The type of the state.")] = UNSET
    task_slug: Annotated[str | UnsetType, Meta(description="The task.", examples=["say_hello-1"])] = UNSET
    flow_run_id: Annotated[UUID | UnsetType, Meta(description="The flow run.", examples=[FLOW_RUN_EXAMPLE])] = UNSET
    flow_name: Annotated[str | UnsetType, Meta(description="The flow.")] = UNSET
    map_parent: Annotated[
        UUID | None | UnsetType, Meta(description="The mapped task run whose children they are; null: of none.")
    ] = UNSET
    hour: Annotated[
        Timestamp | None | UnsetType, Meta(description="The hour (UTC) of their start; null: not started.")
    ] = UNSET
    day: Annotated[
        Timestamp | None | UnsetType, Meta(description="The day (UTC) of their start; null: not started.")
    ] = UNSET


class AggregateGroup(Struct, frozen=True, kw_only=True):
    """The task runs that have something in common."""

    key: GroupKey
    count: Annotated[int, Meta(description="How many they are.", examples=[258])]
    measures: Measures


class Aggregate(Struct, frozen=True, kw_only=True):
    """How many task runs there are, and what they measure."""

    count: Annotated[int, Meta(description="How many they are.", examples=[258])]
    relation: Annotated[
        str,
        Meta(
            description="`eq`: exactly so many. `gte`: counting stopped at `count_limit`; so many or more.",
            examples=["eq"],
            extra_json_schema={"x-extensible-enum": ["eq", "gte"]},
        ),
    ]
    measures: Measures
    groups: Annotated[
        list[AggregateGroup] | None, Meta(description="The groups in the order of their keys; null without `group_by`.")
    ]
    truncated: Annotated[bool, Meta(description="Whether there are more groups than `limit`.")]


class Health(Struct, frozen=True, kw_only=True):
    """Whether the process is alive."""

    status: Annotated[str, Meta(description="`ok`.", examples=["ok"])]
    version: Annotated[str, Meta(description="The version of the service.", examples=["0.1.0"])]


class Readiness(Struct, frozen=True, kw_only=True):
    """Whether the service is ready for work."""

    status: Annotated[str, Meta(description="`ok`.", examples=["ok"])]
    version: Annotated[str, Meta(description="The version of the service.", examples=["0.1.0"])]
    warnings: Annotated[
        list[str],
        Meta(
            description="A sentence for each way in which the database, as it is set up, may lose what was answered.",
            examples=[["PostgreSQL has fsync=off: a crash of its machine may damage the database."]],
        ),
    ]


TaskRunFields = _chosen("TaskRunFields", TaskRun, "A task run with the members that `fields` names.")
FlowRunFields = _chosen("FlowRunFields", FlowRunSummary, "A flow run with the members that `fields` names.")
TaskRunField = _names_of("TaskRunField", TaskRun, "The name of a member of a task run.")
FlowRunField = _names_of("FlowRunField", FlowRunSummary, "The name of a member of a flow run in a list.")


class TaskRunFieldsPage(Struct, frozen=True, kw_only=True):
    """Some of the task runs with the members that `fields` names, and where the others are."""

    items: list[TaskRunFields]  # type: ignore[valid-type]
    next: _NextPage


class FlowRunFieldsPage(Struct, frozen=True, kw_only=True):
    """Some of the flow runs with the members that `fields` names, and where the others are."""

    items: list[FlowRunFields]  # type: ignore[valid-type]
    next: _NextPage


def item_problem(error: ServiceError, faults: tuple[Fault, ...]) -> ItemProblem:
    """An error as an item of a bulk answer has it."""
    current = error.members.get("current", UNSET)
    return ItemProblem(code=error.code, detail=error.detail, errors=list(faults) or UNSET, current=current)
