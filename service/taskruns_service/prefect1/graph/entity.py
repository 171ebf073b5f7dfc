"""What an entity of the graph is: its table, its fields, and its relations to other entities."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import (
    JSON,
    TIMESTAMP,
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    FromClause,
    Integer,
    ScalarSelect,
    Uuid,
)
from sqlalchemy.sql.visitors import iterate

from taskruns_service.storage.dialects import Column

Clause = ColumnElement[bool]
"""A condition in SQL."""
Alias = FromClause
"""One mention of an entity's table in a statement, under an alias of its own."""
Computed = Callable[[Alias], Column]
"""A field, of one mention of an entity's table in a statement."""


class Field(NamedTuple):
    """A field: what it is in SQL, the scalar that it is for clients, and whether it is looked up in other tables."""

    column_of: Computed
    scalar: str
    nests: bool = False


class Relation(NamedTuple):
    """The way from one entity to another.

    `copies` are fields of the other one that this one has as well, by its own field's name: they need no look-up.
    No index leads to the others where it `scans`; where it `nests`, it goes through tables in between.
    """

    target: str
    on: Callable[[Alias, Alias], Clause]
    many: bool = False
    copies: Mapping[str, str] = {}
    scans: bool = False
    nests: bool = False


class Entity(NamedTuple):
    """A kind of thing, with a row of `table` for each, in this order where no other is asked for.

    `implied` is what else is true of a row in which a field has a value, where an index serves that and not the field.
    """

    table: FromClause
    fields: Mapping[str, Field]
    relations: Mapping[str, Relation]
    implied: Mapping[str, Callable[[Alias, object], Clause]] = {}
    order: Sequence[Mapping[str, str]] = ()

    def column(self, alias: Alias, field: str) -> Column:
        """A field of one mention of the table."""
        return self.fields[field].column_of(alias)


_SCALARS: tuple[tuple[type, str], ...] = (
    (Boolean, "Boolean"),
    (BigInteger, "bigint"),
    (Integer, "Int"),
    (Double, "float8"),
    (TIMESTAMP, "timestamptz"),
    (JSON, "jsonb"),
    (Uuid, "uuid"),
)


def _scalar(column: Column) -> str:
    return next((name for kind, name in _SCALARS if isinstance(column.type, kind)), "String")


def _field(table: FromClause, column_of: Computed) -> Field:
    column = column_of(table)
    return Field(column_of, _scalar(column), nests=any(isinstance(part, ScalarSelect) for part in iterate(column)))


def make_entity(table: FromClause, columns: str, relations: Mapping[str, Relation], **computed: Computed) -> Entity:
    """An entity with these columns of its table as they are, and with computed fields."""
    plain = {name: lambda alias, name=name: alias.c[name] for name in columns.split()}
    return Entity(
        table, {name: _field(table, column_of) for name, column_of in {**plain, **computed}.items()}, relations
    )


def to_one(target: str, key: str, at: str = "id", **copies: str) -> Relation:
    """The one whose `at` is this one's `key`."""
    return Relation(target, lambda alias, other: other.c[at] == alias.c[key], copies=copies)


def to_many(target: str, key: str, at: str = "id", *, scans: bool = False) -> Relation:
    """Those whose `key` is this one's `at`."""
    return Relation(target, lambda alias, other: other.c[key] == alias.c[at], many=True, scans=scans)
