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

_State = Annotated[StateType, Meta(description="The type of the current state; Pending until a state is reported.")]
_StateMessage = Annotated[
    str | None, Meta(description="The message of the current state.", examples=["Task run succeeded."])
]
_StateTimestamp = Annotated[Timestamp | None, Meta(description="The time when the run entered its current state.")]
_Version = Annotated[int, Meta(description="The number of state changes.", examples=[3])]
_RunCount = Annotated[int, Meta(description="The number of times the run was Running.")]
_StartTime = Annotated[Timestamp | None, Meta(description="The time when the run was first Running.")]
_EndTime = Annotated[
    Timestamp | None, Meta(description="The time when the run entered its current state, if that state is finished.")
]
_Duration = Annotated[float | None, Meta(description="The seconds from start to end.", examples=[1.468647])]
_QueueTime = Annotated[
    float | None, Meta(description="The seconds from the earliest state to the start.", examples=[0.25])
]
_Sequence = Annotated[
    int, Meta(description="The number of the latest change among all changes of the flow run, starting at 1.")
]
_Created = Annotated[Timestamp, Meta(description="The time when the service created the run.")]
_Updated = Annotated[Timestamp, Meta(description="The time when the service last changed the run.")]
_NextPage = Annotated[str | None, Meta(description="The cursor of the next page; null on the last page.")]
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
    flow_name: Annotated[str, Meta(description="The name of the flow.", examples=["example-mapped"])]
    task_id: Annotated[UUID, Meta(description="The id of the task, which is the same in every run of the flow.")]
    task_slug: Slug
    map_index: MapIndex
    name: Annotated[str | None, Meta(description="The name of the task run; null if it has none.")]
    tags: Annotated[list[str], Meta(description="The tags of the task run.", examples=[["etl"]])]
    state: _State
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
    queue_time: _QueueTime
    has_result: Annotated[bool, Meta(description="Whether the current state has a stored result.")]
    sequence: _Sequence
    created: _Created
    updated: _Updated


class FlowRunSummary(Struct, frozen=True, kw_only=True):
    """One run of a flow as it appears in lists, without parameters and context."""

    id: FlowRunId
    flow_id: Annotated[UUID, Meta(description="The id of the flow.")]
    flow_name: Annotated[str, Meta(description="The name of the flow.", examples=["example-mapped"])]
    name: Annotated[str, Meta(description="The name of the run.", examples=["example-mapped-7ea174"])]
    labels: Annotated[list[str], Meta(description="The labels of the flow run.", examples=[["prod"]])]
    state: _State
    state_message: _StateMessage
    state_timestamp: _StateTimestamp
    version: _Version
    run_count: _RunCount
    start_time: _StartTime
    end_time: _EndTime
    duration: _Duration
    queue_time: _QueueTime
    sequence: Annotated[
        int,
        Meta(description="The number of changes to the flow run and its task runs; this is the ETag.", examples=[42]),
    ]
    task_run_counts: _Counts
    created: _Created
    updated: _Updated


class FlowRun(FlowRunSummary, frozen=True, kw_only=True):
    """One run of a flow."""

    parameters: Parameters
    context: Annotated[dict[str, Any], Meta(description="The context of the flow run, as sent.")]
    idempotency_key: Annotated[
        str | None, Meta(description="The key with which the flow run was created; null if there was none.")
    ]


class TaskRunPage(Struct, frozen=True, kw_only=True):
    """A page of task runs, with the cursor of the next page."""

    items: list[TaskRun]
    next: _NextPage


