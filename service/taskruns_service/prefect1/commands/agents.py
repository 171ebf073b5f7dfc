"""Agents: those who ask for flow runs that are due, and which ones they get."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection, and_, exists, not_, or_, select, update

from taskruns_service.domain.ids import new_id
from taskruns_service.domain.states import StateType, descendants
from taskruns_service.queries.operators import OPERATORS
from taskruns_service.storage import tables

QUEUE_MOST = 15
WAITING = sorted(descendants(StateType.Scheduled))

_agent, _flow, _flow_run, _task_run = tables.agent, tables.flow, tables.flow_run, tables.task_run


def register_agent(
    connection: Connection,
    *,
    tenant_id: UUID | None,
    kind: str | None,
    name: str | None,
    core_version: str | None,
    labels: Sequence[str],
) -> UUID:
    """Makes an agent, or finds the one that is all this, and gives its id."""
    members = {"tenant_id": tenant_id, "type": kind, "name": name, "core_version": core_version}
    labels = sorted(set(labels))
    same = [_agent.c[column].is_not_distinct_from(value) for column, value in members.items()]
    for row in connection.execute(select(_agent.c.id, _agent.c.labels).where(*same).order_by(_agent.c.created)):
        if row.labels == labels:
            return UUID(str(row.id))
    now, identifier = datetime.now(UTC), new_id()
    connection.execute(_agent.insert(), {"id": identifier, "labels": labels, "created": now, "updated": now, **members})
    return identifier


def take_runs_in_queue(
    connection: Connection, *, tenant_id: UUID | None, before: datetime, labels: Sequence[str], agent_id: UUID | None
) -> list[UUID]:
    """The ids of at most QUEUE_MOST flow runs that are due `before`, those that wait longest first.

    An agent gets runs all of whose labels it has; one with labels gets none without. A run is due when its own state
    is, or when it is running and has a task run that is. Keeps that the agent asked.
    """
    now = datetime.now(UTC)
    if agent_id is not None:
        connection.execute(update(_agent).where(_agent.c.id == agent_id).values(last_queried=now, updated=now))
    due = and_(_flow_run.c.state.in_(WAITING), _flow_run.c.state_start_time <= before)
    due_task_run = exists().where(
        _task_run.c.flow_run_id == _flow_run.c.id,
        _task_run.c.state.in_(WAITING),
        _task_run.c.state_start_time <= before,
    )
    resumes = and_(_flow_run.c.state == StateType.Running, due_task_run)
    within = OPERATORS["json_contained_in"].clause
    conditions = [or_(due, resumes), within(_flow_run.c.labels, list(labels))]
    if labels:
        conditions.append(not_(within(_flow_run.c.labels, [])))
    statement = select(_flow_run.c.id).where(*conditions)
    if tenant_id is not None:
        project = tables.project
        of_tenant = select(_flow.c.id).join_from(_flow, project, project.c.name == _flow.c.project)
        statement = statement.where(_flow_run.c.flow_id.in_(of_tenant.where(project.c.tenant_id == tenant_id)))
    return list(connection.scalars(statement.order_by(_flow_run.c.state_start_time, _flow_run.c.id).limit(QUEUE_MOST)))
