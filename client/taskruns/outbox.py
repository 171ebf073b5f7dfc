"""Sends reports in the background, keeps them while the service is away, and never gets in the way of who reports."""

import atexit
import logging
import os
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct

from taskruns import settings
from taskruns.client import Client, default_client
from taskruns.errors import (
    BadRequest,
    BodyTooLarge,
    Conflict,
    FlowRunNotFound,
    TaskRunsError,
    Unavailable,
    VersionConflict,
    problem_class,
)
from taskruns.reports import FlowRunCreated, FlowRunState, Report, TaskRunState, in_turns, merged
from taskruns.spool import Refused, Spool, keep_refused, leftovers

MEMORY_MOST = 10_000
"""How many reports wait in memory; then they go to a file."""
BATCH_MOST = 3000
ITEMS_MOST = 1000
"""How many task runs the service takes at once."""
GATHERING_SECONDS = 0.05
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
EXIT_SECONDS = 10.0
# An answer that the same report would have again: all others pass, and the report is kept for then.
_FINAL = (BadRequest, BodyTooLarge, Conflict, FlowRunNotFound, VersionConflict)
_log = logging.getLogger("taskruns")


class Sending:
    """Sends reports through a client and collects those that the service refuses."""

    def __init__(self, client: Client) -> None:
        """Sends through this client."""
        self._client = client
        self.refused: list[Refused] = []

    def send(self, reports: Iterable[Report]) -> None:
        """Sends reports, in the order of each flow run.

        Raises:
            TaskRunsError: If the service can not be reached or takes nothing for now. All of it may be sent again:
                it has ids of its own.
        """
        for flow_run_id, turn in in_turns(reports):
            match turn:
                case FlowRunCreated() | FlowRunState():
                    self._send_one(flow_run_id, turn)
                case _:
                    self._send_task_runs(flow_run_id, turn)

    def _send_one(self, flow_run_id: UUID, report: FlowRunCreated | FlowRunState) -> None:
        try:
            if isinstance(report, FlowRunState):
                state = report.state
                self._client.flow_runs.set_state(
                    flow_run_id, type=state.type, id=state.id, message=state.message, timestamp=state.timestamp
                )
            else:
                self._client.flow_runs.create(
                    id=flow_run_id,
                    flow_name=report.flow_name,
                    name=UNSET if report.name is None else report.name,
                    parameters=report.parameters,
                    labels=report.labels,
                )
        except _FINAL as error:
            self._refuse([report], str(error))

    def _send_task_runs(self, flow_run_id: UUID, reports: Sequence[TaskRunState]) -> None:
        items = merged(reports)
        try:
            if len(items) > ITEMS_MOST:
                return self._send_halves(flow_run_id, reports)
            receipts = self._client.flow_runs.report(flow_run_id, items=items)
        except _FINAL as error:
            # One of them spoils it for the others, or they are too large together.
            if len(reports) > 1 and isinstance(error, BadRequest | BodyTooLarge):
                return self._send_halves(flow_run_id, reports)
            return self._refuse(reports, str(error))
        problems = {
            (item.task_slug, item.map_index): receipt.problem
            for item, receipt in zip(items, receipts.items, strict=True)
            if receipt.problem is not None
        }
        for problem in problems.values():
            if issubclass(problem_class(problem.code), Unavailable):
                raise TaskRunsError(problem.detail)
        for report in reports:
            if (found := problems.get((report.task_slug, report.map_index))) is not None:
                self._refuse([report], found.detail)
        return None

    def _send_halves(self, flow_run_id: UUID, reports: Sequence[TaskRunState]) -> None:
        half = len(reports) // 2
        self._send_task_runs(flow_run_id, reports[:half])
        self._send_task_runs(flow_run_id, reports[half:])

    def _refuse(self, reports: Iterable[Report], why: str) -> None:
        self.refused += [Refused(report=report, why=why) for report in reports]


