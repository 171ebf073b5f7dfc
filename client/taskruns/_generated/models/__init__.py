# Generated from openapi.json by `make client`. Do not edit.
"""What goes over HTTP: every schema of openapi.json as a Struct, an enum or a union."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal, NotRequired, TypeAlias, TypedDict
from uuid import UUID

from ..types import NOT_CHOSEN, UNSET, Model, OpenEnum, Timestamp, Unset

__all__ = [
    "Aggregate",
    "AggregateGroup",
    "AggregateTaskRunsGroupByItem",
    "AggregateTaskRunsMeasureItem",
    "AzureResult",
    "ChildResult",
    "CompressedSerializer",
    "ConstantResult",
    "CurrentState",
    "CustomResult",
    "CustomSerializer",
    "DateTimeSerializer",
    "Fault",
    "FlowRun",
    "FlowRunCreate",
    "FlowRunField",
    "FlowRunFields",
    "FlowRunFieldsPage",
    "FlowRunPage",
    "FlowRunStateReceipt",
    "FlowRunSummary",
    "GCSResult",
    "GroupKey",
    "Health",
    "ItemProblem",
    "JSONSerializer",
    "LocalResult",
    "Measures",
    "PandasSerializer",
    "PickleSerializer",
    "PrefectResult",
    "Problem",
    "Readiness",
    "ResultReference",
    "S3Result",
    "SecretResult",
    "Serializer",
    "State",
    "StateCreate",
    "StateCreateDict",
    "StateGroup",
    "StatePage",
    "StateType",
    "TaskRun",
    "TaskRunField",
    "TaskRunFields",
    "TaskRunFieldsPage",
    "TaskRunPage",
    "TaskRunReceipt",
    "TaskRunReceipts",
    "TaskRunReport",
    "TaskRunReportDict",
    "TaskRunReports",
    "TaskRunResult",
    "TaskRunStateReceipt",
    "TaskRunStateReport",
    "TaskRunStateReportDict",
    "TaskRunStateReports",
    "TaskRunUpdate",
]


class FlowRunField(OpenEnum):
    """The name of a member of a flow run in a list."""

    CREATED = "created"
    DURATION = "duration"
    END_TIME = "end_time"
    FLOW_ID = "flow_id"
    FLOW_NAME = "flow_name"
    ID = "id"
    LABELS = "labels"
    NAME = "name"
    QUEUE_TIME = "queue_time"
    RUN_COUNT = "run_count"
    SEQUENCE = "sequence"
    START_TIME = "start_time"
    STATE = "state"
    STATE_MESSAGE = "state_message"
    STATE_TIMESTAMP = "state_timestamp"
    TASK_RUN_COUNTS = "task_run_counts"
    UPDATED = "updated"
    VERSION = "version"


class StateGroup(OpenEnum):
    """What a state amounts to: pending, running or finished; some finished ones are successful or failed."""

    FAILED = "failed"
    FINISHED = "finished"
    PENDING = "pending"
    RUNNING = "running"
    SUCCESSFUL = "successful"


class StateType(OpenEnum):
    """The type of a state. New types may be added: read an unknown one as you would its group.

    - `Pending`: Waits to run.
    - `Scheduled`: Waits for a moment in time to run.
    - `Paused`: Waits for a person to let it go on.
    - `Resume`: Was paused and may go on.
    - `Retrying`: Failed and waits to be tried again.
    - `Queued`: Waits for a free place.
    - `Submitted`: Was handed over to be run.
    - `ClientFailed`: Could not be started by the client that should run it.
    - `Running`: Is running.
    - `Cancelling`: Is running and was asked to stop.
    - `Finished`: Ended.
    - `Success`: Ended well.
    - `Cached`: Ended well, and its result may be used again.
    - `Mapped`: Made one child for each item; the children do the work.
    - `Skipped`: Was not needed.
    - `Failed`: Ended with an error.
    - `TimedOut`: Took longer than it was allowed.
    - `TriggerFailed`: Never ran, because what it waits for did not end as it needs.
    - `ValidationFailed`: Made a result that its own check refused.
    - `Looped`: Ended one turn of a loop.
    - `Cancelled`: Was stopped before it ended.
    """

    CACHED = "Cached"
    CANCELLED = "Cancelled"
    CANCELLING = "Cancelling"
    CLIENT_FAILED = "ClientFailed"
    FAILED = "Failed"
    FINISHED = "Finished"
    LOOPED = "Looped"
    MAPPED = "Mapped"
    PAUSED = "Paused"
    PENDING = "Pending"
    QUEUED = "Queued"
    RESUME = "Resume"
    RETRYING = "Retrying"
    RUNNING = "Running"
    SCHEDULED = "Scheduled"
    SKIPPED = "Skipped"
    SUBMITTED = "Submitted"
    SUCCESS = "Success"
    TIMED_OUT = "TimedOut"
    TRIGGER_FAILED = "TriggerFailed"
    VALIDATION_FAILED = "ValidationFailed"


class TaskRunField(OpenEnum):
    """The name of a member of a task run."""

    CREATED = "created"
    DURATION = "duration"
    END_TIME = "end_time"
    FLOW_NAME = "flow_name"
    FLOW_RUN_ID = "flow_run_id"
    FLOW_RUN_NAME = "flow_run_name"
    HAS_RESULT = "has_result"
    ID = "id"
    MAP_INDEX = "map_index"
    NAME = "name"
    QUEUE_TIME = "queue_time"
    RUN_COUNT = "run_count"
    SEQUENCE = "sequence"
    START_TIME = "start_time"
    STATE = "state"
    STATE_MESSAGE = "state_message"
    STATE_TIMESTAMP = "state_timestamp"
    TAGS = "tags"
    TASK_ID = "task_id"
    TASK_SLUG = "task_slug"
    UPDATED = "updated"
    VERSION = "version"


class AggregateTaskRunsGroupByItem(OpenEnum):
    STATE = "state"
    TASK_SLUG = "task_slug"
    FLOW_RUN_ID = "flow_run_id"
    FLOW_NAME = "flow_name"
    MAP_PARENT = "map_parent"
    HOUR = "hour"
    DAY = "day"


class AggregateTaskRunsMeasureItem(OpenEnum):
    COUNT = "count"
    SUM_DURATION = "sum_duration"
    AVG_DURATION = "avg_duration"
    MIN_DURATION = "min_duration"
    MAX_DURATION = "max_duration"
    P50_DURATION = "p50_duration"
    P95_DURATION = "p95_duration"
    P99_DURATION = "p99_duration"
    SUM_QUEUE_TIME = "sum_queue_time"
    AVG_QUEUE_TIME = "avg_queue_time"
    MIN_QUEUE_TIME = "min_queue_time"
    MAX_QUEUE_TIME = "max_queue_time"
    P50_QUEUE_TIME = "p50_queue_time"
    P95_QUEUE_TIME = "p95_queue_time"
    P99_QUEUE_TIME = "p99_queue_time"
    FIRST_START_TIME = "first_start_time"
    LAST_END_TIME = "last_end_time"


class Aggregate(Model, kw_only=True, frozen=True):
    """How many task runs there are, and what they measure."""

    count: int
    """How many they are."""
    groups: list[AggregateGroup] | None
    """The groups in the order of their keys; null without `group_by`."""
    measures: Measures
    relation: str
    """`eq`: exactly so many. `gte`: counting stopped at `count_limit`; so many or more."""
    truncated: bool
    """Whether there are more groups than `limit`."""


class AggregateGroup(Model, kw_only=True, frozen=True):
    """The task runs that have something in common."""

    count: int
    """How many they are."""
    key: GroupKey
    measures: Measures


class AzureResult(Model, kw_only=True, frozen=True, tag_field="type", tag="AzureResult"):
    """A blob in a container of Azure Blob Storage."""

    container: str | None
    """The container."""
    digest: str | None
    """The digest of what was written, such as `sha256:…`, if it was given."""
    location: str | None
    """Where the result is, within its storage; null if it was not written."""
    serializer: Serializer | None
    """How it was written; null: not said, which means pickle."""
    size: int | None
    """The size of what was written, in bytes, if it was given."""
    type: ClassVar[Literal["AzureResult"]] = "AzureResult"
    uri: str | None
    """The whole place as one text, from type, storage and location; null if there is none."""


class ChildResult(Model, kw_only=True, frozen=True):
    """The result of one child of a mapped task run."""

    map_index: int
    """-1, or for a child of a mapped task run the index of its item, from 0."""
    reference: ResultReference | None
    """Where its result is; null if it has none."""
    state: StateType
    """The type of its current state; Pending before any state was reported."""
    task_run_id: UUID
    """The id of the task run."""


class CompressedSerializer(Model, kw_only=True, frozen=True, tag_field="type", tag="CompressedSerializer"):
    """Written by another serializer and then compressed."""

    format: str | None
    """Such as `gzip`, `bz2`, `lzma` or `zlib`."""
    serializer: Serializer | None
    """What wrote the value before it was compressed."""
    type: ClassVar[Literal["CompressedSerializer"]] = "CompressedSerializer"


class ConstantResult(Model, kw_only=True, frozen=True, tag_field="type", tag="ConstantResult"):
    """A value that is always the same."""

    digest: str | None
    """The digest of what was written, such as `sha256:…`, if it was given."""
    location: str | None
    """Where the result is, within its storage; null if it was not written."""
    serializer: Serializer | None
    """How it was written; null: not said, which means pickle."""
    size: int | None
    """The size of what was written, in bytes, if it was given."""
    type: ClassVar[Literal["ConstantResult"]] = "ConstantResult"
    uri: str | None
    """The whole place as one text, from type, storage and location; null if there is none."""
    value: Any
    """The value, as it was given."""


class CurrentState(Model, kw_only=True, frozen=True):
    """What a run is now."""

    state: StateType
    state_timestamp: Timestamp | None
    version: int


class CustomResult(Model, kw_only=True, frozen=True, tag_field="type", tag="CustomResult"):
    """A result type of the user's own, as it was given."""

    digest: str | None
    """The digest of what was written, such as `sha256:…`, if it was given."""
    given: dict[str, Any]
    """The reference as it was given."""
    location: str | None
    """Where the result is, within its storage; null if it was not written."""
    name: str
    """The type as it was given."""
    serializer: Serializer | None
    """How it was written; null: not said, which means pickle."""
    size: int | None
    """The size of what was written, in bytes, if it was given."""
    type: ClassVar[Literal["CustomResult"]] = "CustomResult"
    uri: str | None
    """The whole place as one text, from type, storage and location; null if there is none."""


