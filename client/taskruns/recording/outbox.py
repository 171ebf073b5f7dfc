"""Sends reports in the background, keeps them while the service is away, and never gets in the way of who reports.

Where a report is (each in the order in which it was put in):

    put -> memory --------------------> in flight -> done: accepted, or refused and kept in a file of its own
             |  more than it may hold       ^  |
             +-> outbox file ---------------+  |  the process ends
                      |                        v
                      +--------------------> left in a file, for the next flow run or `taskruns flush`

What the thread does:

    idle -- a report is put --> gathering -- GATHERING_SECONDS, flush --> sending -- answer --> idle
                                                                           ^   |
                                              after 0.5 to 10 s, or flush  |   | no answer
                                                                         waiting
"""

import atexit
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from taskruns import settings
from taskruns.client import Client, default_client
from taskruns.errors import TaskRunsError
from taskruns.recording.leftovers import EXIT_SECONDS as LEFTOVERS_EXIT_SECONDS
from taskruns.recording.leftovers import LeftoverSender, send_leftover
from taskruns.recording.outbox_file import OutboxFile, Refused, claimed, keep_refused, leftovers, sole_sender
from taskruns.recording.reports import FlowRunCreated, Report
from taskruns.recording.sender import Sender

MAX_IN_MEMORY = 10_000
"""How many reports wait in memory; then they go to a file."""
BATCH_SIZE = 3000
GATHERING_SECONDS = 0.05
LIVE_GATHERING_SECONDS = 0.25
"""The same for what does not last: most often the flow run's own reports, which make the task run, come before it."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
EXIT_SECONDS = 10.0
TURN_SECONDS = 30.0
"""How long `flush` waits for another process that sends files."""
_log = logging.getLogger("taskruns")


class Outbox:
    """Reports on their way to one service. Every thread may put some in; one thread of its own sends them.

    They wait in the order in which they were put in: those that are being sent, then those in the file, then those in
    memory. In a forked process it takes nothing: it is a copy there, of locks that may be held and without the thread.
    """

    def __init__(self, client: Client, folder: Path, *, persistent: bool = True) -> None:
        """Sends as a client does; what does not fit into memory, or is left at the end, goes to a file in `folder`.

        Unless it is `persistent`, reports that cannot be sent are dropped.
        """
        self._client = client
        self._folder = folder
        self._is_persistent = persistent
        self._process = os.getpid()
        self._in_flight: Sequence[Report] = ()
        self.leftovers = LeftoverSender(client, folder)
        """Sends what earlier processes left for the same service, once a flow run was created there."""
        self._file = OutboxFile(folder, client.options.url, client.options.api_key)
        self._memory: deque[Report] = deque()
        self._memory_limit = MAX_IN_MEMORY
        self._changed = threading.Condition()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._done_count = self._failure_count = 0
        self._is_unreachable = self._is_closing = False

    def put(self, *reports: Report) -> None:
        """Takes reports to send; it only waits for a file where memory is full, and never raises."""
        if self._is_copy():
            return
        with self._changed:
            self._memory.extend(reports)
            if len(self._memory) > self._memory_limit:
                self._move_memory_to_file()
            if self._is_closing:
                self._save_rest()
            elif self._thread is None:
                self._start()
            self._changed.notify_all()

    def withdraw(self, reports: Sequence[Report]) -> None:
        """Takes back those of some reports that are still in memory, because they travel in another way."""
        if self._is_copy():
            return
        withdrawn = {id(report) for report in reports}
        with self._changed:
            before = len(self._memory)
            self._memory = deque(report for report in self._memory if id(report) not in withdrawn)
            self._done_count += before - len(self._memory)

    def flush(self, seconds: float) -> bool:
        """Waits until all that was put in before is sent, or refused, at most so long; whether it is.

        It does not wait any longer once an attempt to send has failed.
        """
        if self._is_copy():
            return False
        with self._changed:
            target, failures = self._done_count + self._waiting(), self._failure_count
            self._wake.set()
            self._changed.wait_for(lambda: self._done_count >= target or self._failure_count > failures, seconds)
            return self._done_count >= target

    def close(self, seconds: float = EXIT_SECONDS) -> None:
        """Sends what is left, at most so long, and leaves the rest in a file for `flush`."""
        if self._is_copy():
            return
        with self._changed:
            self._is_closing = True
            self._wake.set()
            self._changed.notify_all()
        try:
            if self._thread is not None and self._is_persistent:
                self._thread.join(seconds)
        finally:  # also when Ctrl-C is pressed once more
            with self._changed:
                self._save_rest()

    def _is_copy(self) -> bool:
        return os.getpid() != self._process

    def _waiting(self) -> int:
        return len(self._in_flight) + len(self._file) + len(self._memory)

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="taskruns-outbox", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            _log.warning("Reports are kept for now, because no thread can be started: %s", error)
        else:
            self._thread = thread

    def _move_memory_to_file(self) -> None:
        if not self._is_persistent:
            self._done_count += len(self._memory)
            self._memory.clear()
            return
        try:
            if not self._file.is_made:
                # What is being sent is older, and nobody could make sense of the rest if this process were killed.
                self._file.add(self._in_flight)
                self._file.take(len(self._in_flight))
            self._file.add(self._memory)
        except (OSError, ValueError) as error:
            self._memory_limit = 2 * len(self._memory)
            _log.error(
                "%d reports stay in memory, because %s cannot be written: %s", len(self._memory), self._folder, error
            )
        else:
            self._memory.clear()

    def _run(self) -> None:
        # With connections of its own: the client may be closed when its user has no more use for it.
        with self._client.detached() as client:
            sender = Sender(client.with_options(max_retries=0))
            pause = FIRST_PAUSE
            again: Sequence[Report] = ()
            while self._wait_for_batch():
                try:
                    refused = sender.send(self._in_flight)
                except Exception as error:
                    if not self._wait_after_failure(pause, error):
                        return
                    pause = min(LONGEST_PAUSE, pause * 2)
                    continue
                pause = FIRST_PAUSE
                if refused and not self._is_persistent and self._in_flight is not again:
                    # A worker may be quicker than the report that its flow run has begun.
                    again = self._retry([refusal.report for refusal in refused])
                    self._wake.wait(FIRST_PAUSE)
                else:
                    self._finish_batch(refused)

    def _wait_for_batch(self) -> bool:
        """Waits for reports and takes some as those to send next; False when there are none and will be none."""
        with self._changed:
            while not self._waiting():
                if self._is_closing:
                    return False
                self._changed.wait()
            if self._in_flight:
                return True
        self._wake.wait(GATHERING_SECONDS if self._is_persistent else LIVE_GATHERING_SECONDS)
        with self._changed:
            self._in_flight = self._next_batch()
        return True

    def _next_batch(self) -> Sequence[Report]:
        if self._file:
            try:
                return self._take_from_file()
            except (OSError, ValueError) as error:
                _log.error("%d reports stay in %s, which cannot be read: %s", len(self._file), self._file.path, error)
                self._done_count += len(self._file)
                self._file.close()
        return [self._memory.popleft() for _ in range(min(BATCH_SIZE, len(self._memory)))]

    def _take_from_file(self) -> Sequence[Report]:
        """Takes reports out of the file; tells of lines that hold none, which are settled by that."""
        before = len(self._file)
        reports = self._file.take(BATCH_SIZE)
        unreadable = before - len(self._file) - len(reports)
        if unreadable and self._file.reader is not None:
            self._done_count += unreadable
            _log.error("%s", self._file.reader.summary())
        return reports

    def _retry(self, reports: Sequence[Report]) -> Sequence[Report]:
        with self._changed:
            self._done_count += len(self._in_flight) - len(reports)
            self._in_flight = reports
        return reports

    def _finish_batch(self, refused: Sequence[Refused]) -> None:
        if refused and self._is_persistent:
            _log_refused(self._folder, refused)
        if self._is_persistent and any(isinstance(report, FlowRunCreated) for report in self._in_flight):
            self.leftovers.start()
        with self._changed:
            self._done_count += len(self._in_flight)
            self._in_flight = ()
            self._is_unreachable = False
            if not self._file:
                self._file.remove()
            if not self._waiting():
                self._wake.clear()
            self._changed.notify_all()

    def _wait_after_failure(self, seconds: float, error: Exception) -> bool:
        """Waits after a failure; False if there is to be no further attempt."""
        with self._changed:
            self._failure_count += 1
            self._changed.notify_all()
            if self._is_closing:
                return False
            if self._is_persistent and not self._is_unreachable:
                _log.warning("Reports are kept for now, because they cannot be sent: %s", error)
            self._is_unreachable = True
            self._wake.clear()
        self._wake.wait(seconds)
        return True

    def _save_rest(self) -> None:
        count = self._waiting()
        if not (count and self._is_persistent):
            return
        last = OutboxFile(self._folder, self._client.options.url, self._client.options.api_key)
        try:
            last.add(self._in_flight)
            while self._file:
                last.add(self._take_from_file())
            last.add(self._memory)
        except (OSError, ValueError) as error:
            _log.error("%d reports are lost: they could neither be sent nor written: %s", count, error)
        else:
            _log.warning("%d reports could not be sent. They are in %s: `taskruns flush` sends them.", count, last.path)
            self._done_count += count
            self._in_flight = ()
            self._memory.clear()
            self._file.remove()
        last.close()


def _log_refused(folder: Path, refused: Sequence[Refused]) -> None:
    try:
        where = f"They are in {keep_refused(folder, refused)}"
    except OSError as error:
        where = f"They could not be kept: {error}"
    _log.warning("The service refused %d reports: %s %s.", len(refused), refused[0].why, where)


_outboxes: dict[tuple[int, str, str | None, bool], Outbox] = {}
_opening = threading.Lock()


def outbox_of(client: Client, *, persistent: bool = True) -> Outbox:
    """The outbox of this process for the client's service; at the end of the process it is closed."""
    with _opening:
        if not _own_outboxes():
            _close_at_the_end()
        key = os.getpid(), client.options.url, client.options.api_key, persistent
        if key not in _outboxes:
            _outboxes[key] = Outbox(client, settings.outbox_folder(), persistent=persistent)
        return _outboxes[key]


