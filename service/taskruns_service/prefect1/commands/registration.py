"""Registration: tenants, projects, and flows with their tasks, edges and settings."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection, Table, func, insert, literal, select, update

from taskruns_service.commands.flows import new_group
from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.domain.ids import new_id
from taskruns_service.domain.states import StateType
from taskruns_service.prefect1.commands.serialized import (
    NewEdge,
    NewFlow,
    NewTask,
    edge_of,
    merge,
    references_of,
    slug_of,
)
from taskruns_service.prefect1.types import Columns, JsonObject, Row
from taskruns_service.schemas import NAME_LENGTH
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import aside, batches, comparable, encoded_json, insert_for

_flow, _flow_group, _task, _edge = tables.flow, tables.flow_group, tables.task, tables.edge


# As text: to take it apart and put it together again costs more than all else, and is done beside the event loop.
_FLOW = (
    *(_flow.c[name] for name in ("id", "archived", "flow_group_id", "version_group_id")),
    comparable(_flow.c.serialized_flow).label("serialized"),
)


def create_tenant(connection: Connection, name: str, slug: str) -> UUID:
    """Makes a tenant and gives its id; raises InvalidRequest if there is one."""
    row = {"name": _named(name, "The tenant"), "slug": _named(slug, "The slug"), **_creation_times()}
    return _insert_new(connection, tables.tenant, row)


def create_project(connection: Connection, tenant_id: UUID, name: str, description: str | None) -> UUID:
    """Makes a project and gives its id; raises InvalidRequest if there is one, or no such tenant."""
    if connection.execute(select(tables.tenant.c.id).where(tables.tenant.c.id == tenant_id)).first() is None:
        raise InvalidRequest(f"There is no tenant {tenant_id}.")
    row = {"tenant_id": tenant_id, "name": _named(name, "The project"), "description": description, **_creation_times()}
    return _insert_new(connection, tables.project, row)


def _insert_new(connection: Connection, table: Table, row: Columns) -> UUID:
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
    name = new.flow.name
    newest = _newest(connection, project, name, new.version_group_id)
    if newest is not None and _is_again(connection, new, newest):
        return UUID(str(newest.id))

    now = datetime.now(UTC)
    identifier = new_id()
    group = new_group(identifier, now)
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
        "created": now,
        "version_group_id": group["name"],
        "flow_group_id": group["id"],
        "description": new.description,
        "core_version": new.flow.core_version,
        **new.members,
        "is_schedule_active": new.is_schedule_active,
    }
    connection.execute(insert(_flow).values(serialized_flow=encoded_json(literal(new.text)), **row))
    older = (_flow.c.version_group_id == group["name"], _flow.c.id != identifier)
    connection.execute(update(_flow).where(*older).values(archived=True))
    if new.tasks:
        register_tasks(connection, identifier, new.tasks)
        register_edges(connection, identifier, new.edges)
    return identifier


def _newest(connection: Connection, project: str, name: str, version_group_id: str | None) -> Row | None:
    known = (
        (_flow.c.project == project, _flow.c.name == name)
        if version_group_id is None
        else (_flow.c.version_group_id == version_group_id,)
    )
    return connection.execute(select(*_FLOW).where(*known).order_by(_flow.c.version.desc()).limit(1)).first()


def _is_again(connection: Connection, new: NewFlow, newest: Row) -> bool:
    if newest.archived:
        return False
    if new.idempotency_key is not None:
        settings = connection.scalar(select(_flow_group.c.settings).where(_flow_group.c.id == newest.flow_group_id))
        return bool((settings or {}).get("idempotency_key") == new.idempotency_key)
    has_tasks = connection.execute(select(_task.c.id).where(_task.c.flow_id == newest.id).limit(1)).first()
    return has_tasks is None and bool(newest.serialized == new.text)


def register_tasks(connection: Connection, flow_id: UUID, tasks: Sequence[NewTask]) -> None:
    """Adds tasks, as Prefect 1 writes them, to a flow; those that are there are replaced.

    Raises InvalidRequest.
    """
    flow = _locked(connection, flow_id)
    if tasks:
        rows = aside(connection, _task_rows, flow, tasks)
        statement = insert_for(connection, _task)
        values = {name: statement.excluded[name] for name in rows[0] if name not in ("id", "created")}
        statement = statement.on_conflict_do_update(index_elements=["flow_id", "slug"], set_=values)
        for batch in batches(rows):
            connection.execute(statement, batch)
        _merge(connection, flow, "tasks", [task.serialized for task in tasks], slug_of)
    _place(connection, flow_id)


def _task_rows(flow: Row, tasks: Iterable[NewTask]) -> list[Columns]:
    now = datetime.now(UTC)
    references = references_of(flow.serialized)
    rows = {
        task.slug: {
            "id": new_id(),
            "flow_id": flow.id,
            "slug": task.slug,
            "name": task.name or task.slug,
            "created": now,
            "type": task.type,
            "description": task.description,
            "tags": sorted(task.tags or ()),
            "max_retries": task.max_retries,
            "retry_delay": task.retry_delay,
            "cache_key": task.cache_key,
            "trigger": task.trigger and task.trigger.fn,
            "auto_generated": task.auto_generated,
            "is_reference_task": task.slug in references,
        }
        for task in (new.task for new in tasks)
    }
    return list(rows.values())


def register_edges(connection: Connection, flow_id: UUID, edges: Sequence[NewEdge]) -> None:
    """Adds edges, as Prefect 1 writes them, between tasks of a flow; raises InvalidRequest."""
    flow = _locked(connection, flow_id)
    if edges:
        known = connection.execute(select(_task.c.slug, _task.c.id).where(_task.c.flow_id == flow_id))
        rows = aside(connection, _edge_rows, flow_id, edges, {row.slug: row.id for row in known})
        statement = insert_for(connection, _edge).on_conflict_do_nothing()
        for batch in batches(rows):
            connection.execute(statement, batch)
        _merge(connection, flow, "edges", [edge.serialized for edge in edges], edge_of)
    _place(connection, flow_id)


def _edge_rows(flow_id: UUID, edges: Iterable[NewEdge], tasks: dict[str, UUID]) -> list[Columns]:
    now = datetime.now(UTC)
    rows = []
    for edge in (new.edge for new in edges):
        ends = {"upstream_task": edge.upstream_task.slug, "downstream_task": edge.downstream_task.slug}
        for end, slug in ends.items():
            if slug not in tasks:
                raise InvalidRequest(f"An edge has `{slug}` as its {end}, but the flow has no task with this slug.")
        row = {"id": new_id(), "flow_id": flow_id, "key": edge.key or "", "mapped": bool(edge.mapped), "created": now}
        rows.append(row | {f"{end}_id": tasks[slug] for end, slug in ends.items()})
    return rows


def _merge(
    connection: Connection, flow: Row, member: str, added: Sequence[JsonObject], name: Callable[[JsonObject], object]
) -> None:
    """Keeps what was registered apart in the serialized flow as well, so that the flow can be built of it."""
    merged = aside(connection, merge, flow.serialized, member, added, name)
    changed = update(_flow).where(_flow.c.id == flow.id)
    connection.execute(changed.values(serialized_flow=encoded_json(literal(merged))))


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


def set_schedule(connection: Connection, flow_id: UUID, *, is_active: bool) -> None:
    """Keeps whether the schedule of a flow is active; raises InvalidRequest if there is no such flow."""
    changed = update(_flow).where(_flow.c.id == flow_id).values(is_schedule_active=is_active)
    if not connection.execute(changed).rowcount:
        raise InvalidRequest(f"Flow {flow_id} not found")


def change_setting(connection: Connection, flow_id: UUID, name: str, *, value: bool) -> None:
    """Changes one of the SETTINGS of a flow, for all flows of its group; raises InvalidRequest without such a flow."""
    _set(connection, _locked(connection, flow_id).flow_group_id, name, value)


def _set(connection: Connection, group_id: UUID, name: str, value: object) -> None:
    read = select(_flow_group.c.settings).where(_flow_group.c.id == group_id).with_for_update()
    settings = {**(connection.scalar(read) or {}), name: value}
    if value is None:
        del settings[name]
    changed = {"settings": settings, "updated": datetime.now(UTC)}
    connection.execute(update(_flow_group).where(_flow_group.c.id == group_id).values(changed))


def _locked(connection: Connection, flow_id: UUID) -> Row:
    flow = connection.execute(select(*_FLOW).where(_flow.c.id == flow_id).with_for_update()).first()
    if flow is None:
        raise InvalidRequest(f"Flow {flow_id} not found")
    return flow


def _named(value: object, subject: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= NAME_LENGTH:
        raise InvalidRequest(f"{subject} needs a name of 1 to {NAME_LENGTH} characters.")
    return value


def _creation_times() -> dict[str, datetime]:
    now = datetime.now(UTC)
    return {"created": now, "updated": now}
