# Generated from openapi.json by `make client`. Do not edit.
"""What goes over HTTP: every schema of openapi.json as a Struct, an enum or a union."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal, NotRequired, TypeAlias, TypedDict
from uuid import UUID

from msgspec import field

from ..types import NOT_CHOSEN, UNSET, Model, OpenEnum, Timestamp, Unset

__all__ = [
    "Aggregate",
    "AggregateFlowRunsBucketTime",
    "AggregateFlowRunsGroupByItem",
    "AggregateFlowRunsHistogram",
    "AggregateFlowRunsMeasureItem",
    "AggregateGroup",
    "AggregateTaskRunsBucketTime",
    "AggregateTaskRunsGroupByItem",
    "AggregateTaskRunsHistogram",
    "AggregateTaskRunsMeasureItem",
    "Artifact",
    "ArtifactPage",
    "AzureResult",
    "ByeCode",
    "ByeEvent",
    "ChildResult",
    "CompressedSerializer",
    "ConstantResult",
    "CurrentRun",
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
    "FlowRunTask",
    "FlowRunTasks",
    "GCSResult",
    "GroupKey",
    "Health",
    "Histogram",
    "HitKind",
    "ItemProblem",
    "JSONSerializer",
    "LocalResult",
    "LogLevel",
    "LogLine",
    "LogLineReport",
    "LogLineReportDict",
    "LogLineReports",
    "LogPage",
    "LogReceipt",
    "LogsEvent",
    "Measures",
    "NowEvent",
    "PandasSerializer",
    "PickleSerializer",
    "PrefectResult",
    "Previous",
    "Problem",
    "Readiness",
    "ResultReference",
    "ResyncEvent",
    "ResyncReason",
    "S3Result",
    "SearchHit",
    "SearchHits",
    "SecretResult",
    "Serializer",
    "State",
    "StateCreate",
    "StateCreateDict",
    "StateGroup",
    "StatePage",
    "StateType",
    "TaskRun",
    "TaskRunAttempt",
    "TaskRunAttempts",
    "TaskRunField",
    "TaskRunFields",
    "TaskRunFieldsPage",
    "TaskRunNeighbour",
    "TaskRunNeighbours",
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
    "TaskRunsEvent",
    "Timeline",
    "TimelineBins",
    "TimelineCounts",
    "TimelineSpans",
    "TimelineTask",
    "WatchFlowRunsTopic",
]


class ByeCode(OpenEnum):
    """Why a stream ends."""

    FINISHED = "finished"
    REBALANCE = "rebalance"
    STOPPING = "stopping"
    UNAUTHENTICATED = "unauthenticated"


class FlowRunField(OpenEnum):
    """The name of a member of a flow run in lists."""

    CREATED = "created"
    DURATION = "duration"
    END_TIME = "end_time"
    FLOW_ID = "flow_id"
    FLOW_NAME = "flow_name"
    ID = "id"
    LABELS = "labels"
    LAST_HEARTBEAT = "last_heartbeat"
    NAME = "name"
    PARENT_TASK_RUN_ID = "parent_task_run_id"
    QUEUE_TIME = "queue_time"
    RUN_COUNT = "run_count"
    RUN_TIME = "run_time"
    SEQUENCE = "sequence"
    START_TIME = "start_time"
    STATE = "state"
    STATE_MESSAGE = "state_message"
    STATE_TIMESTAMP = "state_timestamp"
    TASK_RUN_COUNTS = "task_run_counts"
    UPDATED = "updated"
    VERSION = "version"


class HitKind(OpenEnum):
    """What a hit is. Later versions can add kinds."""

    FLOW = "flow"
    FLOW_RUN = "flow_run"
    TASK = "task"
    TASK_RUN = "task_run"


class LogLevel(OpenEnum):
    """The level of a log line, from the least severe to the most severe."""

    CRITICAL = "CRITICAL"
    DEBUG = "DEBUG"
    ERROR = "ERROR"
    INFO = "INFO"
    WARNING = "WARNING"


class ResyncReason(OpenEnum):
    """Why a client has to load everything again."""

    BEHIND = "behind"
    RESET = "reset"


class StateGroup(OpenEnum):
    """A group of states: pending, running, or finished. Some finished states are also successful or failed."""

    FAILED = "failed"
    FINISHED = "finished"
    PENDING = "pending"
    RUNNING = "running"
    SUCCESSFUL = "successful"


class StateType(OpenEnum):
    """The type of a state. Later versions can add types: handle an unknown type by its group.

    - `Pending`: Waits to run.
    - `Scheduled`: Waits for its scheduled time.
    - `Paused`: Waits for a person to resume it.
    - `Resume`: Was paused and can continue.
    - `Retrying`: Failed and waits for another attempt.
    - `Queued`: Waits for a free slot.
    - `Submitted`: Was submitted for execution.
    - `ClientFailed`: Could not be started by the client that was to run it.
    - `Running`: Is running.
    - `Cancelling`: Is running and was asked to stop.
    - `Finished`: Ended.
    - `Success`: Ended successfully.
    - `Cached`: Ended successfully, and its result can be reused.
    - `Mapped`: Created one child for each item; the children do the work.
    - `Skipped`: Was not needed.
    - `Failed`: Ended with an error.
    - `TimedOut`: Exceeded its time limit.
    - `TriggerFailed`: Never ran, because the runs it depends on did not end as it requires.
    - `ValidationFailed`: Returned a result that failed its own validation.
    - `Crashed`: Was heard of no more; the next report or heartbeat brings it back.
    - `Looped`: Ended one iteration of a loop.
    - `Cancelled`: Was stopped before it finished.
    """

    CACHED = "Cached"
    CANCELLED = "Cancelled"
    CANCELLING = "Cancelling"
    CLIENT_FAILED = "ClientFailed"
    CRASHED = "Crashed"
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
    FLOW_ID = "flow_id"
    FLOW_NAME = "flow_name"
    FLOW_RUN_ID = "flow_run_id"
    FLOW_RUN_NAME = "flow_run_name"
    HAS_RESULT = "has_result"
    ID = "id"
    MAP_INDEX = "map_index"
    NAME = "name"
    QUEUE_TIME = "queue_time"
    RUN_COUNT = "run_count"
    RUN_TIME = "run_time"
    SEQUENCE = "sequence"
    START_TIME = "start_time"
    STATE = "state"
    STATE_MESSAGE = "state_message"
    STATE_TIMESTAMP = "state_timestamp"
    TAGS = "tags"
    TASK_ID = "task_id"
    TASK_NAME = "task_name"
    TASK_SLUG = "task_slug"
    UPDATED = "updated"
    VERSION = "version"


class AggregateFlowRunsGroupByItem(OpenEnum):
    STATE = "state"
    FLOW_NAME = "flow_name"
    MESSAGE = "message"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


class AggregateFlowRunsBucketTime(OpenEnum):
    """The time that `bucket`, `hour`, `day` and `week` are those of: when runs started or when they ended."""

    START_TIME = "start_time"
    END_TIME = "end_time"


class AggregateFlowRunsMeasureItem(OpenEnum):
    COUNT = "count"
    SUM_DURATION = "sum_duration"
    AVG_DURATION = "avg_duration"
    MIN_DURATION = "min_duration"
    MAX_DURATION = "max_duration"
    P50_DURATION = "p50_duration"
    P95_DURATION = "p95_duration"
    P99_DURATION = "p99_duration"
    SUM_RUN_TIME = "sum_run_time"
    AVG_RUN_TIME = "avg_run_time"
    MIN_RUN_TIME = "min_run_time"
    MAX_RUN_TIME = "max_run_time"
    P50_RUN_TIME = "p50_run_time"
    P95_RUN_TIME = "p95_run_time"
    P99_RUN_TIME = "p99_run_time"
    SUM_QUEUE_TIME = "sum_queue_time"
    AVG_QUEUE_TIME = "avg_queue_time"
    MIN_QUEUE_TIME = "min_queue_time"
    MAX_QUEUE_TIME = "max_queue_time"
    P50_QUEUE_TIME = "p50_queue_time"
    P95_QUEUE_TIME = "p95_queue_time"
    P99_QUEUE_TIME = "p99_queue_time"
    FIRST_START_TIME = "first_start_time"
    FIRST_END_TIME = "first_end_time"
    LAST_END_TIME = "last_end_time"


class AggregateFlowRunsHistogram(OpenEnum):
    """Also count the runs that match by state and by the length of this, between 40 bounds."""

    DURATION = "duration"
    RUN_TIME = "run_time"
    QUEUE_TIME = "queue_time"


class AggregateTaskRunsGroupByItem(OpenEnum):
    TASK_SLUG = "task_slug"
    TASK_NAME = "task_name"
    FLOW_RUN_ID = "flow_run_id"
    MAPPED_PARENT_ID = "mapped_parent_id"
    STATE = "state"
    FLOW_NAME = "flow_name"
    MESSAGE = "message"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


class AggregateTaskRunsBucketTime(OpenEnum):
    """The time that `bucket`, `hour`, `day` and `week` are those of: when runs started or when they ended."""

    START_TIME = "start_time"
    END_TIME = "end_time"


class AggregateTaskRunsMeasureItem(OpenEnum):
    COUNT = "count"
    SUM_DURATION = "sum_duration"
    AVG_DURATION = "avg_duration"
    MIN_DURATION = "min_duration"
    MAX_DURATION = "max_duration"
    P50_DURATION = "p50_duration"
    P95_DURATION = "p95_duration"
    P99_DURATION = "p99_duration"
    SUM_RUN_TIME = "sum_run_time"
    AVG_RUN_TIME = "avg_run_time"
    MIN_RUN_TIME = "min_run_time"
    MAX_RUN_TIME = "max_run_time"
    P50_RUN_TIME = "p50_run_time"
    P95_RUN_TIME = "p95_run_time"
    P99_RUN_TIME = "p99_run_time"
    SUM_QUEUE_TIME = "sum_queue_time"
    AVG_QUEUE_TIME = "avg_queue_time"
    MIN_QUEUE_TIME = "min_queue_time"
    MAX_QUEUE_TIME = "max_queue_time"
    P50_QUEUE_TIME = "p50_queue_time"
    P95_QUEUE_TIME = "p95_queue_time"
    P99_QUEUE_TIME = "p99_queue_time"
    FIRST_START_TIME = "first_start_time"
    FIRST_END_TIME = "first_end_time"
    LAST_END_TIME = "last_end_time"


class AggregateTaskRunsHistogram(OpenEnum):
    """Also count the runs that match by state and by the length of this, between 40 bounds."""

    DURATION = "duration"
    RUN_TIME = "run_time"
    QUEUE_TIME = "queue_time"


class WatchFlowRunsTopic(OpenEnum):
    """Send all runs at a glance; this is the default without `flow_run_id`."""

    NOW = "now"


class Aggregate(Model, kw_only=True, frozen=True):
    """The number of runs and their measures, in total and by group."""

    count: int
    """The number of runs."""
    groups: list[AggregateGroup] | None
    """The groups, sorted by their keys; null without `group_by`."""
    histogram: Histogram | None
    """The histogram; null without `histogram`."""
    is_exact: bool
    """Whether `count` is exact. If not, counting stopped at `count_limit`, and there are at least this many."""
    measures: Measures
    previous: Previous | None
    """All runs of the window before; null without `compare`."""
    truncated: bool
    """Whether there are more groups than `limit`."""


class AggregateGroup(Model, kw_only=True, frozen=True):
    """A group of runs that share the values in `key`."""

    count: int
    """The number of runs."""
    key: GroupKey
    measures: Measures
    previous: Previous | None
    """The group in the window before; null without `compare`."""
    sample_ids: list[UUID] | None
    """The ids of up to three of the runs; null without `message` in `group_by`."""


class Artifact(Model, kw_only=True, frozen=True):
    """A link or a text that a task run made for people to look at."""

    created: Timestamp
    """The time when the service created the artifact."""
    data: Any
    """What it shows, as its author sent it: any JSON value, such as `{"link": …}` or `{"markdown": …}`. Check it
    before you show it.
    """
    id: UUID
    """The id of the artifact."""
    kind: str
    """What the artifact is: `link` or `markdown`, or another kind."""
    task_run_id: UUID
    """The id of the task run."""
    updated: Timestamp
    """The time when the service last changed the artifact."""


class ArtifactPage(Model, kw_only=True, frozen=True):
    """A page of artifacts, oldest first, with the cursor of the next page."""

    items: list[Artifact]
    next_cursor: str | None
    """The cursor of the next page; null on the last page."""


class AzureResult(Model, kw_only=True, frozen=True, tag_field="type", tag="AzureResult"):
    """A blob in a container of Azure Blob Storage."""

    container: str | None
    """The container."""
    digest: str | None
    """The digest of the stored result, such as `sha256:…`; null if it was not sent."""
    location: str | None
    """The location of the result within its storage; null if it was not written."""
    serializer: Serializer | None
    """How the result was serialized; null if unspecified, which means pickle."""
    size: int | None
    """The size of the stored result in bytes; null if it was not sent."""
    type: ClassVar[Literal["AzureResult"]] = "AzureResult"
    uri: str | None
    """The complete location as a URI, from type, storage, and location; null if there is none."""


class ByeEvent(Model, kw_only=True, frozen=True):
    """The data of a `bye` event, after which the stream ends although there may be further changes."""

    code: ByeCode
    """Why the stream ends."""
    retry_after: float
    """The number of seconds to wait before opening the stream again."""


class ChildResult(Model, kw_only=True, frozen=True):
    """The result of one child of a mapped task run."""

    map_index: int
    """The index of the item for a child of a mapped task run, starting at 0; otherwise -1."""
    reference: ResultReference | None
    """Where the result is; null if there is none."""
    state: StateType
    """The type of the current state; Pending until a state is reported."""
    task_run_id: UUID
    """The id of the task run."""


class CompressedSerializer(Model, kw_only=True, frozen=True, tag_field="type", tag="CompressedSerializer"):
    """Written with another serializer and then compressed."""

    format: str | None
    """The compression format, such as `gzip`, `bz2`, `lzma`, or `zlib`."""
    serializer: Serializer | None
    """The serializer that wrote the value before compression."""
    type: ClassVar[Literal["CompressedSerializer"]] = "CompressedSerializer"


class ConstantResult(Model, kw_only=True, frozen=True, tag_field="type", tag="ConstantResult"):
    """A constant value."""

    digest: str | None
    """The digest of the stored result, such as `sha256:…`; null if it was not sent."""
    location: str | None
    """The location of the result within its storage; null if it was not written."""
    serializer: Serializer | None
    """How the result was serialized; null if unspecified, which means pickle."""
    size: int | None
    """The size of the stored result in bytes; null if it was not sent."""
    type: ClassVar[Literal["ConstantResult"]] = "ConstantResult"
    uri: str | None
    """The complete location as a URI, from type, storage, and location; null if there is none."""
    value: Any
    """The value, as sent."""


class CurrentRun(Model, kw_only=True, frozen=True):
    """The version and the state that a run has now."""

    state: StateType
    state_timestamp: Timestamp | None
    version: int


class CustomResult(Model, kw_only=True, frozen=True, tag_field="type", tag="CustomResult"):
    """A user-defined result type, as sent."""

    digest: str | None
    """The digest of the stored result, such as `sha256:…`; null if it was not sent."""
    given: dict[str, Any]
    """The reference, as sent."""
    location: str | None
    """The location of the result within its storage; null if it was not written."""
    name: str
    """The type, as sent."""
    serializer: Serializer | None
    """How the result was serialized; null if unspecified, which means pickle."""
    size: int | None
    """The size of the stored result in bytes; null if it was not sent."""
    type: ClassVar[Literal["CustomResult"]] = "CustomResult"
    uri: str | None
    """The complete location as a URI, from type, storage, and location; null if there is none."""


class CustomSerializer(Model, kw_only=True, frozen=True, tag_field="type", tag="CustomSerializer"):
    """A user-defined serializer, as sent."""

    given: dict[str, Any]
    """The serializer, as sent."""
    name: str
    """The type, as sent."""
    type: ClassVar[Literal["CustomSerializer"]] = "CustomSerializer"


class DateTimeSerializer(Model, kw_only=True, frozen=True, tag_field="type", tag="DateTimeSerializer"):
    """A time, written as RFC 3339 text."""

    type: ClassVar[Literal["DateTimeSerializer"]] = "DateTimeSerializer"


class Fault(Model, kw_only=True, frozen=True):
    """One fault in a request.

    A fault names its parameter or header or, in a body, its place as a JSON Pointer (RFC 6901).
    """

    detail: str
    header: str | None = None
    parameter: str | None = None
    pointer: str | None = None


class FlowRun(Model, kw_only=True, frozen=True):
    """One run of a flow."""

    context: dict[str, Any]
    """The context of the flow run, as sent."""
    created: Timestamp
    """The time when the service created the run."""
    duration: float | None
    """The seconds from start to end."""
    end_time: Timestamp | None
    """The time when the run entered its current state, if that state is finished."""
    flow_id: UUID
    """The id of the flow."""
    flow_name: str
    """The name of the flow."""
    id: UUID
    """The id of the flow run."""
    idempotency_key: str | None
    """The key with which the flow run was created; null if there was none."""
    labels: list[str]
    """The labels of the flow run."""
    last_heartbeat: Timestamp | None
    """The time of the last heartbeat, by the database's clock; null if none came. A heartbeat does not change
    `sequence`.
    """
    name: str
    """The name of the run."""
    parameters: dict[str, Any]
    """The parameters of the flow run: any JSON object."""
    parent_task_run_id: UUID | None
    """The id of the task run that started the flow run; null if none did. The task run may not have been reported
    yet, or may have been deleted.
    """
    queue_time: float | None
    """The seconds from the earliest state to the start."""
    run_count: int
    """The number of times the run was Running."""
    run_time: float | None
    """The seconds spent running, without the waits for retries, pauses and restarts: the sum of the attempts that
    have ended; null until one has. A mapped parent has the sum of its children.
    """
    sequence: int
    """The number of changes to the flow run and its task runs; this is the ETag."""
    start_time: Timestamp | None
    """The time when the run was first Running."""
    state: StateType
    """The type of the current state; Pending until a state is reported."""
    state_message: str | None
    """The message of the current state."""
    state_timestamp: Timestamp | None
    """The time when the run entered its current state."""
    task_run_counts: dict[str, int]
    """The number of task runs in each state."""
    updated: Timestamp
    """The time when the service last changed the run."""
    version: int
    """The number of state changes."""


class FlowRunCreate(Model, kw_only=True, frozen=True):
    """A flow run to create, or to find by `id` or `idempotency_key` if it exists."""

    flow_name: str
    """The name of the flow, which is created if it is new."""
    context: dict[str, Any] | Unset = UNSET
    """The context of the flow run: any JSON object."""
    id: UUID | Unset = UNSET
    """An id that you generate. Default: the service generates one."""
    idempotency_key: str | Unset = UNSET
    """A key that identifies the flow run: a second request with this key for the same flow returns the same flow
    run.
    """
    labels: list[str] | Unset = UNSET
    """The labels of the flow run."""
    name: str | Unset = UNSET
    """The name of the run. Default: a generated name."""
    parameters: dict[str, Any] | Unset = UNSET
    """The parameters of the flow run: any JSON object."""
    parent_task_run_id: UUID | Unset = UNSET
    """The id of the task run that starts the flow run. It need not have been reported yet."""


class FlowRunFields(Model, kw_only=True, frozen=True):
    """A flow run with the members that `fields` names."""

    created: Timestamp = NOT_CHOSEN
    """The time when the service created the run."""
    duration: float | None = NOT_CHOSEN
    """The seconds from start to end."""
    end_time: Timestamp | None = NOT_CHOSEN
    """The time when the run entered its current state, if that state is finished."""
    flow_id: UUID = NOT_CHOSEN
    """The id of the flow."""
    flow_name: str = NOT_CHOSEN
    """The name of the flow."""
    id: UUID = NOT_CHOSEN
    """The id of the flow run."""
    labels: list[str] = NOT_CHOSEN
    """The labels of the flow run."""
    last_heartbeat: Timestamp | None = NOT_CHOSEN
    """The time of the last heartbeat, by the database's clock; null if none came. A heartbeat does not change
    `sequence`.
    """
    name: str = NOT_CHOSEN
    """The name of the run."""
    parent_task_run_id: UUID | None = NOT_CHOSEN
    """The id of the task run that started the flow run; null if none did. The task run may not have been reported
    yet, or may have been deleted.
    """
    queue_time: float | None = NOT_CHOSEN
    """The seconds from the earliest state to the start."""
    run_count: int = NOT_CHOSEN
    """The number of times the run was Running."""
    run_time: float | None = NOT_CHOSEN
    """The seconds spent running, without the waits for retries, pauses and restarts: the sum of the attempts that
    have ended; null until one has. A mapped parent has the sum of its children.
    """
    sequence: int = NOT_CHOSEN
    """The number of changes to the flow run and its task runs; this is the ETag."""
    start_time: Timestamp | None = NOT_CHOSEN
    """The time when the run was first Running."""
    state: StateType = NOT_CHOSEN
    """The type of the current state; Pending until a state is reported."""
    state_message: str | None = NOT_CHOSEN
    """The message of the current state."""
    state_timestamp: Timestamp | None = NOT_CHOSEN
    """The time when the run entered its current state."""
    task_run_counts: dict[str, int] = NOT_CHOSEN
    """The number of task runs in each state."""
    updated: Timestamp = NOT_CHOSEN
    """The time when the service last changed the run."""
    version: int = NOT_CHOSEN
    """The number of state changes."""


class FlowRunFieldsPage(Model, kw_only=True, frozen=True):
    """A page of flow runs with the members that `fields` names, with the cursor of the next page."""

    items: list[FlowRunFields]
    next_cursor: str | None
    """The cursor of the next page; null on the last page."""


class FlowRunPage(Model, kw_only=True, frozen=True):
    """A page of flow runs, with the cursor of the next page."""

    items: list[FlowRunSummary]
    next_cursor: str | None
    """The cursor of the next page; null on the last page."""


class FlowRunStateReceipt(Model, kw_only=True, frozen=True):
    """The outcome of a report of a flow run's state."""

    flow_run_id: UUID
    """The id of the flow run."""
    id: UUID
    """The id of the state."""
    outcome: str
    """`created`, `existing`, `recorded`, `late` (added to the history only, because a newer state was known),
    `duplicate` (already recorded), or `refused` (see `problem`).
    """
    state: StateType
    """The type of the current state; Pending until a state is reported."""
    version: int
    """The number of state changes."""


