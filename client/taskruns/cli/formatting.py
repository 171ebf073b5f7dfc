"""Values as people read them: times, durations, sizes, counts and the colours of states."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast

from taskruns.models import StateType
from taskruns.printable import printable
from taskruns.states import State

_MAX_LINE_LENGTH = 300
_MAX_TRACEBACK_LENGTH = 20_000
_JUST = 5
_LONG_AGO = 30 * 86400
_STYLES = (
    (StateType.FAILED, "red"),
    (StateType.CANCELLED, "magenta"),
    (StateType.SUCCESS, "green"),
    (StateType.FINISHED, "cyan"),
    (StateType.RUNNING, "blue"),
    (StateType.CLIENT_FAILED, "red"),
    (StateType.SUBMITTED, "yellow"),
    (StateType.SCHEDULED, "yellow"),
    (StateType.PENDING, "bright_black"),
)


def style_of(state: str) -> str:
    """The colour of a state; none for one that this version does not know."""
    known = State(StateType(state))
    return next((style for kind, style in _STYLES if known.is_a(kind)), "")


def duration(seconds: float) -> str:
    """Seconds in the two units that matter: `120ms`, `1.89s`, `3m05s`, `2h07m`, `4d11h`."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if 0 < seconds < 0.9995:
        return f"{seconds * 1000:.3g}ms"
    if seconds < 59.95:
        return f"{seconds:.3g}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def ago(moment: datetime, now: datetime) -> str | None:
    """How long ago a time is; None if that is long."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) >= _LONG_AGO:
        return None
    if abs(seconds) < _JUST:
        return "just now"
    units = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
    length, unit = next(step for step in units if abs(seconds) >= step[0])
    text = f"{int(abs(seconds) // length)}{unit}"
    return f"{text} ago" if seconds > 0 else f"in {text}"


def exact(moment: datetime, timespec: str = "seconds") -> str:
    """A time, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def size(count: int) -> str:
    """A number of bytes."""
    if count < 1000:
        return f"{count} bytes"
    steps = ((count / 1000**power, unit) for power, unit in enumerate(("kB", "MB", "GB"), 1))
    return next((f"{amount:.3g} {unit}" for amount, unit in steps if amount < 999.5), f"{count / 1e12:.3g} TB")


def counts(of_states: Mapping[str, int]) -> str:
    """How many are in each state, in the order of a life."""
    return ", ".join(f"{of_states[state]} {printable(state)}" for state in in_order(of_states))


def in_order(states: Mapping[str, int]) -> list[str]:
    """States in the order in which a run goes through them; those that this version does not know come last."""
    known = [str(state) for state in _ORDER if state in states]
    return known + sorted(set(states) - set(known))


_ORDER = (
    *(StateType.SCHEDULED, StateType.PENDING, StateType.PAUSED, StateType.RESUME, StateType.QUEUED),
    *(StateType.SUBMITTED, StateType.CLIENT_FAILED, StateType.RETRYING, StateType.RUNNING, StateType.CANCELLING),
    *(StateType.FINISHED, StateType.LOOPED, StateType.MAPPED, StateType.SUCCESS, StateType.CACHED, StateType.SKIPPED),
    *(StateType.CANCELLED, StateType.FAILED, StateType.TIMED_OUT, StateType.TRIGGER_FAILED),
    *(StateType.VALIDATION_FAILED, StateType.CRASHED),
)


def cut(text: str) -> str:
    """A text for one line: whoever wants all of it finds it in JSON."""
    return text if len(text) <= _MAX_LINE_LENGTH else f"{text[:_MAX_LINE_LENGTH]}…"


def traceback(text: str) -> str:
    """The end of a traceback, printable in each of its lines."""
    lines = text[-_MAX_TRACEBACK_LENGTH:].split("\n")
    return "\n".join(map(printable, lines if len(text) <= _MAX_TRACEBACK_LENGTH else ["…", *lines]))


def shown(name: str, value: object, *, now: datetime | None) -> str:
    """A member of a run; times as so long ago if `now` is given."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return exact(value) if now is None else ago(value, now) or f"{value.astimezone(UTC):%Y-%m-%d}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and name.endswith(("duration", "run_time", "queue_time")):
        return duration(value)
    if isinstance(value, dict):
        return counts(cast("dict[str, int]", value))
    if isinstance(value, list):
        return ", ".join(map(printable, cast("list[str]", value)))
    return printable(str(value))