class FlowRunPage(Struct, frozen=True, kw_only=True):
    """A page of flow runs, with the cursor of the next page."""

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
    """One entry in a run's history."""

    id: Annotated[UUID, Meta(description="The id of the state.", examples=[STATE_EXAMPLE])]
    type: Annotated[StateType, Meta(description="The type of the state.")]
    version: Annotated[int | None, Meta(description="The version of the run after this state; null for a late state.")]
    sequence: _Sequence
    message: Annotated[str | None, Meta(description="A human-readable message.")]
    timestamp: Annotated[Timestamp, Meta(description="The time when the run entered the state.")]
    received_at: Annotated[Timestamp, Meta(description="The time when the service received the state.")]
    result: Annotated[dict[str, Any] | None, Meta(description="The reference to the result, as sent.")]
    details: Annotated[dict[str, Any] | None, Meta(description="Data that only some types have, as sent.")]
    accepted: Annotated[bool, Meta(description="False for a late state: a newer state was already known.")]


class StatePage(Struct, frozen=True, kw_only=True):
    """A page of states, oldest first, with the cursor of the next page."""

    items: list[State]
    next: _NextPage


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
    version: _Version
    state: _State


class FlowRunStateReceipt(Struct, frozen=True, kw_only=True):
    """The outcome of a report of a flow run's state."""

    outcome: Outcome
    id: Annotated[UUID, Meta(description="The id of the state.", examples=[STATE_EXAMPLE])]
    flow_run_id: FlowRunId
    version: _Version
    state: _State


class CurrentState(Struct, frozen=True, kw_only=True):
    """The current state of a run."""

    version: int
    state: StateType
    state_timestamp: Timestamp | None


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem (RFC 9457). `code` is for programs, `detail` is for people."""

    type: Annotated[
        str, Meta(description="A URI that identifies the code.", examples=["urn:taskruns:problem:task-run-not-found"])
    ]
    title: Annotated[str, Meta(description="The code in words.", examples=["Task run not found"])]
    status: Annotated[int, Meta(description="The HTTP status.", examples=[404])]
    detail: Annotated[str, Meta(description="What went wrong, and what to do about it.")]
    instance: Annotated[str, Meta(description="The path of the request.")]
    code: Annotated[str, Meta(description="The code. Later versions can add codes.", examples=["task-run-not-found"])]
    request_id: Annotated[str, Meta(description="The id of the request, which is also in the log and in X-Request-Id.")]
    errors: Annotated[list[Fault] | UnsetType, Meta(description="The faults of the request and their places.")] = UNSET
    current: Annotated[CurrentState | UnsetType, Meta(description="The current state of the run.")] = UNSET
    limit: Annotated[int | UnsetType, Meta(description="The limit that the request exceeds.")] = UNSET


class ItemProblem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an item was rejected."""

    code: Annotated[str, Meta(description="The code of the problem.", examples=["terminal-state"])]
    detail: Annotated[str, Meta(description="What went wrong, and what to do about it.")]
    errors: Annotated[list[Fault] | UnsetType, Meta(description="The states that were refused, and why.")] = UNSET
    current: Annotated[CurrentState | UnsetType, Meta(description="The current state of the run.")] = UNSET


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


class ChildResult(Struct, frozen=True, kw_only=True):
    """The result of one child of a mapped task run."""

    task_run_id: TaskRunId
    map_index: MapIndex
    state: _State
    reference: Annotated[ResultReference | None, Meta(description="Where the result is; null if there is none.")]


class TaskRunResult(Struct, frozen=True, kw_only=True):
    """The location of a task run's result or, for a mapped parent, of the results of its children."""

    task_run_id: TaskRunId
    state: _State
    reference: Annotated[ResultReference | None, Meta(description="Where the result is; null for a mapped parent.")]
    children: Annotated[
        list[ChildResult] | None,
        Meta(description="The children of a mapped parent, by map index; null for other task runs."),
    ]
    next: Annotated[str | None, Meta(description="The cursor of the next page of children; null on the last page.")]