class CustomSerializer(Model, kw_only=True, frozen=True, tag_field="type", tag="CustomSerializer"):
    """A serializer of the user's own, as it was given."""

    given: dict[str, Any]
    """The serializer as it was given."""
    name: str
    """The type as it was given."""
    type: ClassVar[Literal["CustomSerializer"]] = "CustomSerializer"


class DateTimeSerializer(Model, kw_only=True, frozen=True, tag_field="type", tag="DateTimeSerializer"):
    """A moment, written as RFC 3339 text."""

    type: ClassVar[Literal["DateTimeSerializer"]] = "DateTimeSerializer"


class Fault(Model, kw_only=True, frozen=True):
    """One thing that is wrong with a request.

    Of a parameter or header: its name. Of a body: a JSON Pointer (RFC 6901).
    """

    detail: str
    header: str | None = None
    parameter: str | None = None
    pointer: str | None = None


class FlowRun(Model, kw_only=True, frozen=True):
    """One run of a flow."""

    context: dict[str, Any]
    """Its context, as it was given."""
    created: Timestamp
    """When the service made it."""
    duration: float | None
    """Seconds from start to end."""
    end_time: Timestamp | None
    """When it came to its current state, if that is a finished one."""
    flow_id: UUID
    """The id of the flow."""
    flow_name: str
    """The name of the flow."""
    id: UUID
    """The id of the flow run."""
    idempotency_key: str | None
    """The key under which it was created, if any."""
    labels: list[str]
    """Its labels."""
    name: str
    """The name of the run."""
    parameters: dict[str, Any]
    """The parameters of the flow run: any JSON."""
    queue_time: float | None
    """Seconds from its earliest state to its start."""
    run_count: int
    """How often it was Running."""
    sequence: int
    """How many changes it and its task runs had; its ETag."""
    start_time: Timestamp | None
    """When it was Running first."""
    state: StateType
    """The type of its current state; Pending before any state was reported."""
    state_message: str | None
    """The message of its current state."""
    state_timestamp: Timestamp | None
    """When it came to its current state."""
    task_run_counts: dict[str, int]
    """How many of its task runs are in each state."""
    updated: Timestamp
    """When the service last changed it."""
    version: int
    """How often its state has changed."""


