"""The order of lists that say no other: by start, newest first."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from heapq import merge
from typing import Protocol, TypeVar

ORDER = "by start, newest first"


class Started(Protocol):
    """A run, with the times that lists are sorted by."""

    @property
    def start_time(self) -> datetime | None:
        """When it started, if it has."""
        ...

    @property
    def created(self) -> datetime:
        """When the service made it."""
        ...


def moment_of(run: Started) -> datetime:
    """When a run started; while it has not, when it was made."""
    return run.start_time or run.created


R = TypeVar("R", bound=Started)


def newest_first(
    ask: Callable[..., Iterable[R]], *, fields: Sequence[str] | None = None, **options: object
) -> Iterator[R]:
    """Yields runs by start, newest first; one that has not started stands where it was made.

    The time when a run was made is that of its arrival, and a run may arrive long after it ran: so it counts for those
    alone that have not started. The service sorts by one or the other; the two lists are merged as they come.
    """
    if fields is not None:
        options["fields"] = list(dict.fromkeys([*fields, "start_time", "created"]))
    only = options.pop("start_time_is_null", None)
    lists = [
        ask(start_time_is_null=is_null, sort=sort, **options)
        for is_null, sort in ((False, "-start_time"), (True, "-created"))
        if only in (None, is_null)
    ]
    return merge(*lists, key=moment_of, reverse=True)
