"""The attempts of task runs."""

from typing import Annotated

from msgspec import Meta, Struct

from taskruns_service.domain.states import StateType
from taskruns_service.schemas.common import TaskRunId, Timestamp

MAX_ATTEMPT_STATES = 1000
"""How many states of a history are read for its attempts, the oldest: as many as the largest page of states has."""


class TaskRunAttempt(Struct, frozen=True, kw_only=True):
    """One attempt of a task run: from a Running state to the state that ended it."""

    number: Annotated[int, Meta(description="The number of the attempt, starting at 1.", examples=[1])]
    state: Annotated[
        StateType,
        Meta(
            description="The type of the state that ended the attempt, such as Success, Failed, Retrying or Paused. Of "
            "an attempt that goes on, or that another Running state ended: the type of the last state it was in."
        ),
    ]
    message: Annotated[str | None, Meta(description="The message of that state.")]
    start_time: Annotated[Timestamp, Meta(description="The time when the attempt began, with a Running state.")]
    end_time: Annotated[Timestamp | None, Meta(description="The time when the attempt ended; null while it goes on.")]
    duration: Annotated[
        float | None,
        Meta(description="The seconds from start to end; null while the attempt goes on.", examples=[1.468647]),
    ]
    is_current: Annotated[
        bool,
        Meta(
            description="Whether the task run is in this attempt or ended with it. While it waits for another attempt, "
            "none is the current one."
        ),
    ]


class TaskRunAttempts(Struct, frozen=True, kw_only=True):
    """The attempts of a task run, in their order. A task run that was never Running has none."""

    task_run_id: TaskRunId
    items: Annotated[
        list[TaskRunAttempt],
        Meta(
            max_length=MAX_ATTEMPT_STATES,
            description="The attempts, the oldest first; empty if the task run was never Running.",
        ),
    ]
    run_time: Annotated[
        float,
        Meta(
            description="The seconds spent in these attempts, without the waits between them; an attempt counts when "
            "it has ended.",
            examples=[1.468647],
        ),
    ]
    truncated: Annotated[
        bool,
        Meta(
            description=f"Whether the history has more than {MAX_ATTEMPT_STATES:,} states; the attempts are those of "
            f"the oldest {MAX_ATTEMPT_STATES:,}."
        ),
    ]
