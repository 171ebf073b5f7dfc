"""The parameters that lists have: filters, sort, fields, limit and cursor."""

from collections.abc import Iterable, Mapping
from typing import Any

from taskruns_service.api.requests import CURSOR, LIMIT
from taskruns_service.filters import Filter
from taskruns_service.paging import SORT_LENGTH, Key
from taskruns_service.parameters import Parameter, text

FIELDS_LENGTH = 1000


def list_parameters(
    filters: Iterable[Filter],
    keys: Mapping[str, Key],
    members: Mapping[str, Any],
    *,
    default_sort: str,
    everywhere: bool = False,
) -> tuple[Parameter, ...]:
    """All parameters of a list."""
    names = ", ".join(name for name, key in keys.items() if key.everywhere or not everywhere)
    sort = Parameter(
        name="sort",
        value=text(SORT_LENGTH),
        description=f"Keys with commas between them, with `-` in front for descending. The first is one of {names}"
        f"{', a further one any member that has an order' if everywhere else ''}. Those without a value come last.",
        default=default_sort,
        example=default_sort,
    )
    fields = Parameter(
        name="fields",
        value=text(FIELDS_LENGTH),
        description="Only these members of each item, with commas between them.",
        example=",".join([*list(members)[:1], "state"]),
    )
    return (*(one.parameter for one in filters), sort, fields, LIMIT, CURSOR)