class FlowRunSummary(Model, kw_only=True, frozen=True):
    """One run of a flow as it appears in lists, without parameters and context."""

    created: Timestamp
    """The time when the service created the run."""
    duration: float | None
    """The seconds from start to end."""
    end_time: Timestamp | None
    """The time when the run entered its current state, if that state is finished."""
    flow_id: UUID
    """The id of the flow."""
    flow_name: str
    """The name of the flow."""
    id: UUID
    """The id of the flow run."""
    labels: list[str]
    """The labels of the flow run."""
    last_heartbeat: Timestamp | None
    """The time of the last heartbeat, by the database's clock; null if none came. A heartbeat does not change
    `sequence`.
    """
    name: str
    """The name of the run."""
    parent_task_run_id: UUID | None
    """The id of the task run that started the flow run; null if none did. The task run may not have been reported
    yet, or may have been deleted.
    """
    queue_time: float | None
    """The seconds from the earliest state to the start."""
    run_count: int
    """The number of times the run was Running."""
    run_time: float | None
    """The seconds spent running, without the waits for retries, pauses and restarts: the sum of the attempts that
    have ended; null until one has. A mapped parent has the sum of its children.
    """
    sequence: int
    """The number of changes to the flow run and its task runs; this is the ETag."""
    start_time: Timestamp | None
    """The time when the run was first Running."""
    state: StateType
    """The type of the current state; Pending until a state is reported."""
    state_message: str | None
    """The message of the current state."""
    state_timestamp: Timestamp | None
    """The time when the run entered its current state."""
    task_run_counts: dict[str, int]
    """The number of task runs in each state."""
    updated: Timestamp
    """The time when the service last changed the run."""
    version: int
    """The number of state changes."""


