"""Times as text in ISO 8601."""

from datetime import UTC, datetime


def read_time(text: str) -> datetime:
    """Reads a time, in UTC if it has no offset, as a time in UTC; raises ValueError and OverflowError."""
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
