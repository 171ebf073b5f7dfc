"""The signals that ask a process to stop: heard once, from before the application starts until its end."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress

from granian._granian import WorkerSignal


class StopSignals:
    """SIGTERM and SIGINT of one worker process, for the server and for the application.

    Granian hears signals by the event loop, which misses those that come while it does not run: between the start of
    the application and the first request. And its own handler blocks for ever when a second signal comes while the
    first is carried out. That is what comes under systemd and from a terminal: one from there, one from the supervisor.
    """

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], object]] = []
        self._is_received = False

    def listen(self, loop: asyncio.AbstractEventLoop) -> WorkerSignal:
        """Listens from now on, and returns what tells Granian: it stands in for its `set_loop_signals`."""
        stop = WorkerSignal()
        self.call(stop.set)
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # on Windows, where loops wake up by themselves
                loop.add_signal_handler(number, lambda: None)  # so that the signal wakes up the loop
            signal.signal(number, self._receive)
        return stop

    def call(self, callback: Callable[[], object]) -> None:
        """Calls `callback` from the handler of the first signal, or now when that has come."""
        self._callbacks.append(callback)
        if self._is_received:
            callback()

    def _receive(self, *_: object) -> None:
        if not self._is_received:
            self._is_received = True
            for callback in list(self._callbacks):
                callback()
