"""Caches: values that are kept for the next time, within a bound on all of them together."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Values by key, of which the ones used longest ago go first. Threads may share it.

    A count would be no bound: one value may be as large as a thousand others.
    """

    def __init__(self, capacity: int, weigh: Callable[[K, V], int]) -> None:
        """`capacity` and what `weigh` returns have one unit; a value that outweighs a quarter of it is not kept."""
        self._capacity = capacity
        self._weigh = weigh
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()
        self.weight = 0

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Returns the value of a key, which `make` makes if it is not kept."""
        if (value := self.find(key)) is None:
            value = make()
            self.keep(key, value)
        return value

    def find(self, key: K) -> V | None:
        """Returns the value of a key; None if it is not kept."""
        with self._lock:
            if (entry := self._values.get(key)) is None:
                return None
            self._values.move_to_end(key)
            return entry[0]

    def keep(self, key: K, value: V) -> None:
        """Keeps a value."""
        weight = self._weigh(key, value)
        if weight * 4 > self._capacity:
            return
        with self._lock:
            if key in self._values:
                return
            self._values[key] = value, weight
            self.weight += weight
            while self.weight > self._capacity:
                _, (_, lost) = self._values.popitem(last=False)
                self.weight -= lost
