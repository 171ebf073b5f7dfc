"""The supervisor: starts the worker processes, starts others where they end, and ends them when it is told to."""

import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any

from granian.log import logger
from granian.server.mp import MPServer, WorkerProcess

LIFETIME_SECONDS = 10.0
"""A worker that lived for so long ended for a reason of its own: those before it do not count any more."""
MAX_FAILURES = 5
"""Workers in a row that end by an error soon after their start; then the service ends, for it cannot work."""
PAUSES = (0, 0, 0.5, 1, 2, 4, 8)
"""Seconds before another worker is started, by how many ended soon after their start: each takes a second of CPU."""

Target = Callable[..., None]
Loader = Callable[..., object]


class SignalEvent:
    """What `threading.Event` is, but for handlers of signals too.

    Those run in the middle of what the main thread does; in the middle of `wait`, `set` would wait for ever for a lock
    that the main thread has.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def set(self) -> None:
        """Ends all waits until it is cleared."""
        with suppress(BlockingIOError):  # it is full, and so it is set
            self._writer.send(b"1")

    def clear(self) -> None:
        """Has waits wait again."""
        with suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it is set, for so many seconds at most; whether it is."""
        return bool(select.select([self._reader], [], [], timeout)[0])


class Supervisor(MPServer):
    """Granian's server, with a supervision of its own.

    Granian's ends the service when two workers end within 5.5 s, lets two workers overlap while it reloads, and reads
    an ended worker as one that refuses to end where two of its threads wait for it at once.
    """

    def __init__(self, *arguments: Any, is_exclusive: bool, kill_seconds: float, **options: Any) -> None:
        """`is_exclusive` says that two workers must not work at the same time.

        A worker that has not ended by itself after `kill_seconds` is killed.
        """
        super().__init__(*arguments, **options)
        self._is_exclusive = is_exclusive
        self._kill_seconds = kill_seconds
        self.main_loop_interrupt = SignalEvent()  # type: ignore[assignment]
        self._interrupted = SignalEvent()

    def signal_handler_interrupt(self, *_: object) -> None:
        """Notes that the service is to end."""
        if os.getpid() != self.pid:
            # A forked worker has this handler until it has one of its own, and has taken nothing on yet.
            os._exit(0)
        self._interrupted.set()
        super().signal_handler_interrupt()  # type: ignore[no-untyped-call]

    def _serve_loop(self, spawn_target: Target, target_loader: Loader) -> None:
        ended = failures = 0
        while True:
            self.main_loop_interrupt.wait()
            self.main_loop_interrupt.clear()  # before it is looked at what has happened
            if self.interrupt_signal:
                return
            if self.reload_signal:
                self.reload_signal = False
                logger.info("SIGHUP received, replacing workers")
                for index in range(self.workers):
                    self._replace(index, spawn_target, target_loader)
            while self.interrupt_children:
                index = self.interrupt_children.pop()
                worker = self.wrks[index]
                if worker.is_alive():  # one in its place: it was replaced after it ended
                    continue
                is_young = time.monotonic() - worker.birth < LIFETIME_SECONDS
                ended = ended + 1 if is_young else 1
                failures = failures + 1 if is_young and worker.inner.exitcode > 0 else 0
                if failures == MAX_FAILURES:
                    logger.error(f"Stopping because {failures} workers in a row failed right after they started")
                    self.interrupt_children.append(index)  # so that the exit code is 1
                    return
                self._interrupted.wait(PAUSES[min(ended, len(PAUSES)) - 1])
                if not self.interrupt_signal:
                    self._start(index, spawn_target, target_loader)

    def _replace(self, index: int, spawn_target: Target, target_loader: Loader) -> None:
        old = self.wrks[index]
        if self._is_exclusive:
            self._stop([old])
        if not self.interrupt_signal:
            self._start(index, spawn_target, target_loader)
            if not self._is_exclusive:
                self._interrupted.wait(self.respawn_interval)  # until the new one is ready
                self._stop([old])

    def _start(self, index: int, spawn_target: Target, target_loader: Loader) -> None:
        worker = self._spawn_worker(idx=index, target=spawn_target, callback_loader=target_loader)
        self.wrks[index] = worker
        worker.start()  # type: ignore[no-untyped-call]

    def _stop_workers(self) -> None:
        self._stop(self.wrks)

    def _stop(self, workers: Sequence[WorkerProcess]) -> None:
        """Asks workers to end and waits until they have."""
        for worker in workers:
            worker.terminate()  # type: ignore[no-untyped-call]
        # Not by `join`: a thread of each worker does that already, and only one of the two learns of the end.
        running = {worker.inner.sentinel: worker for worker in workers}
        end = time.monotonic() + self._kill_seconds
        while running and (seconds := end - time.monotonic()) > 0:
            for sentinel in wait(list(running), seconds):
                worker = running.pop(sentinel)
                logger.info(f"Stopped worker-{worker.idx + 1}")
        for worker in running.values():
            logger.warning(f"Killing worker-{worker.idx + 1}, which did not stop within {self._kill_seconds:g} s")
            worker.kill()  # type: ignore[no-untyped-call]
            wait([worker.inner.sentinel])