class FlowRunTask(Model, kw_only=True, frozen=True):
    """A task of a flow run, with all its task runs: one, or the mapped parent and its children."""

    count: int
    """The number of task runs, including the mapped parent."""
    first_start_time: Timestamp | None
    """The earliest start of a task run; null if none has started."""
    is_mapped: bool
    """Whether the task was mapped."""
    last_end_time: Timestamp | None
    """The latest end of a task run; null if none has ended."""
    retries: int
    """The number of attempts after the first one of each task run, including those after a pause or a restart."""
    state: StateType
    """The worst type of state among the task runs: a failed one if any failed, otherwise Cancelled, Retrying, a
    running one, a pending one, or a successful one, in this order.
    """
    task_run_counts: dict[str, int]
    """The number of task runs in each state."""
    task_run_id: UUID | None
    """The id of the task run with the map index -1: the only one, or the mapped parent. Null if the flow run has
    only children.
    """
    task_slug: str
    """The slug that identifies the task within its flow."""


class FlowRunTasks(Model, kw_only=True, frozen=True):
    """The tasks of a flow run, in the order in which they started; those that have not started come last."""

    flow_run_id: UUID
    """The id of the flow run."""
    items: list[FlowRunTask]
    """The tasks."""
    sequence: int
    """The sequence of the flow run; this is the ETag."""
    truncated: bool
    """Whether the flow run has more than 10,000 tasks; the items are then those that started first."""


