"""Keys: what runs can be grouped by, and how the values of keys are read."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, String, Table

from taskruns_service.storage import tables
from taskruns_service.storage.dialects import (
    Column,
    bucket_of,
    date_text,
    day_of,
    day_text,
    hour_of,
    hour_text,
    local_day_of,
    local_hour_of,
    local_hour_text,
    local_week_of,
    message_kind,
    placeholder,
    week_of,
)

BUCKET = "bucket"
BUCKET_TIME = "bucket_time"
TIME_ZONE = "timezone"
MESSAGE = "message"
"""The key whose groups have samples, and when they were first and last seen."""

LENGTHS_OF_KEYS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}

_flow = tables.flow


class Key(NamedTuple):
    """What runs are grouped by."""

    column: Column
    text: Callable[[Column], Column] = lambda column: column
    """What is shown of it."""


def keys_of(runs: Table) -> dict[str, Key]:
    """The keys that both kinds of runs have, besides those of a time."""
    return {
        "state": Key(runs.c.state),
        "flow_name": Key(_flow.c.name),
        MESSAGE: Key(message_kind(runs.c.state_message)),
    }


def time_keys_of(time: Column) -> dict[str, Key]:
    """The keys of a time of runs, of which `hour`, `day` and `week` are in UTC."""
    return {
        "hour": Key(hour_of(time), hour_text),
        "day": Key(day_of(time), day_text),
        "week": Key(week_of(time), day_text),
        BUCKET: Key(bucket_of(time, placeholder(BUCKET, BigInteger()))),
    }


def local_time_keys_of(time: Column) -> dict[str, Key]:
    """The keys of a time that depend on the time zone, in that of the placeholder `timezone`."""
    zone = placeholder(TIME_ZONE, String())
    return {
        "hour": Key(local_hour_of(time, zone), local_hour_text),
        "day": Key(local_day_of(time, zone), date_text),
        "week": Key(local_week_of(time, zone), date_text),
    }


def in_zone(text: str | None, zone: ZoneInfo) -> datetime | None:
    """The beginning of an hour of UTC, or of a date of a time zone, as the clock there shows it."""
    if text is None:
        return None
    begin = datetime.fromisoformat(text)
    if begin.tzinfo is None:
        # A midnight that is left out, or that comes twice, is the first moment of its date.
        begin = begin.replace(tzinfo=zone).astimezone(UTC)
    local = begin.astimezone(zone)
    offset = local.utcoffset() or timedelta()
    # Before there were time zones, offsets had seconds, which RFC 3339 cannot write.
    return begin.astimezone(UTC) if offset.seconds % 60 else local
