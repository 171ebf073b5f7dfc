"""The graph: what is kept, as entities with fields and with relations to one another. GraphQL shows it as it is."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    TIMESTAMP,
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    FromClause,
    Integer,
    Table,
    Uuid,
    and_,
    case,
    or_,
    select,
)

from taskruns_service import tables
from taskruns_service.dialects import state_document
from taskruns_service.states import StateType

Column = ColumnElement[Any]
Here = FromClause
"""One mention of an entity's table in a statement, under an alias of its own."""


class Field(NamedTuple):
    """A field: what it is in SQL, and the scalar that it is for clients."""

    of: Callable[[Here], Column]
    scalar: str


class Relation(NamedTuple):
    """The way from one entity to another.

    `kept` are fields of the other one that this one has as well, by its own field's name: they need no look-up.
    """

    target: str
    on: Callable[[Here, Here], ColumnElement[bool]]
    many: bool = False
    kept: Mapping[str, str] = {}


class Entity(NamedTuple):
    """A kind of thing, with a row of `table` for each.

    `implied` is what else is true of a row in which a field has a value, where an index serves that and not the field.
    """

    table: Table
    fields: Mapping[str, Field]
    relations: Mapping[str, Relation]
    implied: Mapping[str, Callable[[Here, Any], ColumnElement[bool]]] = {}


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


def _field(table: Table, of: Callable[[Here], Column]) -> Field:
    return Field(of, _scalar(of(table)))


def _entity(
    table: Table,
    columns: str,
    relations: Mapping[str, Relation],
    **computed: Callable[[Here], Column],
) -> Entity:
    """An entity with these columns of its table as they are, and with computed fields."""
    plain = {name: lambda here, name=name: here.c[name] for name in columns.split()}
    return Entity(table, {name: _field(table, of) for name, of in {**plain, **computed}.items()}, relations)


def _one(target: str, key: str, at: str = "id", **kept: str) -> Relation:
    """The one whose `at` is this one's `key`."""
    return Relation(target, lambda here, there: there.c[at] == here.c[key], kept=kept)


def _many(target: str, key: str, at: str = "id") -> Relation:
    """Those whose `key` is this one's `at`."""
    return Relation(target, lambda here, there: there.c[key] == here.c[at], many=True)


def _edges(end: str) -> Relation:
    """The edges that have a task at this end."""

    def on(here: Here, there: Here) -> ColumnElement[bool]:
        # The index is the flow's.
        return and_(there.c.flow_id == here.c.flow_id, there.c[end] == here.c.id)

    return Relation("edge", on, many=True)


def _has_slug_of_task(here: Here, task_id: Any) -> ColumnElement[bool]:
    # The natural key has the slug, and so has the index of all task runs of a task.
    task = tables.task.alias()
    return here.c.task_slug == select(task.c.slug).where(task.c.id == task_id).scalar_subquery()


def _task_runs_of_task(here: Here, there: Here) -> ColumnElement[bool]:
    # The index is the slug's.
    return and_(there.c.task_slug == here.c.slug, there.c.task_id == here.c.id)


def _logs_of_task_run(here: Here, there: Here) -> ColumnElement[bool]:
    # The index is the flow run's.
    return and_(there.c.flow_run_id == here.c.flow_run_id, there.c.task_run_id == here.c.id)


def _settings(here: Here) -> Column:
    """A flow has the settings of its flow group."""
    groups = tables.flow_group.alias()
    return select(groups.c.settings).where(groups.c.id == here.c.flow_group_id).correlate(here).scalar_subquery()


def _of_tenant(flow_id: str) -> Callable[[Here], Column]:
    """The tenant of a flow's project."""

    def of(here: Here) -> Column:
        flow, project = tables.flow.alias(), tables.project.alias()
        found = select(project.c.tenant_id).join_from(project, flow, project.c.name == flow.c.project)
        return found.where(flow.c.id == here.c[flow_id]).correlate(here).scalar_subquery()

    return of


def _serialized_state(history: Table) -> Callable[[Here], Column]:
    """A run's current state as it was sent; a run that no state was reported of is Pending."""

    def of(here: Here) -> Column:
        def kept(name: str) -> Column:
            states = history.alias()
            return select(states.c[name]).where(states.c.id == here.c.state_id).correlate(here).scalar_subquery()

        result = here.c.result if "result" in here.c else kept("result")
        return state_document(here.c.state, here.c.state_message, result, kept("details"))

    return of


# Prefect 1 says that these have ended, and no others: a task that never ran has no end.
ENDED = [StateType[name] for name in ("Success", "Failed", "Cached", "TimedOut", "Looped", "Cancelled")]


def _end_time(here: Here) -> Column:
    return case((here.c.state.in_(ENDED), here.c.end_time))


def _task_run_end_time(here: Here) -> Column:
    """The same; a mapped parent has that of its children."""
    is_mapped_parent = and_(here.c.state == StateType.Mapped, here.c.map_index == -1)
    return case((or_(here.c.state.in_(ENDED), is_mapped_parent), here.c.end_time))


