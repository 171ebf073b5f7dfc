"""Serialized flows, tasks and edges as Prefect 1 writes them: what is read of them, and checked for that."""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, NamedTuple, TypedDict, TypeVar, Unpack
from uuid import UUID

import msgspec
from msgspec import Meta, Struct, field

from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.prefect1.types import JsonObject
from taskruns_service.schemas import NAME_LENGTH
from taskruns_service.storage.dialects import decode_json, encode_json

S = TypeVar("S")

SERIALIZED_BYTES = 64 * 1024 * 1024
"""What a flow may have with all that is registered for it, in one request after another."""

_Name = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH)]
_UpToName = Annotated[str, Meta(max_length=NAME_LENGTH)]
_Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]


class _Labelled(Struct):
    labels: list[_UpToName] | None = None


class _Parameter(Struct):
    name: str
    required: bool | None = None


class _TaskName(Struct):
    slug: str


class _Trigger(Struct):
    fn: str | None = None


class SerializedFlow(Struct):
    """What is read of a flow."""

    name: _Name
    core_version: _UpToName | None = field(name="__version__", default=None)
    environment: _Labelled | None = None
    run_config: _Labelled | None = None
    storage: JsonObject | None = None
    parameters: list[_Parameter] | None = None
    reference_tasks: list[_TaskName] | None = None
    tasks: list[JsonObject] | None = None
    edges: list[JsonObject] | None = None


class SerializedTask(Struct):
    """What is read of a task."""

    slug: _Name
    name: _UpToName | None = None
    type: str | None = None
    description: str | None = None
    tags: list[str] | None = None
    max_retries: _Int32 | None = None
    retry_delay: float | None = None
    cache_key: str | None = None
    trigger: _Trigger | None = None
    auto_generated: bool | None = None


class SerializedEdge(Struct):
    """What is read of an edge."""

    upstream_task: _TaskName
    downstream_task: _TaskName
    key: _UpToName | None = None
    mapped: bool | None = None


class NewTask(NamedTuple):
    """A task to register, and as it was written."""

    task: SerializedTask
    serialized: JsonObject


class NewEdge(NamedTuple):
    """An edge to register, and as it was written."""

    edge: SerializedEdge
    serialized: JsonObject


class NewFlow(Struct, frozen=True, kw_only=True):
    """A flow to register, with or without its tasks and edges; `text` is as it was written."""

    project_id: UUID
    flow: SerializedFlow
    text: str
    members: JsonObject
    """What the flow's row has as it was written."""
    tasks: Sequence[NewTask] = ()
    edges: Sequence[NewEdge] = ()
    version_group_id: str | None = None
    description: str | None = None
    idempotency_key: str | None = None
    is_schedule_active: bool | None = None


class _Members(TypedDict):
    project_id: UUID
    version_group_id: str | None
    description: str | None
    idempotency_key: str | None
    is_schedule_active: bool | None


def read_flow(serialized: JsonObject, **members: Unpack[_Members]) -> NewFlow:
    """A flow to register; raises InvalidRequest for one that Prefect 1 would not write."""
    flow = _read(serialized, SerializedFlow, "serialized_flow")
    names = ("environment", "storage", "run_config", "parameters")
    return NewFlow(
        flow=flow,
        text=encode_json(serialized),
        members={name: serialized.get(name) for name in names},
        tasks=read_tasks(flow.tasks or ()),
        edges=read_edges(flow.edges or ()),
        **members,
    )


def read_tasks(serialized: Iterable[JsonObject]) -> list[NewTask]:
    """Tasks to register; raises InvalidRequest."""
    return [NewTask(_read(task, SerializedTask, "serialized_tasks"), task) for task in serialized]


def read_edges(serialized: Iterable[JsonObject]) -> list[NewEdge]:
    """Edges to register; raises InvalidRequest."""
    return [NewEdge(_read(edge, SerializedEdge, "serialized_edges"), edge) for edge in serialized]


def _read(value: object, type_: type[S], name: str) -> S:
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"`{name}` does not have the form that Prefect 1 writes: {error}.") from None


def merge(text: str | None, member: str, added: Sequence[JsonObject], name: Callable[[JsonObject], object]) -> str:
    """The text of a serialized flow with what is added to a member; what has the name of another stands for it."""
    serialized = decode_json(text) if text else {}
    merged = {name(item): item for item in [*(serialized.get(member) or ()), *added]}
    result = encode_json({**serialized, member: list(merged.values())})
    if len(result) > SERIALIZED_BYTES:
        raise InvalidRequest(f"A flow can have at most {SERIALIZED_BYTES} bytes, including its tasks and edges.")
    return result


def references_of(text: str | None) -> set[str]:
    """The slugs of the reference tasks in the text of a serialized flow."""
    serialized = decode_json(text) if text else {}
    return {slug_of(task) for task in serialized.get("reference_tasks") or ()}


def slug_of(task: JsonObject) -> str:
    """The slug of a serialized task."""
    return str(task["slug"])


def edge_of(edge: JsonObject) -> tuple[str, str, str | None]:
    """What a serialized edge is known by."""
    return slug_of(edge["upstream_task"]), slug_of(edge["downstream_task"]), edge.get("key")
