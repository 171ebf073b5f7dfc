"""The filter language: one table of fields and operators makes the SQL, the parameters and their documentation."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, String, and_, literal, select

from taskruns_service.domain.states import GROUPS
from taskruns_service.queries import parameters
from taskruns_service.queries.parameters import Parameter, ValueType
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import (
    Id,
    any_of,
    constant,
    encode_json,
    has_all_items,
    has_any_item,
    has_item,
    has_text,
    id_between,
    json_matches,
    list_of,
    placeholder,
    text_matches,
)

Column = ColumnElement[Any]


class Operator(NamedTuple):
    """What a filter does with its column and its value; one that takes `many` gets a list, and means any of them.

    A value may be a placeholder, and so may be a list as a whole.
    """

    clause: Callable[[Column, Any], ColumnElement[bool]]
    sentence: str
    many: bool = False


def _is_one_of(column: Column, values: Any) -> ColumnElement[bool]:
    if isinstance(values, BindParameter):
        return any_of(column, values)
    # One value is the usual case, and an index has its rows in order: those of several would have to be sorted.
    return and_(column == only(values)) if len(values) == 1 else column.in_(map(_constant, values))


def _starts(column: Column, prefix: Any) -> ColumnElement[bool]:
    # A range and not LIKE, so that an index serves it on both databases: U+10FFFF is the last character there is.
    return and_(column >= prefix, column < prefix + "\U0010ffff")


def _in_groups(column: Column, groups: list[Any]) -> ColumnElement[bool]:
    return column.in_(map(_constant, sorted(frozenset().union(*(GROUPS[group] for group in groups)))))


def _constant(value: Any) -> Any:
    return constant(value) if isinstance(value, StrEnum) else value


def _has_any(column: Column, values: Any) -> ColumnElement[bool]:
    return has_any_item(column, values) if isinstance(values, BindParameter) else has_item(column, values[0])


def _has_all(column: Column, values: Any) -> ColumnElement[bool]:
    return has_all_items(column, values) if isinstance(values, BindParameter) else has_item(column, values[0])


class FlowIds(tuple[UUID, ...]):
    """The ids of the flows with the names that are asked for, which stand in the statement itself."""

    __slots__ = ()


def _flow_is_named(column: Column, names: Any) -> ColumnElement[bool]:
    if isinstance(names, FlowIds):
        return column == only(names) if len(names) == 1 else column.in_([constant(name, Id) for name in names])
    return column.in_(select(tables.flow.c.id).where(_is_one_of(tables.flow.c.name, names)))


def only(values: Sequence[Any]) -> Any:
    """The one value of a filter that may have several, as it stands in a statement."""
    (value,) = values
    return constant(value, Id) if isinstance(values, FlowIds) else _constant(value)


def _text_operator(name: str, sentence: str) -> Operator:
    return Operator(lambda column, pattern: text_matches(name, column, literal(pattern)), f"{{field}} {sentence}")


def _json_operator(name: str, sentence: str) -> Operator:
    return Operator(
        lambda column, value: json_matches(name, column, literal(encode_json(value))), f"{{field}} {sentence}"
    )


OPERATORS: dict[str, Operator] = {
    "eq": Operator(lambda column, value: column == value, "{field} is this"),
    "neq": Operator(lambda column, value: column != value, "{field} is something else than this"),
    "in": Operator(_is_one_of, "{field} is one of these", many=True),
    "not_in": Operator(
        lambda column, values: column.not_in(map(_constant, values)), "{field} is none of these", many=True
    ),
    "group": Operator(_in_groups, "{field} is in one of these groups", many=True),
    "prefix": Operator(_starts, "{field} starts with this"),
    "id_prefix": Operator(lambda column, prefix: id_between(column, prefix, prefix), "{field} starts with this"),
    "contains": Operator(has_text, "{field} has this text in it"),
    "gte": Operator(lambda column, value: column >= value, "{field} is this or more"),
    "gt": Operator(lambda column, value: column > value, "{field} is more than this"),
    "lte": Operator(lambda column, value: column <= value, "{field} is this or less"),
    "lt": Operator(lambda column, value: column < value, "{field} is less than this"),
    "is_null": Operator(
        lambda column, value: column.is_(None) if value else column.is_not(None),
        "{field} is missing (true) or there (false)",
    ),
    "is": Operator(lambda column, value: column if value else ~column, "{field} (true) or not (false)"),
    "has_any": Operator(_has_any, "{field} have one of these", many=True),
    "has_all": Operator(_has_all, "{field} have all of these", many=True),
    "flow_named": Operator(_flow_is_named, "{field} is one of these", many=True),
    # A text, and a pattern.
    "like": _text_operator("like", "is like this, with % for any text and _ for any character"),
    "ilike": _text_operator("ilike", "is like this in any case, with % for any text and _ for any character"),
    "similar": _text_operator("similar", "is similar to this, as SQL has it"),
    "regex": _text_operator("regex", "has a place that this regular expression matches"),
    "iregex": _text_operator("iregex", "has a place that this regular expression matches in any case"),
    # JSON.
    "json_eq": _json_operator("equal", "are this"),
    "json_in": _json_operator("equal_to_one", "are one of these"),
    "json_contains": _json_operator("contains", "have all that this has"),
    "json_contained_in": _json_operator("contained_in", "have nothing that this has not"),
    "has_key": _json_operator("has_key", "have this key or item"),
    "has_keys_any": _json_operator("has_keys_any", "have one of these keys or items"),
    "has_keys_all": _json_operator("has_keys_all", "have all of these keys or items"),
}


class Filter(NamedTuple):
    """A row of the language: the parameter `name` is `operator` on `column`."""

    name: str
    column: Column
    operator: str
    value: ValueType
    field: str
    example: Any = None

    @property
    def parameter(self) -> Parameter:
        """The filter as a query parameter."""
        operator = OPERATORS[self.operator]
        sentence = operator.sentence.format(field=self.field)
        return Parameter(
            name=self.name,
            value=self.value,
            description=f"Only those of which {sentence}.",
            many=operator.many,
            example=self.example,
        )


def _times(table: Any) -> list[Filter]:
    fields = {"start_time": "the start", "end_time": "the end", "created": "the creation", "updated": "the last change"}
    return [
        Filter(f"{name}_{operator}", table.c[name], operator, parameters.MOMENT, field)
        for name, field in fields.items()
        for operator in ("gte", "gt", "lte", "lt")
    ]


def _seconds(table: Any) -> list[Filter]:
    fields = {"duration": "the duration in seconds", "queue_time": "the time in the queue, in seconds,"}
    return [
        Filter(f"{name}_{operator}", table.c[name], operator, parameters.SECONDS, field)
        for name, field in fields.items()
        for operator in ("gte", "lte")
    ]


def _states(table: Any) -> list[Filter]:
    return [
        Filter("state", table.c.state, "in", parameters.STATE, "the state", "Success"),
        Filter("state_not", table.c.state, "not_in", parameters.STATE, "the state", "Success"),
        Filter("state_group", table.c.state, "group", parameters.GROUP, "the state", "failed"),
    ]


def _missing(table: Any) -> list[Filter]:
    return [
        Filter("start_time_is_null", table.c.start_time, "is_null", parameters.BOOLEAN, "the start"),
        Filter("end_time_is_null", table.c.end_time, "is_null", parameters.BOOLEAN, "the end"),
    ]


_task_run, _flow_run = tables.task_run, tables.flow_run

TASK_RUN_FILTERS: tuple[Filter, ...] = (
    *_states(_task_run),
    Filter("task_slug", _task_run.c.task_slug, "in", parameters.TEXT, "the task slug", "say_hello-1"),
    Filter("task_slug_prefix", _task_run.c.task_slug, "prefix", parameters.TEXT, "the task slug", "say_"),
    Filter("name_contains", _task_run.c.name, "contains", parameters.TEXT, "the name"),
    Filter("task_run_id", _task_run.c.id, "in", parameters.IDENTIFIER, "the id"),
    Filter("task_run_id_prefix", _task_run.c.id, "id_prefix", parameters.IDENTIFIER_PREFIX, "the id", "01a20552"),
    Filter("flow_run_id", _task_run.c.flow_run_id, "in", parameters.IDENTIFIER, "the flow run"),
    Filter("flow_name", _task_run.c.flow_id, "flow_named", parameters.TEXT, "the flow", "example-mapped"),
    Filter("map_index", _task_run.c.map_index, "in", parameters.MAP_INDEX, "the map index", 2),
    Filter("tag", _task_run.c.tags, "has_any", parameters.TEXT, "the tags", "etl"),
    Filter("tag_all", _task_run.c.tags, "has_all", parameters.TEXT, "the tags", "etl"),
    Filter("run_count_gte", _task_run.c.run_count, "gte", parameters.COUNT, "the number of times it ran"),
    *_times(_task_run),
    *_seconds(_task_run),
    *_missing(_task_run),
    Filter(
        "is_mapped_parent",
        and_(_task_run.c.map_index == -1, _task_run.c.state == "Mapped"),
        "is",
        parameters.BOOLEAN,
        "it is the parent of a map",
    ),
    Filter("is_mapped_child", _task_run.c.map_index >= 0, "is", parameters.BOOLEAN, "it is the child of a map"),
    Filter("has_result", _task_run.c.has_result, "is", parameters.BOOLEAN, "a result was kept"),
    Filter("after_sequence", _task_run.c.sequence, "gt", parameters.SEQUENCE, "the sequence of the last change"),
)

FLOW_RUN_FILTERS: tuple[Filter, ...] = (
    *_states(_flow_run),
    Filter("flow_run_id", _flow_run.c.id, "in", parameters.IDENTIFIER, "the id"),
    Filter("flow_run_id_prefix", _flow_run.c.id, "id_prefix", parameters.IDENTIFIER_PREFIX, "the id", "8e445d74"),
    Filter("flow_name", _flow_run.c.flow_id, "flow_named", parameters.TEXT, "the flow", "example-mapped"),
    Filter("name_contains", _flow_run.c.name, "contains", parameters.TEXT, "the name"),
    Filter("label", _flow_run.c.labels, "has_any", parameters.TEXT, "the labels", "prod"),
    Filter("label_all", _flow_run.c.labels, "has_all", parameters.TEXT, "the labels", "prod"),
    *_times(_flow_run),
    *_seconds(_flow_run),
    *_missing(_flow_run),
)

BOUNDS = {"gte", "gt", "lte", "lt"}

Where = Mapping[str, Any]
"""The filters of one question: `{filter name: value}`, checked and converted."""


def chosen(parameters: Mapping[str, Any], filters: tuple[Filter, ...]) -> dict[str, Any]:
    """Those of the parameters of a request that are filters."""
    names = {filter_.name for filter_ in filters}
    return {name: value for name, value in parameters.items() if name in names}


def has_bounds(where: Where, filters: tuple[Filter, ...]) -> bool:
    """Whether it depends on a bound how many rows there are: on how long ago, or how slow."""
    return any(filter_.operator in BOUNDS for filter_ in filters if filter_.name in where)


Form = tuple[tuple[str, Any], ...]
"""The filters of a question without the values that are bound to it: all questions of one form have one statement."""


def form_of(where: Where) -> Form:
    """The form of a question: with each filter, its value where it is one of few, otherwise how its value is bound."""
    return tuple((name, _form(value)) for name, value in where.items())


class _Bound(NamedTuple):
    type: type
    kind: str = "alone"


def _form(value: Any) -> Any:
    match value:
        case bool() | FlowIds():
            return value
        case [StrEnum(), *_]:
            return tuple(sorted(set(value)))
        case [member]:
            return _Bound(_type_of(member), "in a list")
        case [first, *_]:
            return _Bound(_type_of(first), "as a list")
    return _Bound(_type_of(value))


def _type_of(value: Any) -> type:
    # Drivers have a UUID of their own.
    return UUID if isinstance(value, UUID) else type(value)


def placeholders(form: Form) -> Where:
    """The filters with placeholders, for `clauses`; `values_of` has what is bound to them."""
    return {name: _placeholder(name, bound) for name, bound in form}


def _placeholder(name: str, form: Any) -> Any:
    if not isinstance(form, _Bound):
        return form
    if form.kind == "as a list":
        return placeholder(name, list_of(form.type))
    # Text may be put together with other text before it meets a column.
    alone = placeholder(name, String() if form.type is str else None)
    return [alone] if form.kind == "in a list" else alone


def values_of(where: Where) -> dict[str, Any]:
    """What is bound to the placeholders of the form of a question."""
    return {
        name: value[0] if form.kind == "in a list" else value
        for name, value in where.items()
        if isinstance(form := _form(value), _Bound)
    }


def clauses(
    where: Where, filters: tuple[Filter, ...], columns: Mapping[str, Column] | None = None
) -> list[ColumnElement[bool]]:
    """The conditions for a WHERE clause, to be combined with AND; `columns` stand in for those of the table."""
    columns = columns or {}
    return [
        OPERATORS[filter_.operator].clause(columns.get(filter_.name, filter_.column), where[filter_.name])
        for filter_ in filters
        if filter_.name in where
    ]
