"""Runs with the members that `fields` names, and those names."""

from enum import StrEnum
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from taskruns_service.schemas.common import NextCursor
from taskruns_service.schemas.runs import FlowRunSummary, TaskRun


def _chosen(name: str, struct: type[Struct], doc: str) -> type[Struct]:
    """A Struct with the members of another, none of which must be there: what `fields=` answers with."""
    hints = msgspec.structs.fields(struct)
    fields_struct = msgspec.defstruct(
        name, [(hint.name, hint.type | UnsetType, UNSET) for hint in hints], frozen=True, kw_only=True, module=__name__
    )
    fields_struct.__doc__ = doc
    return fields_struct


def _names_of(name: str, struct: type[Struct], doc: str) -> type[StrEnum]:
    """The names of the members of a Struct: what `fields=` takes."""
    make: Any = StrEnum
    enumeration: type[StrEnum] = make(name, [(member, member) for member in struct.__struct_fields__], module=__name__)
    enumeration.__doc__ = doc
    return enumeration


TaskRunFields = _chosen("TaskRunFields", TaskRun, "A task run with the members that `fields` names.")
FlowRunFields = _chosen("FlowRunFields", FlowRunSummary, "A flow run with the members that `fields` names.")
TaskRunField = _names_of("TaskRunField", TaskRun, "The name of a member of a task run.")
FlowRunField = _names_of("FlowRunField", FlowRunSummary, "The name of a member of a flow run in lists.")


class TaskRunFieldsPage(Struct, frozen=True, kw_only=True):
    """A page of task runs with the members that `fields` names, with the cursor of the next page."""

    items: list[TaskRunFields]  # type: ignore[valid-type]
    next_cursor: NextCursor


class FlowRunFieldsPage(Struct, frozen=True, kw_only=True):
    """A page of flow runs with the members that `fields` names, with the cursor of the next page."""

    items: list[FlowRunFields]  # type: ignore[valid-type]
    next_cursor: NextCursor
