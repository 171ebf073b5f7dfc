"""Times and ages as text."""

from datetime import UTC, datetime, timedelta

from taskruns_service.domain.errors import ConfigurationError

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def read_time(text: str) -> datetime:
    """Reads a time in ISO 8601, in UTC if it has no offset, as a time in UTC; raises ValueError and OverflowError."""
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


def time_before(now: datetime, age: str) -> datetime:
    """The time that is so long ago, as with an age of `90d`; raises ConfigurationError for a text that is no age."""
    number, unit = age[:-1], _UNITS.get(age[-1:])
    try:
        if unit is not None and number.isascii() and number.isdigit():
            return now - timedelta(**{unit: int(number)})
    except OverflowError:
        pass
    raise ConfigurationError(f"{age!r} is not an age. Write a number followed by h, d, or w, such as 90d.")
