"""How values of Prefect Server 1 become those of the service's tables."""

import re
from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec

from taskruns_service.domain import results
from taskruns_service.domain.states import StateType
from taskruns_service.domain.times import read_time
from taskruns_service.prefect1.types import Row
from taskruns_service.schemas import NAME_LENGTH

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a time that a server does not have."""


def created_of(row: Row) -> datetime:
    """When a row was made: the service always knows."""
    moment: datetime | None = row.created
    return moment or EPOCH


def name_of(text: object, otherwise: object = None) -> str | None:
    """A name that is not longer than names may be."""
    chosen = text or otherwise
    return None if chosen is None else str(chosen)[:NAME_LENGTH]


def json_of(text: str | None, otherwise: str | None = None) -> msgspec.Raw | None:
    """JSON text as it is; it is not read on its way."""
    chosen = otherwise if text in (None, "null") else text
    return None if chosen is None else msgspec.Raw(chosen.encode())


_SUSPICIOUS = re.compile(r"://|[@\\\x7f]|script:|data:", re.IGNORECASE)


def has_fit_places(reference: str) -> bool:
    """Whether a reference to a result may be kept as it is; few have to be read for that."""
    if reference.isascii() and len(reference) <= results.LOCATION_BYTES and not _SUSPICIOUS.search(reference):
        return True
    try:
        results.check_places(msgspec.json.decode(reference))
    except ValueError:
        return False
    return True


def without_places(reference: str) -> str:
    """The reference without a word of where the result is."""
    members = msgspec.json.decode(reference)
    others = {name: value for name, value in members.items() if name not in results.PLACES}
    return msgspec.json.encode({**others, "location": None}).decode()


def has_fit_link(artifact: str | None) -> bool:
    """Whether what an artifact shows has no link that nobody should follow."""
    if artifact is None or '"link"' not in artifact:
        return True
    try:
        results.check_link(msgspec.json.decode(artifact))
    except ValueError:
        return False
    return True


def without_link(artifact: str) -> str:
    """What an artifact shows, with null for its link."""
    return msgspec.json.encode({**msgspec.json.decode(artifact), "link": None}).decode()


def texts_of(text: str | None) -> list[str]:
    """A set of texts, such as labels or tags."""
    read = msgspec.json.decode(text) if text else None
    return sorted({str(item) for item in read}) if isinstance(read, list) else []


def seconds_of(interval: timedelta | None) -> float | None:
    """An interval in seconds."""
    return None if interval is None else interval.total_seconds()


def moment_of(text: str | None) -> datetime | None:
    """A moment in a serialized state; one that cannot be read is none."""
    try:
        return read_time(text) if text else None
    except (ValueError, OverflowError):
        return None


@cache
def type_of(text: str | None) -> StateType:
    """A state's type. One that the service does not know is the type that ends its name: `MyFailed` is Failed.

    Otherwise it is Finished: nothing more will be heard of it.
    """
    known = [type_ for type_ in StateType if text and text.endswith(type_)]
    return max(known, key=len, default=StateType.Finished) if text else StateType.Pending