def _own_outboxes() -> list[Outbox]:
    return [outbox for (process, *_), outbox in _outboxes.items() if process == os.getpid()]


def _close_at_the_end() -> None:
    # A child process of multiprocessing ends without what atexit knows, and has an end of its own.
    processes = sys.modules.get("multiprocessing.util")
    if processes is not None and sys.modules["multiprocessing"].parent_process() is not None:
        processes.Finalize(None, _close_all, exitpriority=0)
    else:
        atexit.register(_close_all)


def _close_all() -> None:
    end = time.monotonic() + EXIT_SECONDS
    for outbox in _own_outboxes():
        outbox.close(max(0.0, end - time.monotonic()))
    end = time.monotonic() + LEFTOVERS_EXIT_SECONDS
    for outbox in _own_outboxes():
        outbox.leftovers.stop(end)


def _unlock() -> None:
    global _opening  # noqa: PLW0603 # another thread of the parent may have held it
    _opening = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


class Flushed(Struct, frozen=True, kw_only=True):
    """The outcome of sending the reports of earlier processes."""

    sent: int
    """How many were sent."""
    refused: int
    """How many the service refused; they are kept in a file of their own."""
    unreadable: int
    """How many lines held no report; they are kept in a file beside the one that they were in."""
    left: int
    """How many files are left, as their service cannot be reached or they cannot be read."""
    problems: list[str]
    """What went wrong, a sentence each."""


