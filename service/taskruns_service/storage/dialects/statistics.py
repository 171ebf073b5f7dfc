"""Statistics as PostgreSQL has them, for SQLite, which lacks them."""

import json
import math
import sqlite3
import struct
from array import array
from bisect import insort
from functools import partial
from typing import Any

from taskruns_service.storage.dialects.deadlines import Deadline

RUN_LENGTH = 250_000
"""Values that are sorted between two looks at the clock: a tenth of a second."""


def add_statistics(connection: sqlite3.Connection, deadline: Deadline) -> None:
    """Gives a connection `percentile_of(sorted_values(value), fraction)`, and PostgreSQL's variances and deviations.

    `sorted_values` takes no nulls. `smallest_three(text)` is a JSON list of texts that need no escapes.
    """
    aggregates: dict[str, Any] = {
        "sorted_values": partial(_SortedValues, deadline),
        "smallest_three": partial(_SmallestThree, deadline),
    }
    for name, (freedom, root) in _SPREADS.items():
        aggregates[name] = partial(_Spread, deadline, freedom, root)
    for name, aggregate in aggregates.items():
        connection.create_aggregate(name, 1, aggregate)
    connection.create_function("percentile_of", 2, _percentile_of, deterministic=True)


_VALUE = struct.Struct("d")


class _SortedValues:
    """Numbers in ascending order, as the bytes of doubles, of which percentiles can be taken."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._values = array(_VALUE.format)
        self.step = self._values.append  # called for each row: a method in Python would take most of the time

    def finalize(self) -> bytes:
        values: list[float] = []
        for start in range(0, len(self._values), RUN_LENGTH):
            self._deadline.check()
            values += sorted(self._values[start : start + RUN_LENGTH])
        self._deadline.check()
        values.sort()  # merges the runs, which takes a fraction of sorting them
        return array(_VALUE.format, values).tobytes()


def _percentile_of(values: bytes, fraction: float) -> float | None:
    """The percentile between two of sorted values, with the arithmetic of PostgreSQL's `percentile_cont`."""
    if not values:
        return None
    position = fraction * (len(values) // _VALUE.size - 1)
    below, above = (_VALUE.unpack_from(values, place(position) * _VALUE.size)[0] for place in (math.floor, math.ceil))
    return below if below == above else below + (position - math.floor(position)) * (above - below)  # type: ignore[no-any-return]


class _SmallestThree:
    """The three smallest of many texts."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._texts: list[str] = []

    def step(self, text: str) -> None:
        texts = self._texts
        if len(texts) < 3 or text < texts[2]:
            insort(texts, text)
            del texts[3:]

    def finalize(self) -> str:
        self._deadline.check()
        return json.dumps(self._texts)


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