class FlowRunCreate(Model, kw_only=True, frozen=True):
    """A flow run to create, or to find again by `id` or by `idempotency_key`."""

    flow_name: str
    """The name of the flow; it is made if it is new."""
    context: dict[str, Any] | Unset = UNSET
    """The context of the flow run: any JSON."""
    id: UUID | Unset = UNSET
    """An id of your own; not sent: the service makes one."""
    idempotency_key: str | Unset = UNSET
    """A second request with this key for this flow finds the same flow run."""
    labels: list[str] | Unset = UNSET
    """Labels of the flow run."""
    name: str | Unset = UNSET
    """The name of the run; not sent: one is made."""
    parameters: dict[str, Any] | Unset = UNSET
    """The parameters of the flow run: any JSON."""


class FlowRunFields(Model, kw_only=True, frozen=True):
    """A flow run with the members that `fields` names."""

    created: Timestamp = NOT_CHOSEN
    """When the service made it."""
    duration: float | None = NOT_CHOSEN
    """Seconds from start to end."""
    end_time: Timestamp | None = NOT_CHOSEN
    """When it came to its current state, if that is a finished one."""
    flow_id: UUID = NOT_CHOSEN
    """The id of the flow."""
    flow_name: str = NOT_CHOSEN
    """The name of the flow."""
    id: UUID = NOT_CHOSEN
    """The id of the flow run."""
    labels: list[str] = NOT_CHOSEN
    """Its labels."""
    name: str = NOT_CHOSEN
    """The name of the run."""
    queue_time: float | None = NOT_CHOSEN
    """Seconds from its earliest state to its start."""
    run_count: int = NOT_CHOSEN
    """How often it was Running."""
    sequence: int = NOT_CHOSEN
    """How many changes it and its task runs had; its ETag."""
    start_time: Timestamp | None = NOT_CHOSEN
    """When it was Running first."""
    state: StateType = NOT_CHOSEN
    """The type of its current state; Pending before any state was reported."""
    state_message: str | None = NOT_CHOSEN
    """The message of its current state."""
    state_timestamp: Timestamp | None = NOT_CHOSEN
    """When it came to its current state."""
    task_run_counts: dict[str, int] = NOT_CHOSEN
    """How many of its task runs are in each state."""
    updated: Timestamp = NOT_CHOSEN
    """When the service last changed it."""
    version: int = NOT_CHOSEN
    """How often its state has changed."""


