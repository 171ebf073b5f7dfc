"""Log lines of a run while it goes on."""

import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from taskruns.errors import ConnectionFailed, ProblemError
from taskruns.models import LogLine

if TYPE_CHECKING:
    from taskruns.flow_run_views import FlowRunView
    from taskruns.task_run_views import TaskRunView

POLL_SECONDS = 1.0
PATIENCE_SECONDS = 300.0
"""How long the service may be unavailable."""
OVERLAP = timedelta(seconds=10)
"""How much later than its timestamp says a line may arrive: from a worker whose clock is behind, for example."""


class LineList(Protocol):
    """Lists lines after a time, oldest first."""

    def __call__(self, *, after: datetime | None) -> Iterable[LogLine]:
        """Lists them."""
        ...


def followed(
    view: "FlowRunView | TaskRunView", first: Iterable[LogLine], list_lines: LineList, after: datetime | None
) -> Iterator[LogLine]:
    """Yields the first lines of a run, and then each line that comes, until the run is finished and no more come.

    Raises:
        TaskRunsError: If the service refuses to list them, as of a run that was deleted, or is unavailable too long.
    """
    lines, window = first, _Window(after)
    is_finished, answered = view.state.is_finished(), time.monotonic()
    while True:
        has_new = False
        try:
            for line in lines:
                if window.add(line):
                    has_new = True
                    yield line
            if is_finished and not has_new:
                return
            sys.stdout.flush()
            time.sleep(POLL_SECONDS)
            # In this order: what a finished run has written is in the list then.
            is_finished = view.get_latest().state.is_finished()
            lines = list_lines(after=window.begin())
            answered = time.monotonic()
        except (ConnectionFailed, ProblemError) as error:
            is_refusal = isinstance(error, ProblemError) and error.status < 500
            if is_refusal or time.monotonic() - answered >= PATIENCE_SECONDS:
                raise
            lines, is_finished = (), False


class _Window:
    """The latest lines, which the next list has again."""

    def __init__(self, after: datetime | None) -> None:
        self._horizon = after
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._timestamps: dict[UUID, datetime] = {}

    def add(self, line: LogLine) -> bool:
        """Adds a line; whether it is new."""
        if line.id in self._timestamps:
            return False
        self._timestamps[line.id] = line.timestamp
        self._latest = max(self._latest, line.timestamp)
        # A clock that is ahead must not hide the lines of the others.
        horizon = min(self._latest, datetime.now(UTC)) - OVERLAP
        if self._horizon is None or horizon > self._horizon:
            self._horizon = horizon
        while self._timestamps and self._timestamps[oldest := next(iter(self._timestamps))] <= self._horizon:
            del self._timestamps[oldest]
        return True

    def begin(self) -> datetime | None:
        """The time after which lines are listed next."""
        return self._horizon
