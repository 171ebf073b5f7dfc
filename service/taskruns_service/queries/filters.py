"""The filter language: one table of fields and operators makes the SQL, the parameters and their documentation."""

from collections.abc import Callable, Container, Mapping
from enum import StrEnum
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import String, Table

from taskruns_service.queries import parameters
from taskruns_service.queries.members import Condition
from taskruns_service.queries.operators import OPERATORS, FlowIds
from taskruns_service.queries.parameters import Parameter, Values, ValueType
from taskruns_service.storage import maps, silence, tables
from taskruns_service.storage.dialects import (
    Column,
    by_no_index,
    kind_of_message,
    list_of,
    placeholder,
)


class Filter(NamedTuple):
    """A row of the language: the parameter `name` is `operator` on `column`, and `description` says so to people."""

    name: str
    column: Column
    operator: str
    value: ValueType
    description: str
    example: object = None
    normalized: Callable[[str], str] | None = None
    """What makes of each text that is sent the text that is looked for."""

    @property
    def parameter(self) -> Parameter:
        """The filter as a query parameter."""
        return Parameter(
            name=self.name,
            value=self.value,
            description=self.description,
            many=OPERATORS[self.operator].many,
            example=self.example,
        )


def _times(table: Table) -> list[Filter]:
    verbs = {"start_time": "Started", "end_time": "Ended", "created": "Created", "updated": "Last changed"}
    relations = {"gte": "at or after", "gt": "after", "lte": "at or before", "lt": "before"}
    return [
        Filter(f"{name}_{operator}", table.c[name], operator, parameters.MOMENT, f"{verb} {relation} this time.")
        for name, verb in verbs.items()
        for operator, relation in relations.items()
    ]


def _seconds(table: Table) -> list[Filter]:
    verbs = {"duration": "Took", "run_time": "Ran for", "queue_time": "Waited in the queue for"}
    relations = {"gte": "at least", "lte": "at most"}
    return [
        Filter(
            f"{name}_{operator}", table.c[name], operator, parameters.SECONDS, f"{verb} {relation} this many seconds."
        )
        for name, verb in verbs.items()
        for operator, relation in relations.items()
    ]


def _states(table: Table) -> list[Filter]:
    column = table.c.state
    return [
        Filter("state", column, "in", parameters.STATE, "Runs in any of these states.", "Success"),
        Filter("state_not", column, "not_in", parameters.STATE, "Runs in none of these states.", "Success"),
        Filter("state_group", column, "group", parameters.GROUP, "Runs in any of these groups of states.", "failed"),
    ]


def _missing(table: Table) -> list[Filter]:
    descriptions = {
        "start_time": "Only runs without a start time (true), or only runs with one (false).",
        "end_time": "Only runs without an end time (true), or only runs with one (false).",
    }
    return [
        Filter(f"{name}_is_null", table.c[name], "is_null", parameters.BOOLEAN, description)
        for name, description in descriptions.items()
    ]


def _messages(table: Table) -> list[Filter]:
    """They take longest for each run, so all others are tried before them."""
    column = table.c.state_message
    return [
        Filter(
            "message",
            column,
            "message_kind",
            parameters.MESSAGE,
            "Runs whose message differs from any of these at most in numbers, hexadecimal digits, and what follows its "
            "first line: a message, or the key of a group of `group_by=message`.",
            "KeyError: 'price'",
            normalized=kind_of_message,
        ),
        Filter(
            "message_is_null",
            column,
            "is_null",
            parameters.BOOLEAN,
            "Only runs without a message (true), or only runs with one (false).",
        ),
    ]


_task_run, _flow_run = tables.task_run, tables.flow_run

