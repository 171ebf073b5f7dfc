"""The parameters that lists have: filters, sort, limit and cursor, and the fields to answer with."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec.structs import replace

from taskruns_service.api.requests import CURSOR, LIMIT
from taskruns_service.queries.filters import Filter
from taskruns_service.queries.paging import SORT_LENGTH, Key
from taskruns_service.queries.parameters import Parameter, choice, text


def list_parameters(
    filters: Iterable[Filter],
    keys: Mapping[str, Key],
    *,
    default_sort: str,
    everywhere: bool = False,
) -> tuple[Parameter, ...]:
    """What a list may be asked for, apart from its fields."""
    names = ", ".join(name for name, key in keys.items() if key.everywhere or not everywhere)
    further = "; further keys can be any member that has an order" if everywhere else ""
    sort = Parameter(
        name="sort",
        value=text(SORT_LENGTH),
        description="Comma-separated keys, each with a leading `-` for descending order. The first key must be one of "
        f"{names}{further}. Items without a value come last.",
        default=default_sort,
        example=default_sort,
    )
    return (*(filter_.parameter for filter_ in filters), sort, LIMIT, CURSOR)


def fields_parameter(members: type[StrEnum]) -> Parameter:
    """The members that each item of an answer has, in a list that answers with no others."""
    return Parameter(
        name="fields",
        value=choice(members),
        description="The members that each item has, separated by commas.",
        many=True,
        comma_separated=True,
        required=True,
        example=["id", "state"],
    )


def undocumented(parameter: Parameter) -> Parameter:
    """The parameter of a list of whole items: older clients send it there, and no schema could tell its effect."""
    return replace(parameter, required=False, is_documented=False)
