"""The graph: what is kept, as entities with fields and with relations to one another. GraphQL shows it as it is.

It has what Prefect 1 had for these entities. What this service keeps none of is null, or an entity without rows.
"""

from collections.abc import Callable, Mapping, Sequence
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
    ScalarSelect,
    Table,
    Text,
    Uuid,
    and_,
    case,
    or_,
    select,
)
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.types import TypeEngine

from taskruns_service.domain.states import StateType
from taskruns_service.prefect1.graph.computed import (
    Column,
    Computed,
    empty_object,
    missing,
    nothing,
    project_id,
    schedule,
    settings,
    tenant_of,
    tenant_of_flow,
    tenant_of_flow_group,
    zero,
)
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import Id, Json, Timestamp, state_document

Here = FromClause
"""One mention of an entity's table in a statement, under an alias of its own."""


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
    on: Callable[[Here, Here], ColumnElement[bool]]
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
    implied: Mapping[str, Callable[[Here, Any], ColumnElement[bool]]] = {}
    order: Sequence[Mapping[str, str]] = ()


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


def _entity(table: FromClause, columns: str, relations: Mapping[str, Relation], **computed: Computed) -> Entity:
    """An entity with these columns of its table as they are, and with computed fields."""
    plain = {name: lambda alias, name=name: alias.c[name] for name in columns.split()}
    return Entity(
        table, {name: _field(table, column_of) for name, column_of in {**plain, **computed}.items()}, relations
    )


def _to_one(target: str, key: str, at: str = "id", **copies: str) -> Relation:
    """The one whose `at` is this one's `key`."""
    return Relation(target, lambda alias, there: there.c[at] == alias.c[key], copies=copies)


def _to_many(target: str, key: str, at: str = "id", *, scans: bool = False) -> Relation:
    """Those whose `key` is this one's `at`."""
    return Relation(target, lambda alias, there: there.c[key] == alias.c[at], many=True, scans=scans)


def _tenant(id_of: Computed) -> Relation:
    """The tenant with this id."""
    return Relation("tenant", lambda alias, there: there.c.id == id_of(alias), nests=True)


def _of_tenant(target: str, key: str, column: str) -> Relation:
    """Those whose `key` is a `column` of the flows of a tenant."""

    def on(alias: Here, there: Here) -> ColumnElement[bool]:
        flow, project = tables.flow.alias(), tables.project.alias()
        flows = select(flow.c[column]).join_from(flow, project, project.c.name == flow.c.project)
        return there.c[key].in_(flows.where(project.c.tenant_id == alias.c.id).correlate(alias))

    return Relation(target, on, many=True, nests=True)


def _is_no_id(_: Here, there: Here) -> ColumnElement[bool]:
    """What leads to nothing."""
    return there.c.id.is_(None)


def _edges(end: str) -> Relation:
    """The edges that have a task at this end."""

    def on(alias: Here, there: Here) -> ColumnElement[bool]:
        # The index is the flow's.
        return and_(there.c.flow_id == alias.c.flow_id, there.c[end] == alias.c.id)

    return Relation("edge", on, many=True)


def _has_slug_of_task(alias: Here, task_id: Any) -> ColumnElement[bool]:
    # The natural key has the slug, and so has the index of all task runs of a task.
    task = tables.task.alias()
    return alias.c.task_slug == select(task.c.slug).where(task.c.id == task_id).scalar_subquery()


def _task_runs_of_task(alias: Here, there: Here) -> ColumnElement[bool]:
    # The index on task_slug serves the join.
    return and_(there.c.task_slug == alias.c.slug, there.c.task_id == alias.c.id)


def _logs_of_task_run(alias: Here, there: Here) -> ColumnElement[bool]:
    # The index on flow_run_id serves the join.
    return and_(there.c.flow_run_id == alias.c.flow_run_id, there.c.task_run_id == alias.c.id)


def _current(history: Table, name: str) -> Computed:
    """A column of the history, of a run's current state."""

    def column_of(alias: Here) -> Column:
        states = history.alias()
        return select(states.c[name]).where(states.c.id == alias.c.state_id).correlate(alias).scalar_subquery()

    return column_of


def _result(history: Table) -> Computed:
    """The reference to the result of a run's current state."""
    return lambda alias: alias.c.result if "result" in alias.c else _current(history, "result")(alias)


