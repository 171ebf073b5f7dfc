"""Formats the traceback of an error for the details of a state: within bounds, without local values."""

import os
from pathlib import Path
from traceback import StackSummary, TracebackException, walk_tb

from taskruns.recording.bounds import MAX_MESSAGE_LENGTH, safe_repr, safe_text, shortened
from taskruns.type_aliases import JsonObject

MAX_TRACEBACK_BYTES = 16 * 1024
"""How many bytes of UTF-8 a traceback may have; of a longer one the end is kept, where the error was raised."""
MAX_FRAMES = 2000
"""How many frames of an error are formatted, the innermost; Python by itself allows recursion of 1,000."""
MAX_ENTRY_LENGTH = 2000
"""How many characters a frame, a note or a message may have; a longer one would displace the frames."""
_MARKER_BYTES = 100
"""How many bytes the line may have that says how much was left out."""
_RECORDER = f"{Path(__file__).parent}{os.sep}"


def traceback_details(error: BaseException) -> JsonObject:
    """The details of a state that an error led to."""
    return {"traceback": format_traceback(error)}


def format_traceback(error: BaseException) -> str:
    """Formats an error as Python prints it, with its causes, contexts, notes and groups, and no longer than the bound.

    Frames of the recorder are left out, so that the first frame is one of the user's code. Only code is in it, and what
    the errors say of themselves: no values of variables.
    """
    try:
        summary = TracebackException(type(error), error, error.__traceback__, limit=-MAX_FRAMES, compact=True)
        left_out = _leave_out_frames(summary, error)
        text = "".join(safe_text(shortened(entry, MAX_ENTRY_LENGTH), MAX_MESSAGE_LENGTH) for entry in summary.format())
    except Exception as failure:  # of an error whose members are not as they should be, or nest too deep
        return f"{type(error).__name__}\n[Its traceback cannot be formatted: {safe_repr(failure, MAX_ENTRY_LENGTH)}]"
    return _end_of(text.rstrip("\n"), left_out)


def _leave_out_frames(summary: TracebackException, error: BaseException) -> int:
    """Removes the recorder's frames from an error and all that led to it; returns how many others have no room."""
    left_out = 0
    pending: list[tuple[TracebackException | None, BaseException | None]] = [(summary, error)]
    while pending:
        summarized, cause = pending.pop()
        if summarized is None or cause is None:
            continue
        left_out += max(0, sum(1 for _ in walk_tb(cause.__traceback__)) - MAX_FRAMES)
        summarized.stack = StackSummary.from_list(
            [frame for frame in summarized.stack if not frame.filename.startswith(_RECORDER)]
        )
        pending += [(summarized.__cause__, cause.__cause__), (summarized.__context__, cause.__context__)]
        if summarized.exceptions:  # of a group, whose type `isinstance` would leave partly unknown
            members: tuple[BaseException, ...] = getattr(cause, "exceptions", ())
            pending += zip(summarized.exceptions, members, strict=False)
    return left_out


def _end_of(text: str, frames: int) -> str:
    """The last lines of a text that fit, below a line that says how much is missing; `frames`: of those already."""
    data = text.encode()
    room = MAX_TRACEBACK_BYTES - _MARKER_BYTES
    end = data if len(data) <= room else data[-room:].partition(b"\n")[2]
    missing = [f"{frames:,} frames"] if frames else []
    if len(end) < len(data):
        missing.append(f"{len(data) - len(end):,} bytes")
    marker = f"[{' and '.join(missing)} left out]\n" if missing else ""
    return marker + end.decode()