class GCSResult(Model, kw_only=True, frozen=True, tag_field="type", tag="GCSResult"):
    """An object in a bucket of Google Cloud Storage."""

    bucket: str | None
    """The bucket."""
    digest: str | None
    """The digest of the stored result, such as `sha256:…`; null if it was not sent."""
    location: str | None
    """The location of the result within its storage; null if it was not written."""
    serializer: Serializer | None
    """How the result was serialized; null if unspecified, which means pickle."""
    size: int | None
    """The size of the stored result in bytes; null if it was not sent."""
    type: ClassVar[Literal["GCSResult"]] = "GCSResult"
    uri: str | None
    """The complete location as a URI, from type, storage, and location; null if there is none."""


class GroupKey(Model, kw_only=True, frozen=True):
    """The values that the runs of a group share, with one member for each `group_by`.

    Hours, days, weeks and buckets are shown by their beginning, in the time zone of the request or in UTC.
    """

    bucket: Timestamp | None = NOT_CHOSEN
    """The beginning of the bucket that `bucket_time` is in; null without that time."""
    day: Timestamp | None = NOT_CHOSEN
    """The day of `bucket_time`; null without that time."""
    flow_name: str = NOT_CHOSEN
    """The name of the flow."""
    flow_run_id: UUID = NOT_CHOSEN
    """The flow run's id."""
    hour: Timestamp | None = NOT_CHOSEN
    """The hour of `bucket_time`; null without that time."""
    mapped_parent_id: UUID | None = NOT_CHOSEN
    """The id of the mapped parent of the task runs; null if they have none."""
    message: str | None = NOT_CHOSEN
    """The first line of the message, at most 200 characters of it, with `#` for each number, UUID, address, and
    run of 7 or more hexadecimal digits with a decimal one in it; null if the current state has no message.
    """
    state: StateType = NOT_CHOSEN
    """The type of the current state."""
    task_name: str = NOT_CHOSEN
    """The name of the task."""
    task_slug: str = NOT_CHOSEN
    """The task slug."""
    week: Timestamp | None = NOT_CHOSEN
    """The Monday of the week of `bucket_time`; null without that time."""


class Health(Model, kw_only=True, frozen=True):
    """Whether the process is alive."""

    status: str
    """`ok`."""
    version: str
    """The version of the service."""


class Histogram(Model, kw_only=True, frozen=True):
    """How many runs have a value between two bounds, by state. Runs without a value are not in it."""

    bounds: list[float]
    """Seconds, ascending and evenly spaced on a logarithmic scale; the same for every request."""
    counts: dict[str, list[int]]
    """For each state that occurs, one number more than there are bounds: of runs below the first bound, from each
    bound up to the next, and from the last bound on.
    """
    measure: str
    """What is counted: `duration`, `run_time` or `queue_time`."""


class ItemProblem(Model, kw_only=True, frozen=True):
    """Why an item was rejected."""

    code: str
    """The code of the problem."""
    detail: str
    """What went wrong, and what to do about it."""
    current_run: CurrentRun | None = None
    """The version and the state that the run has now."""
    errors: list[Fault] | None = None
    """The states that were refused, and why."""


class JSONSerializer(Model, kw_only=True, frozen=True, tag_field="type", tag="JSONSerializer"):
    """Written as JSON in UTF-8."""

    type: ClassVar[Literal["JSONSerializer"]] = "JSONSerializer"


class LocalResult(Model, kw_only=True, frozen=True, tag_field="type", tag="LocalResult"):
    """A file on the machine where the task ran, or on a shared disk."""

    digest: str | None
    """The digest of the stored result, such as `sha256:…`; null if it was not sent."""
    dir: str | None
    """The folder that `location` is relative to."""
    location: str | None
    """The location of the result within its storage; null if it was not written."""
    serializer: Serializer | None
    """How the result was serialized; null if unspecified, which means pickle."""
    size: int | None
    """The size of the stored result in bytes; null if it was not sent."""
    type: ClassVar[Literal["LocalResult"]] = "LocalResult"
    uri: str | None
    """The complete location as a URI, from type, storage, and location; null if there is none."""


class LogLine(Model, kw_only=True, frozen=True):
    """A log line of a flow run, or of one of its task runs."""

    flow_run_id: UUID
    """The id of the flow run."""
    id: UUID
    """The id of the line."""
    level: str
    """The level of the line. Lines that engines of Prefect 1 sent can have levels of their own."""
    message: str | None
    """The text of the line; null if none was sent."""
    name: str | None
    """The name of the logger; null if none was sent."""
    task_run_id: UUID | None
    """The id of the task run that wrote the line; null if the flow run itself wrote it."""
    timestamp: Timestamp
    """The time of the line."""


