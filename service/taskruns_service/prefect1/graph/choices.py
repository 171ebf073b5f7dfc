"""Choices: which rows of the graph are to be read, and what of each, nested as it is asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from taskruns_service.prefect1.graph.conditions import Expression


class Choice(Struct, frozen=True, kw_only=True):
    """Which rows, and in what order.

    `order_by` has `{field: direction}`, `{relation: {field: direction}}`, or for a relation to many
    `{relation_aggregate: {count: direction, statistic: {field: direction}}}`.
    """

    where: Expression = {}
    order_by: Sequence[Mapping[str, Any]] = ()
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


class One(Struct, frozen=True):
    """The one that a relation leads to, or null."""

    relation: str
    selected: "Selected"


class Many(Struct, frozen=True):
    """Those that a relation leads to, as a list."""

    relation: str
    choice: Choice
    selected: "Selected"


class Count(Struct, frozen=True):
    """How many rows there are; with `columns`, how many have a value in them, or how many different ones."""

    columns: Sequence[str] = ()
    distinct: bool = False


class Statistic(Struct, frozen=True):
    """A statistic such as `max`, of some fields."""

    name: str
    fields: Mapping[str, "str | Constant"]


class Measured(Struct, frozen=True):
    """Counts and statistics of rows, by the names that they have in the answer."""

    measures: Mapping[str, Count | Statistic | Constant]


class Aggregated(Struct, frozen=True):
    """Rows put together: measured, and listed. Without a relation it is all of an entity."""

    choice: Choice
    parts: Mapping[str, "Measured | Selected | Constant"]
    relation: str | None = None


class Selected(Struct, frozen=True):
    """What is read of each row, by the names that it has in the answer: fields by name, and what relations lead to."""

    members: Mapping[str, str | Within | Constant | One | Many | Aggregated]