TASK_RUN_FILTERS: tuple[Filter, ...] = (
    *_states(_task_run),
    Filter(
        "task_slug",
        _task_run.c.task_slug,
        "in",
        parameters.TEXT,
        "Runs with any of these task slugs.",
        "say_hello-1",
    ),
    Filter(
        "task_slug_prefix",
        _task_run.c.task_slug,
        "prefix",
        parameters.TEXT,
        "Runs whose task slug starts with this text.",
        "say_",
    ),
    Filter(
        "task_name",
        _task_run.c.task_name,
        "in",
        parameters.TEXT,
        "Runs of tasks with any of these names, whatever the number in their slugs.",
        "say_hello",
    ),
    Filter(
        "name_contains",
        _task_run.c.name,
        "contains",
        parameters.TEXT,
        "Runs whose name contains this text, ignoring case.",
    ),
    Filter("task_run_id", _task_run.c.id, "in", parameters.IDENTIFIER, "Runs with any of these ids."),
    Filter(
        "task_run_id_prefix",
        _task_run.c.id,
        "id_prefix",
        parameters.IDENTIFIER_PREFIX,
        "Runs whose id starts with this text.",
        "01a20552",
    ),
    Filter("flow_run_id", _task_run.c.flow_run_id, "in", parameters.IDENTIFIER, "Runs of any of these flow runs."),
    Filter(
        "flow_name",
        _task_run.c.flow_id,
        "flow_named",
        parameters.TEXT,
        "Runs of any of these flows.",
        "example-mapped",
    ),
    Filter("map_index", _task_run.c.map_index, "in", parameters.MAP_INDEX, "Runs with any of these map indexes.", 2),
    Filter("tag", _task_run.c.tags, "has_any", parameters.TEXT, "Runs with any of these tags.", "etl"),
    Filter("tag_all", _task_run.c.tags, "has_all", parameters.TEXT, "Runs with all of these tags.", "etl"),
    Filter("run_count_gte", _task_run.c.run_count, "gte", parameters.COUNT, "Ran at least this many times."),
    *_times(_task_run),
    *_seconds(_task_run),
    *_missing(_task_run),
    Filter(
        "is_mapped_parent",
        maps.mapped_parents(_task_run),
        "is",
        parameters.BOOLEAN,
        "Only mapped parents (true), or no mapped parents (false).",
    ),
    Filter(
        "is_mapped_child",
        _task_run.c.map_index >= 0,
        "is",
        parameters.BOOLEAN,
        "Only mapped children (true), or no mapped children (false).",
    ),
    Filter(
        "has_result",
        _task_run.c.has_result,
        "is",
        parameters.BOOLEAN,
        "Only runs with a stored result (true), or only runs without one (false).",
    ),
    Filter(
        "after_sequence",
        _task_run.c.sequence,
        "gt",
        parameters.SEQUENCE,
        "Runs whose last change has a sequence number greater than this.",
    ),
    *_messages(_task_run),
)

FLOW_RUN_FILTERS: tuple[Filter, ...] = (
    *_states(_flow_run),
    Filter("flow_run_id", _flow_run.c.id, "in", parameters.IDENTIFIER, "Runs with any of these ids."),
    Filter(
        "flow_run_id_prefix",
        _flow_run.c.id,
        "id_prefix",
        parameters.IDENTIFIER_PREFIX,
        "Runs whose id starts with this text.",
        "8e445d74",
    ),
    Filter(
        "flow_name",
        _flow_run.c.flow_id,
        "flow_named",
        parameters.TEXT,
        "Runs of any of these flows.",
        "example-mapped",
    ),
    Filter(
        "name_contains",
        _flow_run.c.name,
        "contains",
        parameters.TEXT,
        "Runs whose name contains this text, ignoring case.",
    ),
    Filter(
        "parent_task_run_id",
        _flow_run.c.parent_task_run_id,
        "in",
        parameters.IDENTIFIER,
        "Runs that any of these task runs started.",
    ),
    Filter(
        "parent_flow_run_id",
        _flow_run.c.parent_task_run_id,
        "of_flow_run",
        parameters.IDENTIFIER,
        "Runs that the task runs of any of these flow runs started.",
    ),
    Filter("label", _flow_run.c.labels, "has_any", parameters.TEXT, "Runs with any of these labels.", "prod"),
    Filter("label_all", _flow_run.c.labels, "has_all", parameters.TEXT, "Runs with all of these labels.", "prod"),
    *_times(_flow_run),
    *_seconds(_flow_run),
    *_missing(_flow_run),
    Filter(
        "is_stale",
        silence.is_stale,
        "is",
        parameters.BOOLEAN,
        "Only running runs whose last heartbeat is more than 90 seconds old (true), or all others (false).",
    ),
    *_messages(_flow_run),
)