class FlowRunFieldsPage(Model, kw_only=True, frozen=True):
    """Some of the flow runs with the members that `fields` names, and where the others are."""

    items: list[FlowRunFields]
    next: str | None
    """The cursor of the next page; null on the last one."""


class FlowRunPage(Model, kw_only=True, frozen=True):
    """Some of the flow runs, and where the others are."""

    items: list[FlowRunSummary]
    next: str | None
    """The cursor of the next page; null on the last one."""


class FlowRunStateReceipt(Model, kw_only=True, frozen=True):
    """What became of a state of a flow run."""

    flow_run_id: UUID
    """The id of the flow run."""
    id: UUID
    """The id of the state."""
    outcome: str
    """`created`, `existing`, `recorded`, `late` (only in the history, as a newer state was known), `duplicate`
    (recorded before) or `refused` (see `problem`).
    """
    state: StateType
    """The type of its current state; Pending before any state was reported."""
    version: int
    """How often its state has changed."""


class FlowRunSummary(Model, kw_only=True, frozen=True):
    """One run of a flow, as lists have it: without parameters and context."""

    created: Timestamp
    """When the service made it."""
    duration: float | None
    """Seconds from start to end."""
    end_time: Timestamp | None
    """When it came to its current state, if that is a finished one."""
    flow_id: UUID
    """The id of the flow."""
    flow_name: str
    """The name of the flow."""
    id: UUID
    """The id of the flow run."""
    labels: list[str]
    """Its labels."""
    name: str
    """The name of the run."""
    queue_time: float | None
    """Seconds from its earliest state to its start."""
    run_count: int
    """How often it was Running."""
    sequence: int
    """How many changes it and its task runs had; its ETag."""
    start_time: Timestamp | None
    """When it was Running first."""
    state: StateType
    """The type of its current state; Pending before any state was reported."""
    state_message: str | None
    """The message of its current state."""
    state_timestamp: Timestamp | None
    """When it came to its current state."""
    task_run_counts: dict[str, int]
    """How many of its task runs are in each state."""
    updated: Timestamp
    """When the service last changed it."""
    version: int
    """How often its state has changed."""


class GCSResult(Model, kw_only=True, frozen=True, tag_field="type", tag="GCSResult"):
    """An object in a bucket of Google Cloud Storage."""

    bucket: str | None
    """The bucket."""
    digest: str | None
    """The digest of what was written, such as `sha256:…`, if it was given."""
    location: str | None
    """Where the result is, within its storage; null if it was not written."""
    serializer: Serializer | None
    """How it was written; null: not said, which means pickle."""
    size: int | None
    """The size of what was written, in bytes, if it was given."""
    type: ClassVar[Literal["GCSResult"]] = "GCSResult"
    uri: str | None
    """The whole place as one text, from type, storage and location; null if there is none."""


class GroupKey(Model, kw_only=True, frozen=True):
    """What the task runs of a group have in common: a member for each `group_by`."""

    day: Timestamp | None = NOT_CHOSEN
    """The day (UTC) of their start; null: not started."""
    flow_name: str = NOT_CHOSEN
    """The flow."""
    flow_run_id: UUID = NOT_CHOSEN
    """The flow run."""
    hour: Timestamp | None = NOT_CHOSEN
    """The hour (UTC) of their start; null: not started."""
    map_parent: UUID | None = NOT_CHOSEN
    """The mapped task run whose children they are; null: of none."""
    state: StateType = NOT_CHOSEN
    """The type of the state."""
    task_slug: str = NOT_CHOSEN
    """The task."""


class Health(Model, kw_only=True, frozen=True):
    """Whether the process is alive."""

    status: str
    """`ok`."""
    version: str
    """The version of the service."""


