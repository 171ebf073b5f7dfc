"""Log lines of a run while it goes on."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from taskruns.errors import ConnectionFailed, ProblemError
from taskruns.live.events import FlowRunChanged, FlowRunEvent, LogLinesAdded, TaskRunsChanged
from taskruns.live.log_window import LogWindow
from taskruns.models import LogLine
from taskruns.states import State

if TYPE_CHECKING:
    from taskruns.flow_run_views import FlowRunView
    from taskruns.live.streams import EventStream
    from taskruns.task_run_views import TaskRunView

T = TypeVar("T")

POLL_SECONDS = 1.0
PATIENCE_SECONDS = 300.0
"""How long the service may be unavailable."""


class LineList(Protocol):
    """Lists lines after a time, oldest first."""

    def __call__(self, *, after: datetime | None) -> Iterable[LogLine]:
        """Lists them."""
        ...


def followed(
    view: "FlowRunView | TaskRunView",
    first: Iterable[LogLine],
    list_lines: LineList,
    after: datetime | None,
    *,
    events: "EventStream[FlowRunEvent]",
    is_wanted: Callable[[LogLine], bool],
) -> Iterator[LogLine]:
    """Yields the first lines of a run, and then each line that comes, until the run is finished and no more come.

    Args:
        view: The run.
        first: Its first lines.
        list_lines: Lists those after a time.
        after: The time after which lines are of interest.
        events: The events of its flow run, with log lines.
        is_wanted: Whether a line of an event is one that the list would have.

    Raises:
        TaskRunsError: If the service refuses to list them, as of a run that was deleted, or is unavailable too long.
    """
    window = LogWindow(after)
    yield from filter(window.add, first)
    if not view.state.is_finished():
        with events:
            yield from _lines_until_the_end(view, list_lines, events, is_wanted, window)
    # What a finished run has written is in the list.
    while lines := window.new(_patiently(lambda: list(list_lines(after=window.begin())))):
        yield from lines
        sys.stdout.flush()
        time.sleep(POLL_SECONDS)


def _lines_until_the_end(
    view: "FlowRunView | TaskRunView",
    list_lines: LineList,
    events: "EventStream[FlowRunEvent]",
    is_wanted: Callable[[LogLine], bool],
    window: LogWindow,
) -> Iterator[LogLine]:
    sys.stdout.flush()
    event = next(events, None)
    # From now on, the events have what comes; this is what came before, since the first lines were listed.
    is_finished = _patiently(lambda: view.get_latest().state).is_finished()
    yield from window.new(_patiently(lambda: list(list_lines(after=window.begin()))))
    while event is not None and not is_finished:
        if isinstance(event, LogLinesAdded):
            yield from filter(window.add, filter(is_wanted, event.items))
        is_finished = _is_end(event, view)
        if not is_finished:
            sys.stdout.flush()
            event = next(events, None)


def _is_end(event: FlowRunEvent, view: "FlowRunView | TaskRunView") -> bool:
    """Whether the run of a view is finished, by an event of its flow run."""
    from taskruns.task_run_views import TaskRunView

    if not isinstance(view, TaskRunView):
        return isinstance(event, FlowRunChanged) and State(event.flow_run.state).is_finished()
    task_runs = event.items if isinstance(event, TaskRunsChanged) else []
    return any(item.id == view.task_run.id and State(item.state).is_finished() for item in task_runs)


def _patiently(ask: Callable[[], T]) -> T:
    """Asks the service, again if it is unavailable, for as long as it may be."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except (ConnectionFailed, ProblemError) as error:
            is_refusal = isinstance(error, ProblemError) and error.status < 500
            if is_refusal or time.monotonic() >= end:
                raise
        time.sleep(POLL_SECONDS)
