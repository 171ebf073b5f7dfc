"""The graph: what is kept, as entities with fields and with relations to one another. GraphQL shows it as it is.

It has what Prefect 1 had for these entities. What this service keeps none of is null, or an entity without rows.
"""

from sqlalchemy import Boolean, Integer, Table, Text, and_, select

from taskruns_service.prefect1.graph.computed import (
    empty_object,
    end_time,
    missing,
    nothing,
    project_id,
    result,
    schedule,
    serialized_state,
    settings,
    state,
    state_of_history,
    task_run_end_time,
    tenant_of,
    tenant_of_flow,
    tenant_of_flow_group,
    zero,
)
from taskruns_service.prefect1.graph.entity import (
    Alias,
    Clause,
    Computed,
    Entity,
    Relation,
    make_entity,
    to_many,
    to_one,
)
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import Column, ColumnType, Id, Json, Timestamp, state_document


def _tenant(id_of: Computed) -> Relation:
    """The tenant with this id."""
    return Relation("tenant", lambda alias, other: other.c.id == id_of(alias), nests=True)


def _of_tenant(target: str, key: str, column: str) -> Relation:
    """Those whose `key` is a `column` of the flows of a tenant."""

    def on(alias: Alias, other: Alias) -> Clause:
        flow, project = tables.flow.alias(), tables.project.alias()
        flows = select(flow.c[column]).join_from(flow, project, project.c.name == flow.c.project)
        return other.c[key].in_(flows.where(project.c.tenant_id == alias.c.id).correlate(alias))

    return Relation(target, on, many=True, nests=True)


def _is_no_id(_: Alias, other: Alias) -> Clause:
    """What leads to nothing."""
    return other.c.id.is_(None)


def _edges(end: str) -> Relation:
    """The edges that have a task at this end."""

    def on(alias: Alias, other: Alias) -> Clause:
        # The index on flow_id serves the join.
        return and_(other.c.flow_id == alias.c.flow_id, other.c[end] == alias.c.id)

    return Relation("edge", on, many=True)


def _has_slug_of_task(alias: Alias, task_id: object) -> Clause:
    # The natural key has the slug, and so has the index of all task runs of a task.
    task = tables.task.alias()
    return alias.c.task_slug == select(task.c.slug).where(task.c.id == task_id).scalar_subquery()


def _task_runs_of_task(alias: Alias, other: Alias) -> Clause:
    # The index on task_slug serves the join.
    return and_(other.c.task_slug == alias.c.slug, other.c.task_id == alias.c.id)


def _logs_of_task_run(alias: Alias, other: Alias) -> Clause:
    # The index on flow_run_id serves the join.
    return and_(other.c.flow_run_id == alias.c.flow_run_id, other.c.task_run_id == alias.c.id)


_RUN = (
    "id name state_id state_message state_timestamp state_start_time version run_count start_time duration "
    "heartbeat created updated"
)
_STATE = "id version message timestamp start_time result"


def _states(table: Table, owner: Table) -> Entity:
    return make_entity(
        table,
        f"{_STATE} {owner.name}_id",
        {owner.name: to_one(owner.name, f"{owner.name}_id")},
        tenant_id=tenant_of(owner, f"{owner.name}_id"),
        state=state_of_history,
        serialized_state=lambda alias: state_document(
            state_of_history(alias), alias.c.message, alias.c.result, alias.c.details
        ),
        created=lambda alias: alias.c.received_at,
        updated=lambda alias: alias.c.received_at,
    )


def _updated(alias: Alias) -> Column:
    """When it was last changed: never, since it was made."""
    return alias.c.created


_creation_times: dict[str, ColumnType] = {"created": Timestamp, "updated": Timestamp}