class ItemProblem(Model, kw_only=True, frozen=True):
    """Why an item was refused."""

    code: str
    """The code, as in a problem."""
    detail: str
    """What went wrong and what to do."""
    current: CurrentState | None = None
    """What the run is now."""
    errors: list[Fault] | None = None
    """Which of its states, and why."""


class JSONSerializer(Model, kw_only=True, frozen=True, tag_field="type", tag="JSONSerializer"):
    """Written as JSON in UTF-8."""

    type: ClassVar[Literal["JSONSerializer"]] = "JSONSerializer"


class LocalResult(Model, kw_only=True, frozen=True, tag_field="type", tag="LocalResult"):
    """A file on the machine (or the shared disk) where the task ran."""

    digest: str | None
    """The digest of what was written, such as `sha256:…`, if it was given."""
    dir: str | None
    """The folder that `location` starts from."""
    location: str | None
    """Where the result is, within its storage; null if it was not written."""
    serializer: Serializer | None
    """How it was written; null: not said, which means pickle."""
    size: int | None
    """The size of what was written, in bytes, if it was given."""
    type: ClassVar[Literal["LocalResult"]] = "LocalResult"
    uri: str | None
    """The whole place as one text, from type, storage and location; null if there is none."""


class Measures(Model, kw_only=True, frozen=True):
    """The measures that were asked for. Durations and queue times are in seconds; null if no task run has one."""

    avg_duration: float | None = NOT_CHOSEN
    avg_queue_time: float | None = NOT_CHOSEN
    first_start_time: Timestamp | None = NOT_CHOSEN
    last_end_time: Timestamp | None = NOT_CHOSEN
    max_duration: float | None = NOT_CHOSEN
    max_queue_time: float | None = NOT_CHOSEN
    min_duration: float | None = NOT_CHOSEN
    min_queue_time: float | None = NOT_CHOSEN
    p50_duration: float | None = NOT_CHOSEN
    p50_queue_time: float | None = NOT_CHOSEN
    p95_duration: float | None = NOT_CHOSEN
    p95_queue_time: float | None = NOT_CHOSEN
    p99_duration: float | None = NOT_CHOSEN
    p99_queue_time: float | None = NOT_CHOSEN
    sum_duration: float | None = NOT_CHOSEN
    sum_queue_time: float | None = NOT_CHOSEN


class PandasSerializer(Model, kw_only=True, frozen=True, tag_field="type", tag="PandasSerializer"):
    """A pandas DataFrame, written as a file of this type."""

    file_type: str | None
    """Such as `csv` or `parquet`."""
    type: ClassVar[Literal["PandasSerializer"]] = "PandasSerializer"


class PickleSerializer(Model, kw_only=True, frozen=True, tag_field="type", tag="PickleSerializer"):
    """Written with cloudpickle. Load it only if you trust who wrote it."""

    type: ClassVar[Literal["PickleSerializer"]] = "PickleSerializer"


class PrefectResult(Model, kw_only=True, frozen=True, tag_field="type", tag="PrefectResult"):
    """A value that was sent to the service on purpose: `location` is the value itself, as JSON text."""

    digest: str | None
    """The digest of what was written, such as `sha256:…`, if it was given."""
    location: str | None
    """Where the result is, within its storage; null if it was not written."""
    serializer: Serializer | None
    """How it was written; null: not said, which means pickle."""
    size: int | None
    """The size of what was written, in bytes, if it was given."""
    type: ClassVar[Literal["PrefectResult"]] = "PrefectResult"
    uri: str | None
    """The whole place as one text, from type, storage and location; null if there is none."""


class Problem(Model, kw_only=True, frozen=True):
    """What went wrong (RFC 9457). `code` says it to programs, `detail` to people."""

    code: str
    """The code; new ones may be added."""
    detail: str
    """What went wrong and what to do."""
    instance: str
    """The path that was asked for."""
    request_id: str
    """The request's id, which is in the log and in X-Request-Id too."""
    status: int
    """The HTTP status."""
    title: str
    """The code in words."""
    type: str
    """A URI for the code."""
    current: CurrentState | None = None
    """What the run is now."""
    errors: list[Fault] | None = None
    """What is wrong with the request, and where."""
    limit: int | None = None
    """The limit that was passed."""


class Readiness(Model, kw_only=True, frozen=True):
    """Whether the service is ready for work."""

    status: str
    """`ok`."""
    version: str
    """The version of the service."""
    warnings: list[str]
    """A sentence for each way in which the database, as it is set up, may lose what was answered."""


