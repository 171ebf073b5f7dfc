"""Sends reports in the background, keeps them while the service is away, and never gets in the way of who reports."""

import atexit
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from taskruns import settings
from taskruns.client import Client, default_client
from taskruns.errors import TaskRunsError
from taskruns.recording.leftovers import EXIT_SECONDS as LEFTOVERS_EXIT_SECONDS
from taskruns.recording.leftovers import LeftoverSender, send_leftover
from taskruns.recording.reports import FlowRunCreated, Report
from taskruns.recording.sending import Sending
from taskruns.recording.spool import Refused, Spool, claimed, keep_refused, leftovers, sole_sender

MEMORY_MOST = 10_000
"""How many reports wait in memory; then they go to a file."""
BATCH_MOST = 3000
GATHERING_SECONDS = 0.05
LIVE_GATHERING_SECONDS = 0.25
"""The same for what does not last: most often the flow run's own reports, which make the task run, come before it."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
EXIT_SECONDS = 10.0
TURN_SECONDS = 30.0
"""How long `flush` waits for another process that sends files."""
_log = logging.getLogger("taskruns")


class Outbox:
    """Reports on their way to one service. Any thread may put some in; one thread of its own sends them.

    They wait in the order in which they were put in: those that are being sent, then those in the file, then those in
    memory. In a forked process it takes nothing: it is a copy there, of locks that may be held and without the thread.
    """

    def __init__(self, client: Client, folder: Path, *, lasting: bool = True) -> None:
        """Sends as a client does; what does not fit into memory, or is left at the end, goes to a file in `folder`.

        What is not `lasting` is forgotten where it cannot be sent.
        """
        self._client = client
        self._folder = folder
        self._lasting = lasting
        self._process = os.getpid()
        self._flying: Sequence[Report] = ()
        self.leftovers = LeftoverSender(client, folder)
        """Sends what earlier processes left for the same service, once a flow run was created there."""
        self._spool = Spool(folder, client.options.url, client.options.api_key)
        self._memory: deque[Report] = deque()
        self._room = MEMORY_MOST
        self._changed = threading.Condition()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._settled = self._failures = 0
        self._away = self._closing = False

    def put(self, *reports: Report) -> None:
        """Takes reports to send; it only waits for a file where memory is full, and never raises."""
        if self._is_copy():
            return
        with self._changed:
            self._memory.extend(reports)
            if len(self._memory) > self._room:
                self._make_room()
            if self._closing:
                self._leave()
            elif self._thread is None:
                self._start()
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Waits until all that was put in before is sent, or refused, at most so long; whether it is.

        It does not wait any longer once an attempt to send has failed.
        """
        if self._is_copy():
            return False
        with self._changed:
            target, failures = self._settled + self._waiting(), self._failures
            self._hurry.set()
            self._changed.wait_for(lambda: self._settled >= target or self._failures > failures, seconds)
            return self._settled >= target

    def close(self, seconds: float = EXIT_SECONDS) -> None:
        """Sends what is left, at most so long, and leaves the rest in a file for `flush`."""
        if self._is_copy():
            return
        with self._changed:
            self._closing = True
            self._hurry.set()
            self._changed.notify_all()
        try:
            if self._thread is not None and self._lasting:
                self._thread.join(seconds)
        finally:  # also when Ctrl-C is pressed once more
            with self._changed:
                self._leave()

    def _is_copy(self) -> bool:
        return os.getpid() != self._process

    def _waiting(self) -> int:
        return len(self._flying) + len(self._spool) + len(self._memory)

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="taskruns-outbox", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            _log.warning("Reports are kept for now, because no thread can be started: %s", error)
        else:
            self._thread = thread

    def _make_room(self) -> None:
        if not self._lasting:
            self._settled += len(self._memory)
            self._memory.clear()
            return
        try:
            if not self._spool.is_made:
                # What is being sent is older, and nobody could make sense of the rest if this process were killed.
                self._spool.add(self._flying)
                self._spool.take(len(self._flying))
            self._spool.add(self._memory)
        except (OSError, ValueError) as error:
            self._room = 2 * len(self._memory)
            _log.error(
                "%d reports stay in memory, because %s cannot be written: %s", len(self._memory), self._folder, error
            )
        else:
            self._memory.clear()

    def _run(self) -> None:
        # With connections of its own: the client may be closed when its user has no more use for it.
        with self._client.detached() as client:
            sending = Sending(client.with_options(max_retries=0))
            pause = FIRST_PAUSE
            again: Sequence[Report] = ()
            while self._take():
                try:
                    refused = sending.send(self._flying)
                except Exception as error:
                    if not self._pause(pause, error):
                        return
                    pause = min(LONGEST_PAUSE, pause * 2)
                    continue
                pause = FIRST_PAUSE
                if refused and not self._lasting and self._flying is not again:
                    # A worker may be quicker than the report that its flow run has begun.
                    again = self._keep_flying([one.report for one in refused])
                    self._hurry.wait(FIRST_PAUSE)
                else:
                    self._settle(refused)

    def _take(self) -> bool:
        """Waits for reports and takes some as those to send next; False when there are none and will be none."""
        with self._changed:
            while not self._waiting():
                if self._closing:
                    return False
                self._changed.wait()
            if self._flying:
                return True
        self._hurry.wait(GATHERING_SECONDS if self._lasting else LIVE_GATHERING_SECONDS)
        with self._changed:
            self._flying = self._first()
        return True

    def _first(self) -> Sequence[Report]:
        if self._spool:
            try:
                return self._take_kept()
            except (OSError, ValueError) as error:
                _log.error("%d reports stay in %s, which cannot be read: %s", len(self._spool), self._spool.path, error)
                self._settled += len(self._spool)
                self._spool.close()
        return [self._memory.popleft() for _ in range(min(BATCH_MOST, len(self._memory)))]

    def _take_kept(self) -> Sequence[Report]:
        """Takes reports out of the file; tells of lines that hold none, which are settled by that."""
        before = len(self._spool)
        reports = self._spool.take(BATCH_MOST)
        unreadable = before - len(self._spool) - len(reports)
        if unreadable and self._spool.reader is not None:
            self._settled += unreadable
            _log.error("%s", self._spool.reader.summary())
        return reports

    def _keep_flying(self, reports: Sequence[Report]) -> Sequence[Report]:
        with self._changed:
            self._settled += len(self._flying) - len(reports)
            self._flying = reports
        return reports

    def _settle(self, refused: Sequence[Refused]) -> None:
        if refused and self._lasting:
            _say_refused(self._folder, refused)
        if self._lasting and any(isinstance(report, FlowRunCreated) for report in self._flying):
            self.leftovers.start()
        with self._changed:
            self._settled += len(self._flying)
            self._flying = ()
            self._away = False
            if not self._spool:
                self._spool.remove()
            if not self._waiting():
                self._hurry.clear()
            self._changed.notify_all()

    def _pause(self, seconds: float, error: Exception) -> bool:
        """Waits after a failure; False if there is to be no further attempt."""
        with self._changed:
            self._failures += 1
            self._changed.notify_all()
            if self._closing:
                return False
            if self._lasting and not self._away:
                _log.warning("Reports are kept for now, because they cannot be sent: %s", error)
            self._away = True
            self._hurry.clear()
        self._hurry.wait(seconds)
        return True

    def _leave(self) -> None:
        left = self._waiting()
        if not (left and self._lasting):
            return
        last = Spool(self._folder, self._client.options.url, self._client.options.api_key)
        try:
            last.add(self._flying)
            while self._spool:
                last.add(self._take_kept())
            last.add(self._memory)
        except (OSError, ValueError) as error:
            _log.error("%d reports are lost: they could neither be sent nor written: %s", left, error)
        else:
            _log.warning("%d reports could not be sent. They are in %s: `taskruns flush` sends them.", left, last.path)
            self._settled += left
            self._flying = ()
            self._memory.clear()
            self._spool.remove()
        last.close()


