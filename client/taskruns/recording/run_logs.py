"""The log of a run that is being recorded: its lines, within bounds, as reports."""

import logging
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Self
from uuid import UUID

from msgspec import UNSET, Struct
from msgspec.structs import replace

from taskruns import settings
from taskruns.models import LogLevel, LogLineReport
from taskruns.recording.bounds import MAX_MESSAGE_LENGTH, MAX_NAME_LENGTH, safe_repr, safe_text, shortened
from taskruns.recording.ids import new_id_in
from taskruns.recording.reports import LogLineWritten
from taskruns.recording.tracebacks import format_traceback

PRINT_NAME = "print"
"""What a line has in the place of a logger's name if it was printed."""
_OWN_NAME = "taskruns"
_LEVELS = (LogLevel.DEBUG, LogLevel.DEBUG, LogLevel.INFO, LogLevel.WARNING, LogLevel.ERROR, LogLevel.CRITICAL)
_STEP = 10
"""How far apart the levels of `logging` are."""


class LogOptions(Struct, frozen=True, kw_only=True):
    """What is recorded of the log of a run."""

    capture: bool
    """Whether anything is."""
    prints: bool
    level: int
    """The least severe level."""
    max_lines: int
    max_bytes: int

    def changed(self, capture: bool | None, prints: bool | None, level: int | str | None) -> Self:
        """These options with others where one is not None.

        Raises:
            ValueError: If there is no such level.
        """
        if capture is None and prints is None and level is None:
            return self
        return replace(
            self,
            capture=self.capture if capture is None else capture,
            prints=self.prints if prints is None else prints,
            level=self.level if level is None else level_number(level),
        )


def log_options(*, capture: bool, prints: bool, level: int | str) -> LogOptions:
    """The options of a flow run, with the bounds of the environment.

    Raises:
        ValueError: If there is no such level.
        InvalidSetting: If the environment has a bound that is none.
    """
    return LogOptions(
        capture=capture,
        prints=prints,
        level=level_number(level),
        max_lines=settings.max_log_lines(),
        max_bytes=settings.max_log_bytes(),
    )


def level_number(level: int | str) -> int:
    """The number of a level of `logging`, which may be passed by its name.

    Raises:
        ValueError: If there is no such level.
    """
    if isinstance(level, int):
        return level
    levels = logging.getLevelNamesMapping()
    if level.upper() not in levels:
        raise ValueError(f"There is no log level {level!r}. The levels are {', '.join(levels)}.")
    return levels[level.upper()]


class RunLog:
    """The log of a flow run, or of one of its task runs. Every thread may write to it.

    In a forked process it takes nothing: it is a copy there, of a lock that may be held.
    """

    def __init__(
        self,
        options: LogOptions,
        emit: Callable[[LogLineWritten], None],
        flow_run_id: UUID,
        task_run_id: UUID | None = None,
    ) -> None:
        """Tells lines to `emit`."""
        self.options: Final = options
        self._emit = emit
        self._flow_run_id = flow_run_id
        self._task_run_id = task_run_id
        self._process = os.getpid()
        # A line may be written while another one is, in the same thread: by a finalizer or a signal's handler.
        self._lock = threading.RLock()
        self._lines = self._bytes = 0
        self._left_out: dict[LogLevel, int] = {}

    def write_record(self, record: logging.LogRecord) -> None:
        """Writes a line that was logged; never raises an Exception."""
        try:
            timestamp = datetime.fromtimestamp(record.created, UTC)
            self.write(record.levelno, record.name, _text_of(record), timestamp)
        except Exception as error:
            self.write(record.levelno, _OWN_NAME, f"A line cannot be recorded: {safe_repr(error)}", datetime.now(UTC))

    def write(self, level: int, name: str, text: str, timestamp: datetime) -> None:
        """Writes a line, unless there is no room for it: then neither for any line after it."""
        if self._is_copy():
            return
        message = safe_text(shortened(text, MAX_MESSAGE_LENGTH), MAX_MESSAGE_LENGTH)
        size = len(message) if message.isascii() else len(message.encode())
        severity = _LEVELS[max(0, min(level, logging.CRITICAL)) // _STEP]
        with self._lock:
            self._lines += 1
            self._bytes += size
            if self._lines > self.options.max_lines or self._bytes > self.options.max_bytes:
                self._left_out[severity] = self._left_out.get(severity, 0) + 1
                return
        self._report(severity, name, message, timestamp)

    def close(self) -> None:
        """Writes how many lines were left out, if any were, once the run has ended."""
        if self._left_out and not self._is_copy():
            with self._lock:
                left_out, self._left_out = self._left_out, {}
            counts = ", ".join(f"{left_out[level]:,} {level.value}" for level in _LEVELS[1:] if level in left_out)
            message = (
                f"{sum(left_out.values()):,} further lines were left out ({counts}): at most "
                f"{self.options.max_lines:,} lines and {self.options.max_bytes:,} bytes of a run are recorded."
            )
            self._report(LogLevel.WARNING, _OWN_NAME, message, datetime.now(UTC))

    def _is_copy(self) -> bool:
        return os.getpid() != self._process

    def _report(self, level: LogLevel, name: str, message: str, timestamp: datetime) -> None:
        line = LogLineReport(
            id=new_id_in(self._flow_run_id),
            message=message,
            level=level,
            name=_safe_name(name) or UNSET,
            task_run_id=UNSET if self._task_run_id is None else self._task_run_id,
            timestamp=timestamp,
        )
        self._emit(LogLineWritten(flow_run_id=self._flow_run_id, line=line))


@lru_cache(1000)
def _safe_name(name: str) -> str:
    return safe_text(name, MAX_NAME_LENGTH)


def _text_of(record: logging.LogRecord) -> str:
    """What a line says, with the traceback of its error."""
    try:
        text = record.getMessage()
    except Exception:  # as of arguments that do not fit the message; a handler of the user says so
        text = f"{safe_repr(record.msg)} {safe_repr(record.args)}"
    if record.exc_info and (error := record.exc_info[1]) is not None:
        text = f"{text}\n{format_traceback(error)}"
    elif record.exc_text:
        text = f"{text}\n{record.exc_text}"
    return f"{text}\n{record.stack_info}" if record.stack_info else text