class S3Result(Model, kw_only=True, frozen=True, tag_field="type", tag="S3Result"):
    """An object in a bucket of Amazon S3 or a storage like it."""

    bucket: str | None
    """The bucket."""
    digest: str | None
    """The digest of what was written, such as `sha256:…`, if it was given."""
    location: str | None
    """Where the result is, within its storage; null if it was not written."""
    serializer: Serializer | None
    """How it was written; null: not said, which means pickle."""
    size: int | None
    """The size of what was written, in bytes, if it was given."""
    type: ClassVar[Literal["S3Result"]] = "S3Result"
    uri: str | None
    """The whole place as one text, from type, storage and location; null if there is none."""


class SecretResult(Model, kw_only=True, frozen=True, tag_field="type", tag="SecretResult"):
    """A secret: `location` is its name. The service never has its value."""

    digest: str | None
    """The digest of what was written, such as `sha256:…`, if it was given."""
    location: str | None
    """Where the result is, within its storage; null if it was not written."""
    serializer: Serializer | None
    """How it was written; null: not said, which means pickle."""
    size: int | None
    """The size of what was written, in bytes, if it was given."""
    type: ClassVar[Literal["SecretResult"]] = "SecretResult"
    uri: str | None
    """The whole place as one text, from type, storage and location; null if there is none."""


class State(Model, kw_only=True, frozen=True):
    """One entry in the history of a run."""

    accepted: bool
    """False for a late one: a newer state was known already."""
    details: dict[str, Any] | None
    """What only some types have, as it was given."""
    id: UUID
    """The id of the state."""
    message: str | None
    """A sentence for people."""
    received_at: Timestamp
    """When the service heard of it."""
    result: dict[str, Any] | None
    """The reference to the result, as it was given."""
    sequence: int
    """The number of its latest change among all changes of its flow run, from 1."""
    timestamp: Timestamp
    """When the run came to it."""
    type: StateType
    """The type of the state."""
    version: int | None
    """The version of the run that it made; null for a late one."""


class StateCreate(Model, kw_only=True, frozen=True):
    """A state that a run has come to.

    Send an `id` of your own with every state: a report that is repeated with the same id is recorded once.
    """

    type: StateType
    """The type of the state."""
    details: dict[str, Any] | Unset = UNSET
    """What only some types of state have, such as `start_time` of Scheduled; kept as given. Not sent: `{}`."""
    expected_version: int | Unset = UNSET
    """Record it only if the run still has this version; otherwise the answer is 412."""
    force: bool | Unset = UNSET
    """Record it even if the run is finished and would not be any more. Not sent: `false`."""
    id: UUID | Unset = UNSET
    """An id of your own, new for every state."""
    message: str | None | Unset = UNSET
    """A sentence for people."""
    result: dict[str, Any] | None | Unset = UNSET
    """A reference to the result, never the result itself: its `type`, and where and how it is kept."""
    timestamp: Timestamp | Unset = UNSET
    """When the run came to it, with an offset; not sent: when the report arrives."""


class StateCreateDict(TypedDict):
    """A `StateCreate` as a dict."""

    type: StateType | str
    """The type of the state."""
    details: NotRequired[dict[str, Any]]
    """What only some types of state have, such as `start_time` of Scheduled; kept as given. Not sent: `{}`."""
    expected_version: NotRequired[int]
    """Record it only if the run still has this version; otherwise the answer is 412."""
    force: NotRequired[bool]
    """Record it even if the run is finished and would not be any more. Not sent: `false`."""
    id: NotRequired[UUID | str]
    """An id of your own, new for every state."""
    message: NotRequired[str | None]
    """A sentence for people."""
    result: NotRequired[dict[str, Any] | None]
    """A reference to the result, never the result itself: its `type`, and where and how it is kept."""
    timestamp: NotRequired[datetime | str]
    """When the run came to it, with an offset; not sent: when the report arrives."""


class StatePage(Model, kw_only=True, frozen=True):
    """Some of the states, oldest first, and where the others are."""

    items: list[State]
    next: str | None
    """The cursor of the next page; null on the last one."""


class TaskRun(Model, kw_only=True, frozen=True):
    """One task of a flow, as it ran in one flow run."""

    created: Timestamp
    """When the service made it."""
    duration: float | None
    """Seconds from start to end."""
    end_time: Timestamp | None
    """When it came to its current state, if that is a finished one."""
    flow_name: str
    """The name of the flow."""
    flow_run_id: UUID
    """The id of the flow run."""
    flow_run_name: str
    """The name of its flow run. A flow run that is renamed leaves `version` as it is."""
    has_result: bool
    """Whether its current state has a result that was kept."""
    id: UUID
    """The id of the task run."""
    map_index: int
    """-1, or for a child of a mapped task run the index of its item, from 0."""
    name: str | None
    """Its name, if it was given one."""
    queue_time: float | None
    """Seconds from its earliest state to its start."""
    run_count: int
    """How often it was Running."""
    sequence: int
    """The number of its latest change among all changes of its flow run, from 1."""
    start_time: Timestamp | None
    """When it was Running first."""
    state: StateType
    """The type of its current state; Pending before any state was reported."""
    state_message: str | None
    """The message of its current state."""
    state_timestamp: Timestamp | None
    """When it came to its current state."""
    tags: list[str]
    """Its tags."""
    task_id: UUID
    """The id of the task, the same in every run of its flow."""
    task_slug: str
    """What the task is known by inside its flow."""
    updated: Timestamp
    """When the service last changed it."""
    version: int
    """How often its state has changed; with a dot and its `sequence`, its ETag."""