def _say_refused(folder: Path, refused: Sequence[Refused]) -> None:
    try:
        where = f"They are in {keep_refused(folder, refused)}"
    except OSError as error:
        where = f"They could not be kept: {error}"
    _log.warning("The service refused %d reports: %s %s.", len(refused), refused[0].why, where)


_outboxes: dict[tuple[int, str, str | None, bool], Outbox] = {}
_opening = threading.Lock()


def outbox_of(client: Client, *, lasting: bool = True) -> Outbox:
    """The outbox of this process for the client's service; at the end of the process it is closed."""
    with _opening:
        if not _own_outboxes():
            _close_at_the_end()
        key = os.getpid(), client.options.url, client.options.api_key, lasting
        if key not in _outboxes:
            _outboxes[key] = Outbox(client, settings.outbox_folder(), lasting=lasting)
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
    flushed = _Counts()
    if paths := leftovers(folder):
        with sole_sender(folder, TURN_SECONDS, without_locks=True) as is_sole:
            if is_sole:
                for path in leftovers(folder):
                    _flush_file(path, client, flushed)
            else:
                flushed.left = len(paths)
                flushed.problems.append("Another process is sending them. Try again later.")
    return Flushed(**msgspec.structs.asdict(flushed))


class _Counts(Struct):
    sent: int = 0
    refused: int = 0
    unreadable: int = 0
    left: int = 0
    problems: list[str] = []


def _flush_file(path: Path, client: Client | None, flushed: _Counts) -> None:
    try:
        with claimed(path) as leftover:
            if leftover is None:
                return
            if leftover.url is None and client is None:
                raise ValueError(
                    "its first line does not name the service of its reports. Pass the URL of the service."
                )
            sending = Sending(client or default_client(leftover.url))
            for count, refused in send_leftover(leftover, sending, path.parent, BATCH_MOST):
                flushed.sent += count - len(refused)
                flushed.refused += len(refused)
                flushed.problems += (one.why for one in refused)
        flushed.unreadable += leftover.reader.unreadable
        flushed.left += leftover.reader.loss is not None
        if leftover.reader.unreadable:
            flushed.problems.append(leftover.reader.summary())
    except (TaskRunsError, OSError, ValueError) as error:
        flushed.left += 1
        flushed.problems.append(f"{path.name}: {error}")