def _serialized_state(history: Table) -> Computed:
    """A run's current state as it was sent; a run that no state was reported of is Pending."""
    result, details = _result(history), _current(history, "details")
    return lambda alias: state_document(alias.c.state, alias.c.state_message, result(alias), details(alias))


# Prefect 1 says that these have ended, and no others: a task that never ran has no end.
ENDED = [StateType[name] for name in ("Success", "Failed", "Cached", "TimedOut", "Looped", "Cancelled")]


def _end_time(alias: Here) -> Column:
    return case((alias.c.state.in_(ENDED), alias.c.end_time))


def _task_run_end_time(alias: Here) -> Column:
    """The same; a mapped parent has that of its children."""
    is_mapped_parent = and_(alias.c.state == StateType.Mapped, alias.c.map_index == -1)
    return case((or_(alias.c.state.in_(ENDED), is_mapped_parent), alias.c.end_time))


_RUN = (
    "id name state state_id state_message state_timestamp state_start_time version run_count start_time duration "
    "heartbeat created updated"
)
_STATE = "id version message timestamp start_time result"


def _states(table: Table, owner: Table) -> Entity:
    return _entity(
        table,
        f"{_STATE} {owner.name}_id",
        {owner.name: _to_one(owner.name, f"{owner.name}_id")},
        tenant_id=tenant_of(owner, f"{owner.name}_id"),
        state=lambda alias: alias.c.type,
        serialized_state=lambda alias: state_document(alias.c.type, alias.c.message, alias.c.result, alias.c.details),
        created=lambda alias: alias.c.received_at,
        updated=lambda alias: alias.c.received_at,
    )


def _updated(alias: Here) -> Column:
    """When it was last changed: never, since it was made."""
    return alias.c.created


_creation_times: dict[str, TypeEngine[Any]] = {"created": Timestamp, "updated": Timestamp}

