"""The latest log lines of a run, which the next list, or a stream that begins anew, has again."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from taskruns.models import LogLine

OVERLAP = timedelta(seconds=10)
"""How much later than its timestamp says a line may arrive: from a worker whose clock is behind, for example."""
_MAX_IDS = 100_000


class LogWindow:
    """The ids of the latest lines, and the time after which lines are listed next."""

    def __init__(self, after: datetime | None) -> None:
        """`after` is the time after which lines are of interest; None for all."""
        self._horizon = after
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._ids: dict[UUID, None] = {}

    def add(self, line: LogLine) -> bool:
        """Adds a line; whether it is new."""
        if line.id in self._ids:
            return False
        self._ids[line.id] = None
        if len(self._ids) > _MAX_IDS:
            del self._ids[next(iter(self._ids))]
        self._latest = max(self._latest, line.timestamp)
        # A clock that is ahead must not hide the lines of the others.
        horizon = min(self._latest, datetime.now(UTC)) - OVERLAP
        if self._horizon is None or horizon > self._horizon:
            self._horizon = horizon
        return True

    def new(self, lines: Iterable[LogLine]) -> list[LogLine]:
        """Adds lines, and returns those that are new."""
        return [line for line in lines if self.add(line)]

    def begin(self) -> datetime | None:
        """The time after which lines are listed next."""
        return self._horizon
