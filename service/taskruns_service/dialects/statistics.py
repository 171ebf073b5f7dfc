"""Statistics as PostgreSQL has them, for SQLite, which lacks them."""

import math
import sqlite3
from array import array
from functools import partial
from typing import Any

from taskruns_service.dialects.deadlines import Deadline

RUN_LENGTH = 250_000
"""Values that are sorted between two looks at the clock: a tenth of a second."""


def add_statistics(connection: sqlite3.Connection, deadline: Deadline) -> None:
    """Gives a connection `percentile_cont(value, fraction)`, and PostgreSQL's variances and deviations."""
    aggregates: dict[str, Any] = {"percentile_cont": partial(_PercentileCont, deadline)}
    for name, (freedom, root) in _SPREADS.items():
        aggregates[name] = partial(_Spread, deadline, freedom, root)
    for name, aggregate in aggregates.items():
        arguments = 2 if name == "percentile_cont" else 1
        connection.create_aggregate(name, arguments, aggregate)


class _PercentileCont:
    """A percentile between two values, with the arithmetic of PostgreSQL's function of that name."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._values = array("d")
        self._fraction = 0.0

    def step(self, value: float | None, fraction: float) -> None:
        if value is not None:
            self._values.append(value)
            self._fraction = fraction

    def finalize(self) -> float | None:
        if not self._values:
            return None
        values: list[float] = []
        for start in range(0, len(self._values), RUN_LENGTH):
            self._deadline.check()
            values += sorted(self._values[start : start + RUN_LENGTH])
        self._deadline.check()
        values.sort()  # merges the runs, which takes a fraction of sorting them
        position = self._fraction * (len(values) - 1)
        below, above = values[math.floor(position)], values[math.ceil(position)]
        return below if below == above else below + (position - math.floor(position)) * (above - below)


_SPREADS: dict[str, tuple[int, bool]] = {
    "var_pop": (0, False),
    "var_samp": (1, False),
    "stddev_pop": (0, True),
    "stddev_samp": (1, True),
}
"""The degrees of freedom that each takes away, and whether it is a root."""


class _Spread:
    """A variance, or its root, kept up to date value by value (Welford): no values are kept for the end."""

    def __init__(self, deadline: Deadline, freedom: int, root: bool) -> None:
        self._deadline = deadline
        self._freedom = freedom
        self._root = root
        self._count = 0
        self._mean = 0.0
        self._squares = 0.0

    def step(self, value: float | None) -> None:
        if value is None:
            return
        self._count += 1
        distance = value - self._mean
        self._mean += distance / self._count
        self._squares += distance * (value - self._mean)

    def finalize(self) -> float | None:
        self._deadline.check()
        if self._count <= self._freedom:
            return None
        variance = self._squares / (self._count - self._freedom)
        return math.sqrt(variance) if self._root else variance
