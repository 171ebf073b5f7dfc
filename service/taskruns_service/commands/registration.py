"""Registration: tenants, projects, and flows with their tasks, edges and settings."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Connection, Row, delete, exists, func, insert, not_, select, update

from taskruns_service import tables
from taskruns_service.dialects import insert_for
from taskruns_service.errors import InvalidRequest
from taskruns_service.ids import new_id
from taskruns_service.models import NAME_LENGTH
from taskruns_service.states import StateType

DEFAULT_PROJECT = "default"
SETTINGS = {"heartbeat_enabled": True, "lazarus_enabled": True, "version_locking_enabled": False}

_flow, _flow_group, _task, _edge = tables.flow, tables.flow_group, tables.task, tables.edge


class NewFlow(Struct, frozen=True, kw_only=True):
    """A flow to register: `serialized` is as Prefect 1 writes it, with or without its tasks and edges."""

    project_id: UUID
    serialized: dict[str, Any]
    version_group_id: str | None = None
    description: str | None = None
    idempotency_key: str | None = None
    is_schedule_active: bool | None = None


def create_tenant(connection: Connection, name: str, slug: str) -> UUID:
    """Makes a tenant and gives its id; raises InvalidRequest if there is one."""
    row = {"name": _named(name, "The tenant"), "slug": _named(slug, "The slug"), **_made()}
    return _insert_new(connection, tables.tenant, row)


def create_project(connection: Connection, tenant_id: UUID, name: str, description: str | None) -> UUID:
    """Makes a project and gives its id; raises InvalidRequest if there is one, or no such tenant."""
    if connection.execute(select(tables.tenant.c.id).where(tables.tenant.c.id == tenant_id)).first() is None:
        raise InvalidRequest(f"There is no tenant {tenant_id}.")
    row = {"tenant_id": tenant_id, "name": _named(name, "The project"), "description": description, **_made()}
    return _insert_new(connection, tables.project, row)


def _insert_new(connection: Connection, table: Any, row: dict[str, Any]) -> UUID:
    statement = insert_for(connection, table).on_conflict_do_nothing().returning(table.c.id)
    identifier = connection.scalar(statement, {"id": new_id(), **row})
    if identifier is None:
        raise InvalidRequest("Uniqueness violation.")
    return UUID(str(identifier))


def create_flow(connection: Connection, new: NewFlow) -> UUID:
    """Makes the next version of a flow, archives those before it in its version group, and gives its id.

    What is sent again makes nothing: a flow with the idempotency key of the newest version, or one that is the newest
    version and has no tasks yet. Raises InvalidRequest.
    """
    named = select(tables.project.c.name).where(tables.project.c.id == new.project_id)
    # Locked, since versions count up within the project.
    project = connection.scalar(named.with_for_update())
    if project is None:
        raise InvalidRequest("Invalid project.")
    name = _named(new.serialized.get("name"), "The flow")
    newest = _newest(connection, project, name, new.version_group_id)
    if newest is not None and _is_again(connection, new, newest):
        return UUID(str(newest.id))

    made = datetime.now(UTC)
    identifier = new_id()
    group = new_group(identifier, made)
    if newest is not None:
        group = {"id": newest.flow_group_id, "name": newest.version_group_id}
    elif new.version_group_id is not None:
        group["name"] = _named(new.version_group_id, "The version group")
    if newest is None:
        connection.execute(insert(_flow_group), group)
    _set(connection, group["id"], "idempotency_key", new.idempotency_key)
    version = select(func.max(_flow.c.version)).where(_flow.c.project == project, _flow.c.name == name)
    row = {
        "id": identifier,
        "project": project,
        "name": name,
        "version": (connection.scalar(version) or 0) + 1,
        "archived": False,
        "created": made,
        "version_group_id": group["name"],
        "flow_group_id": group["id"],
        "description": new.description,
        "core_version": new.serialized.get("__version__"),
        **{one: new.serialized.get(one) for one in ("environment", "storage", "run_config", "parameters")},
        "serialized_flow": new.serialized,
        "is_schedule_active": new.is_schedule_active,
    }
    connection.execute(insert(_flow), row)
    older = (_flow.c.version_group_id == group["name"], _flow.c.id != identifier)
    connection.execute(update(_flow).where(*older).values(archived=True))
    if tasks := new.serialized.get("tasks"):
        register_tasks(connection, identifier, tasks)
        register_edges(connection, identifier, new.serialized.get("edges") or [])
    return identifier


def new_group(flow_id: UUID, made: datetime) -> dict[str, Any]:
    """The group of a flow that is the first of its name, as a row; the group has the id of its first flow."""
    return {"id": flow_id, "name": str(flow_id), "settings": SETTINGS, "created": made, "updated": made}


def _newest(connection: Connection, project: str, name: str, version_group_id: str | None) -> Row[Any] | None:
    known = (
        (_flow.c.project == project, _flow.c.name == name)
        if version_group_id is None
        else (_flow.c.version_group_id == version_group_id,)
    )
    return connection.execute(select(_flow).where(*known).order_by(_flow.c.version.desc()).limit(1)).first()


def _is_again(connection: Connection, new: NewFlow, newest: Row[Any]) -> bool:
    if newest.archived:
        return False
    if new.idempotency_key is not None:
        settings = connection.scalar(select(_flow_group.c.settings).where(_flow_group.c.id == newest.flow_group_id))
        return bool((settings or {}).get("idempotency_key") == new.idempotency_key)
    has_tasks = connection.execute(select(_task.c.id).where(_task.c.flow_id == newest.id).limit(1)).first()
    return has_tasks is None and bool(newest.serialized_flow == new.serialized)


def register_tasks(connection: Connection, flow_id: UUID, tasks: Iterable[Mapping[str, Any]]) -> None:
    """Adds tasks, as Prefect 1 writes them, to a flow; those that are there are replaced.

    Raises InvalidRequest.
    """
    flow = _locked(connection, flow_id)
    made = datetime.now(UTC)
    reference = {one.get("slug") for one in (flow.serialized_flow or {}).get("reference_tasks") or ()}
    rows = {slug: _task_row(slug, one, flow_id, made, reference) for slug, one in _by_slug(tasks).items()}
    if rows:
        statement = insert_for(connection, _task)
        kept = {name: statement.excluded[name] for name in next(iter(rows.values())) if name not in ("id", "created")}
        connection.execute(
            statement.on_conflict_do_update(index_elements=["flow_id", "slug"], set_=kept), list(rows.values())
        )
        _merge(connection, flow, "tasks", tasks, lambda one: one.get("slug"))
    _place(connection, flow_id)


def _by_slug(tasks: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {_named(one.get("slug") if isinstance(one, dict) else None, "The slug of a task"): one for one in tasks}


def _task_row(slug: str, task: Mapping[str, Any], flow_id: UUID, made: datetime, reference: set[Any]) -> dict[str, Any]:
    trigger = task.get("trigger")
    return {
        "id": new_id(),
        "flow_id": flow_id,
        "slug": slug,
        "name": _named(task.get("name") or slug, "The task"),
        "created": made,
        "type": task.get("type"),
        "description": task.get("description"),
        "tags": sorted(map(str, task.get("tags") or ())),
        "max_retries": task.get("max_retries"),
        "retry_delay": task.get("retry_delay"),
        "cache_key": task.get("cache_key"),
        "trigger": trigger.get("fn") if isinstance(trigger, dict) else None,
        "auto_generated": task.get("auto_generated"),
        "is_reference_task": slug in reference,
    }


def register_edges(connection: Connection, flow_id: UUID, edges: Iterable[Mapping[str, Any]]) -> None:
    """Adds edges, as Prefect 1 writes them, between tasks of a flow; raises InvalidRequest."""
    flow = _locked(connection, flow_id)
    made = datetime.now(UTC)
    known = connection.execute(select(_task.c.slug, _task.c.id).where(_task.c.flow_id == flow_id))
    tasks: dict[str, UUID] = {row.slug: row.id for row in known}

    def task(edge: Mapping[str, Any], end: str) -> UUID:
        slug = (edge.get(end) or {}).get("slug")
        if slug not in tasks:
            raise InvalidRequest(f"An edge has `{slug}` as its {end}, but the flow has no task of this slug.")
        return tasks[slug]

    rows = [
        {
            "id": new_id(),
            "flow_id": flow_id,
            "upstream_task_id": task(one, "upstream_task"),
            "downstream_task_id": task(one, "downstream_task"),
            "key": one.get("key") or "",
            "mapped": bool(one.get("mapped")),
            "created": made,
        }
        for one in edges
    ]
    if rows:
        connection.execute(insert_for(connection, _edge).on_conflict_do_nothing(), rows)
        _merge(connection, flow, "edges", edges, _edge_name)
    _place(connection, flow_id)


def _edge_name(edge: Mapping[str, Any]) -> tuple[Any, ...]:
    return (edge["upstream_task"]["slug"], edge["downstream_task"]["slug"], edge.get("key"))


def _merge(
    connection: Connection,
    flow: Row[Any],
    member: str,
    added: Iterable[Mapping[str, Any]],
    name: Callable[[Mapping[str, Any]], Any],
) -> None:
    """Keeps what was registered apart in the serialized flow as well, so that the flow can be built of it."""
    serialized = flow.serialized_flow or {}
    merged = {name(one): one for one in [*(serialized.get(member) or ()), *added]}
    changed = {**serialized, member: list(merged.values())}
    connection.execute(update(_flow).where(_flow.c.id == flow.id).values(serialized_flow=changed))


def _place(connection: Connection, flow_id: UUID) -> None:
    """Marks the place of each task of a flow: whether it is mapped, and has tasks before and after it."""
    edges = _edge.c.flow_id == flow_id
    downstream, upstream = (
        select(_edge.c.downstream_task_id).where(edges),
        select(_edge.c.upstream_task_id).where(edges),
    )
    connection.execute(
        update(_task)
        .where(_task.c.flow_id == flow_id)
        .values(
            mapped=_task.c.id.in_(downstream.where(_edge.c.mapped)),
            is_root_task=_task.c.id.not_in(downstream),
            is_terminal_task=_task.c.id.not_in(upstream),
        )
    )


def archive_flow(connection: Connection, flow_id: UUID) -> None:
    """Archives a flow: it gets no more flow runs. Raises InvalidRequest if there is no such flow."""
    if not connection.execute(update(_flow).where(_flow.c.id == flow_id).values(archived=True)).rowcount:
        raise InvalidRequest(f"Flow {flow_id} not found")


def find_waiting_runs(connection: Connection, flow_id: UUID) -> list[tuple[UUID, UUID]]:
    """The flow runs (id, flow_id) that wait although their flow, a version of this one, is archived."""
    version_group = select(_flow.c.version_group_id).where(_flow.c.id == flow_id).scalar_subquery()
    runs = tables.flow_run
    waiting = (_flow.c.version_group_id == version_group, _flow.c.archived, runs.c.state == StateType.Scheduled)
    rows = connection.execute(select(runs.c.id, runs.c.flow_id).join_from(runs, _flow).where(*waiting))
    return [(row.id, row.flow_id) for row in rows]


def delete_project(connection: Connection, project_id: UUID) -> bool:
    """Deletes a project with its flows; whether there was such a one. Raises InvalidRequest if there are flow runs."""
    name = connection.scalar(select(tables.project.c.name).where(tables.project.c.id == project_id).with_for_update())
    if name is None:
        return False
    flows = select(_flow.c.id).where(_flow.c.project == name)
    runs = select(tables.flow_run.c.id).where(tables.flow_run.c.flow_id.in_(flows)).limit(1)
    if connection.execute(runs).first() is not None:
        raise InvalidRequest(f"The project {name} has flow runs. Delete them first.")
    groups = list(connection.scalars(select(_flow.c.flow_group_id).where(_flow.c.project == name)))
    for table in (_edge, _task):
        connection.execute(delete(table).where(table.c.flow_id.in_(flows)))
    connection.execute(delete(_flow).where(_flow.c.project == name))
    unused = not_(exists().where(_flow.c.flow_group_id == _flow_group.c.id))
    connection.execute(delete(_flow_group).where(_flow_group.c.id.in_(groups), unused))
    connection.execute(delete(tables.project).where(tables.project.c.id == project_id))
    return True


def set_schedule(connection: Connection, flow_id: UUID, *, is_active: bool) -> None:
    """Keeps whether the schedule of a flow is active; raises InvalidRequest if there is no such flow."""
    changed = update(_flow).where(_flow.c.id == flow_id).values(is_schedule_active=is_active)
    if not connection.execute(changed).rowcount:
        raise InvalidRequest(f"Flow {flow_id} not found")


def change_setting(connection: Connection, flow_id: UUID, name: str, *, value: bool) -> None:
    """Changes one of the SETTINGS of a flow, for all flows of its group; raises InvalidRequest without such a flow."""
    _set(connection, _locked(connection, flow_id).flow_group_id, name, value)


def _set(connection: Connection, group_id: UUID, name: str, value: Any) -> None:
    read = select(_flow_group.c.settings).where(_flow_group.c.id == group_id).with_for_update()
    settings = {**(connection.scalar(read) or {}), name: value}
    if value is None:
        del settings[name]
    changed = {"settings": settings, "updated": datetime.now(UTC)}
    connection.execute(update(_flow_group).where(_flow_group.c.id == group_id).values(changed))


def _locked(connection: Connection, flow_id: UUID) -> Row[Any]:
    flow = connection.execute(select(_flow).where(_flow.c.id == flow_id).with_for_update()).first()
    if flow is None:
        raise InvalidRequest(f"Flow {flow_id} not found")
    return flow


def _named(given: Any, what: str) -> str:
    if not isinstance(given, str) or not 1 <= len(given) <= NAME_LENGTH:
        raise InvalidRequest(f"{what} needs a name of 1 to {NAME_LENGTH} characters.")
    return given


def _made() -> dict[str, datetime]:
    now = datetime.now(UTC)
    return {"created": now, "updated": now}
