"""Stretches of time in which moments lie, to group by: each with the text that is made of the groups alone.

To make and to sort a text for each row took PostgreSQL a third of an aggregate.
"""

import sqlite3
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Text
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

from taskruns_service.storage.dialects.deadlines import Deadline
from taskruns_service.storage.dialects.expressions import Function, compiled

_FIRST_MONDAY = datetime(1, 1, 1, tzinfo=UTC)
"""Where buckets begin to be counted: a Monday, and no moment is earlier."""
_SECONDS_TO_EPOCH = int((datetime(1970, 1, 1, tzinfo=UTC) - _FIRST_MONDAY).total_seconds())


def start_of_bucket(number: int, seconds: int) -> datetime:
    """The beginning of a bucket (`bucket_of`)."""
    return _FIRST_MONDAY + timedelta(seconds=number * seconds)


def add_time_keys(connection: sqlite3.Connection, deadline: Deadline) -> None:
    """Gives a connection `local_hour`, `local_day` and `local_week` of a moment and the name of a time zone."""
    for name, function in (("local_hour", _local_hour), ("local_day", _local_day), ("local_week", _local_week)):
        connection.create_function(name, 2, partial(function, deadline), deterministic=True)


def _local_hour(deadline: Deadline, moment: str | None, zone: str) -> str | None:
    deadline.check()
    if moment is None:
        return None
    local = datetime.fromisoformat(moment).astimezone(ZoneInfo(zone))
    # The clock may show an hour twice: what counts is the one in which the moment lies.
    begun = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return f"{(local.astimezone(UTC) - begun).isoformat()[:19]}Z"


def _local_day(deadline: Deadline, moment: str | None, zone: str) -> str | None:
    deadline.check()
    return None if moment is None else datetime.fromisoformat(moment).astimezone(ZoneInfo(zone)).isoformat()[:10]


def _local_week(deadline: Deadline, moment: str | None, zone: str) -> str | None:
    deadline.check()
    if moment is None:
        return None
    day = datetime.fromisoformat(moment).astimezone(ZoneInfo(zone)).date()
    return (day - timedelta(days=day.weekday())).isoformat()


class _TimeKey(Function):
    type = NullType()
    inherit_cache = True


class _TimeText(FunctionElement[str]):
    type = Text()
    inherit_cache = True


@compiled(lambda moment: f"substr({moment}, 1, 13)", lambda moment: f"date_trunc('hour', {moment} AT TIME ZONE 'UTC')")
class hour_of(_TimeKey):  # noqa: N801
    """The hour in which a moment lies (UTC): `hour_text` is what people read."""

    inherit_cache = True


@compiled(lambda moment: f"substr({moment}, 1, 10)", lambda moment: f"date_trunc('day', {moment} AT TIME ZONE 'UTC')")
class day_of(_TimeKey):  # noqa: N801
    """The day in which a moment lies (UTC): `day_text` is what people read."""

    inherit_cache = True


@compiled(
    lambda moment: f"date(substr({moment}, 1, 10), '-6 days', 'weekday 1')",
    lambda moment: f"date_trunc('week', {moment} AT TIME ZONE 'UTC')",
)
class week_of(_TimeKey):  # noqa: N801
    """The week, from Monday on, in which a moment lies (UTC), as its first day: `day_text` is what people read."""

    inherit_cache = True


@compiled(lambda hour: f"{hour} || ':00:00Z'", lambda hour: f'to_char({hour}, \'YYYY-MM-DD"T"HH24":00:00Z"\')')
class hour_text(_TimeText):  # noqa: N801
    """The beginning of an hour (`hour_of`) as text."""

    inherit_cache = True


@compiled(lambda day: f"{day} || 'T00:00:00Z'", lambda day: f"to_char({day}, 'YYYY-MM-DD\"T00:00:00Z\"')")
class day_text(_TimeText):  # noqa: N801
    """The beginning of a day (`day_of`) as text."""

    inherit_cache = True


@compiled(
    lambda moment, zone: f"local_hour({moment}, {zone})", lambda moment, zone: f"date_trunc('hour', {moment}, {zone})"
)
class local_hour_of(_TimeKey):  # noqa: N801
    """The hour of a time zone in which a moment lies: `local_hour_text` is its beginning in UTC."""

    inherit_cache = True


@compiled(
    lambda moment, zone: f"local_day({moment}, {zone})",
    lambda moment, zone: f"date_trunc('day', {moment} AT TIME ZONE {zone})",
)
class local_day_of(_TimeKey):  # noqa: N801
    """The day of a time zone in which a moment lies: `date_text` is its date."""

    inherit_cache = True


@compiled(
    lambda moment, zone: f"local_week({moment}, {zone})",
    lambda moment, zone: f"date_trunc('week', {moment} AT TIME ZONE {zone})",
)
class local_week_of(_TimeKey):  # noqa: N801
    """The week of a time zone in which a moment lies: `date_text` is the date of its Monday."""

    inherit_cache = True


@compiled(lambda hour: hour, lambda hour: f"to_char({hour} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
class local_hour_text(_TimeText):  # noqa: N801
    """The beginning of an hour (`local_hour_of`), in UTC, as text."""

    inherit_cache = True


@compiled(lambda day: day, lambda day: f"to_char({day}, 'YYYY-MM-DD')")
class date_text(_TimeText):  # noqa: N801
    """The date of a day (`local_day_of`, `local_week_of`) as text."""

    inherit_cache = True


@compiled(
    lambda moment, seconds: (
        f"((CAST(strftime('%s', substr({moment}, 1, 19)) AS INTEGER) + {_SECONDS_TO_EPOCH}) / {seconds})"
    ),
    lambda moment, seconds: (
        f"((CAST(floor(EXTRACT(EPOCH FROM {moment})) AS bigint) + {_SECONDS_TO_EPOCH}) / {seconds})"
    ),
)
class bucket_of(FunctionElement[int]):  # noqa: N801
    """The number of the bucket of so many seconds in which a moment lies: `start_of_bucket` says when it begins."""

    type = BigInteger()
    inherit_cache = True
