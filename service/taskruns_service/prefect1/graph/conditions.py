"""Boolean expressions over the graph, nested as GraphQL writes them: by the same operators as the filters of lists."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import Boolean, and_, exists, false, literal, not_, or_, true

from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.domain.times import read_time
from taskruns_service.prefect1.graph.computed import STORED_STATES, stored_states
from taskruns_service.prefect1.graph.entities import ENTITIES
from taskruns_service.prefect1.graph.entity import Alias, Clause, Entity, Field
from taskruns_service.prefect1.graph.selections import Expression
from taskruns_service.queries.filters import BOUNDS
from taskruns_service.queries.operators import OPERATORS
from taskruns_service.storage.dialects import Column, any_of, comparable, encode_json, list_for

T = TypeVar("T")

NESTED_MOST = 20
LISTED_MOST = 100
"""Values that a statement has a parameter for each of; more are one parameter, since databases take so many."""
PATTERN_LENGTH = 1000
WANTED_VALUES = 100
WANTED_BYTES = 64 * 1024


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
    "_eq": Comparison("json_eq", value="json"),
    "_neq": Comparison("json_eq", negated=True, value="json"),
    "_in": Comparison("json_in", value="jsons"),
    "_nin": Comparison("json_in", negated=True, value="jsons"),
    "_contains": Comparison("json_contains", value="json"),
    "_contained_in": Comparison("json_contained_in", value="json"),
    "_has_key": Comparison("has_key", value="key"),
    "_has_keys_any": Comparison("has_keys_any", value="keys"),
    "_has_keys_all": Comparison("has_keys_all", value="keys"),
    "_is_null": _EVERY["_is_null"],
}
COMPARISONS: dict[str, dict[str, Comparison]] = {
    "String": _EVERY | _PATTERNS,
    "jsonb": _OF_JSON,
    **dict.fromkeys(("uuid", "timestamptz", "Int", "bigint", "float8", "Boolean"), _EVERY),
}
"""The operators of each scalar."""


class Survey:
    """What an expression asks for: its comparisons, values and patterns, and how many relations deep it goes.

    What nests counts as one relation more.
    """

    def __init__(self, entity: Entity, where: Expression) -> None:
        """Raises InvalidRequest where it nests too deep."""
        self.relations = 0
        self.comparisons = 0
        self.values = 0
        self.patterns: list[tuple[str, str]] = []
        self._look(entity, where, 0, 0)

    def _look(self, entity: Entity, where: Expression, depth: int, relations: int) -> None:
        if depth > NESTED_MOST:
            raise InvalidRequest(f"A condition can nest at most {NESTED_MOST} levels deep.")
        self.relations = max(self.relations, relations)
        self.comparisons += 1
        for name, value in where.items():
            if name in _CONNECTIVES:
                for inner in listed(value):
                    self._look(entity, inner, depth + 1, relations)
            elif isinstance(value, Mapping):
                if (relation := entity.relations.get(name)) is None:
                    self.relations = max(self.relations, relations + entity.fields[name].nests)
                    self._count(value)
                else:
                    self.relations = max(self.relations, relations + 1 + relation.nests)
                    self._look(ENTITIES[relation.target], value, depth + 1, relations + 1)

    def _count(self, comparisons: Mapping[str, object]) -> None:
        self.comparisons += len(comparisons)
        for name, value in comparisons.items():
            if isinstance(value, list):
                self.values += len(value)
            if name in _PATTERNS and isinstance(value, str):
                self.patterns.append((operator := _PATTERNS[name].operator, _pattern(operator, value)))


def condition(entity: Entity, alias: Alias, where: Expression) -> Clause:
    """An expression, which was surveyed, as SQL with SQL's rules for null; raises InvalidValue."""
    parts: list[Clause] = []
    for name, value in where.items():
        if value is None:
            continue
        if name in _CONNECTIVES:
            inner = [condition(entity, alias, expression) for expression in listed(value)]
            parts.append(_CONNECTIVES[name](inner))
        elif name in entity.relations:
            parts.append(_related(entity, alias, name, value))
        else:
            field = entity.fields[name]
            if (stored := STORED_STATES.get(field.column_of)) is None:
                parts += _compared(field.scalar, field.column_of(alias), value)
            else:
                parts += _compared_states(field, alias, stored(alias), value)
            if name in entity.implied and value.get("_eq") is not None:
                parts.append(entity.implied[name](alias, read_value(field.scalar, value["_eq"])))
    return and_(true(), *parts)


_CONNECTIVES: dict[str, Callable[[Sequence[Clause]], Clause]] = {
    "_and": lambda inner: and_(true(), *inner),
    "_or": lambda inner: or_(false(), *inner),
    "_not": lambda inner: not_(and_(true(), *inner)),
}


def listed(value: T | list[T] | None) -> list[T]:
    """The values of a list that may stand for itself, or be null."""
    return [item for item in (value if isinstance(value, list) else [value]) if item is not None]


def _related(entity: Entity, alias: Alias, name: str, where: Expression) -> Clause:
    relation = entity.relations[name]
    if where and relation.copies.keys() >= where.keys():
        copied = {relation.copies[field]: comparisons for field, comparisons in where.items()}
        return condition(entity, alias, copied)
    target = ENTITIES[relation.target]
    other = target.table.alias()
    related = exists().where(relation.on(alias, other), condition(target, other, where))
    return related.correlate(alias)


def _compared_states(field: Field, alias: Alias, stored: Column, comparisons: Mapping[str, object]) -> list[Clause]:
    """Comparisons of a state: with states that are named by the column as it is `stored`, which an index serves."""
    clauses: list[Clause] = []
    for name, argument in comparisons.items():
        if argument is not None and name in _OF_SEVERAL:
            states = stored_states(listed(argument))
            clauses += _compared(field.scalar, stored, {_OF_SEVERAL[name]: states})
        else:
            clauses += _compared(field.scalar, field.column_of(alias), {name: argument})
    return clauses


