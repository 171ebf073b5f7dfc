"""SIGTERM, with which Docker, Kubernetes and systemd stop a program: it ends a flow run as Ctrl-C does.

Its default action would kill the process at once, and the service would show its runs as Running for ever.
"""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType

TERMINATION_SECONDS = 5.0
"""How long a flow run waits for tasks in executors after SIGTERM. Docker sends SIGKILL after 10 seconds."""

_blocks = 0
_has_come = False


class Terminated(SystemExit):
    """Raised in the main thread when SIGTERM comes inside a flow run."""

    def __init__(self) -> None:
        """Ends a process with the status that shells give to one that SIGTERM has killed."""
        super().__init__(128 + signal.SIGTERM)


def listen() -> bool:
    """Has SIGTERM raise `Terminated`; whether it does: only in the main thread, and where nobody else listens.

    Each call that returns True needs one of `stop_listening`.
    """
    global _blocks, _has_come  # noqa: PLW0603 # a process has one handler of a signal
    if threading.current_thread() is not threading.main_thread():
        return False
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        try:
            signal.signal(signal.SIGTERM, _terminate)
        except ValueError:  # in an interpreter that is not the main one
            return False
        _blocks, _has_come = 0, False
    elif signal.getsignal(signal.SIGTERM) is not _terminate:
        return False
    _blocks += 1
    return True


def stop_listening() -> None:
    """Restores the default action, once nobody listens any more."""
    global _blocks  # noqa: PLW0603
    _blocks -= 1
    if _blocks == 0:
        _restore()


@contextmanager
def listening_to_end(listens: bool) -> Generator[None, None, None]:
    """Goes on to listen, if somebody `listens`, until the end of a block, and then stops."""
    try:
        yield
    finally:
        if listens:
            stop_listening()


def has_come() -> bool:
    """Whether SIGTERM has come to those who listen."""
    return _has_come


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    global _has_come  # noqa: PLW0603
    if _blocks == 0:  # the last block was left in another thread, which cannot restore anything
        _kill()
    if not _has_come:
        _has_come = True
        atexit.register(_end, os.getpid())
    raise Terminated


def _end(process: int) -> None:
    """Ends the process by the signal, as its supervisor expects, after all else that is done at its end."""
    if process == os.getpid():
        # This is called first, as it was registered last. multiprocessing ends its processes with this function too.
        atexit.unregister(_end)
        atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
        _kill()


def _kill() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def _restore() -> None:
    if signal.getsignal(signal.SIGTERM) is _terminate:
        with suppress(ValueError):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _forget() -> None:
    """A forked process, such as a worker of a pool, has no part in the flow run: SIGTERM kills it as ever."""
    global _blocks  # noqa: PLW0603
    _blocks = 0
    _restore()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