class LogLineReport(Model, kw_only=True, frozen=True):
    """A log line of a flow run, or of one of its task runs.

    Generate an `id` for every line: a line that you repeat with the same id is recorded once.
    """

    id: UUID
    """An id that you generate, unique for every line."""
    message: str
    """The text of the line."""
    level: LogLevel | Unset = UNSET
    """The level of the line. Default: `"INFO"`."""
    name: str | None | Unset = UNSET
    """The name of the logger."""
    task_run_id: UUID | None | Unset = UNSET
    """The id of the task run that wrote the line; null if the flow run itself wrote it."""
    timestamp: Timestamp | Unset = UNSET
    """The time of the line, with an offset. Default: the time when the report arrives."""


class LogLineReportDict(TypedDict):
    """A `LogLineReport` as a dict."""

    id: UUID | str
    """An id that you generate, unique for every line."""
    message: str
    """The text of the line."""
    level: NotRequired[LogLevel | str]
    """The level of the line. Default: `"INFO"`."""
    name: NotRequired[str | None]
    """The name of the logger."""
    task_run_id: NotRequired[UUID | None]
    """The id of the task run that wrote the line; null if the flow run itself wrote it."""
    timestamp: NotRequired[datetime | str]
    """The time of the line, with an offset. Default: the time when the report arrives."""


class LogLineReports(Model, kw_only=True, frozen=True):
    """The log lines of one flow run to report."""

    items: list[LogLineReport]


class LogPage(Model, kw_only=True, frozen=True):
    """A page of log lines, with the cursor of the next page."""

    items: list[LogLine]
    next_cursor: str | None
    """The cursor of the next page; null on the last page."""


class LogReceipt(Model, kw_only=True, frozen=True):
    """How many log lines a report had, and how many of them were new."""

    received: int
    """The number of lines in the request."""
    recorded: int
    """The number of lines that were recorded; the ids of the others were known."""


class LogsEvent(Model, kw_only=True, frozen=True):
    """The data of a `logs` event: new log lines of the flow run."""

    items: list[LogLine]
    """The lines, at most 200, oldest first."""


class Measures(Model, kw_only=True, frozen=True):
    """The requested measures.

    Durations, run times and queue times are in seconds. A measure is null if no run has a value.
    """

    avg_duration: float | None = NOT_CHOSEN
    avg_queue_time: float | None = NOT_CHOSEN
    avg_run_time: float | None = NOT_CHOSEN
    first_end_time: Timestamp | None = NOT_CHOSEN
    first_start_time: Timestamp | None = NOT_CHOSEN
    last_end_time: Timestamp | None = NOT_CHOSEN
    max_duration: float | None = NOT_CHOSEN
    max_queue_time: float | None = NOT_CHOSEN
    max_run_time: float | None = NOT_CHOSEN
    min_duration: float | None = NOT_CHOSEN
    min_queue_time: float | None = NOT_CHOSEN
    min_run_time: float | None = NOT_CHOSEN
    p50_duration: float | None = NOT_CHOSEN
    p50_queue_time: float | None = NOT_CHOSEN
    p50_run_time: float | None = NOT_CHOSEN
    p95_duration: float | None = NOT_CHOSEN
    p95_queue_time: float | None = NOT_CHOSEN
    p95_run_time: float | None = NOT_CHOSEN
    p99_duration: float | None = NOT_CHOSEN
    p99_queue_time: float | None = NOT_CHOSEN
    p99_run_time: float | None = NOT_CHOSEN
    sum_duration: float | None = NOT_CHOSEN
    sum_queue_time: float | None = NOT_CHOSEN
    sum_run_time: float | None = NOT_CHOSEN


class NowEvent(Model, kw_only=True, frozen=True):
    """The data of a `now` event: all runs at a glance."""

    counts: dict[str, int]
    """The number of task runs in each state."""
    failures: list[TaskRun]
    """The newest failed task runs, at most 20, newest first."""
    newest_flow_run_created: Timestamp | None
    """The time when the newest flow run was created; null if there is none."""
    running_flow_runs: int
    """The number of running flow runs."""


class PandasSerializer(Model, kw_only=True, frozen=True, tag_field="type", tag="PandasSerializer"):
    """A pandas DataFrame, written as a file of this type."""

    file_type: str | None
    """The file type, such as `csv` or `parquet`."""
    type: ClassVar[Literal["PandasSerializer"]] = "PandasSerializer"


class PickleSerializer(Model, kw_only=True, frozen=True, tag_field="type", tag="PickleSerializer"):
    """Written with cloudpickle. Load it only if you trust its author."""

    type: ClassVar[Literal["PickleSerializer"]] = "PickleSerializer"


class PrefectResult(Model, kw_only=True, frozen=True, tag_field="type", tag="PrefectResult"):
    """A value that was deliberately sent to the service: `location` is the value itself, as JSON text."""

    digest: str | None
    """The digest of the stored result, such as `sha256:…`; null if it was not sent."""
    location: str | None
    """The location of the result within its storage; null if it was not written."""
    serializer: Serializer | None
    """How the result was serialized; null if unspecified, which means pickle."""
    size: int | None
    """The size of the stored result in bytes; null if it was not sent."""
    type: ClassVar[Literal["PrefectResult"]] = "PrefectResult"
    uri: str | None
    """The complete location as a URI, from type, storage, and location; null if there is none."""


class Previous(Model, kw_only=True, frozen=True):
    """What the same window some time before has."""

    count: int
    """The number of runs; 0 if there are none."""
    measures: Measures


class Problem(Model, kw_only=True, frozen=True):
    """A problem (RFC 9457). `code` is for programs, `detail` is for people."""

    code: str
    """The code. Later versions can add codes."""
    detail: str
    """What went wrong, and what to do about it."""
    instance: str
    """The path of the request."""
    request_id: str
    """The id of the request, which is also in the log and in X-Request-Id."""
    status: int
    """The HTTP status."""
    title: str
    """The code in words."""
    type: str
    """A URI that identifies the code."""
    current_run: CurrentRun | None = None
    """The version and the state that the run has now."""
    errors: list[Fault] | None = None
    """The faults of the request and their places."""
    limit: int | None = None
    """The limit that the request exceeds."""


class Readiness(Model, kw_only=True, frozen=True):
    """Whether the service is ready."""

    status: str
    """`ok`."""
    version: str
    """The version of the service."""
    warnings: list[str]
    """A sentence for each database setting that can lose acknowledged changes."""


class ResyncEvent(Model, kw_only=True, frozen=True):
    """The data of a `resync` event, after which the stream ends: load everything, then open a stream again."""

    reason: ResyncReason
    """Why the stream does not continue."""
    sequence: int
    """The `after_sequence` of the next stream, once everything is loaded."""


class S3Result(Model, kw_only=True, frozen=True, tag_field="type", tag="S3Result"):
    """An object in a bucket of Amazon S3 or a compatible store."""

    bucket: str | None
    """The bucket."""
    digest: str | None
    """The digest of the stored result, such as `sha256:…`; null if it was not sent."""
    location: str | None
    """The location of the result within its storage; null if it was not written."""
    serializer: Serializer | None
    """How the result was serialized; null if unspecified, which means pickle."""
    size: int | None
    """The size of the stored result in bytes; null if it was not sent."""
    type: ClassVar[Literal["S3Result"]] = "S3Result"
    uri: str | None
    """The complete location as a URI, from type, storage, and location; null if there is none."""