_RUN = (
    "id name state state_message state_timestamp state_start_time version run_count start_time duration heartbeat "
    "created updated"
)
_STATE = "id version message timestamp start_time result"


def _states(table: Table, owner: str) -> Entity:
    return _entity(
        table,
        f"{_STATE} {owner}_id",
        {owner: _one(owner, f"{owner}_id")},
        state=lambda here: here.c.type,
        serialized_state=lambda here: state_document(here.c.type, here.c.message, here.c.result, here.c.details),
        created=lambda here: here.c.received_at,
        updated=lambda here: here.c.received_at,
    )


ENTITIES: dict[str, Entity] = {
    "tenant": _entity(
        tables.tenant,
        "id name slug created updated",
        {"projects": _many("project", "tenant_id"), "agents": _many("agent", "tenant_id")},
    ),
    "project": _entity(
        tables.project,
        "id tenant_id name description created updated",
        {"tenant": _one("tenant", "tenant_id"), "flows": _many("flow", "project", at="name")},
    ),
    "flow_group": _entity(
        tables.flow_group,
        "id name labels settings run_config default_parameters created updated",
        {"flows": _many("flow", "flow_group_id")},
    ),
    "flow": _entity(
        tables.flow,
        "id name version version_group_id flow_group_id archived description core_version environment storage "
        "run_config parameters serialized_flow is_schedule_active created",
        {
            "project": _one("project", "project", at="name", name="project_name"),
            "flow_group": _one("flow_group", "flow_group_id"),
            "tasks": _many("task", "flow_id"),
            "edges": _many("edge", "flow_id"),
            "flow_runs": _many("flow_run", "flow_id"),
            "versions": _many("flow", "version_group_id", at="version_group_id"),
        },
        project_name=lambda here: here.c.project,
        tenant_id=_of_tenant("id"),
        settings=_settings,
        updated=lambda here: here.c.created,
    ),
    "task": _entity(
        tables.task,
        "id flow_id name slug type description tags max_retries retry_delay cache_key trigger mapped auto_generated "
        "is_reference_task is_root_task is_terminal_task created",
        {
            "flow": _one("flow", "flow_id"),
            "task_runs": Relation("task_run", _task_runs_of_task, many=True),
            "upstream_edges": _edges("downstream_task_id"),
            "downstream_edges": _edges("upstream_task_id"),
        },
        updated=lambda here: here.c.created,
    ),
    "edge": _entity(
        tables.edge,
        "id flow_id upstream_task_id downstream_task_id key mapped created",
        {
            "flow": _one("flow", "flow_id"),
            "upstream_task": _one("task", "upstream_task_id", id="upstream_task_id"),
            "downstream_task": _one("task", "downstream_task_id", id="downstream_task_id"),
        },
    ),
    "flow_run": _entity(
        tables.flow_run,
        f"{_RUN} flow_id parameters labels context idempotency_key scheduled_start_time auto_scheduled run_config "
        "agent_id",
        {
            "flow": _one("flow", "flow_id", id="flow_id"),
            "task_runs": _many("task_run", "flow_run_id"),
            "states": _many("flow_run_state", "flow_run_id"),
            "logs": _many("log", "flow_run_id"),
            "agent": _one("agent", "agent_id"),
        },
        tenant_id=_of_tenant("flow_id"),
        end_time=_end_time,
        serialized_state=_serialized_state(tables.flow_run_state),
    ),
    "flow_run_state": _states(tables.flow_run_state, "flow_run"),
    "task_run": _entity(
        tables.task_run,
        f"{_RUN} flow_run_id task_id task_slug map_index tags cache_key queue_time",
        {
            "task": _one("task", "task_id", id="task_id", slug="task_slug"),
            "flow_run": _one("flow_run", "flow_run_id", id="flow_run_id"),
            "states": _many("task_run_state", "task_run_id"),
            "logs": Relation("log", _logs_of_task_run, many=True),
            "artifacts": _many("task_run_artifact", "task_run_id"),
        },
        tenant_id=_of_tenant("flow_id"),
        end_time=_task_run_end_time,
        serialized_state=_serialized_state(tables.task_run_state),
        state_result=lambda here: here.c.result,
    )._replace(implied={"task_id": _has_slug_of_task}),
    "task_run_state": _states(tables.task_run_state, "task_run"),
    "log": _entity(
        tables.log,
        "id flow_run_id task_run_id timestamp name level message info created",
        {"flow_run": _one("flow_run", "flow_run_id"), "task_run": _one("task_run", "task_run_id")},
    ),
    "agent": _entity(
        tables.agent,
        "id tenant_id name type core_version labels last_queried created updated",
        {"tenant": _one("tenant", "tenant_id")},
    ),
    "task_run_artifact": _entity(
        tables.task_run_artifact,
        "id task_run_id kind data created updated",
        {"task_run": _one("task_run", "task_run_id")},
    ),
}
