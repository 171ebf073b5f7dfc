"""Administration: tenants, projects, flows, flow groups and agents changed and deleted after they were registered."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table, delete, exists, not_, select, update
from sqlalchemy.exc import IntegrityError

from taskruns_service.commands.flows import DEFAULT_PROJECT
from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.prefect1.types import Row
from taskruns_service.storage import tables

_tenant, _project, _flow, _flow_group = tables.tenant, tables.project, tables.flow, tables.flow_group


def change_tenant(connection: Connection, tenant_id: UUID | None, changes: Mapping[str, str]) -> UUID:
    """Gives a tenant, or the first one, another name or slug, and gives its id.

    Raises InvalidRequest if there is no such tenant, or another one has the slug.
    """
    if tenant_id is None:
        tenant_id = connection.scalar(select(_tenant.c.id).order_by(_tenant.c.created, _tenant.c.id).limit(1))
    with _unique(f"Another tenant has the slug {changes.get('slug')}."):
        if tenant_id is None or not _change(connection, _tenant, tenant_id, changes):
            raise InvalidRequest(f"There is no tenant {tenant_id}.")
    return tenant_id


def delete_tenant(connection: Connection, tenant_id: UUID) -> bool:
    """Deletes a tenant; returns False if it does not exist. Raises InvalidRequest if it has projects."""
    if connection.execute(select(_project.c.id).where(_project.c.tenant_id == tenant_id).limit(1)).first() is not None:
        raise InvalidRequest("The tenant has projects. Delete them first.")
    return _delete(connection, _tenant, tenant_id)


def describe_project(connection: Connection, project_id: UUID, description: str | None) -> UUID:
    """Gives a project another description, and gives its id; raises InvalidRequest if there is no such project."""
    if not _change(connection, _project, project_id, {"description": description}):
        raise InvalidRequest(f"There is no project {project_id}.")
    return project_id


def rename_project(connection: Connection, project_id: UUID, name: str) -> UUID:
    """Gives a project, and its flows with it, another name, and gives its id.

    Raises InvalidRequest if there is no such project, another one has the name, or it is the default project.
    """
    project = _locked_project(connection, project_id)
    if project.name == name:
        return project_id
    if project.name == DEFAULT_PROJECT:
        raise InvalidRequest(
            f"The project {DEFAULT_PROJECT} cannot be renamed: it holds the flows that name no project."
        )
    with _unique(f"Another project has the name {name}."):
        _change(connection, _project, project_id, {"name": name})
        connection.execute(update(_flow).where(_flow.c.project == project.name).values(project=name))
    return project_id


def move_flow(connection: Connection, flow_id: UUID, project_id: UUID) -> UUID:
    """Moves a flow to another project of its tenant, and gives its id.

    Raises InvalidRequest if there are no such flow and project, or the project has a flow of this name and version.
    """
    target = _locked_project(connection, project_id)
    own = select(_project.c.tenant_id).join_from(_flow, _project, _project.c.name == _flow.c.project)
    tenant_id = connection.scalar(own.where(_flow.c.id == flow_id))
    if tenant_id is None or tenant_id != target.tenant_id:
        raise InvalidRequest(f"The tenant of the project {target.name} has no flow {flow_id}.")
    with _unique(f"The project {target.name} already has a flow of this name and version."):
        connection.execute(update(_flow).where(_flow.c.id == flow_id).values(project=target.name))
    return flow_id


def delete_project(connection: Connection, project_id: UUID) -> bool:
    """Deletes a project with its flows; returns False if it does not exist.

    Raises InvalidRequest if there are flow runs.
    """
    name = connection.scalar(select(_project.c.name).where(_project.c.id == project_id).with_for_update())
    if name is None:
        return False
    _delete_flows(connection, _flow.c.project == name, f"The project {name}")
    return _delete(connection, _project, project_id)


def delete_flow(connection: Connection, flow_id: UUID) -> bool:
    """Deletes a flow; returns False if it does not exist. Raises InvalidRequest if it has flow runs."""
    return _delete_flows(connection, _flow.c.id == flow_id, "The flow")


def delete_flow_group(connection: Connection, flow_group_id: UUID) -> bool:
    """Deletes a flow group and its flows; whether there was one. Raises InvalidRequest if they have flow runs."""
    had_flows = _delete_flows(connection, _flow.c.flow_group_id == flow_group_id, "The flow group")
    return _delete(connection, _flow_group, flow_group_id) or had_flows


def change_flow_group(connection: Connection, flow_group_id: UUID, changes: Mapping[str, object]) -> bool:
    """Changes what a flow group gives its flow runs (labels, run_config, default_parameters); whether there is one."""
    return _change(connection, _flow_group, flow_group_id, changes)


def delete_agent(connection: Connection, agent_id: UUID) -> bool:
    """Deletes an agent; returns False if it does not exist. Its flow runs keep its id."""
    return _delete(connection, tables.agent, agent_id)


def _delete_flows(connection: Connection, condition: ColumnElement[bool], owner: str) -> bool:
    flows = connection.execute(select(_flow.c.id, _flow.c.flow_group_id).where(condition).with_for_update()).all()
    chosen = select(_flow.c.id).where(condition)
    runs = select(tables.flow_run.c.id).where(tables.flow_run.c.flow_id.in_(chosen)).limit(1)
    if connection.execute(runs).first() is not None:
        raise InvalidRequest(f"{owner} has flow runs. Delete them first.")
    for table in (tables.edge, tables.task):
        connection.execute(delete(table).where(table.c.flow_id.in_(chosen)))
    connection.execute(delete(_flow).where(condition))
    unused = not_(exists().where(_flow.c.flow_group_id == _flow_group.c.id))
    groups = {flow.flow_group_id for flow in flows}
    connection.execute(delete(_flow_group).where(_flow_group.c.id.in_(groups), unused))
    return bool(flows)


def _locked_project(connection: Connection, project_id: UUID) -> Row:
    row = connection.execute(select(_project).where(_project.c.id == project_id).with_for_update()).first()
    if row is None:
        raise InvalidRequest(f"There is no project {project_id}.")
    return row


def _change(connection: Connection, table: Table, identifier: UUID, changes: Mapping[str, object]) -> bool:
    changed = update(table).where(table.c.id == identifier).values(updated=datetime.now(UTC), **changes)
    return bool(connection.execute(changed).rowcount)


def _delete(connection: Connection, table: Table, identifier: UUID) -> bool:
    return bool(connection.execute(delete(table).where(table.c.id == identifier)).rowcount)


@contextmanager
def _unique(message: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise InvalidRequest(message) from None