class SearchHit(Model, kw_only=True, frozen=True):
    """A flow, a task, a flow run or a task run that was found."""

    created: Timestamp | None
    """The time when the service created the run; null for a flow and a task."""
    flow_name: str | None
    """The name of the flow of the run; null for a task."""
    flow_run_id: UUID | None
    """The id of the flow run; null for a flow and a task."""
    flow_run_name: str | None
    """The name of the flow run; null for a flow and a task."""
    id: UUID | None
    """The id of the run; null for a flow, which is known by its name, and a task, by its slug."""
    kind: HitKind
    map_index: int | None
    """The map index of a task run; otherwise null."""
    name: str
    """The name of the flow or of the run, or the slug of the task; of a task run without a name of its own, its
    task slug.
    """
    state: StateType | None
    """The state of the run; null for a flow and a task."""


class SearchHits(Model, kw_only=True, frozen=True):
    """What a search found, by kind."""

    items: list[SearchHit]
    """Flows, tasks, flow runs and task runs, in this order."""
    truncated: bool
    """Whether there is more that matches."""


class SecretResult(Model, kw_only=True, frozen=True, tag_field="type", tag="SecretResult"):
    """A secret: `location` is its name. The service never holds its value."""

    digest: str | None
    """The digest of the stored result, such as `sha256:…`; null if it was not sent."""
    location: str | None
    """The location of the result within its storage; null if it was not written."""
    serializer: Serializer | None
    """How the result was serialized; null if unspecified, which means pickle."""
    size: int | None
    """The size of the stored result in bytes; null if it was not sent."""
    type: ClassVar[Literal["SecretResult"]] = "SecretResult"
    uri: str | None
    """The complete location as a URI, from type, storage, and location; null if there is none."""


class State(Model, kw_only=True, frozen=True):
    """One entry in a run's history."""

    details: dict[str, Any] | None
    """Data that only some types have, as sent: `start_time` of Scheduled and Retrying is the time when the run is
    due; `traceback` of Failed and Retrying is the formatted traceback of the error.
    """
    id: UUID
    """The id of the state."""
    is_late: bool
    """Whether the state arrived late and never became the current state."""
    message: str | None
    """A human-readable message."""
    received: Timestamp
    """The time when the service received the state."""
    result: dict[str, Any] | None
    """The reference to the result, as sent."""
    sequence: int
    """The number of the latest change among all changes of the flow run, starting at 1."""
    timestamp: Timestamp
    """The time when the run entered the state."""
    type: StateType
    """The type of the state."""
    version: int | None
    """The version of the run after this state; null for a late state."""


class StateCreate(Model, kw_only=True, frozen=True):
    """A state that a run has entered.

    Generate an `id` for every state: a report that you repeat with the same id is recorded once.
    """

    type: StateType
    """The type of the state."""
    details: dict[str, Any] | Unset = UNSET
    """Data that only some types of state have, stored as sent: `start_time` of Scheduled and Retrying is the time
    when the run is due; `traceback` of Failed and Retrying is the formatted traceback of the error. Default:
    `{}`.
    """
    expected_version: int | Unset = UNSET
    """Record the state only if the run still has this version; otherwise the status is 412."""
    force: bool | Unset = UNSET
    """Record the state even if the run is finished and this state would reopen it. Default: `false`."""
    id: UUID | Unset = UNSET
    """An id that you generate, unique for every state."""
    message: str | None | Unset = UNSET
    """A human-readable message."""
    result: dict[str, Any] | None | Unset = UNSET
    """A reference to the result, never the result itself: its `type`, where it is stored, and how."""
    timestamp: Timestamp | Unset = UNSET
    """The time when the run entered the state, with an offset. Default: the time when the report arrives."""


class StateCreateDict(TypedDict):
    """A `StateCreate` as a dict."""

    type: StateType | str
    """The type of the state."""
    details: NotRequired[dict[str, Any]]
    """Data that only some types of state have, stored as sent: `start_time` of Scheduled and Retrying is the time
    when the run is due; `traceback` of Failed and Retrying is the formatted traceback of the error. Default:
    `{}`.
    """
    expected_version: NotRequired[int]
    """Record the state only if the run still has this version; otherwise the status is 412."""
    force: NotRequired[bool]
    """Record the state even if the run is finished and this state would reopen it. Default: `false`."""
    id: NotRequired[UUID | str]
    """An id that you generate, unique for every state."""
    message: NotRequired[str | None]
    """A human-readable message."""
    result: NotRequired[dict[str, Any] | None]
    """A reference to the result, never the result itself: its `type`, where it is stored, and how."""
    timestamp: NotRequired[datetime | str]
    """The time when the run entered the state, with an offset. Default: the time when the report arrives."""


class StatePage(Model, kw_only=True, frozen=True):
    """A page of states, oldest first, with the cursor of the next page."""

    items: list[State]
    next_cursor: str | None
    """The cursor of the next page; null on the last page."""


class TaskRun(Model, kw_only=True, frozen=True):
    """One run of a task in a flow run."""

    created: Timestamp
    """The time when the service created the run."""
    duration: float | None
    """The seconds from start to end."""
    end_time: Timestamp | None
    """The time when the run entered its current state, if that state is finished."""
    flow_id: UUID
    """The id of the flow."""
    flow_name: str
    """The name of the flow."""
    flow_run_id: UUID
    """The id of the flow run."""
    flow_run_name: str
    """The name of the flow run. Renaming the flow run does not change `version`."""
    has_result: bool
    """Whether the current state has a stored result."""
    id: UUID
    """The id of the task run."""
    map_index: int
    """The index of the item for a child of a mapped task run, starting at 0; otherwise -1."""
    name: str | None
    """The name of the task run; null if it has none."""
    queue_time: float | None
    """The seconds from the earliest state to the start."""
    run_count: int
    """The number of times the run was Running."""
    run_time: float | None
    """The seconds spent running, without the waits for retries, pauses and restarts: the sum of the attempts that
    have ended; null until one has. A mapped parent has the sum of its children.
    """
    sequence: int
    """The number of the latest change among all changes of the flow run, starting at 1."""
    start_time: Timestamp | None
    """The time when the run was first Running."""
    state: StateType
    """The type of the current state; Pending until a state is reported."""
    state_message: str | None
    """The message of the current state."""
    state_timestamp: Timestamp | None
    """The time when the run entered its current state."""
    tags: list[str]
    """The tags of the task run."""
    task_id: UUID
    """The id of the task, which is the same in every run of the flow."""
    task_name: str
    """The name of the task, which its copies in the flow share: say_hello-1 and say_hello-2 are both named
    say_hello.
    """
    task_slug: str
    """The slug that identifies the task within its flow."""
    updated: Timestamp
    """The time when the service last changed the run."""
    version: int
    """The number of state changes. The ETag is `version`, a dot, and `sequence`."""


class TaskRunAttempt(Model, kw_only=True, frozen=True):
    """One attempt of a task run: from a Running state to the state that ended it."""

    duration: float | None
    """The seconds from start to end; null while the attempt goes on."""
    end_time: Timestamp | None
    """The time when the attempt ended; null while it goes on."""
    is_current: bool
    """Whether the task run is in this attempt or ended with it. While it waits for another attempt, none is the
    current one.
    """
    message: str | None
    """The message of that state."""
    number: int
    """The number of the attempt, starting at 1."""
    start_time: Timestamp
    """The time when the attempt began, with a Running state."""
    state: StateType
    """The type of the state that ended the attempt, such as Success, Failed, Retrying or Paused. Of an attempt
    that goes on, or that another Running state ended: the type of the last state it was in.
    """


