"""Boolean expressions over the graph, nested as GraphQL writes them: by the same operators as the filters of lists."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, and_, exists, false, not_, or_, true

from taskruns_service.dialects import check_pattern
from taskruns_service.errors import InvalidRequest
from taskruns_service.filters import OPERATORS
from taskruns_service.graph import ENTITIES, Entity, Here

Expression = Mapping[str, Any]
"""`{field: {_operator: value}, relation: {…}, _and: […], _or: […], _not: {…}}`; null and {} restrict nothing."""

NESTED_MOST = 20


class InvalidValue(InvalidRequest):
    """A value is not of the type of its field."""


class Comparison(NamedTuple):
    """An operator of GraphQL's: one of the filters', perhaps negated, and what its value is."""

    operator: str
    negated: bool = False
    value: str = "one"


_PATTERNS = {
    f"_{negation}{name}": Comparison(name, bool(negation), "pattern")
    for name in ("like", "ilike", "similar", "regex", "iregex")
    for negation in ("", "n")
}
_EVERY = {
    "_eq": Comparison("eq"),
    "_neq": Comparison("neq"),
    "_in": Comparison("in", value="many"),
    "_nin": Comparison("not_in", value="many"),
    "_gt": Comparison("gt"),
    "_gte": Comparison("gte"),
    "_lt": Comparison("lt"),
    "_lte": Comparison("lte"),
    "_is_null": Comparison("is_null", value="boolean"),
}
_OF_JSON = {
    "_contains": Comparison("json_contains", value="json"),
    "_contained_in": Comparison("json_contained_in", value="json"),
    "_has_key": Comparison("has_key", value="json"),
    "_has_keys_any": Comparison("has_keys_any", value="json"),
    "_has_keys_all": Comparison("has_keys_all", value="json"),
    "_is_null": _EVERY["_is_null"],
}
COMPARISONS: dict[str, dict[str, Comparison]] = {
    "String": _EVERY | _PATTERNS,
    "jsonb": _OF_JSON,
    **dict.fromkeys(("uuid", "timestamptz", "Int", "bigint", "float8", "Boolean"), _EVERY),
}
"""The operators of each scalar."""


def condition(entity: Entity, here: Here, where: Expression, depth: int = 0) -> ColumnElement[bool]:
    """An expression as SQL, with SQL's rules for null; raises InvalidValue and InvalidRequest."""
    if depth > NESTED_MOST:
        raise InvalidRequest(f"A condition may nest {NESTED_MOST} levels deep.")
    parts: list[ColumnElement[bool]] = []
    for name, value in where.items():
        if value is None:
            continue
        if name in _CONNECTIVES:
            inner = [condition(entity, here, one, depth + 1) for one in _listed(value)]
            parts.append(_CONNECTIVES[name](inner))
        elif name in entity.relations:
            parts.append(_related(entity, here, name, value, depth + 1))
        else:
            field = entity.fields[name]
            parts += _compared(field.scalar, field.of(here), value)
    return and_(true(), *parts)


_CONNECTIVES: dict[str, Callable[[Sequence[ColumnElement[bool]]], ColumnElement[bool]]] = {
    "_and": lambda inner: and_(true(), *inner),
    "_or": lambda inner: or_(false(), *inner),
    "_not": lambda inner: not_(and_(true(), *inner)),
}


def _listed(value: Any) -> list[Any]:
    return [one for one in (value if isinstance(value, list) else [value]) if one is not None]


def _related(entity: Entity, here: Here, name: str, where: Expression, depth: int) -> ColumnElement[bool]:
    relation = entity.relations[name]
    if where and relation.kept.keys() >= where.keys():
        kept = {relation.kept[field]: comparisons for field, comparisons in where.items()}
        return condition(entity, here, kept, depth)
    target = ENTITIES[relation.target]
    there = target.table.alias()
    return exists().where(relation.on(here, there), condition(target, there, where, depth)).correlate(here)


def _compared(scalar: str, column: ColumnElement[Any], comparisons: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    clauses: list[ColumnElement[bool]] = []
    for name, given in comparisons.items():
        if given is None:
            continue
        comparison = COMPARISONS[scalar][name]
        value = _values(scalar, comparison, given)
        if comparison.value == "many" and not value:
            # Nothing is one of none; everything is none of them, even what is null.
            clauses.append(true() if comparison.operator == "not_in" else false())
            continue
        clause = OPERATORS[comparison.operator].clause(column, value)
        clauses.append(not_(clause) if comparison.negated else clause)
    return clauses


def _values(scalar: str, comparison: Comparison, given: Any) -> Any:
    if comparison.value == "many":
        return [_value(scalar, one) for one in _listed(given)]
    if comparison.value == "pattern":
        try:
            check_pattern(comparison.operator, given)
        except ValueError as error:
            raise InvalidValue(str(error)) from None
    return _value(scalar, given) if comparison.value in ("one", "pattern") else given


def _value(scalar: str, given: Any) -> Any:
    read, name = _READ[scalar]
    try:
        return read(given)
    except (ValueError, TypeError, OverflowError, AttributeError):
        text = given if isinstance(given, str) else msgspec.json.encode(given).decode()
        raise InvalidValue(f'invalid input syntax for type {name}: "{text[:200]}"') from None


def _moment(given: str) -> datetime:
    moment = datetime.fromisoformat(given)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _text(given: Any) -> str:
    if not isinstance(given, str) or "\0" in given:
        raise ValueError
    return given


def _integer(given: Any) -> int:
    # A bigint may be sent as text, since it may be longer than what JavaScript can count to.
    number = int(given)
    if isinstance(given, bool | float) or not -(2**63) <= number < 2**63:
        raise ValueError
    return number


_READ: dict[str, tuple[Callable[[Any], Any], str]] = {
    "uuid": (UUID, "uuid"),
    "timestamptz": (_moment, "timestamp with time zone"),
    "String": (_text, "text"),
    "Int": (_integer, "integer"),
    "bigint": (_integer, "bigint"),
    "float8": (float, "double precision"),
    "Boolean": (lambda given: given, "boolean"),
}
"""How each scalar is read, and what PostgreSQL calls it."""


def read_id(given: Any) -> UUID:
    """A UUID as it was sent; raises InvalidValue."""
    identifier: UUID = _value("uuid", given)
    return identifier


def read_moment(given: Any) -> datetime:
    """A moment as it was sent, in UTC where it does not say; raises InvalidValue."""
    moment: datetime = _value("timestamptz", given)
    return moment