ENTITIES: dict[str, Entity] = {
    "tenant": make_entity(
        tables.tenant,
        "id name slug created updated",
        {
            "projects": to_many("project", "tenant_id"),
            "flows": _of_tenant("flow", "id", "id"),
            "flow_groups": _of_tenant("flow_group", "id", "flow_group_id"),
            "agents": to_many("agent", "tenant_id"),
        },
        info=missing(Json),
        settings=empty_object,
    ),
    "project": make_entity(
        tables.project,
        "id tenant_id name description created updated",
        {"tenant": to_one("tenant", "tenant_id"), "flows": to_many("flow", "project", at="name")},
    ),
    "flow_group": make_entity(
        tables.flow_group,
        "id name labels settings run_config default_parameters created updated",
        {"flows": to_many("flow", "flow_group_id"), "tenant": _tenant(tenant_of_flow_group)},
        tenant_id=tenant_of_flow_group,
        description=missing(Text()),
        schedule=missing(Json),
    ),
    "flow": make_entity(
        tables.flow,
        "id name version version_group_id flow_group_id archived description core_version environment storage "
        "run_config parameters serialized_flow is_schedule_active created",
        {
            "project": to_one("project", "project", at="name", name="project_name"),
            "tenant": _tenant(tenant_of_flow("id")),
            "flow_group": to_one("flow_group", "flow_group_id"),
            "tasks": to_many("task", "flow_id"),
            "edges": to_many("edge", "flow_id"),
            "flow_runs": to_many("flow_run", "flow_id"),
            "versions": to_many("flow", "version_group_id", at="version_group_id"),
        },
        project_name=lambda alias: alias.c.project,
        project_id=project_id,
        tenant_id=tenant_of_flow("id"),
        settings=settings,
        schedule=schedule,
        updated=_updated,
    ),
    "task": make_entity(
        tables.task,
        "id flow_id name slug type description tags max_retries retry_delay cache_key trigger mapped auto_generated "
        "is_reference_task is_root_task is_terminal_task created",
        {
            "flow": to_one("flow", "flow_id"),
            "task_runs": Relation("task_run", _task_runs_of_task, many=True),
            "upstream_edges": _edges("downstream_task_id"),
            "downstream_edges": _edges("upstream_task_id"),
        },
        tenant_id=tenant_of_flow("flow_id"),
        updated=_updated,
    ),
    "edge": make_entity(
        tables.edge,
        "id flow_id upstream_task_id downstream_task_id key mapped created",
        {
            "flow": to_one("flow", "flow_id"),
            "upstream_task": to_one("task", "upstream_task_id", id="upstream_task_id"),
            "downstream_task": to_one("task", "downstream_task_id", id="downstream_task_id"),
        },
        tenant_id=tenant_of_flow("flow_id"),
        updated=_updated,
    ),
    "flow_run": make_entity(
        tables.flow_run,
        f"{_RUN} flow_id parameters labels context idempotency_key scheduled_start_time auto_scheduled run_config "
        "agent_id",
        {
            "flow": to_one("flow", "flow_id", id="flow_id"),
            "tenant": _tenant(tenant_of_flow("flow_id")),
            "task_runs": to_many("task_run", "flow_run_id"),
            "states": to_many("flow_run_state", "flow_run_id"),
            "logs": to_many("log", "flow_run_id"),
            "agent": to_one("agent", "agent_id"),
        },
        tenant_id=tenant_of_flow("flow_id"),
        state=state,
        end_time=end_time,
        serialized_state=serialized_state(tables.flow_run_state),
        state_result=result(tables.flow_run_state),
        times_resurrected=zero,
    ),
    "flow_run_state": _states(tables.flow_run_state, tables.flow_run),
    "task_run": make_entity(
        tables.task_run,
        f"{_RUN} flow_run_id task_id task_slug map_index tags cache_key queue_time",
        {
            "task": to_one("task", "task_id", id="task_id", slug="task_slug"),
            "flow_run": to_one("flow_run", "flow_run_id", id="flow_run_id"),
            "tenant": _tenant(tenant_of_flow("flow_id")),
            "states": to_many("task_run_state", "task_run_id"),
            "logs": Relation("log", _logs_of_task_run, many=True),
            "artifacts": to_many("task_run_artifact", "task_run_id"),
        },
        tenant_id=tenant_of_flow("flow_id"),
        state=state,
        end_time=task_run_end_time,
        serialized_state=serialized_state(tables.task_run_state),
        state_result=result(tables.task_run_state),
    )._replace(implied={"task_id": _has_slug_of_task}),
    "task_run_state": _states(tables.task_run_state, tables.task_run),
    "log": make_entity(
        tables.log,
        "id flow_run_id task_run_id timestamp name level message info created",
        {"flow_run": to_one("flow_run", "flow_run_id"), "task_run": to_one("task_run", "task_run_id")},
        tenant_id=tenant_of(tables.flow_run, "flow_run_id"),
        updated=_updated,
        is_loaded_from_archive=missing(Boolean()),
    ),
    "agent": make_entity(
        tables.agent,
        "id tenant_id name type core_version labels last_queried created updated",
        {
            "tenant": to_one("tenant", "tenant_id"),
            "flow_runs": to_many("flow_run", "agent_id", scans=True),
            "agent_config": Relation("agent_config", _is_no_id),
        },
        agent_config_id=missing(Id),
    ),
    "agent_config": make_entity(
        nothing(id=Id, tenant_id=Id, name=Text(), settings=Json, **_creation_times),
        "id tenant_id name settings created updated",
        {"agents": Relation("agent", _is_no_id, many=True)},
    ),
    "task_run_artifact": make_entity(
        tables.task_run_artifact,
        "id task_run_id kind data created updated",
        {"task_run": to_one("task_run", "task_run_id")},
        tenant_id=tenant_of(tables.task_run, "task_run_id"),
    ),
    "message": make_entity(
        nothing(
            id=Id, tenant_id=Id, user_id=Id, read=Boolean(), type=Text(), text=Text(), content=Json, **_creation_times
        ),
        "id tenant_id user_id read type text content created updated",
        {},
    ),
    "cloud_hook": make_entity(
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
    "utility_traversal": make_entity(
        nothing(id=Id, task_id=Id, depth=Integer()),
        "task_id depth",
        {"task": to_one("task", "task_id", id="task_id")},
        tenant_id=tenant_of(tables.task, "task_id"),
    ),
}