class TaskRunAttempts(Model, kw_only=True, frozen=True):
    """The attempts of a task run, in their order. A task run that was never Running has none."""

    items: list[TaskRunAttempt]
    """The attempts, the oldest first; empty if the task run was never Running."""
    run_time: float
    """The seconds spent in these attempts, without the waits between them; an attempt counts when it has ended."""
    task_run_id: UUID
    """The id of the task run."""
    truncated: bool
    """Whether the history has more than 1,000 states; the attempts are those of the oldest 1,000."""


class TaskRunFields(Model, kw_only=True, frozen=True):
    """A task run with the members that `fields` names."""

    created: Timestamp = NOT_CHOSEN
    """The time when the service created the run."""
    duration: float | None = NOT_CHOSEN
    """The seconds from start to end."""
    end_time: Timestamp | None = NOT_CHOSEN
    """The time when the run entered its current state, if that state is finished."""
    flow_id: UUID = NOT_CHOSEN
    """The id of the flow."""
    flow_name: str = NOT_CHOSEN
    """The name of the flow."""
    flow_run_id: UUID = NOT_CHOSEN
    """The id of the flow run."""
    flow_run_name: str = NOT_CHOSEN
    """The name of the flow run. Renaming the flow run does not change `version`."""
    has_result: bool = NOT_CHOSEN
    """Whether the current state has a stored result."""
    id: UUID = NOT_CHOSEN
    """The id of the task run."""
    map_index: int = NOT_CHOSEN
    """The index of the item for a child of a mapped task run, starting at 0; otherwise -1."""
    name: str | None = NOT_CHOSEN
    """The name of the task run; null if it has none."""
    queue_time: float | None = NOT_CHOSEN
    """The seconds from the earliest state to the start."""
    run_count: int = NOT_CHOSEN
    """The number of times the run was Running."""
    run_time: float | None = NOT_CHOSEN
    """The seconds spent running, without the waits for retries, pauses and restarts: the sum of the attempts that
    have ended; null until one has. A mapped parent has the sum of its children.
    """
    sequence: int = NOT_CHOSEN
    """The number of the latest change among all changes of the flow run, starting at 1."""
    start_time: Timestamp | None = NOT_CHOSEN
    """The time when the run was first Running."""
    state: StateType = NOT_CHOSEN
    """The type of the current state; Pending until a state is reported."""
    state_message: str | None = NOT_CHOSEN
    """The message of the current state."""
    state_timestamp: Timestamp | None = NOT_CHOSEN
    """The time when the run entered its current state."""
    tags: list[str] = NOT_CHOSEN
    """The tags of the task run."""
    task_id: UUID = NOT_CHOSEN
    """The id of the task, which is the same in every run of the flow."""
    task_name: str = NOT_CHOSEN
    """The name of the task, which its copies in the flow share: say_hello-1 and say_hello-2 are both named
    say_hello.
    """
    task_slug: str = NOT_CHOSEN
    """The slug that identifies the task within its flow."""
    updated: Timestamp = NOT_CHOSEN
    """The time when the service last changed the run."""
    version: int = NOT_CHOSEN
    """The number of state changes. The ETag is `version`, a dot, and `sequence`."""


class TaskRunFieldsPage(Model, kw_only=True, frozen=True):
    """A page of task runs with the members that `fields` names, with the cursor of the next page."""

    items: list[TaskRunFields]
    next_cursor: str | None
    """The cursor of the next page; null on the last page."""


class TaskRunNeighbour(Model, kw_only=True, frozen=True):
    """A task run beside another one."""

    duration: float | None
    """The seconds from start to end."""
    flow_run_id: UUID
    """The id of the flow run."""
    flow_run_name: str
    """The name of its flow run."""
    id: UUID
    """The id of the task run."""
    map_index: int
    """The index of the item for a child of a mapped task run, starting at 0; otherwise -1."""
    start_time: Timestamp | None
    """The time when the run was first Running."""
    state: StateType
    """The type of the current state; Pending until a state is reported."""
    task_slug: str
    """The slug that identifies the task within its flow."""


class TaskRunNeighbours(Model, kw_only=True, frozen=True):
    """The task runs beside a task run."""

    downstream: list[TaskRunNeighbour]
    """The task runs of the same flow run that depend on this one, by slug. Of a mapped task downstream, it is the
    child of the same item, or otherwise the mapped parent.
    """
    earlier_task_runs: list[TaskRunNeighbour]
    """The task runs with the same slug and map index in flow runs of the same flow that were created earlier, the
    latest first: those among the last 100 flow runs of this version of the flow and of each of the 9 versions
    before it.
    """
    mapped_parent: TaskRunNeighbour | None
    """The mapped parent of a child; null for all other task runs."""
    next_child: TaskRunNeighbour | None
    """Of a mapped child: the child with the next higher map index; null if there is none."""
    previous_child: TaskRunNeighbour | None
    """Of a mapped child: the child with the next lower map index; null if there is none."""
    task_run_id: UUID
    """The id of the task run."""
    truncated: bool
    """Whether there are more than 100 tasks upstream or downstream."""
    upstream: list[TaskRunNeighbour]
    """The task runs of the same flow run that this one depends on, by slug. Only flows that were registered have
    edges.
    """


class TaskRunPage(Model, kw_only=True, frozen=True):
    """A page of task runs, with the cursor of the next page."""

    items: list[TaskRun]
    next_cursor: str | None
    """The cursor of the next page; null on the last page."""


class TaskRunReceipt(Model, kw_only=True, frozen=True):
    """The outcome of one item."""

    index: int
    """The index of the item in the request, starting at 0."""
    outcome: str
    """`created`, `existing`, `recorded`, `late` (added to the history only, because a newer state was known),
    `duplicate` (already recorded), or `refused` (see `problem`).
    """
    problem: ItemProblem | None
    """Why the item was refused; null if it was accepted."""
    state: StateType | None
    """The type of the task run's current state."""
    task_run_id: UUID | None
    """The id of the task run; null if there is none."""
    version: int | None
    """The current version of the task run."""


class TaskRunReceipts(Model, kw_only=True, frozen=True):
    """The outcomes of the items, in the order of the request."""

    items: list[TaskRunReceipt]


class TaskRunReport(Model, kw_only=True, frozen=True):
    """A task run, identified by its natural key. It is created if it is new, and then enters these states."""

    task_slug: str
    """The slug that identifies the task within its flow."""
    id: UUID | Unset = UNSET
    """The id for a new task run: a version 7 UUID whose third group ends with the same three digits as the third
    group of the flow run's id. Default: the service generates one.
    """
    map_index: int | Unset = UNSET
    """The index of the item for a child of a mapped task run, starting at 0; otherwise -1. Default: `-1`."""
    name: str | None | Unset = UNSET
    """The name for a new task run."""
    states: list[StateCreate] | Unset = UNSET
    """The states that it has entered, in order. Default: `[]`."""
    tags: list[str] | Unset = UNSET
    """The tags for a new task run. Default: `[]`."""
    task_name: str | Unset = UNSET
    """The name of the task. Default: its slug without the number of the copy (`-1`)."""


class TaskRunReportDict(TypedDict):
    """A `TaskRunReport` as a dict."""

    task_slug: str
    """The slug that identifies the task within its flow."""
    id: NotRequired[UUID | str]
    """The id for a new task run: a version 7 UUID whose third group ends with the same three digits as the third
    group of the flow run's id. Default: the service generates one.
    """
    map_index: NotRequired[int]
    """The index of the item for a child of a mapped task run, starting at 0; otherwise -1. Default: `-1`."""
    name: NotRequired[str | None]
    """The name for a new task run."""
    states: NotRequired[Sequence[StateCreate | StateCreateDict]]
    """The states that it has entered, in order. Default: `[]`."""
    tags: NotRequired[Sequence[str]]
    """The tags for a new task run. Default: `[]`."""
    task_name: NotRequired[str]
    """The name of the task. Default: its slug without the number of the copy (`-1`)."""