class Measures(Struct, frozen=True, kw_only=True):
    """The requested measures.

    Durations and queue times are in seconds. A measure is null if no task run has a value.
    """

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
    """The values that the task runs of a group share, with one member for each `group_by`."""

    state: Annotated[StateType | UnsetType, Meta(description="The type of the current state.")] = UNSET
    task_slug: Annotated[str | UnsetType, Meta(description="The task slug.", examples=["say_hello-1"])] = UNSET
    flow_run_id: Annotated[UUID | UnsetType, Meta(description="The flow run's id.", examples=[FLOW_RUN_EXAMPLE])] = (
        UNSET
    )
    flow_name: Annotated[str | UnsetType, Meta(description="The name of the flow.")] = UNSET
    map_parent: Annotated[
        UUID | None | UnsetType,
        Meta(description="The mapped parent of the task runs; null if they have none."),
    ] = UNSET
    hour: Annotated[
        Timestamp | None | UnsetType, Meta(description="The hour (UTC) of the start; null if not started.")
    ] = UNSET
    day: Annotated[
        Timestamp | None | UnsetType, Meta(description="The day (UTC) of the start; null if not started.")
    ] = UNSET


class AggregateGroup(Struct, frozen=True, kw_only=True):
    """A group of task runs that share the values in `key`."""

    key: GroupKey
    count: Annotated[int, Meta(description="The number of task runs.", examples=[258])]
    measures: Measures


class Aggregate(Struct, frozen=True, kw_only=True):
    """The number of task runs and their measures, in total and by group."""

    count: Annotated[int, Meta(description="The number of task runs.", examples=[258])]
    relation: Annotated[
        str,
        Meta(
            description="`eq`: `count` is exact. `gte`: counting stopped at `count_limit`, so there are at least this "
            "many.",
            examples=["eq"],
            extra_json_schema={"x-extensible-enum": ["eq", "gte"]},
        ),
    ]
    measures: Measures
    groups: Annotated[
        list[AggregateGroup] | None, Meta(description="The groups, sorted by their keys; null without `group_by`.")
    ]
    truncated: Annotated[bool, Meta(description="Whether there are more groups than `limit`.")]


class Health(Struct, frozen=True, kw_only=True):
    """Whether the process is alive."""

    status: Annotated[str, Meta(description="`ok`.", examples=["ok"])]
    version: Annotated[str, Meta(description="The version of the service.", examples=["0.1.0"])]


class Readiness(Struct, frozen=True, kw_only=True):
    """Whether the service is ready."""

    status: Annotated[str, Meta(description="`ok`.", examples=["ok"])]
    version: Annotated[str, Meta(description="The version of the service.", examples=["0.1.0"])]
    warnings: Annotated[
        list[str],
        Meta(
            description="A sentence for each database setting that can lose acknowledged changes.",
            examples=[["PostgreSQL has fsync=off: a crash of its machine can damage the database."]],
        ),
    ]


TaskRunFields = _chosen("TaskRunFields", TaskRun, "A task run with the members that `fields` names.")
FlowRunFields = _chosen("FlowRunFields", FlowRunSummary, "A flow run with the members that `fields` names.")
TaskRunField = _names_of("TaskRunField", TaskRun, "The name of a member of a task run.")
FlowRunField = _names_of("FlowRunField", FlowRunSummary, "The name of a member of a flow run in lists.")


class TaskRunFieldsPage(Struct, frozen=True, kw_only=True):
    """A page of task runs with the members that `fields` names, with the cursor of the next page."""

    items: list[TaskRunFields]  # type: ignore[valid-type]
    next: _NextPage


class FlowRunFieldsPage(Struct, frozen=True, kw_only=True):
    """A page of flow runs with the members that `fields` names, with the cursor of the next page."""

    items: list[FlowRunFields]  # type: ignore[valid-type]
    next: _NextPage


def item_problem(error: ServiceError, faults: tuple[Fault, ...]) -> ItemProblem:
    """An error as an item of a bulk answer has it."""
    current = error.members.get("current", UNSET)
    return ItemProblem(code=error.code, detail=error.detail, errors=list(faults) or UNSET, current=current)