def flush(folder: Path | None = None, client: Client | None = None) -> Flushed:
    """Sends the reports that ended processes left behind, to the service that each is for, or through `client`."""
    folder = settings.outbox_folder() if folder is None else folder
    counts = _Counts()
    if paths := leftovers(folder):
        with sole_sender(folder, TURN_SECONDS, without_locks=True) as is_sole:
            if is_sole:
                for path in leftovers(folder):
                    _flush_file(path, client, counts)
            else:
                counts.files_left = len(paths)
                counts.problems.append("Another process is sending them. Try again later.")
    return Flushed(
        sent=counts.sent_count,
        refused=counts.refused,
        unreadable=counts.unreadable,
        left=counts.files_left,
        problems=counts.problems,
    )


class _Counts(Struct):
    sent_count: int = 0
    refused: int = 0
    unreadable: int = 0
    files_left: int = 0
    problems: list[str] = []


def _flush_file(path: Path, client: Client | None, counts: _Counts) -> None:
    try:
        with claimed(path) as leftover:
            if leftover is None:
                return
            if leftover.url is None and client is None:
                raise ValueError(
                    "its first line does not name the service of its reports. Pass the URL of the service."
                )
            sender = Sender(client or default_client(leftover.url))
            for count, refused in send_leftover(leftover, sender, path.parent, BATCH_SIZE):
                counts.sent_count += count - len(refused)
                counts.refused += len(refused)
                counts.problems += (refusal.why for refusal in refused)
        counts.unreadable += leftover.reader.unreadable
        counts.files_left += leftover.reader.loss is not None
        if leftover.reader.unreadable:
            counts.problems.append(leftover.reader.summary())
    except (TaskRunsError, OSError, ValueError) as error:
        counts.files_left += 1
        counts.problems.append(f"{path.name}: {error}")
