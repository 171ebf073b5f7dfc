"""The slugs of the task runs of one flow run: each is used once, however often a task is called."""

import threading
from collections import Counter


class TaskSlugs:
    """Makes slugs, from any thread."""

    def __init__(self) -> None:
        """No slug is used yet."""
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._used: set[str] = set()
        self.mark = ""
        """What keeps the slugs of this recorder apart from those of others in the same flow run; empty: nothing."""

    def next_slug(self, base: str, *, counted: bool) -> str:
        """The slug of the next task run of a task: numbered from 1, or plain the first time and then from 2."""
        base = f"{base}-{self.mark}" if self.mark else base
        with self._lock:
            while True:
                self._counts[base] += 1
                number = self._counts[base]
                slug = f"{base}-{number}" if counted or number > 1 else base
                # The explicit slug of one task may be that which another one comes to by counting.
                if slug not in self._used:
                    self._used.add(slug)
                    return slug
