"""Computed fields of the graph: what an entity has beside the columns of its row."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    cast,
    false,
    literal_column,
    null,
    select,
    type_coerce,
)
from sqlalchemy.types import TypeEngine

from taskruns_service.storage import tables
from taskruns_service.storage.dialects import Json, encoded_json, json_within

Column = ColumnElement[Any]
Computed = Callable[[FromClause], Column]
"""A field, of one mention of an entity's table in a statement."""


def missing(type_: TypeEngine[Any]) -> Computed:
    """Null: the original has a value of this type, which this service does not keep."""
    return lambda _: cast(null(), type_)


def zero(_: FromClause) -> Column:
    """0, as an expression: a bare number in ORDER BY would be the place of a column."""
    return cast(literal_column("0"), Integer())


def empty_object(_: FromClause) -> Column:
    """The JSON object without members."""
    return type_coerce(encoded_json(literal_column("'{}'")), Json)


def nothing(**columns: TypeEngine[Any]) -> FromClause:
    """A table without rows, with these columns."""
    return select(*(cast(null(), type_).label(name) for name, type_ in columns.items())).where(false()).subquery()


def tenant_of_flow(key: str) -> Computed:
    """The tenant of the flow whose id is `key`."""

    def column_of(alias: FromClause) -> Column:
        flow = tables.flow.alias()
        return _tenant(flow).where(flow.c.id == alias.c[key]).correlate(alias).scalar_subquery()

    return column_of


def tenant_of(table: FromClause, key: str) -> Computed:
    """The tenant of the flow of the run or task whose id is `key`."""

    def column_of(alias: FromClause) -> Column:
        flow, part = tables.flow.alias(), table.alias()
        query = _tenant(flow).join(part, part.c.flow_id == flow.c.id).where(part.c.id == alias.c[key])
        return query.correlate(alias).scalar_subquery()

    return column_of


def tenant_of_flow_group(alias: FromClause) -> Column:
    """The tenant of the flows of a flow group."""
    flow = tables.flow.alias()
    return _tenant(flow).where(flow.c.flow_group_id == alias.c.id).limit(1).correlate(alias).scalar_subquery()


def _tenant(flow: FromClause) -> Select[Any]:
    project = tables.project.alias()
    return select(project.c.tenant_id).join_from(flow, project, project.c.name == flow.c.project)


def project_id(alias: FromClause) -> Column:
    """The id of a flow's project, which the flow has the name of."""
    project = tables.project.alias()
    return select(project.c.id).where(project.c.name == alias.c.project).correlate(alias).scalar_subquery()


def settings(alias: FromClause) -> Column:
    """A flow has the settings of its flow group."""
    group = tables.flow_group.alias()
    return select(group.c.settings).where(group.c.id == alias.c.flow_group_id).correlate(alias).scalar_subquery()


def schedule(alias: FromClause) -> Column:
    """The schedule that a flow was registered with."""
    return json_within(alias.c.serialized_flow, ["schedule"])
