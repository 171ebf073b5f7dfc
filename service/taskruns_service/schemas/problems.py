"""Problems: what the service answers when it refuses a request or an item of one."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from taskruns_service.domain.errors import Fault, ServiceError
from taskruns_service.domain.states import StateType
from taskruns_service.schemas.common import Timestamp


class CurrentRun(Struct, frozen=True, kw_only=True):
    """The version and the state that a run has now."""

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
    current_run: Annotated[
        CurrentRun | UnsetType, Meta(description="The version and the state that the run has now.")
    ] = UNSET
    limit: Annotated[int | UnsetType, Meta(description="The limit that the request exceeds.")] = UNSET


class ItemProblem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an item was rejected."""

    code: Annotated[str, Meta(description="The code of the problem.", examples=["terminal-state"])]
    detail: Annotated[str, Meta(description="What went wrong, and what to do about it.")]
    errors: Annotated[list[Fault] | UnsetType, Meta(description="The states that were refused, and why.")] = UNSET
    current_run: Annotated[
        CurrentRun | UnsetType, Meta(description="The version and the state that the run has now.")
    ] = UNSET


def item_problem(error: ServiceError, faults: tuple[Fault, ...]) -> ItemProblem:
    """An error as an item of a bulk answer has it."""
    current_run = error.members.get("current_run", UNSET)
    return ItemProblem(code=error.code, detail=error.detail, errors=list(faults) or UNSET, current_run=current_run)
