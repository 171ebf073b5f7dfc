"""Sends what earlier processes could not send, while a flow run goes on and without it noticing."""

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from taskruns.client import Client
from taskruns.errors import TaskRunsError
from taskruns.recording.outbox_file import Leftover, Refused, claimed, keep_refused, leftovers, sole_sender
from taskruns.recording.sender import Sender

BATCH_SIZE = 1000
"""How many reports are sent at once: what was sent before the process ends need not be sent again."""
MAX_REPORTS = 100_000
"""How many reports are sent at the beginning of a flow run; the next one goes on."""
EXIT_SECONDS = 2.0
"""How long a process waits at its end for what is on its way."""
_log = logging.getLogger("taskruns")


class LeftoverSender:
    """Sends what earlier processes left for one service and one API key, in a thread of its own.

    It never raises: what cannot be sent stays for the next flow run, or for `flush`.
    """

    def __init__(self, client: Client, folder: Path) -> None:
        """Sends as a client does, from the files in `folder`."""
        self._client = client
        self._folder = folder
        self._thread: threading.Thread | None = None
        self._is_stopping = False

    def start(self) -> None:
        """Begins, unless it has begun and is not done. It is called when the service has just answered."""
        if self._is_stopping or (self._thread is not None and self._thread.is_alive()):
            return
        thread = threading.Thread(target=self._run, name="taskruns-leftovers", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            _log.info("Reports of earlier processes are waiting, because no thread can be started: %s", error)
        else:
            self._thread = thread

    def stop(self, end: float) -> None:
        """Waits until all is sent, at most to this time of the monotonic clock, and sends nothing more."""
        try:
            if self._thread is not None:
                self._thread.join(max(0.0, end - time.monotonic()))
        finally:
            self._is_stopping = True

    def _run(self) -> None:
        if not leftovers(self._folder):
            return
        try:
            with sole_sender(self._folder) as is_sole, self._client.detached() as client:
                if is_sole:
                    self._send_files(Sender(client.with_options(max_retries=0)))
        except Exception as error:
            _log.info("Reports of earlier processes are waiting, because they cannot be sent: %s", error)

    def _send_files(self, sender: Sender) -> None:
        options = self._client.options
        room = MAX_REPORTS
        for path in leftovers(self._folder):
            try:
                with claimed(path) as leftover:
                    if leftover is None or not leftover.is_for(options.url, options.api_key):
                        continue
                    for count, refused in send_leftover(leftover, sender, self._folder, BATCH_SIZE):
                        _log_batch(count, refused)
                        room -= count
                        if room <= 0 or self._is_stopping:
                            return
                    if leftover.reader.unreadable:
                        _log.error("%s", leftover.reader.summary())
            except TaskRunsError:
                # A later file may depend on this one, as a flow run may begin in one and go on in the next.
                raise
            except OSError as error:
                _log.warning("%s cannot be sent: %s", path, error)


def send_leftover(
    leftover: Leftover, sender: Sender, folder: Path, batch_size: int
) -> Iterator[tuple[int, list[Refused]]]:
    """Sends a file, and yields how many reports of each batch were sent, and those that were refused.

    The refused are kept in `folder`, what was sent is not sent again, and the file is removed at its end.

    Raises:
        TaskRunsError: If the service cannot be reached or takes nothing for now.
        OSError: If the file cannot be read.
    """
    for batch in leftover.batches(batch_size):
        refused = sender.send(batch)
        if refused:
            keep_refused(folder, refused)
        leftover.settle()
        yield len(batch), refused
    leftover.remove()


def _log_batch(count: int, refused: list[Refused]) -> None:
    _log.info("Reports of earlier processes: %d sent.", count - len(refused))
    if refused:
        _log.warning("The service refused %d reports of earlier processes: %s", len(refused), refused[0].why)