class TaskRunFields(Model, kw_only=True, frozen=True):
    """A task run with the members that `fields` names."""

    created: Timestamp = NOT_CHOSEN
    """When the service made it."""
    duration: float | None = NOT_CHOSEN
    """Seconds from start to end."""
    end_time: Timestamp | None = NOT_CHOSEN
    """When it came to its current state, if that is a finished one."""
    flow_name: str = NOT_CHOSEN
    """The name of the flow."""
    flow_run_id: UUID = NOT_CHOSEN
    """The id of the flow run."""
    flow_run_name: str = NOT_CHOSEN
    """The name of its flow run. A flow run that is renamed leaves `version` as it is."""
    has_result: bool = NOT_CHOSEN
    """Whether its current state has a result that was kept."""
    id: UUID = NOT_CHOSEN
    """The id of the task run."""
    map_index: int = NOT_CHOSEN
    """-1, or for a child of a mapped task run the index of its item, from 0."""
    name: str | None = NOT_CHOSEN
    """Its name, if it was given one."""
    queue_time: float | None = NOT_CHOSEN
    """Seconds from its earliest state to its start."""
    run_count: int = NOT_CHOSEN
    """How often it was Running."""
    sequence: int = NOT_CHOSEN
    """The number of its latest change among all changes of its flow run, from 1."""
    start_time: Timestamp | None = NOT_CHOSEN
    """When it was Running first."""
    state: StateType = NOT_CHOSEN
    """The type of its current state; Pending before any state was reported."""
    state_message: str | None = NOT_CHOSEN
    """The message of its current state."""
    state_timestamp: Timestamp | None = NOT_CHOSEN
    """When it came to its current state."""
    tags: list[str] = NOT_CHOSEN
    """Its tags."""
    task_id: UUID = NOT_CHOSEN
    """The id of the task, the same in every run of its flow."""
    task_slug: str = NOT_CHOSEN
    """What the task is known by inside its flow."""
    updated: Timestamp = NOT_CHOSEN
    """When the service last changed it."""
    version: int = NOT_CHOSEN
    """How often its state has changed; with a dot and its `sequence`, its ETag."""


class TaskRunFieldsPage(Model, kw_only=True, frozen=True):
    """Some of the task runs with the members that `fields` names, and where the others are."""

    items: list[TaskRunFields]
    next: str | None
    """The cursor of the next page; null on the last one."""


class TaskRunPage(Model, kw_only=True, frozen=True):
    """Some of the task runs, and where the others are."""

    items: list[TaskRun]
    next: str | None
    """The cursor of the next page; null on the last one."""


class TaskRunReceipt(Model, kw_only=True, frozen=True):
    """What became of one item."""

    index: int
    """The place of the item in the request, from 0."""
    outcome: str
    """`created`, `existing`, `recorded`, `late` (only in the history, as a newer state was known), `duplicate`
    (recorded before) or `refused` (see `problem`).
    """
    problem: ItemProblem | None
    """Why it was refused."""
    state: StateType | None
    """The type of the state of the task run now."""
    task_run_id: UUID | None
    """The id of its task run; null if there is none."""
    version: int | None
    """The version of the task run now."""


class TaskRunReceipts(Model, kw_only=True, frozen=True):
    """What became of the items, in their order."""

    items: list[TaskRunReceipt]


class TaskRunReport(Model, kw_only=True, frozen=True):
    """A task run by its natural key: it is created if it is new, and then comes to these states."""

    task_slug: str
    """What the task is known by inside its flow."""
    id: UUID | Unset = UNSET
    """An id of your own, if it is created: a UUID of version 7 whose third group has the last three digits of that
    of the flow run's id; not sent: the service makes one.
    """
    map_index: int | Unset = UNSET
    """-1, or for a child of a mapped task run the index of its item, from 0. Not sent: `-1`."""
    name: str | None | Unset = UNSET
    """The name of the task run, if it is created."""
    states: list[StateCreate] | Unset = UNSET
    """States that it has come to, in their order. Not sent: `[]`."""
    tags: list[str] | Unset = UNSET
    """Its tags, if it is created. Not sent: `[]`."""
    task_name: str | Unset = UNSET
    """The name of the task; not sent: its slug."""


