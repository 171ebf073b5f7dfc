"""Heartbeats: what tells the service that a process of a flow run is alive, from a thread of its own."""

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

from taskruns.client import Client
from taskruns.errors import FlowRunNotFound, TaskRunsError

HEARTBEAT_SECONDS = 30.0
"""How often a process tells the service that a flow run is alive."""
FIRST_SECONDS = 1.0
"""When it does so first: most flow runs that fail to begin, and many short ones, have ended by then."""
REQUEST_SECONDS = 10.0
LONGEST_WAIT = 5.0
"""How often the thread looks at the clock: after a machine has slept, it does not wait for the rest of its time."""
MAX_FLOW_RUNS = 1000
"""How many flow runs a process remembers that do not go on in it."""
_log = logging.getLogger("taskruns")


class Heart:
    """Sends the heartbeats of this process for all flow runs that go on in it; nothing of it raises or waits."""

    def __init__(self, client: Client) -> None:
        """Sends them as a client does."""
        self._client = client
        self._changed = threading.Condition()
        self._activities: Counter[UUID] = Counter()
        self._seconds: dict[UUID, float] = {}
        self._due: dict[UUID, float] = {}
        """When the next heartbeat is due; that of a flow run which does not go on is kept for when it does."""
        self._thread: threading.Thread | None = None

    @contextmanager
    def beating(self, flow_run_id: UUID, seconds: float | None) -> Generator[None, None, None]:
        """Sends heartbeats of a flow run for the time of a `with` block."""
        self.start(flow_run_id, seconds)
        try:
            yield
        finally:
            self.stop(flow_run_id, seconds)

    def start(self, flow_run_id: UUID, seconds: float | None) -> None:
        """Begins to send a heartbeat of a flow run every so many seconds; none if that is None."""
        if seconds is None:
            return
        with self._changed:
            self._activities[flow_run_id] += 1
            self._seconds[flow_run_id] = seconds
            if flow_run_id not in self._due:
                self._forget_some()
                self._due[flow_run_id] = time.time() + min(FIRST_SECONDS, seconds)
                self._changed.notify()
            if self._thread is None:
                self._begin()

    def stop(self, flow_run_id: UUID, seconds: float | None) -> None:
        """Ends what one `start` began."""
        if seconds is not None:
            with self._changed:
                self._activities[flow_run_id] -= 1
                if self._activities[flow_run_id] <= 0:
                    del self._activities[flow_run_id]

    def _begin(self) -> None:
        thread = threading.Thread(target=self._run, name="taskruns-heartbeats", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            _log.warning("No heartbeats are sent for now, because no thread can be started: %s", error)
        else:
            self._thread = thread

    def _forget_some(self) -> None:
        if len(self._due) >= MAX_FLOW_RUNS:
            self._due = {identifier: due for identifier, due in self._due.items() if identifier in self._activities}

    def _run(self) -> None:
        with self._client.detached() as client:
            report = client.with_options(max_retries=0, timeout=REQUEST_SECONDS).flow_runs.report_heartbeat
            while True:
                flow_run_id = self._wait_for_next()
                try:
                    report(flow_run_id)
                except FlowRunNotFound:  # it may be on its way
                    self._delay(flow_run_id, FIRST_SECONDS)
                except TaskRunsError as error:
                    _log.debug("No heartbeat of the flow run %s was sent: %s", flow_run_id, error)

    def _wait_for_next(self) -> UUID:
        """Waits until a heartbeat is due, and sets when the one after it is; returns its flow run."""
        with self._changed:
            while True:
                now = time.time()
                waits = {
                    identifier: seconds_until(self._due[identifier], now, self._seconds[identifier])
                    for identifier in self._activities
                }
                if waits and min(waits.values()) <= 0:
                    flow_run_id = min(waits, key=waits.__getitem__)
                    self._due[flow_run_id] = now + self._seconds[flow_run_id]
                    return flow_run_id
                self._changed.wait(min([*waits.values(), LONGEST_WAIT]) if waits else None)

    def _delay(self, flow_run_id: UUID, seconds: float) -> None:
        with self._changed:
            self._due[flow_run_id] = time.time() + min(seconds, self._seconds[flow_run_id])


def seconds_until(due: float, now: float, interval: float) -> float:
    """The seconds until a heartbeat is due; 0 if it is, or if the clock was set back by more than an interval."""
    seconds = due - now
    return seconds if 0 < seconds <= interval else 0.0


_hearts: dict[tuple[int, str, str | None], Heart] = {}
_opening = threading.Lock()


def heart_of(client: Client) -> Heart:
    """The heart of this process for the service of a client, and with its API key."""
    key = os.getpid(), client.options.url, client.options.api_key
    with _opening:
        if key not in _hearts:
            _hearts[key] = Heart(client)
        return _hearts[key]


def _unlock() -> None:
    global _opening  # noqa: PLW0603 # another thread of the parent may have held it
    _opening = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)
