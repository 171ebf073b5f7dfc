"""What the values of options are read as: times, seconds, ids, and words that may have commas between them."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time, timedelta
from difflib import get_close_matches
from uuid import UUID

import click
from click.shell_completion import CompletionItem

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART = r"(\d+(?:\.\d+)?)([smhdw])"
_DAYS = {"today": 0, "yesterday": 1}
_SPAN = re.compile(rf"(?:{_PART})+")


def span(text: str) -> float | None:
    """The seconds of a text like `90s` or `1h30m`; None if it is none."""
    if _SPAN.fullmatch(text) is None:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, text))


def nearest(text: str, words: Iterable[str]) -> str:
    """Asks whether the word that is written most like a text was meant; empty if none is like it."""
    by_folded = {word.casefold(): word for word in words}
    matches = get_close_matches(text[:100].casefold(), by_folded, n=1, cutoff=0.7)
    return f"Did you mean {by_folded[matches[0]]}? " if matches else ""


class Moment(click.ParamType[datetime]):
    """A time or a date, here or with an offset; or a time before or after now."""

    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time, in UTC."""
        try:
            return _moment(value)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is not a time. Use an age (2h, 7d), a date (2021-05-12, today, yesterday) or a time (now, "
                f"2021-05-12T18:00) in this machine's time zone, or a time with an offset (2021-05-12T18:00:00Z).",
                param,
                ctx,
            )


def _moment(text: str) -> datetime:
    now = datetime.now(UTC)
    if text == "now":
        return now
    if (seconds := span(text.removeprefix("-"))) is not None:
        return now - timedelta(seconds=seconds)
    if text.startswith("+") and (seconds := span(text[1:])) is not None:
        return now + timedelta(seconds=seconds)
    if text in _DAYS:
        moment = datetime.combine(now.astimezone().date() - timedelta(days=_DAYS[text]), time())
    else:
        moment = datetime.fromisoformat(text)
    # Without an offset it is a time of this machine's time zone.
    return moment.astimezone(UTC)


class Seconds(click.ParamType[float]):
    """A number of seconds, or a text like `5m`."""

    name = "seconds"

    def __init__(self, least: float = 0) -> None:
        """So many are the fewest."""
        self._least = least

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds."""
        try:
            seconds = span(value)
            seconds = float(value) if seconds is None else seconds
        except ValueError:
            seconds = -1.0
        if not self._least <= seconds < float("inf"):
            self.fail(
                f"{value!r} is not a number of seconds of at least {self._least:g}. Use a value such as 90, 1.5, or "
                f"5m.",
                param,
                ctx,
            )
        return seconds


class Length(click.ParamType[str]):
    """A length of time as the service takes it, or a text like `5m`."""

    name = "length"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The length in the form of ISO 8601; what else was written is for the service to judge."""
        seconds = span(value)
        return value if seconds is None else f"PT{seconds:.0f}S"


class Identifier(click.ParamType[UUID]):
    """The id of a run."""

    name = "id"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> UUID:
        """The id."""
        if (parsed := identifier(value)) is None:
            self.fail(f"{value!r} is not an id. Use an id such as 8e445d74-9ca6-425b-98e5-72754b7ea174.", param, ctx)
        return parsed


def identifier(text: str) -> UUID | None:
    """The id that a text is, None if it is none; only in the form in which ids are shown."""
    return UUID(text) if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text) else None


class IdentifierPrefix(click.ParamType[str]):
    """The id of a run, or how it starts."""

    name = "prefix"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The prefix, as the service takes it."""
        if (prefix := identifier_prefix(value)) is None:
            self.fail(f"{value!r} is not the start of an id. Use at least its first 4 characters.", param, ctx)
        return prefix


def identifier_prefix(text: str) -> str | None:
    """The beginning of an id that a text is, of 4 characters or more, as ids are written; None if it is none."""
    lowered = text.lower()
    shape = _ID_SHAPE[: len(lowered)]
    is_prefix = len(shape) == len(lowered) >= _PREFIX_LENGTH and all(
        sign == "-" if place == "-" else sign in "0123456789abcdef" for sign, place in zip(lowered, shape, strict=True)
    )
    return lowered if is_prefix else None


_PREFIX_LENGTH = 4
_ID_SHAPE = "-".join("x" * count for count in (8, 4, 4, 4, 12))


class Words(click.ParamType[list[object]]):
    """Values with commas between them: `item_type` is the type of each, `known` lists the ones that are known."""

    def __init__(
        self,
        name: str,
        *,
        item_type: click.ParamType[object] = click.STRING,
        known: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """Known words may be written with capitals or without; others are for the service to judge."""
        self.name = name
        self._item_type = item_type
        self._known = known

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> list[object]:
        """The values."""
        as_written = {word.lower(): word for word in self._known()}
        words = [word.strip() for word in str(value).split(",")]
        if not all(words):
            self.fail(f"{value!r} contains an empty value.", param, ctx)
        return [self._item_type.convert(as_written.get(word.lower(), word), param, ctx) for word in words]

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The words that begin with what was written after the last comma."""
        before, comma, begun = incomplete.rpartition(",")
        return [
            CompletionItem(before + comma + word)
            for word in self._known()
            if word.lower().startswith(begun.lower()) and word not in before.split(",")
        ]


def together(context: click.Context, option: click.Parameter, lists: tuple[list[object], ...]) -> list[object]:
    """All words of an option that was given more than once."""
    return [word for words in lists for word in words]


def known_states() -> Iterable[str]:
    """The types of states that this version knows."""
    from taskruns.models import StateType

    return list(StateType)


def _groups() -> Iterable[str]:
    from taskruns.models import StateGroup

    return list(StateGroup)


TIME = Moment()
SECONDS = Seconds()
LENGTH = Length()
ID = Identifier()
IDS = Words("id", item_type=ID)
ID_PREFIX = IdentifierPrefix()
STATES = Words("state", known=known_states)
GROUPS = Words("group", known=_groups)
INTEGERS = Words("number", item_type=click.INT)
