"""The timeline of a flow run, in columns: a row for each of 100,000 task runs would take ten times as much."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from taskruns_service.domain.states import StateType
from taskruns_service.schemas.common import FlowRunId, Slug, Timestamp
from taskruns_service.schemas.flow_run_tasks import MAX_TASKS

MAX_SPANS = 200_000
"""How many task runs are shown one by one."""
BINS = 300
"""In how many bins more of them are counted."""
MAX_COUNTS = 200_000
"""How many counts of bins are answered, of all tasks together."""

_StateColumn = Annotated[list[int], Meta(description="The place of the state in `states`.", examples=[[0, 0, 1]])]


class TimelineSpans(Struct, frozen=True, kw_only=True):
    """The task runs of a task, in columns: what a task run has is at the same place in each of them."""

    map_index: Annotated[list[int], Meta(description="The map index.", examples=[[-1, 0, 1]])]
    state: _StateColumn
    queued_ms: Annotated[
        list[int | None],
        Meta(
            description="The time of the earliest state, in milliseconds since `epoch_time`; null without a state.",
            examples=[[0, 5, 5]],
        ),
    ]
    wait_ms: Annotated[
        list[int | None],
        Meta(
            description="The milliseconds from the earliest state to the start; null if it has not started.",
            examples=[[0, 12, 1040]],
        ),
    ]
    duration_ms: Annotated[
        list[int | None],
        Meta(
            description="The milliseconds from the start to the end or, if it ended without a start, from the earliest "
            "state to the end; null if it has not ended.",
            examples=[[2300, 1200, 1250]],
        ),
    ]
    run_count: Annotated[
        list[int] | None,
        Meta(description="The number of times it was Running; null if no task run of the task was so more than once."),
    ]


class TimelineCounts(Struct, frozen=True, kw_only=True):
    """The task runs of a task, counted by bin and state, in columns; what is counted nothing in is not there."""

    bin: Annotated[
        list[int],
        Meta(
            description="The bin, starting at 0, in which the task runs started or, if they have not started, in which "
            "their earliest state was.",
            examples=[[0, 0, 299]],
        ),
    ]
    state: _StateColumn
    count: Annotated[list[int], Meta(description="The number of task runs.", examples=[[700, 2, 31]])]


class TimelineTask(Struct, frozen=True, kw_only=True):
    """A task of a timeline: either the spans of its task runs, or their counts."""

    task_slug: Slug
    task_run_id: Annotated[
        UUID | None,
        Meta(
            description="The id of the task run with the map index -1: the only one, or the mapped parent. Null if it "
            "is not shown."
        ),
    ]
    spans: Annotated[TimelineSpans | None, Meta(description="The task runs, if there are few enough.")]
    counts: Annotated[TimelineCounts | None, Meta(description="The counts of the task runs, if there are too many.")]


class TimelineBins(Struct, frozen=True, kw_only=True):
    """The bins of a timeline, which are equally wide."""

    count: Annotated[int, Meta(description="The number of bins.", examples=[BINS])]
    first_ms: Annotated[int, Meta(description="The beginning of the first bin, in milliseconds since `epoch_time`.")]
    width_ms: Annotated[int, Meta(description="The width of a bin in milliseconds.", examples=[144_000])]


class Timeline(Struct, frozen=True, kw_only=True):
    """When the task runs of a flow run waited and ran, by task; tasks that began first come first."""

    flow_run_id: FlowRunId
    sequence: Annotated[
        int,
        Meta(
            description="The sequence of the flow run, which is the ETag. The task runs may be newer, but not older.",
            examples=[42],
        ),
    ]
    epoch_time: Annotated[
        Timestamp, Meta(description="The time from which times are counted: about when the flow run began.")
    ]
    states: Annotated[
        list[StateType], Meta(description="The types of states, to which the columns `state` refer by their place.")
    ]
    tasks: Annotated[list[TimelineTask], Meta(max_length=MAX_TASKS, description="The tasks.")]
    bins: Annotated[
        TimelineBins | None, Meta(description="The bins in which task runs are counted; null if they are shown.")
    ]
    truncated: Annotated[
        bool,
        Meta(
            description=f"Whether the window has more than {MAX_SPANS:,} task runs, which are then counted in bins, or "
            f"more than {MAX_TASKS:,} tasks, of which those that began first are shown. To see all, choose a smaller "
            "window."
        ),
    ]
