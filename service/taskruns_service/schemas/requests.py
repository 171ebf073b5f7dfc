"""What clients send: checked strictly, member by member."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from taskruns_service.domain import results
from taskruns_service.domain.ids import new_id
from taskruns_service.domain.json_values import JsonObject
from taskruns_service.domain.runs import Report
from taskruns_service.domain.states import StateType
from taskruns_service.schemas.common import (
    BULK_ITEMS,
    FLOW_RUN_EXAMPLE,
    JSON_DEPTH,
    MESSAGE_LENGTH,
    STATE_BYTES,
    STATE_EXAMPLE,
    TASK_RUN_EXAMPLE,
    TRACEBACK_EXAMPLE,
    MapIndex,
    NameText,
    Parameters,
    Slug,
    Tags,
    TaskRunId,
    Timestamp,
)

_NESTING = (dict, list)  # made once: every report of a state is looked at


def check_depth(value: JsonObject | list[object], levels: int = JSON_DEPTH) -> None:
    """Refuses JSON that nests deeper than databases and other clients can follow."""
    if levels == 0:
        raise ValueError(f"JSON can nest at most {JSON_DEPTH} levels deep")
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, _NESTING):
            check_depth(child, levels - 1)


def check_timestamp(moment: datetime) -> None:
    """Refuses a time that databases and clients cannot keep and count from."""
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        utc = datetime.max.replace(tzinfo=UTC)
    if not 1970 <= utc.year < 9999:
        raise ValueError("timestamps must be between the years 1970 and 9998 (UTC)")


def expected_version(of_header: int | None, of_body: int | UnsetType) -> int | None:
    """The version that a run must have for both If-Match and `expected_version`; one that none has if they differ."""
    if of_body is UNSET:
        return of_header
    return of_body if of_header in (None, of_body) else -1


class StateCreate(Struct, forbid_unknown_fields=True, kw_only=True):
    """A state that a run has entered.

    Generate an `id` for every state: a report that you repeat with the same id is recorded once.
    """

    type: Annotated[StateType, Meta(description="The type of the state.")]
    id: Annotated[
        UUID | UnsetType, Meta(description="An id that you generate, unique for every state.", examples=[STATE_EXAMPLE])
    ] = UNSET
    message: Annotated[
        Annotated[str, Meta(max_length=MESSAGE_LENGTH)] | None,
        Meta(description="A human-readable message.", examples=["Task run succeeded."]),
    ] = None
    timestamp: Annotated[
        Timestamp | UnsetType,
        Meta(
            description="The time when the run entered the state, with an offset. Default: the time when the report "
            "arrives."
        ),
    ] = UNSET
    result: Annotated[
        JsonObject | None,
        Meta(
            description="A reference to the result, never the result itself: its `type`, where it is stored, and how.",
            examples=[{"type": "LocalResult", "dir": "/data/results", "location": "8e44/name.json"}],
            # Its `type` is checked too, but generators would make a class of an object with one known member.
            extra_json_schema={"additionalProperties": True, "minProperties": 1},
        ),
    ] = None
    details: Annotated[
        JsonObject,
        Meta(
            description="Data that only some types of state have, stored as sent: `start_time` of Scheduled and "
            "Retrying is the time when the run is due; `traceback` of Failed and Retrying is the formatted traceback "
            "of the error.",
            examples=[TRACEBACK_EXAMPLE],
        ),
    ] = {}
    expected_version: Annotated[
        Annotated[int, Meta(ge=0, le=2**31 - 1)] | UnsetType,
        Meta(description="Record the state only if the run still has this version; otherwise the status is 412."),
    ] = UNSET
    force: Annotated[
        bool, Meta(description="Record the state even if the run is finished and this state would reopen it.")
    ] = False

    def __post_init__(self) -> None:
        if self.timestamp is not UNSET:
            check_timestamp(self.timestamp)
        if self.result is not None:
            check_depth(self.result)
            results.check_reference(self.result)
        if self.details:
            check_depth(self.details)
        if (self.result or self.details) and len(msgspec.json.encode(self)) > STATE_BYTES:
            raise ValueError(f"a state can have at most {STATE_BYTES} bytes")

    def report(self, *, matched_version: int | None = None, matched_sequence: int | None = None) -> Report:
        """The state as `states.advance` reads it, with an id in any case; the arguments come from If-Match."""
        return Report(
            id=new_id() if self.id is UNSET else self.id,
            id_is_new=self.id is UNSET,
            type=self.type,
            timestamp=None if self.timestamp is UNSET else self.timestamp,
            message=self.message,
            result=self.result,
            details=self.details,
            expected_version=expected_version(matched_version, self.expected_version),
            expected_sequence=matched_sequence,
            # A Crashed state gives way to all others: nobody can insist that nothing was heard.
            force=self.force and self.type is not StateType.Crashed,
        )


class FlowRunCreate(Struct, forbid_unknown_fields=True, kw_only=True):
    """A flow run to create, or to find by `id` or `idempotency_key` if it exists."""

    flow_name: Annotated[
        NameText, Meta(description="The name of the flow, which is created if it is new.", examples=["example-mapped"])
    ]
    id: Annotated[
        UUID | UnsetType,
        Meta(description="An id that you generate. Default: the service generates one.", examples=[FLOW_RUN_EXAMPLE]),
    ] = UNSET
    name: Annotated[NameText | UnsetType, Meta(description="The name of the run. Default: a generated name.")] = UNSET
    parameters: Parameters | UnsetType = UNSET
    labels: Annotated[Tags | UnsetType, Meta(description="The labels of the flow run.", examples=[["prod"]])] = UNSET
    context: Annotated[JsonObject | UnsetType, Meta(description="The context of the flow run: any JSON object.")] = (
        UNSET
    )
    idempotency_key: Annotated[
        NameText | UnsetType,
        Meta(
            description="A key that identifies the flow run: a second request with this key for the same flow returns "
            "the same flow run."
        ),
    ] = UNSET
    parent_task_run_id: Annotated[
        UUID | UnsetType,
        Meta(
            description="The id of the task run that starts the flow run. It need not have been reported yet.",
            examples=[TASK_RUN_EXAMPLE],
        ),
    ] = UNSET

    def __post_init__(self) -> None:
        for value in (self.parameters, self.context):
            if value is not UNSET:
                check_depth(value)


class TaskRunReport(Struct, forbid_unknown_fields=True, kw_only=True):
    """A task run, identified by its natural key. It is created if it is new, and then enters these states."""

    task_slug: Slug
    map_index: MapIndex = -1
    id: Annotated[
        UUID | UnsetType,
        Meta(
            description="The id for a new task run: a version 7 UUID whose third group ends with the same three digits "
            "as the third group of the flow run's id. Default: the service generates one.",
            examples=[TASK_RUN_EXAMPLE],
        ),
    ] = UNSET
    task_name: Annotated[
        NameText | UnsetType,
        Meta(description="The name of the task. Default: its slug without the number of the copy (`-1`)."),
    ] = UNSET
    name: Annotated[NameText | None, Meta(description="The name for a new task run.")] = None
    tags: Annotated[Tags, Meta(description="The tags for a new task run.", examples=[["etl"]])] = []
    states: Annotated[
        list[StateCreate], Meta(max_length=BULK_ITEMS, description="The states that it has entered, in order.")
    ] = []


class TaskRunReports(Struct, forbid_unknown_fields=True, kw_only=True):
    """The task runs of one flow run to report."""

    items: Annotated[list[TaskRunReport], Meta(min_length=1, max_length=BULK_ITEMS)]


class TaskRunStateReport(StateCreate, forbid_unknown_fields=True, kw_only=True):
    """A state that one task run has entered."""

    task_run_id: TaskRunId


class TaskRunStateReports(Struct, forbid_unknown_fields=True, kw_only=True):
    """The states of any task runs to report."""

    items: Annotated[list[TaskRunStateReport], Meta(min_length=1, max_length=BULK_ITEMS)]


class TaskRunUpdate(Struct, forbid_unknown_fields=True, kw_only=True):
    """Changes to a task run. Members that are not sent keep their values."""

    name: Annotated[NameText | None | UnsetType, Meta(description="The new name; null removes the name.")] = UNSET
    tags: Annotated[Tags | UnsetType, Meta(description="The new tags, which replace all current tags.")] = UNSET
    expected_version: Annotated[
        Annotated[int, Meta(ge=0, le=2**31 - 1)] | UnsetType,
        Meta(description="Change the task run only if it still has this version."),
    ] = UNSET
