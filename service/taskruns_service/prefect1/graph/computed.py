"""Computed fields of the graph: what an entity has beside the columns of its row."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Integer, Table, case, cast, false, literal_column, null, or_, select, type_coerce

from taskruns_service.domain.states import StateType
from taskruns_service.prefect1.graph.entity import Alias, Computed
from taskruns_service.storage import maps, tables
from taskruns_service.storage.dialects import (
    Column,
    ColumnType,
    Json,
    RowSelect,
    constant,
    encoded_json,
    json_within,
    state_document,
)


def missing(type_: ColumnType) -> Computed:
    """Null: the original has a value of this type, which this service does not keep."""
    return lambda _: cast(null(), type_)


def zero(_: Alias) -> Column:
    """0, as an expression: a bare number in ORDER BY would be the place of a column."""
    return cast(literal_column("0"), Integer())


def empty_object(_: Alias) -> Column:
    """The JSON object without members."""
    return type_coerce(encoded_json(literal_column("'{}'")), Json)


def nothing(**columns: ColumnType) -> Alias:
    """A table without rows, with these columns."""
    return select(*(cast(null(), type_).label(name) for name, type_ in columns.items())).where(false()).subquery()


def tenant_of_flow(key: str) -> Computed:
    """The tenant of the flow whose id is `key`."""

    def column_of(alias: Alias) -> Column:
        flow = tables.flow.alias()
        return _tenant(flow).where(flow.c.id == alias.c[key]).correlate(alias).scalar_subquery()

    return column_of


def tenant_of(table: Alias, key: str) -> Computed:
    """The tenant of the flow of the run or task whose id is `key`."""

    def column_of(alias: Alias) -> Column:
        flow, part = tables.flow.alias(), table.alias()
        query = _tenant(flow).join(part, part.c.flow_id == flow.c.id).where(part.c.id == alias.c[key])
        return query.correlate(alias).scalar_subquery()

    return column_of


def tenant_of_flow_group(alias: Alias) -> Column:
    """The tenant of the flows of a flow group."""
    flow = tables.flow.alias()
    return _tenant(flow).where(flow.c.flow_group_id == alias.c.id).limit(1).correlate(alias).scalar_subquery()


def _tenant(flow: Alias) -> RowSelect:
    project = tables.project.alias()
    return select(project.c.tenant_id).join_from(flow, project, project.c.name == flow.c.project)


def project_id(alias: Alias) -> Column:
    """The id of a flow's project, which the flow has the name of."""
    project = tables.project.alias()
    return select(project.c.id).where(project.c.name == alias.c.project).correlate(alias).scalar_subquery()


def settings(alias: Alias) -> Column:
    """A flow has the settings of its flow group."""
    group = tables.flow_group.alias()
    return select(group.c.settings).where(group.c.id == alias.c.flow_group_id).correlate(alias).scalar_subquery()


def schedule(alias: Alias) -> Column:
    """The schedule that a flow was registered with."""
    return json_within(alias.c.serialized_flow, ["schedule"])


def current(history: Table, name: str) -> Computed:
    """A column of the history, of a run's current state."""

    def column_of(alias: Alias) -> Column:
        states = history.alias()
        return select(states.c[name]).where(states.c.id == alias.c.state_id).correlate(alias).scalar_subquery()

    return column_of


def result(history: Table) -> Computed:
    """The reference to the result of a run's current state."""
    return lambda alias: alias.c.result if "result" in alias.c else current(history, "result")(alias)


def state(alias: Alias) -> Column:
    """A run's current state, as Prefect 1 knows it."""
    return _known_state(alias.c.state)


def state_of_history(alias: Alias) -> Column:
    """The type of a state in a history, as Prefect 1 knows it."""
    return _known_state(alias.c.type)


def _known_state(column: Column) -> Column:
    return case((column == constant(StateType.Crashed), constant(StateType.Failed)), else_=column)


STORED_STATES: Mapping[Computed, Computed] = {
    state: lambda alias: alias.c.state,
    state_of_history: lambda alias: alias.c.type,
}
"""The columns behind the fields with states, which indexes serve."""


def stored_states(values: Iterable[object]) -> list[object]:
    """The states as they are stored that Prefect 1 knows as one of these: to it, Crashed is Failed."""
    known = [value for value in values if value != StateType.Crashed]
    return [*known, StateType.Crashed.value] if StateType.Failed in known else known


def serialized_state(history: Table) -> Computed:
    """A run's current state as it was sent; a run that no state was reported of is Pending."""
    result_of, details_of = result(history), current(history, "details")
    return lambda alias: state_document(state(alias), alias.c.state_message, result_of(alias), details_of(alias))


# Prefect 1 says that these have ended, and no others: a task that never ran has no end.
ENDED = [StateType[name] for name in ("Success", "Failed", "Crashed", "Cached", "TimedOut", "Looped", "Cancelled")]


def end_time(alias: Alias) -> Column:
    """When a run ended; null for one that has not, or that never ran."""
    return case((alias.c.state.in_(ENDED), alias.c.end_time))


def task_run_end_time(alias: Alias) -> Column:
    """When a task run ended; a mapped parent has that of its children."""
    return case((or_(alias.c.state.in_(ENDED), maps.mapped_parents(alias)), alias.c.end_time))