class Outbox:
    """Reports on their way to one service. Any thread may put some in; one thread of its own sends them.

    They wait in the order in which they were put in: those that are being sent, then those in the file, then those in
    memory.
    """

    def __init__(self, client: Client, folder: Path, *, lasting: bool = True) -> None:
        """Sends through a client; what does not fit into memory, or is left at the end, goes to a file in `folder`.

        What is not `lasting` is forgotten where it can not be sent.
        """
        self._sending = Sending(client.with_options(max_retries=0))
        self._folder = folder
        self._lasting = lasting
        self._url = client.options.url
        self._flying: Sequence[Report] = ()
        self._spool = Spool(folder, self._url)
        self._memory: deque[Report] = deque()
        self._room = MEMORY_MOST
        self._changed = threading.Condition()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._put = self._settled = 0
        self._away = self._closing = False

    def put(self, *reports: Report) -> None:
        """Takes reports to send; it only waits for a file where memory is full, and never raises."""
        with self._changed:
            self._memory.extend(reports)
            self._put += len(reports)
            if len(self._memory) > self._room:
                self._make_room()
            if self._closing:
                self._leave()
            elif self._thread is None:
                self._thread = threading.Thread(target=self._run, name="taskruns-outbox", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Waits until all that was put in before is sent, or refused, at most so long; whether it is."""
        with self._changed:
            target = self._put
            self._away = False
            self._hurry.set()
            self._changed.wait_for(lambda: self._settled >= target or self._away, seconds)
            return self._settled >= target

    def close(self, seconds: float = EXIT_SECONDS) -> None:
        """Sends what is left, at most so long, and leaves the rest in a file for `flush`."""
        with self._changed:
            self._closing = True
            self._hurry.set()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(seconds)
        with self._changed:
            self._leave()

    def _make_room(self) -> None:
        if not self._lasting:
            self._memory.clear()
            self._settled = self._put
            return
        try:
            self._spool.add(self._memory)
        except (OSError, ValueError) as error:
            self._room = 2 * len(self._memory)
            _log.error(
                "%d reports stay in memory, as %s can not be written: %s", len(self._memory), self._folder, error
            )
        else:
            self._memory.clear()

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while self._wait_for_reports():
            try:
                self._sending.send(self._flying)
            except TaskRunsError as error:
                if self._pause(pause, error):
                    pause = min(LONGEST_PAUSE, pause * 2)
                    continue
                return
            except Exception:
                _log.exception("%d reports are lost: they can not be sent.", len(self._flying))
            pause = FIRST_PAUSE
            self._settle()

    def _wait_for_reports(self) -> bool:
        """Waits for reports and takes some as those to send next; False when there are none and will be none."""
        with self._changed:
            while not (self._flying or self._spool or self._memory):
                if self._closing:
                    return False
                self._changed.wait()
        if not self._flying:
            self._hurry.wait(GATHERING_SECONDS)
            with self._changed:
                if self._spool:
                    self._flying = self._spool.take(BATCH_MOST)
                else:
                    self._flying = [self._memory.popleft() for _ in range(min(BATCH_MOST, len(self._memory)))]
        return True

    def _settle(self) -> None:
        refused, self._sending.refused = self._sending.refused, []
        if refused:
            _say_refused(self._folder, refused)
        with self._changed:
            self._settled += len(self._flying)
            self._flying = ()
            if self._settled == self._put:
                self._hurry.clear()
            self._changed.notify_all()

    def _pause(self, seconds: float, error: TaskRunsError) -> bool:
        """Waits after a failure; False if there is to be no further attempt."""
        with self._changed:
            if self._closing:
                return False
            if not self._away:
                _log.warning("Reports are kept for now, as they can not be sent: %s", error)
            self._away = True
            self._hurry.clear()
            self._changed.notify_all()
        self._hurry.wait(seconds)
        return True

    def _leave(self) -> None:
        left = self._put - self._settled
        if not (left and self._lasting):
            return
        last = Spool(self._folder, self._url)
        try:
            last.add(self._flying)
            while self._spool:
                last.add(self._spool.take(BATCH_MOST))
            last.add(self._memory)
            self._memory.clear()
            self._flying = ()
        except (OSError, ValueError) as error:
            _log.error("%d reports are lost: they could neither be sent nor written: %s", left, error)
        else:
            self._settled = self._put
            _log.warning("%d reports could not be sent. They are in %s: `taskruns flush` sends them.", left, last.path)
        last.close()


def _say_refused(folder: Path, refused: Sequence[Refused]) -> None:
    try:
        where = f"They are in {keep_refused(folder, refused)}"
    except OSError as error:
        where = f"They could not be kept: {error}"
    _log.warning("The service refused %d reports: %s %s.", len(refused), refused[0].why, where)


_outboxes: dict[tuple[str, str | None, bool], Outbox] = {}
_opening = threading.Lock()


def outbox_of(client: Client, *, lasting: bool = True) -> Outbox:
    """The outbox of this process for the client's service; at the end of the process it is closed."""
    with _opening:
        if not _outboxes:
            atexit.register(_close_all)
        key = client.options.url, client.options.api_key, lasting
        if key not in _outboxes:
            _outboxes[key] = Outbox(client, settings.outbox_folder(), lasting=lasting)
        return _outboxes[key]


def _close_all() -> None:
    for outbox in _outboxes.values():
        outbox.close()
    _outboxes.clear()


def _forget() -> None:
    """What waits in a parent process is for the parent to send."""
    global _opening  # noqa: PLW0603 # another thread of the parent may have held it
    _opening = threading.Lock()
    _outboxes.clear()
    atexit.unregister(_close_all)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


class Flushed(Struct, frozen=True, kw_only=True):
    """What became of the reports that earlier processes could not send."""

    sent: int
    """How many were sent."""
    refused: int
    """How many the service refused; they are kept in a file of their own."""
    left: int
    """How many files are left, as their service can not be reached or they can not be read."""
    problems: list[str]
    """What went wrong, a sentence each."""


def flush(folder: Path | None = None, client: Client | None = None) -> Flushed:
    """Sends what processes that have ended left behind, to the service it was meant for, or through `client`."""
    folder = settings.outbox_folder() if folder is None else folder
    sent = refused = left = 0
    problems: list[str] = []
    for leftover in leftovers(folder):
        with leftover:
            sending = Sending(client or default_client(leftover.url))
            try:
                for batch in leftover.batches(BATCH_MOST):
                    sending.send(batch)
                    sent += len(batch)
                if sending.refused:
                    keep_refused(folder, sending.refused)
                leftover.remove()
            except (TaskRunsError, OSError, msgspec.DecodeError) as error:
                left += 1
                problems.append(f"{leftover.path.name}: {error}")
            refused += len(sending.refused)
            problems += [one.why for one in sending.refused]
    return Flushed(sent=sent - refused, refused=refused, left=left, problems=problems)
