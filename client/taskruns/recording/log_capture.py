"""Captures what is logged and printed, and writes it to the log of the run that the code is part of.

Handlers of the user are not concerned, and none is added: with one, the root logger would seem to be set up, so that
`logging.basicConfig` would do nothing, and warnings would no longer be printed where no logging is set up.
"""

import builtins
import io
import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from typing import Final, TypeAlias

from taskruns.logs import is_own_record
from taskruns.recording.run_logs import PRINT_NAME, RunLog

Function: TypeAlias = Callable[..., None]

_current: ContextVar[RunLog | None] = ContextVar("taskruns_log", default=None)


class Interception:
    """Another function in the place of one, as long as somebody needs it."""

    def __init__(self, owner: object, name: str, wrap: Callable[[Function], Function]) -> None:
        """`wrap` makes the other function of the one that `owner` has under this name."""
        self._owner = owner
        self._name = name
        self._wrap = wrap
        self._lock = threading.Lock()
        self._count = 0
        self._original: Function | None = None
        self._wrapper: Function | None = None

    def acquire(self) -> None:
        """Needs it. Each call needs one of `release`."""
        with self._lock:
            self._count += 1
            if self._original is None:
                original: Function = getattr(self._owner, self._name)
                self._original, self._wrapper = original, self._wrap(original)
                setattr(self._owner, self._name, self._wrapper)

    def release(self) -> None:
        """Does not need it any more."""
        with self._lock:
            self._count = max(0, self._count - 1)
            if not self._count:
                self._restore()

    def forget(self) -> None:
        """Nobody needs it in a forked process, where another thread may have held the lock."""
        self._lock = threading.Lock()
        self._count = 0
        self._restore()

    def _restore(self) -> None:
        # If somebody has put a function of theirs around it, it stays in there, where it does nothing outside of runs.
        if self._original is not None and getattr(self._owner, self._name) is self._wrapper:
            setattr(self._owner, self._name, self._original)
            self._original = self._wrapper = None


def _around_call_handlers(call_handlers: Function) -> Function:
    def capturing_call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
        try:
            call_handlers(logger, record)
        finally:
            log = _current.get()
            if log is not None and record.levelno >= log.options.level and not is_own_record(record):
                log.write_record(record)

    return capturing_call_handlers


def _around_print(write: Function) -> Function:
    def capturing_print(
        *values: object,
        sep: str | None = " ",
        end: str | None = "\n",
        file: io.TextIOBase | None = None,
        flush: bool = False,
    ) -> None:
        log = _current.get()
        is_output = file is None or file is sys.stdout or file is sys.stderr
        if log is None or not log.options.prints or log.options.level > logging.INFO or not is_output:
            write(*values, sep=sep, end=end, file=file, flush=flush)
            return
        buffer = io.StringIO()
        write(*values, sep=sep, end="", file=buffer)  # once, as it may take long to make texts of the values
        text = buffer.getvalue()
        write(text, end=end, file=file, flush=flush)
        if text and not text.isspace():
            log.write(logging.INFO, PRINT_NAME, text.rstrip(), datetime.now(UTC))

    return capturing_print


_lines: Final = Interception(logging.Logger, "callHandlers", _around_call_handlers)
_prints: Final = Interception(builtins, "print", _around_print)


class Capture:
    """Writes what is logged in this context to the log of a run; None: nowhere."""

    def __init__(self, log: RunLog | None) -> None:
        """It begins when it is entered."""
        self._log = log
        self._token: Token[RunLog | None] | None = None

    def __enter__(self) -> None:
        self._token = _current.set(self._log)
        if self._log is not None:
            _lines.acquire()
            if self._log.options.prints:
                _prints.acquire()

    def __exit__(self, *_error: object) -> None:
        if self._log is not None:
            _lines.release()
            if self._log.options.prints:
                _prints.release()
        if self._token is not None:
            with suppress(ValueError):  # A generator or a coroutine may be closed from elsewhere than it was begun.
                _current.reset(self._token)


def _forget() -> None:
    for interception in (_lines, _prints):
        interception.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
