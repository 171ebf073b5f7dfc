"""Selections: which rows of the graph are to be read, and what of each, nested as the query nests them."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

Expression = Mapping[str, Any]
"""`{field: {_operator: value}, relation: {…}, _and: […], _or: […], _not: {…}}`; null and {} restrict nothing."""
Order = Mapping[str, Any]
"""`{field: direction}`, `{relation: {field: direction}}`, or for a relation to many
`{relation_aggregate: {count: direction, statistic: {field: direction}}}`."""


class RowQuery(Struct, frozen=True, kw_only=True):
    """Which rows, and in what order."""

    where: Expression = {}
    order_by: Sequence[Order] = ()
    distinct_on: Sequence[str] = ()
    limit: int | None = None
    offset: int = 0


class Within(Struct, frozen=True):
    """What is at a path of keys and places in a field that is JSON."""

    field: str
    path: Sequence[str | int]


class Constant(Struct, frozen=True):
    """A text that is known already, such as the name of a type."""

    text: str


class ToOne(Struct, frozen=True):
    """The one that a relation leads to, or null."""

    relation: str
    selection: "Selection"


class ToMany(Struct, frozen=True):
    """Those that a relation leads to, as a list."""

    relation: str
    row_query: RowQuery
    selection: "Selection"


class Count(Struct, frozen=True):
    """How many rows there are; with `columns`, how many have a value in them, or how many different ones."""

    columns: Sequence[str] = ()
    distinct: bool = False


class Statistic(Struct, frozen=True):
    """A statistic such as `max`, of some fields."""

    name: str
    fields: Mapping[str, "str | Constant"]


Measure = Count | Statistic | Constant


class Aggregates(Struct, frozen=True):
    """Counts and statistics of rows, by the names that they have in the answer."""

    measures: Mapping[str, Measure]


class AggregateSelection(Struct, frozen=True):
    """Rows put together: measured, and listed. Without a relation it is all of an entity."""

    row_query: RowQuery
    parts: "Mapping[str, Part]"
    relation: str | None = None


class Selection(Struct, frozen=True):
    """What is read of each row, by the names that it has in the answer: fields by name, and what relations lead to."""

    members: "Mapping[str, Member]"


Member = str | Within | Constant | ToOne | ToMany | AggregateSelection
"""What is read of a row under one name; a text is the name of a field."""
Part = Aggregates | Selection | Constant
"""What an aggregate has under one name."""
