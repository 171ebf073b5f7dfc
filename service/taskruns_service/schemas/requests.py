"""What clients send: checked strictly, member by member."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from taskruns_service.domain import results
from taskruns_service.domain.ids import new_id
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
    MapIndex,
    NameText,
    Parameters,
    Slug,
    Tags,
    TaskRunId,
    Timestamp,
)

_NESTING = (dict, list)  # made once: every report of a state is looked at


def check_depth(value: Any, levels: int = JSON_DEPTH) -> None:
    """Refuses JSON that nests deeper than databases and other clients can follow."""
    if levels == 0:
        raise ValueError(f"JSON may nest {JSON_DEPTH} levels deep at most")
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, _NESTING):
            check_depth(child, levels - 1)


def _check_timestamp(moment: datetime) -> None:
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        utc = datetime.max.replace(tzinfo=UTC)
    if not 1970 <= utc.year < 9999:
        raise ValueError("timestamps lie between the years 1970 and 9998 (UTC)")


def expected_version(of_header: int | None, of_body: int | UnsetType) -> int | None:
    """The version that a run must have for both If-Match and `expected_version`; one that none has if they differ."""
    if of_body is UNSET:
        return of_header
    return of_body if of_header in (None, of_body) else -1


class StateCreate(Struct, forbid_unknown_fields=True, kw_only=True):
    """A state that a run has come to.

    Send an `id` of your own with every state: a report that is repeated with the same id is recorded once.
    """

    type: Annotated[StateType, Meta(description="The type of the state.")]
    id: Annotated[
        UUID | UnsetType, Meta(description="An id of your own, new for every state.", examples=[STATE_EXAMPLE])
    ] = UNSET
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
            description="A reference to the result, never the result itself: its `type`, and where and how it is kept.",
            examples=[{"type": "LocalResult", "dir": "/data/results", "location": "8e44/name.json"}],
            # Its `type` is checked too, but generators would make a class of an object with one known member.
            extra_json_schema={"additionalProperties": True, "minProperties": 1},
        ),
    ] = None
    details: Annotated[
        dict[str, Any],
        Meta(description="What only some types of state have, such as `start_time` of Scheduled; kept as given."),
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
            results.check_reference(self.result)
        if self.details:
            check_depth(self.details)
        if (self.result or self.details) and len(msgspec.json.encode(self)) > STATE_BYTES:
            raise ValueError(f"a state may have at most {STATE_BYTES} bytes")

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
            force=self.force,
        )


class FlowRunCreate(Struct, forbid_unknown_fields=True, kw_only=True):
    """A flow run to create, or to find again by `id` or by `idempotency_key`."""

    flow_name: Annotated[
        NameText, Meta(description="The name of the flow; it is made if it is new.", examples=["example-mapped"])
    ]
    id: Annotated[
        UUID | UnsetType,
        Meta(description="An id of your own; not sent: the service makes one.", examples=[FLOW_RUN_EXAMPLE]),
    ] = UNSET
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
    id: Annotated[
        UUID | UnsetType,
        Meta(
            description="An id of your own, if it is created: a UUID of version 7 whose third group has the last three "
            "digits of that of the flow run's id; not sent: the service makes one.",
            examples=[TASK_RUN_EXAMPLE],
        ),
    ] = UNSET
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
        Annotated[int, Meta(ge=0, le=2**31 - 1)] | UnsetType,
        Meta(description="Change it only if it still has this version."),
    ] = UNSET