class TaskRunReports(Model, kw_only=True, frozen=True):
    """The task runs of one flow run to report."""

    items: list[TaskRunReport]


class TaskRunResult(Model, kw_only=True, frozen=True):
    """The location of a task run's result or, for a mapped parent, of the results of its children."""

    children: list[ChildResult] | None
    """The children of a mapped parent, by map index; null for other task runs."""
    next_cursor: str | None
    """The cursor of the next page of children; null on the last page."""
    reference: ResultReference | None
    """Where the result is; null for a mapped parent."""
    state: StateType
    """The type of the current state; Pending until a state is reported."""
    task_run_id: UUID
    """The id of the task run."""


class TaskRunStateReceipt(Model, kw_only=True, frozen=True):
    """The outcome of a report of a task run's state."""

    id: UUID
    """The id of the state."""
    outcome: str
    """`created`, `existing`, `recorded`, `late` (added to the history only, because a newer state was known),
    `duplicate` (already recorded), or `refused` (see `problem`).
    """
    state: StateType
    """The type of the current state; Pending until a state is reported."""
    task_run_id: UUID
    """The id of the task run."""
    version: int
    """The number of state changes."""


class TaskRunStateReport(Model, kw_only=True, frozen=True):
    """A state that one task run has entered."""

    task_run_id: UUID
    """The id of the task run."""
    type: StateType
    """The type of the state."""
    details: dict[str, Any] | Unset = UNSET
    """Data that only some types of state have, stored as sent: `start_time` of Scheduled and Retrying is the time
    when the run is due; `traceback` of Failed and Retrying is the formatted traceback of the error. Default:
    `{}`.
    """
    expected_version: int | Unset = UNSET
    """Record the state only if the run still has this version; otherwise the status is 412."""
    force: bool | Unset = UNSET
    """Record the state even if the run is finished and this state would reopen it. Default: `false`."""
    id: UUID | Unset = UNSET
    """An id that you generate, unique for every state."""
    message: str | None | Unset = UNSET
    """A human-readable message."""
    result: dict[str, Any] | None | Unset = UNSET
    """A reference to the result, never the result itself: its `type`, where it is stored, and how."""
    timestamp: Timestamp | Unset = UNSET
    """The time when the run entered the state, with an offset. Default: the time when the report arrives."""


class TaskRunStateReportDict(TypedDict):
    """A `TaskRunStateReport` as a dict."""

    task_run_id: UUID | str
    """The id of the task run."""
    type: StateType | str
    """The type of the state."""
    details: NotRequired[dict[str, Any]]
    """Data that only some types of state have, stored as sent: `start_time` of Scheduled and Retrying is the time
    when the run is due; `traceback` of Failed and Retrying is the formatted traceback of the error. Default:
    `{}`.
    """
    expected_version: NotRequired[int]
    """Record the state only if the run still has this version; otherwise the status is 412."""
    force: NotRequired[bool]
    """Record the state even if the run is finished and this state would reopen it. Default: `false`."""
    id: NotRequired[UUID | str]
    """An id that you generate, unique for every state."""
    message: NotRequired[str | None]
    """A human-readable message."""
    result: NotRequired[dict[str, Any] | None]
    """A reference to the result, never the result itself: its `type`, where it is stored, and how."""
    timestamp: NotRequired[datetime | str]
    """The time when the run entered the state, with an offset. Default: the time when the report arrives."""


class TaskRunStateReports(Model, kw_only=True, frozen=True):
    """The states of any task runs to report."""

    items: list[TaskRunStateReport]


class TaskRunUpdate(Model, kw_only=True, frozen=True):
    """Changes to a task run. Members that are not sent keep their values."""

    expected_version: int | Unset = UNSET
    """Change the task run only if it still has this version."""
    name: str | None | Unset = UNSET
    """The new name; null removes the name."""
    tags: list[str] | Unset = UNSET
    """The new tags, which replace all current tags."""


class TaskRunsEvent(Model, kw_only=True, frozen=True):
    """The data of a `task_runs` event: all task runs that changed after one sequence, up to another."""

    from_: int = field(name="from")
    """The sequence after which the task runs changed."""
    items: list[TaskRun]
    """The task runs in their latest state, at most 1,000, in ascending order of `sequence`. With `fields`, they
    have only those members, `id` and `sequence`.
    """
    sequence: int
    """The sequence up to which all changes are included; the `id` of the event."""


class Timeline(Model, kw_only=True, frozen=True):
    """When the task runs of a flow run waited and ran, by task; tasks that began first come first."""

    bins: TimelineBins | None
    """The bins in which task runs are counted; null if they are shown."""
    epoch_time: Timestamp
    """The time from which times are counted: about when the flow run began."""
    flow_run_id: UUID
    """The id of the flow run."""
    sequence: int
    """The sequence of the flow run, which is the ETag. The task runs may be newer, but not older."""
    states: list[StateType]
    """The types of states, to which the columns `state` refer by their place."""
    tasks: list[TimelineTask]
    """The tasks."""
    truncated: bool
    """Whether the window has more than 200,000 task runs, which are then counted in bins, or more than 10,000
    tasks, of which those that began first are shown. To see all, choose a smaller window.
    """


class TimelineBins(Model, kw_only=True, frozen=True):
    """The bins of a timeline, which are equally wide."""

    count: int
    """The number of bins."""
    first_ms: int
    """The beginning of the first bin, in milliseconds since `epoch_time`."""
    width_ms: int
    """The width of a bin in milliseconds."""


class TimelineCounts(Model, kw_only=True, frozen=True):
    """The task runs of a task, counted by bin and state, in columns; what is counted nothing in is not there."""

    bin: list[int]
    """The bin, starting at 0, in which the task runs started or, if they have not started, in which their earliest
    state was.
    """
    count: list[int]
    """The number of task runs."""
    state: list[int]
    """The place of the state in `states`."""


class TimelineSpans(Model, kw_only=True, frozen=True):
    """The task runs of a task, in columns: what a task run has is at the same place in each of them."""

    duration_ms: list[int | None]
    """The milliseconds from the start to the end or, if it ended without a start, from the earliest state to the
    end; null if it has not ended.
    """
    map_index: list[int]
    """The map index."""
    queued_ms: list[int | None]
    """The time of the earliest state, in milliseconds since `epoch_time`; null without a state."""
    run_count: list[int] | None
    """The number of times it was Running; null if no task run of the task was so more than once."""
    state: list[int]
    """The place of the state in `states`."""
    wait_ms: list[int | None]
    """The milliseconds from the earliest state to the start; null if it has not started."""


class TimelineTask(Model, kw_only=True, frozen=True):
    """A task of a timeline: either the spans of its task runs, or their counts."""

    counts: TimelineCounts | None
    """The counts of the task runs, if there are too many."""
    spans: TimelineSpans | None
    """The task runs, if there are few enough."""
    task_run_id: UUID | None
    """The id of the task run with the map index -1: the only one, or the mapped parent. Null if it is not shown."""
    task_slug: str
    """The slug that identifies the task within its flow."""


ResultReference: TypeAlias = (
    LocalResult | S3Result | GCSResult | AzureResult | PrefectResult | ConstantResult | SecretResult | CustomResult
)
Serializer: TypeAlias = (
    PickleSerializer | JSONSerializer | DateTimeSerializer | PandasSerializer | CompressedSerializer | CustomSerializer
)
