"""How the task runs of a flow run ended, counted as their states are reported."""

import threading
from collections import Counter

from taskruns.models import StateType
from taskruns.recording.reports import Report, TaskRunState

GOOD_ENDS = (StateType.SUCCESS, StateType.SKIPPED)
BAD_ENDS = (StateType.FAILED, StateType.TIMED_OUT, StateType.CANCELLED)


class StateCounts:
    """Counts task runs by the states that they came to. The parents of maps are not counted: their children are."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self._lock = threading.Lock()
        self._counts: Counter[StateType | str] = Counter()

    def add(self, report: Report) -> None:
        """Counts the state of a task run; any other report is none."""
        if (
            isinstance(report, TaskRunState) and report.state.force is not True
        ):  # that of a parent, which is stopped after it was Mapped
            with self._lock:
                self._counts[report.state.type] += 1

    def summary(self) -> str:
        """A sentence about how they ended."""
        with self._lock:
            counts = self._counts.copy()
        width = counts[StateType.PENDING] - counts[StateType.MAPPED]
        good = sum(counts[type] for type in GOOD_ENDS)
        if good == width:
            return "All tasks ended as the flow wanted."
        others = {type.value: counts[type] for type in BAD_ENDS}
        others["not finished"] = width - good - sum(others.values())
        listed = ", ".join(f"{count} {name}" for name, count in others.items() if count > 0)
        return f"{good} of {width} task runs succeeded ({listed})."
