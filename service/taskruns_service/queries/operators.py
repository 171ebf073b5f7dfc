"""The operators of filters and of GraphQL's comparisons: what each makes of a column and a value."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BindParameter, and_, case, false, literal, select, true

from taskruns_service.domain.log_levels import LogLevel, levels_below
from taskruns_service.domain.states import GROUPS, StateGroup
from taskruns_service.queries.members import Condition
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import (
    Column,
    Id,
    Placeholder,
    any_of,
    constant,
    encode_json,
    has_all_items,
    has_any_item,
    has_item,
    has_text,
    id_between,
    json_matches,
    message_kind,
    text_matches,
)


class Operator(NamedTuple):
    """What a filter does with its column and its value; one that takes `many` gets a list, and means any of them.

    A value may be a placeholder, and so may be a list as a whole.
    """

    clause: Callable[[Column, Any], Condition]
    many: bool = False


def _is_one_of(column: Column, values: Sequence[object] | Placeholder) -> Condition:
    if isinstance(values, BindParameter):
        return any_of(column, values)
    # One value is the usual case, and an index has its rows in order: those of several would have to be sorted.
    return and_(column == single_value(values)) if len(values) == 1 else column.in_(map(_constant, values))


def _starts(column: Column, prefix: str | Placeholder) -> Condition:
    # A range and not LIKE, so that an index serves it on both databases: U+10FFFF is the last character there is.
    return and_(column >= prefix, column < prefix + "\U0010ffff")


def _in_groups(column: Column, groups: Sequence[StateGroup]) -> Condition:
    return column.in_(map(_constant, sorted(frozenset().union(*(GROUPS[group] for group in groups)))))


def _is_at_least(column: Column, level: LogLevel) -> Condition:
    # Engines of Prefect 1 send levels of their own, which are in no order: a minimum does not hide them.
    return and_(true(), *(column != constant(lower) for lower in levels_below(level)))


def _constant(value: object) -> object:
    return constant(value) if isinstance(value, StrEnum) else value


def _has_any(column: Column, values: Sequence[object] | Placeholder) -> Condition:
    return has_any_item(column, values) if isinstance(values, BindParameter) else has_item(column, values[0])


def _has_all(column: Column, values: Sequence[object] | Placeholder) -> Condition:
    return has_all_items(column, values) if isinstance(values, BindParameter) else has_item(column, values[0])


class FlowIds(tuple[UUID, ...]):
    """Flow ids resolved from names.

    They are literals of the statement, so that the planner uses per-value statistics.
    """

    __slots__ = ()


def _is_of_kind(column: Column, kinds: Sequence[object] | Placeholder) -> Condition:
    # PostgreSQL expects one row of 200 to equal an expression, and would read them all to find a page; of CASE, half.
    return case((_is_one_of(message_kind(column), kinds), true()), else_=false())


def _flow_is_named(column: Column, names: Sequence[object] | Placeholder) -> Condition:
    if isinstance(names, FlowIds):
        return column == single_value(names) if len(names) == 1 else column.in_([constant(name, Id) for name in names])
    return column.in_(select(tables.flow.c.id).where(_is_one_of(tables.flow.c.name, names)))


def _is_of_flow_runs(column: Column, flow_run_ids: Sequence[object] | Placeholder) -> Condition:
    task_run = tables.task_run.alias("task_run_of")
    return column.in_(select(task_run.c.id).where(_is_one_of(task_run.c.flow_run_id, flow_run_ids)))


def single_value(values: Sequence[object]) -> object:
    """The one value of a filter that may have several, as it stands in a statement."""
    (value,) = values
    return constant(value, Id) if isinstance(values, FlowIds) else _constant(value)


def _text_operator(name: str) -> Operator:
    return Operator(lambda column, pattern: text_matches(name, column, literal(pattern)))


def _json_operator(name: str) -> Operator:
    return Operator(lambda column, value: json_matches(name, column, literal(encode_json(value))))


OPERATORS: dict[str, Operator] = {
    "eq": Operator(lambda column, value: column == value),
    "neq": Operator(lambda column, value: column != value),
    "in": Operator(_is_one_of, many=True),
    "not_in": Operator(lambda column, values: column.not_in(map(_constant, values)), many=True),
    "group": Operator(_in_groups, many=True),
    "level": Operator(_is_at_least),
    "prefix": Operator(_starts),
    "id_prefix": Operator(lambda column, prefix: id_between(column, prefix, prefix)),
    "contains": Operator(has_text),
    "gte": Operator(lambda column, value: column >= value),
    "gt": Operator(lambda column, value: column > value),
    "lte": Operator(lambda column, value: column <= value),
    "lt": Operator(lambda column, value: column < value),
    "is_null": Operator(lambda column, value: column.is_(None) if value else column.is_not(None)),
    "is": Operator(lambda column, value: column if value else ~column),
    "has_any": Operator(_has_any, many=True),
    "has_all": Operator(_has_all, many=True),
    "flow_named": Operator(_flow_is_named, many=True),
    "of_flow_run": Operator(_is_of_flow_runs, many=True),
    "message_kind": Operator(_is_of_kind, many=True),
    # A text, and a pattern.
    "like": _text_operator("like"),
    "ilike": _text_operator("ilike"),
    "similar": _text_operator("similar"),
    "regex": _text_operator("regex"),
    "iregex": _text_operator("iregex"),
    # JSON.
    "json_eq": _json_operator("equal"),
    "json_in": _json_operator("equal_to_one"),
    "json_contains": _json_operator("contains"),
    "json_contained_in": _json_operator("contained_in"),
    "has_key": _json_operator("has_key"),
    "has_keys_any": _json_operator("has_keys_any"),
    "has_keys_all": _json_operator("has_keys_all"),
}