_OF_SEVERAL = {"_eq": "_in", "_in": "_in", "_neq": "_nin", "_nin": "_nin"}


def _compared(scalar: str, column: Column, comparisons: Mapping[str, object]) -> list[Clause]:
    clauses: list[Clause] = []
    for name, argument in comparisons.items():
        if argument is None:
            continue
        comparison = COMPARISONS[scalar][name]
        value = _values(scalar, comparison, argument)
        if comparison.value == "many" and isinstance(value, list) and len(value) > LISTED_MOST:
            is_listed = any_of(column, literal(value, list_for(column)))
            clauses.append(not_(is_listed) if comparison.operator == "not_in" else is_listed)
            continue
        if comparison.value in ("many", "jsons") and not value:
            # `_in: []` matches no row; `_nin: []` matches every row, nulls included.
            clauses.append(true() if name == "_nin" else false())
            continue
        # Only where it matters: an index knows a column by no other order than its own.
        operand = comparable(column) if scalar == "String" and comparison.operator in BOUNDS else column
        clause = OPERATORS[comparison.operator].clause(operand, value)
        clauses.append(not_(clause) if comparison.negated else clause)
    return clauses


def _values(scalar: str, comparison: Comparison, operand: object) -> object:
    match comparison.value:
        case "many":
            return [read_value(scalar, item) for item in listed(operand)]
        case "pattern":
            return _pattern(comparison.operator, _read(_text, "text", operand))
        case "json":
            return _wanted(operand)
        case "jsons":
            return _wanted(listed(operand))
        case "key":
            return _key(operand)
        case "keys":
            return [_key(item) for item in _wanted(operand if isinstance(operand, list) else [operand])]
        case "boolean":
            return operand
    value = read_value(scalar, operand)
    # To SQLAlchemy a bare boolean is a constant, which cannot be less than anything.
    return literal(value, Boolean()) if scalar == "Boolean" else value


def read_value(scalar: str, operand: object) -> object:
    """A value of a scalar, as databases take it; raises InvalidValue."""
    return _read(*_READERS[scalar], operand)


def _read(reader: Callable[[object], T], name: str, operand: object) -> T:
    try:
        return reader(operand)
    except (ValueError, TypeError, OverflowError):
        raise InvalidValue(f'invalid input syntax for type {name}: "{_shown(operand)}"') from None


def _shown(value: object) -> str:
    """The beginning of a value, for a message."""
    return (value if isinstance(value, str) else encode_json(value))[:200]


def _pattern(operator: str, pattern: str) -> str:
    if len(pattern) > PATTERN_LENGTH:
        raise InvalidValue(f"A pattern can have at most {PATTERN_LENGTH} characters; this one has {len(pattern)}.")
    escapes = len(pattern) - len(pattern.rstrip("\\"))
    if escapes % 2 and operator in ("like", "ilike", "similar"):
        raise InvalidValue("A pattern must not end with the escape character.")
    return pattern


def _wanted(value: T) -> T:
    """JSON to look for. A database looks for each value in each row, and does not stop within a row."""
    count = _count(value)
    if count > WANTED_VALUES or len(encode_json(value)) > WANTED_BYTES:
        raise InvalidValue(
            f"JSON in a condition can have at most {WANTED_VALUES} values and {WANTED_BYTES} bytes; this has {count} "
            f"values."
        )
    return value


def _count(value: object) -> int:
    match value:
        case dict():
            return 1 + sum(map(_count, value.values()))
        case list():
            return 1 + sum(map(_count, value))
    return 1


def _key(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f'A key must be text, but this is "{_shown(value)}".')
    return _text(value)


def _uuid(value: object) -> UUID:
    if not isinstance(value, str):
        raise TypeError
    return UUID(value)


def _time(value: object) -> datetime:
    if not isinstance(value, str):
        raise TypeError
    return read_time(value)


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _integer(bits: int) -> Callable[[object], int]:
    """Reads integers of so many bits: a database does not compare a column with any that it could not have."""

    def read(value: object) -> int:
        # A bigint may be sent as text, since it may be longer than what JavaScript can count to.
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise TypeError
        number = int(value)
        if not -(1 << bits - 1) <= number < 1 << bits - 1:
            raise ValueError
        return number

    return read


_READERS: dict[str, tuple[Callable[[object], object], str]] = {
    "uuid": (_uuid, "uuid"),
    "timestamptz": (_time, "timestamp with time zone"),
    "String": (_text, "text"),
    "Int": (_integer(32), "integer"),
    "bigint": (_integer(64), "bigint"),
    "float8": (_number, "double precision"),
    "Boolean": (_boolean, "boolean"),
}
"""How each scalar is read, and what PostgreSQL calls it."""


def read_id(value: object) -> UUID:
    """A UUID as it was sent; raises InvalidValue."""
    return _read(_uuid, "uuid", value)


def read_ids(value: object) -> list[UUID]:
    """UUIDs as a list, or as PostgreSQL writes one: `{a,b}`; raises InvalidValue."""
    if isinstance(value, str):
        if not (value.startswith("{") and value.endswith("}")):
            raise InvalidValue(f'malformed array literal: "{_shown(value)}"')
        items: Sequence[object] = (
            [item.strip().strip('"') for item in value[1:-1].split(",")] if value[1:-1].strip() else []
        )
    else:
        items = value if isinstance(value, list) else [value]
    return [read_id(item) for item in items]


def read_moment(value: object) -> datetime:
    """A moment as it was sent, in UTC where it does not say; raises InvalidValue."""
    return _read(_time, "timestamp with time zone", value)