def _log_filters(run_filter: str) -> tuple[Filter, ...]:
    log = tables.log
    return (
        Filter(run_filter, log.c[run_filter], "in", parameters.IDENTIFIER, "Lines of this run."),
        Filter(
            "level",
            log.c.level,
            "level",
            parameters.LOG_LEVEL,
            "Lines with this level or a more severe one, and lines whose level is none of these.",
            "WARNING",
        ),
        Filter("after", log.c.timestamp, "gt", parameters.MOMENT, "Lines after this time."),
        Filter(
            "contains",
            log.c.message,
            "contains",
            parameters.TEXT,
            "Lines with this text in their message, ignoring case.",
        ),
    )


TASK_RUN_LOG_FILTERS, FLOW_RUN_LOG_FILTERS = _log_filters("task_run_id"), _log_filters("flow_run_id")

BOUNDS = {"gte", "gt", "lte", "lt"}

Where = Values
"""The filters of one question: `{filter name: value}`, checked and converted."""


def filter_values(values: Values, filters: tuple[Filter, ...]) -> Where:
    """Those of the values of a request that are of filters, as these look for them."""
    return {
        filter_.name: value if filter_.normalized is None else [*map(filter_.normalized, value)]
        for filter_ in filters
        if (value := values.get(filter_.name)) is not None
    }


def has_bounds(where: Where, filters: tuple[Filter, ...]) -> bool:
    """Returns whether a range filter (a time or a duration) decides how many rows match."""
    return any(filter_.operator in BOUNDS for filter_ in filters if filter_.name in where)


FilterShape = tuple[tuple[str, object], ...]
"""The filters of a query without the values that are bound to it: all queries of one shape have one statement."""


def shape_of(where: Where) -> FilterShape:
    """Returns the cache key of a query: enum and boolean values verbatim, every other value as its type."""
    return tuple((name, _shape_of_value(value)) for name, value in where.items())


class _ValueShape(NamedTuple):
    type: type
    kind: Literal["scalar", "list of one", "list"] = "scalar"


def _shape_of_value(value: Any) -> object:
    match value:
        case bool() | FlowIds() | StrEnum():
            return value
        case [StrEnum(), *_]:
            return tuple(sorted(set(value)))
        case [member]:
            return _ValueShape(_type_of(member), "list of one")
        case [first, *_]:
            return _ValueShape(_type_of(first), "list")
    return _ValueShape(_type_of(value))


def _type_of(value: object) -> type:
    # Drivers have a UUID of their own.
    return UUID if isinstance(value, UUID) else type(value)


def placeholders(shape: FilterShape) -> Where:
    """The filters with placeholders, for `clauses`; `bind_values` has what is bound to them."""
    return {name: _placeholder(name, value) for name, value in shape}


def _placeholder(name: str, shape: object) -> object:
    if not isinstance(shape, _ValueShape):
        return shape
    if shape.kind == "list":
        return placeholder(name, list_of(shape.type))
    # Text may be put together with other text before it meets a column.
    scalar = placeholder(name, String() if shape.type is str else None)
    return [scalar] if shape.kind == "list of one" else scalar


def bind_values(where: Where) -> dict[str, object]:
    """Returns what is bound to the placeholders of the filters, by name."""
    return {
        name: value[0] if shape.kind == "list of one" else value
        for name, value in where.items()
        if isinstance(shape := _shape_of_value(value), _ValueShape)
    }


def without_index(names: Container[str], filters: tuple[Filter, ...]) -> dict[str, Column]:
    """The columns of filters, by name, in a form that no index serves; for `clauses`."""
    return {filter_.name: by_no_index(filter_.column) for filter_ in filters if filter_.name in names}


def clauses(where: Where, filters: tuple[Filter, ...], columns: Mapping[str, Column] | None = None) -> list[Condition]:
    """The conditions for a WHERE clause, to be combined with AND; `columns` stand in for those of the table."""
    columns = columns or {}
    return [
        OPERATORS[filter_.operator].clause(columns.get(filter_.name, filter_.column), where[filter_.name])
        for filter_ in filters
        if filter_.name in where
    ]