class TaskRunReportDict(TypedDict):
    """A `TaskRunReport` as a dict."""

    task_slug: str
    """What the task is known by inside its flow."""
    id: NotRequired[UUID | str]
    """An id of your own, if it is created: a UUID of version 7 whose third group has the last three digits of that
    of the flow run's id; not sent: the service makes one.
    """
    map_index: NotRequired[int]
    """-1, or for a child of a mapped task run the index of its item, from 0. Not sent: `-1`."""
    name: NotRequired[str | None]
    """The name of the task run, if it is created."""
    states: NotRequired[Sequence[StateCreate | StateCreateDict]]
    """States that it has come to, in their order. Not sent: `[]`."""
    tags: NotRequired[Sequence[str]]
    """Its tags, if it is created. Not sent: `[]`."""
    task_name: NotRequired[str]
    """The name of the task; not sent: its slug."""


class TaskRunReports(Model, kw_only=True, frozen=True):
    """Task runs of one flow run to report."""

    items: list[TaskRunReport]


class TaskRunResult(Model, kw_only=True, frozen=True):
    """Where the result of a task run is; for a mapped parent, where the results of its children are."""

    children: list[ChildResult] | None
    """The children of a mapped parent, by map index; null for all others."""
    next: str | None
    """The cursor of the next page of children; null on the last one."""
    reference: ResultReference | None
    """Where its result is; null for a mapped parent."""
    state: StateType
    """The type of its current state; Pending before any state was reported."""
    task_run_id: UUID
    """The id of the task run."""


class TaskRunStateReceipt(Model, kw_only=True, frozen=True):
    """What became of a state of a task run."""

    id: UUID
    """The id of the state."""
    outcome: str
    """`created`, `existing`, `recorded`, `late` (only in the history, as a newer state was known), `duplicate`
    (recorded before) or `refused` (see `problem`).
    """
    state: StateType
    """The type of its current state; Pending before any state was reported."""
    task_run_id: UUID
    """The id of the task run."""
    version: int
    """How often its state has changed."""


class TaskRunStateReport(Model, kw_only=True, frozen=True):
    """A state that one task run has come to."""

    task_run_id: UUID
    """The id of the task run."""
    type: StateType
    """The type of the state."""
    details: dict[str, Any] | Unset = UNSET
    """What only some types of state have, such as `start_time` of Scheduled; kept as given. Not sent: `{}`."""
    expected_version: int | Unset = UNSET
    """Record it only if the run still has this version; otherwise the answer is 412."""
    force: bool | Unset = UNSET
    """Record it even if the run is finished and would not be any more. Not sent: `false`."""
    id: UUID | Unset = UNSET
    """An id of your own, new for every state."""
    message: str | None | Unset = UNSET
    """A sentence for people."""
    result: dict[str, Any] | None | Unset = UNSET
    """A reference to the result, never the result itself: its `type`, and where and how it is kept."""
    timestamp: Timestamp | Unset = UNSET
    """When the run came to it, with an offset; not sent: when the report arrives."""


class TaskRunStateReportDict(TypedDict):
    """A `TaskRunStateReport` as a dict."""

    task_run_id: UUID | str
    """The id of the task run."""
    type: StateType | str
    """The type of the state."""
    details: NotRequired[dict[str, Any]]
    """What only some types of state have, such as `start_time` of Scheduled; kept as given. Not sent: `{}`."""
    expected_version: NotRequired[int]
    """Record it only if the run still has this version; otherwise the answer is 412."""
    force: NotRequired[bool]
    """Record it even if the run is finished and would not be any more. Not sent: `false`."""
    id: NotRequired[UUID | str]
    """An id of your own, new for every state."""
    message: NotRequired[str | None]
    """A sentence for people."""
    result: NotRequired[dict[str, Any] | None]
    """A reference to the result, never the result itself: its `type`, and where and how it is kept."""
    timestamp: NotRequired[datetime | str]
    """When the run came to it, with an offset; not sent: when the report arrives."""


class TaskRunStateReports(Model, kw_only=True, frozen=True):
    """States of any task runs to report."""

    items: list[TaskRunStateReport]


class TaskRunUpdate(Model, kw_only=True, frozen=True):
    """What may be changed about a task run; what is not sent stays."""

    expected_version: int | Unset = UNSET
    """Change it only if it still has this version."""
    name: str | None | Unset = UNSET
    """Its name; null takes the name away."""
    tags: list[str] | Unset = UNSET
    """All its tags."""


ResultReference: TypeAlias = (
    LocalResult | S3Result | GCSResult | AzureResult | PrefectResult | ConstantResult | SecretResult | CustomResult
)
Serializer: TypeAlias = (
    PickleSerializer | JSONSerializer | DateTimeSerializer | PandasSerializer | CompressedSerializer | CustomSerializer
)