ENTITIES: dict[str, Entity] = {
    "tenant": _entity(
        tables.tenant,
        "id name slug created updated",
        {
            "projects": _to_many("project", "tenant_id"),
            "flows": _of_tenant("flow", "id", "id"),
            "flow_groups": _of_tenant("flow_group", "id", "flow_group_id"),
            "agents": _to_many("agent", "tenant_id"),
        },
        info=missing(Json),
        settings=empty_object,
    ),
    "project": _entity(
        tables.project,
        "id tenant_id name description created updated",
        {"tenant": _to_one("tenant", "tenant_id"), "flows": _to_many("flow", "project", at="name")},
    ),
    "flow_group": _entity(
        tables.flow_group,
        "id name labels settings run_config default_parameters created updated",
        {"flows": _to_many("flow", "flow_group_id"), "tenant": _tenant(tenant_of_flow_group)},
        tenant_id=tenant_of_flow_group,
        description=missing(Text()),
        schedule=missing(Json),
    ),
    "flow": _entity(
        tables.flow,
        "id name version version_group_id flow_group_id archived description core_version environment storage "
        "run_config parameters serialized_flow is_schedule_active created",
        {
            "project": _to_one("project", "project", at="name", name="project_name"),
            "tenant": _tenant(tenant_of_flow("id")),
            "flow_group": _to_one("flow_group", "flow_group_id"),
            "tasks": _to_many("task", "flow_id"),
            "edges": _to_many("edge", "flow_id"),
            "flow_runs": _to_many("flow_run", "flow_id"),
            "versions": _to_many("flow", "version_group_id", at="version_group_id"),
        },
        project_name=lambda alias: alias.c.project,
        project_id=project_id,
        tenant_id=tenant_of_flow("id"),
        settings=settings,
        schedule=schedule,
        updated=_updated,
    ),
    "task": _entity(
        tables.task,
        "id flow_id name slug type description tags max_retries retry_delay cache_key trigger mapped auto_generated "
        "is_reference_task is_root_task is_terminal_task created",
        {
            "flow": _to_one("flow", "flow_id"),
            "task_runs": Relation("task_run", _task_runs_of_task, many=True),
            "upstream_edges": _edges("downstream_task_id"),
            "downstream_edges": _edges("upstream_task_id"),
        },
        tenant_id=tenant_of_flow("flow_id"),
        updated=_updated,
    ),
    "edge": _entity(
        tables.edge,
        "id flow_id upstream_task_id downstream_task_id key mapped created",
        {
            "flow": _to_one("flow", "flow_id"),
            "upstream_task": _to_one("task", "upstream_task_id", id="upstream_task_id"),
            "downstream_task": _to_one("task", "downstream_task_id", id="downstream_task_id"),
        },
        tenant_id=tenant_of_flow("flow_id"),
        updated=_updated,
    ),
    "flow_run": _entity(
        tables.flow_run,
        f"{_RUN} flow_id parameters labels context idempotency_key scheduled_start_time auto_scheduled run_config "
        "agent_id",
        {
            "flow": _to_one("flow", "flow_id", id="flow_id"),
            "tenant": _tenant(tenant_of_flow("flow_id")),
            "task_runs": _to_many("task_run", "flow_run_id"),
            "states": _to_many("flow_run_state", "flow_run_id"),
            "logs": _to_many("log", "flow_run_id"),
            "agent": _to_one("agent", "agent_id"),
        },
        tenant_id=tenant_of_flow("flow_id"),
        end_time=_end_time,
        serialized_state=_serialized_state(tables.flow_run_state),
        state_result=_result(tables.flow_run_state),
        times_resurrected=zero,
    ),
    "flow_run_state": _states(tables.flow_run_state, tables.flow_run),
    "task_run": _entity(
        tables.task_run,
        f"{_RUN} flow_run_id task_id task_slug map_index tags cache_key queue_time",
        {
            "task": _to_one("task", "task_id", id="task_id", slug="task_slug"),
            "flow_run": _to_one("flow_run", "flow_run_id", id="flow_run_id"),
            "tenant": _tenant(tenant_of_flow("flow_id")),
            "states": _to_many("task_run_state", "task_run_id"),
            "logs": Relation("log", _logs_of_task_run, many=True),
            "artifacts": _to_many("task_run_artifact", "task_run_id"),
        },
        tenant_id=tenant_of_flow("flow_id"),
        end_time=_task_run_end_time,
        serialized_state=_serialized_state(tables.task_run_state),
        state_result=_result(tables.task_run_state),
    )._replace(implied={"task_id": _has_slug_of_task}),
    "task_run_state": _states(tables.task_run_state, tables.task_run),
    "log": _entity(
        tables.log,
        "id flow_run_id task_run_id timestamp name level message info created",
        {"flow_run": _to_one("flow_run", "flow_run_id"), "task_run": _to_one("task_run", "task_run_id")},
        tenant_id=tenant_of(tables.flow_run, "flow_run_id"),
        updated=_updated,
        is_loaded_from_archive=missing(Boolean()),
    ),
    "agent": _entity(
        tables.agent,
        "id tenant_id name type core_version labels last_queried created updated",
        {
            "tenant": _to_one("tenant", "tenant_id"),
            "flow_runs": _to_many("flow_run", "agent_id", scans=True),
            "agent_config": Relation("agent_config", _is_no_id),
        },
        agent_config_id=missing(Id),
    ),
    "agent_config": _entity(
        nothing(id=Id, tenant_id=Id, name=Text(), settings=Json, **_creation_times),
        "id tenant_id name settings created updated",
        {"agents": Relation("agent", _is_no_id, many=True)},
    ),
    "task_run_artifact": _entity(
        tables.task_run_artifact,
        "id task_run_id kind data created updated",
        {"task_run": _to_one("task_run", "task_run_id")},
        tenant_id=tenant_of(tables.task_run, "task_run_id"),
    ),
    "message": _entity(
        nothing(
            id=Id, tenant_id=Id, user_id=Id, read=Boolean(), type=Text(), text=Text(), content=Json, **_creation_times
        ),
        "id tenant_id user_id read type text content created updated",
        {},
    ),
    "cloud_hook": _entity(
        nothing(
            id=Id,
            tenant_id=Id,
            version_group_id=Text(),
            name=Text(),
            type=Text(),
            states=Json,
            config=Json,
            active=Boolean(),
            **_creation_times,
        ),
        "id tenant_id version_group_id name type states config active created updated",
        {},
    ),
    "utility_traversal": _entity(
        nothing(id=Id, task_id=Id, depth=Integer()),
        "task_id depth",
        {"task": _to_one("task", "task_id", id="task_id")},
        tenant_id=tenant_of(tables.task, "task_id"),
    ),
}
