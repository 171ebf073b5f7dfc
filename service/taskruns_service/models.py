"""What goes over HTTP: requests are checked strictly, responses always have all their members."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from taskruns_service import references
from taskruns_service.errors import Fault, ServiceError
from taskruns_service.ids import new_id
from taskruns_service.references import ResultReference
from taskruns_service.states import Report, StateType

NAME_LENGTH = 255
BULK_ITEMS = 1000
STATE_BYTES = 1_000_000
MESSAGE_LENGTH = 65_536
JSON_DEPTH = 100

_FLOW_RUN_ID = "019064f2-5a3c-7e1d-9a26-72754b7ea174"
_TASK_RUN_ID = "019064f2-5b11-7e1d-8a50-88978dabb7c1"
_STATE_ID = "019064f2-5c02-7c44-b5d2-bd55ea048070"

Timestamp = Annotated[datetime, Meta(tz=True)]
NameText = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH)]
Tags = Annotated[list[NameText], Meta(max_length=100)]
FlowRunId = Annotated[UUID, Meta(description="The id of the flow run.", examples=[_FLOW_RUN_ID])]
TaskRunId = Annotated[UUID, Meta(description="The id of the task run.", examples=[_TASK_RUN_ID])]
MapIndex = Annotated[
    int, Meta(ge=-1, le=2**31 - 1, description="-1, or for a child of a mapped task run the index of its item, from 0.")
]
Parameters = Annotated[dict[str, Any], Meta(description="The parameters of the flow run: any JSON.", examples=[{"x": 1}])]
Slug = Annotated[
    str,
    Meta(min_length=1, max_length=NAME_LENGTH, description="What the task is known by inside its flow.", examples=["say_hello-1"]),
]


def check_depth(value: Any, levels: int = JSON_DEPTH) -> None:
    """Refuses JSON that nests deeper than databases and other clients can follow."""
    if levels == 0:
        raise ValueError(f"JSON may nest {JSON_DEPTH} levels deep at most")
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, dict | list):
            check_depth(child, levels - 1)


def _check_timestamp(moment: datetime) -> None:
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        utc = datetime.max.replace(tzinfo=UTC)
    if not 1970 <= utc.year < 9999:
        raise ValueError("timestamps lie between the years 1970 and 9998 (UTC)")


# Requests


class StateCreate(Struct, forbid_unknown_fields=True, kw_only=True):
    """A state that a run has come to.

    Send an `id` of your own with every state: a report that is repeated with the same id is recorded once.
    """

    type: Annotated[StateType, Meta(description="The type of the state.")]
    id: Annotated[UUID | UnsetType, Meta(description="An id of your own, new for every state.", examples=[_STATE_ID])] = UNSET
    message: Annotated[
        Annotated[str, Meta(max_length=MESSAGE_LENGTH)] | None,
        Meta(description="A sentence for people.", examples=["Task run succeeded."]),
    ] = None
    timestamp: Annotated[
        Timestamp | UnsetType,
        Meta(description="When the run came to it, with an offset; not sent: when the report arrives."),
    ] = UNSET
    result: Annotated[
        dict[str, Any] | None,
        Meta(
            description="A reference to the result, never the result itself: its `type`, where it is, how it was written.",
            examples=[{"type": "LocalResult", "dir": "/data/results", "location": "8e44/name.json"}],
            extra_json_schema={"required": ["type"], "properties": {"type": {"type": "string", "maxLength": 255}}},
        ),
    ] = None
    details: Annotated[
        dict[str, Any], Meta(description="What only some types of state have, such as `start_time` of Scheduled; kept as given.")
    ] = {}
    expected_version: Annotated[
        Annotated[int, Meta(ge=0, le=2**31 - 1)] | UnsetType,
        Meta(description="Record it only if the run still has this version; otherwise the answer is 412."),
    ] = UNSET
    force: Annotated[bool, Meta(description="Record it even if the run is finished and would not be any more.")] = False

    def __post_init__(self) -> None:
        if self.timestamp is not UNSET:
            _check_timestamp(self.timestamp)
        if self.result is not None:
            check_depth(self.result)
            references.check_reference(self.result)
        if self.details:
            check_depth(self.details)
        if (self.result or self.details) and len(msgspec.json.encode(self)) > STATE_BYTES:
            raise ValueError(f"a state may have at most {STATE_BYTES} bytes")

    def report(self, *, expected_version: int | None = None, expected_sequence: int | None = None) -> Report:
        """The state as `states.advance` reads it, with an id in any case; the arguments come from If-Match."""
        return Report(
            id=new_id() if self.id is UNSET else self.id,
            type=self.type,
            timestamp=None if self.timestamp is UNSET else self.timestamp,
            message=self.message,
            result=self.result,
            details=self.details,
            expected_version=expected_version if self.expected_version is UNSET else self.expected_version,
            expected_sequence=expected_sequence,
            force=self.force,
        )


class FlowRunCreate(Struct, forbid_unknown_fields=True, kw_only=True):
    """A flow run to create, or to find again by `id` or by `idempotency_key`."""

    flow_name: Annotated[NameText, Meta(description="The name of the flow; it is made if it is new.", examples=["example-mapped"])]
    id: Annotated[UUID | UnsetType, Meta(description="An id of your own; not sent: the service makes one.")] = UNSET
    name: Annotated[NameText | UnsetType, Meta(description="The name of the run; not sent: one is made.")] = UNSET
    parameters: Parameters | UnsetType = UNSET
    labels: Annotated[Tags | UnsetType, Meta(description="Labels of the flow run.", examples=[["prod"]])] = UNSET
    context: Annotated[dict[str, Any] | UnsetType, Meta(description="The context of the flow run: any JSON.")] = UNSET
    idempotency_key: Annotated[
        NameText | UnsetType, Meta(description="A second request with this key for this flow finds the same flow run.")
    ] = UNSET

    def __post_init__(self) -> None:
        for value in (self.parameters, self.context):
            if value is not UNSET:
                check_depth(value)


class TaskRunReport(Struct, forbid_unknown_fields=True, kw_only=True):
    """A task run by its natural key: it is created if it is new, and then comes to these states."""

    task_slug: Slug
    map_index: MapIndex = -1
    task_name: Annotated[NameText | UnsetType, Meta(description="The name of the task; not sent: its slug.")] = UNSET
    name: Annotated[NameText | None, Meta(description="The name of the task run, if it is created.")] = None
    tags: Annotated[Tags, Meta(description="Its tags, if it is created.", examples=[["etl"]])] = []
    states: Annotated[
        list[StateCreate], Meta(max_length=BULK_ITEMS, description="States that it has come to, in their order.")
    ] = []


class TaskRunReports(Struct, forbid_unknown_fields=True, kw_only=True):
    """Task runs of one flow run to report."""

    items: Annotated[list[TaskRunReport], Meta(min_length=1, max_length=BULK_ITEMS)]


class TaskRunStateReport(StateCreate, forbid_unknown_fields=True, kw_only=True):
    """A state that one task run has come to."""

    task_run_id: TaskRunId


class TaskRunStateReports(Struct, forbid_unknown_fields=True, kw_only=True):
    """States of any task runs to report."""

    items: Annotated[list[TaskRunStateReport], Meta(min_length=1, max_length=BULK_ITEMS)]


class TaskRunUpdate(Struct, forbid_unknown_fields=True, kw_only=True):
    """What may be changed about a task run; what is not sent stays."""

    name: Annotated[NameText | None | UnsetType, Meta(description="Its name; null takes the name away.")] = UNSET
    tags: Annotated[Tags | UnsetType, Meta(description="All its tags.")] = UNSET
    expected_version: Annotated[
        Annotated[int, Meta(ge=0, le=2**31 - 1)] | UnsetType, Meta(description="Change it only if it still has this version.")
    ] = UNSET


# Responses

_State = Annotated[StateType, Meta(description="The type of its current state; Pending before any state was reported.")]
_StateMessage = Annotated[str | None, Meta(description="The message of its current state.", examples=["Task run succeeded."])]
_StateTimestamp = Annotated[Timestamp | None, Meta(description="When it came to its current state.")]
_Version = Annotated[int, Meta(description="How often it has changed; its ETag.", examples=[3])]
_RunCount = Annotated[int, Meta(description="How often it was Running.")]
_StartTime = Annotated[Timestamp | None, Meta(description="When it was Running first.")]
_EndTime = Annotated[Timestamp | None, Meta(description="When it came to its current state, if that is a finished one.")]
_Duration = Annotated[float | None, Meta(description="Seconds from start to end.", examples=[1.468647])]
_QueueTime = Annotated[float | None, Meta(description="Seconds from its earliest state to its start.", examples=[0.25])]
_Sequence = Annotated[int, Meta(description="The number of its latest change among all changes of its flow run, from 1.")]
_Created = Annotated[Timestamp, Meta(description="When the service made it.")]
_Updated = Annotated[Timestamp, Meta(description="When the service last changed it.")]
_NextPage = Annotated[str | None, Meta(description="The cursor of the next page; null on the last one.")]
_Counts = Annotated[
    dict[str, int], Meta(description="How many of its task runs are in each state.", examples=[{"Success": 7, "Mapped": 1}])
]


class TaskRun(Struct, frozen=True, kw_only=True):
    """One task of a flow, as it ran in one flow run."""

    id: TaskRunId
    flow_run_id: FlowRunId
    task_id: Annotated[UUID, Meta(description="The id of the task, the same in every run of its flow.")]
    task_slug: Slug
    map_index: MapIndex
    name: Annotated[str | None, Meta(description="Its name, if it was given one.")]
    tags: Annotated[list[str], Meta(description="Its tags.", examples=[["etl"]])]
    state: _State
    state_message: _StateMessage
    state_timestamp: _StateTimestamp
    version: _Version
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
    version: Annotated[int, Meta(description="How often it has changed itself.", examples=[3])]
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


class State(Struct, frozen=True, kw_only=True):
    """One entry in the history of a run."""

    id: Annotated[UUID, Meta(description="The id of the state.", examples=[_STATE_ID])]
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
        description="created, existing (both without states), recorded, late (only in the history, as a newer state was known), "
        "duplicate (recorded before) or refused (see `problem`).",
        examples=["recorded"],
        extra_json_schema={"x-extensible-enum": ["created", "existing", "recorded", "late", "duplicate", "refused"]},
    ),
]


class TaskRunStateReceipt(Struct, frozen=True, kw_only=True):
    """What became of a state of a task run."""

    outcome: Outcome
    id: Annotated[UUID, Meta(description="The id of the state.", examples=[_STATE_ID])]
    task_run_id: TaskRunId
    version: _Version
    state: _State


class FlowRunStateReceipt(Struct, frozen=True, kw_only=True):
    """What became of a state of a flow run."""

    outcome: Outcome
    id: Annotated[UUID, Meta(description="The id of the state.", examples=[_STATE_ID])]
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
    task_run_id: Annotated[UUID | None, Meta(description="The id of its task run; null if there is none.")]
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
        list[ChildResult] | None, Meta(description="The children of a mapped parent, by map index; null for all others.")
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
    flow_run_id: Annotated[UUID | UnsetType, Meta(description="The flow run.")] = UNSET
    flow_name: Annotated[str | UnsetType, Meta(description="The flow.")] = UNSET
    map_parent: Annotated[
        UUID | None | UnsetType, Meta(description="The mapped task run whose children they are; null: of none.")
    ] = UNSET
    hour: Annotated[Timestamp | None | UnsetType, Meta(description="The hour (UTC) of their start; null: not started.")] = UNSET
    day: Annotated[Timestamp | None | UnsetType, Meta(description="The day (UTC) of their start; null: not started.")] = UNSET


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
            description="`eq`: there are exactly so many. `gte`: counting stopped at `count_limit`, there are so many or more.",
            examples=["eq"],
            extra_json_schema={"x-extensible-enum": ["eq", "gte"]},
        ),
    ]
    measures: Measures
    groups: Annotated[list[AggregateGroup] | None, Meta(description="The groups in the order of their keys; null without `group_by`.")]
    truncated: Annotated[bool, Meta(description="Whether there are more groups than `limit`.")]


class Health(Struct, frozen=True, kw_only=True):
    """Whether the process is alive, or ready for work."""

    status: Annotated[str, Meta(description="`ok`.", examples=["ok"])]
    version: Annotated[str, Meta(description="The version of the service.", examples=["0.1.0"])]


TaskRunFields = _chosen("TaskRunFields", TaskRun, "A task run with the members that `fields` names.")
FlowRunFields = _chosen("FlowRunFields", FlowRunSummary, "A flow run with the members that `fields` names.")


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
