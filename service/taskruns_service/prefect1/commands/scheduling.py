"""Scheduling: flow runs of registered flows, made with a Pending task run for every task, to be picked up when due."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, and_, or_, select

from taskruns_service.commands.flow_runs import CreatedFlowRun, count_new, new_row
from taskruns_service.commands.unit_of_work import UnitOfWork
from taskruns_service.domain.errors import InvalidRequest, ServiceError
from taskruns_service.domain.ids import new_id
from taskruns_service.domain.runs import Report
from taskruns_service.domain.states import StateType
from taskruns_service.prefect1.types import Columns, JsonObject, Row
from taskruns_service.storage import tables
from taskruns_service.storage.command import Command, Stage
from taskruns_service.storage.dialects import batches, insert_for

_flow, _flow_group, _flow_run, _task = tables.flow, tables.flow_group, tables.flow_run, tables.task

_Outcome = CreatedFlowRun | ServiceError


class ScheduleFlowRun(Command[CreatedFlowRun], frozen=True, kw_only=True):
    """Make a flow run of a registered flow, or of the newest one of a version group; a second one with a key is found.

    What is None is taken from the flow and its group.
    """

    stage = Stage.schedule
    id: UUID
    flow_id: UUID | None
    version_group_id: str | None = None
    name: str | None = None
    parameters: JsonObject = {}
    labels: list[str] | None = None
    context: JsonObject = {}
    run_config: JsonObject | None = None
    scheduled_start_time: datetime | None = None
    idempotency_key: str | None = None

    @staticmethod
    def execute(connection: Connection, commands: Sequence["ScheduleFlowRun"], now: datetime) -> list[_Outcome]:
        """Returns for each a CreatedFlowRun or InvalidRequest."""
        return _schedule_flow_runs(connection, commands, now)


def _schedule_flow_runs(connection: Connection, items: Sequence[ScheduleFlowRun], now: datetime) -> list[_Outcome]:
    outcomes: list[_Outcome] = []
    created: list[Row] = []
    insert = insert_for(connection, _flow_run).on_conflict_do_nothing().returning(_flow_run)
    for item in items:
        try:
            flow = _find_flow(connection, item)
            row = _row(item, flow, now)
        except ServiceError as error:
            outcomes.append(error)
            continue
        inserted = connection.execute(insert, row).first()
        if inserted is not None:
            created.append(inserted)
            outcomes.append(CreatedFlowRun(item.id, created=True))
        else:
            same = and_(_flow_run.c.flow_id == flow.id, _flow_run.c.idempotency_key == item.idempotency_key)
            known = select(_flow_run.c.id).where(or_(same, _flow_run.c.id == item.id))
            # The lock makes the commit wait for a synchronous standby, which may lack the row.
            existing = connection.scalars(known.with_for_update(key_share=True, read=True)).one()
            outcomes.append(CreatedFlowRun(existing, created=False))
    if created:
        count_new(connection, (row.flow_id for row in created))
        _begin(connection, created, now)
    return outcomes


def _begin(connection: Connection, rows: Iterable[Row], now: datetime) -> None:
    """Brings new flow runs to Scheduled, and makes their task runs."""
    flow_runs: dict[UUID, Row] = {row.id: row for row in rows}
    read_tasks = select(_task.c.flow_id, _task.c.slug, _task.c.name).order_by(_task.c.id)
    flow_ids = {row.flow_id for row in flow_runs.values()}
    tasks = connection.execute(read_tasks.where(_task.c.flow_id.in_(flow_ids))).all()
    pairs = [
        (identifier, task) for identifier, row in flow_runs.items() for task in tasks if task.flow_id == row.flow_id
    ]
    for batch in batches(pairs) if pairs else ((),):
        # A unit of work for each batch: the event loop does other things while the database writes one.
        unit_of_work = UnitOfWork(connection, now)
        unit_of_work.lock(set(flow_runs))
        for identifier, entry in unit_of_work.flow_runs.items():
            if entry.run.version == 0:
                due = flow_runs[identifier].scheduled_start_time
                details = {"start_time": due.isoformat()}
                unit_of_work.record(
                    entry, first_state(identifier, StateType.Scheduled, "Flow run scheduled.", **details)
                )
        for identifier, task in batch:
            created = unit_of_work.create((identifier, task.slug, -1), name=None, tags=[], task_name=task.name)
            unit_of_work.record(created, first_state(identifier, StateType.Pending, "Task run created"))
        unit_of_work.write()


def first_state(flow_run_id: UUID, type_: StateType, message: str, **details: object) -> Report:
    """The state in which the service makes a run of a flow run."""
    return Report(id=new_id(flow_run_id), id_is_new=True, type=type_, timestamp=None, message=message, details=details)


def _find_flow(connection: Connection, item: ScheduleFlowRun) -> Row:
    """The flow and what its group gives its runs; raises InvalidRequest."""
    of_group = [_flow_group.c[name].label(f"group_{name}") for name in ("labels", "default_parameters", "run_config")]
    # Not what it was serialized as, which may be megabytes.
    names = ("id", "name", "archived", "parameters", "run_config", "environment", "version")
    statement = select(*(_flow.c[name] for name in names), *of_group).join_from(
        _flow, _flow_group, _flow.c.flow_group_id == _flow_group.c.id, isouter=True
    )
    if item.flow_id is not None:
        flow = connection.execute(statement.where(_flow.c.id == item.flow_id)).first()
        if flow is None:
            raise InvalidRequest(f"Flow {item.flow_id} not found")
        if flow.archived:
            raise InvalidRequest(f"Flow {item.flow_id} is archived.")
        return flow
    newest = statement.where(_flow.c.version_group_id == item.version_group_id, ~_flow.c.archived)
    flow = connection.execute(newest.order_by(_flow.c.version.desc()).limit(1)).first()
    if flow is None:
        raise InvalidRequest(f"Version group {item.version_group_id} has no unarchived flows.")
    return flow


def _row(item: ScheduleFlowRun, flow: Row, now: datetime) -> Columns:
    """The row of a new flow run; raises InvalidRequest where a required parameter is missing."""
    parameters = {**(flow.group_default_parameters or {}), **item.parameters}
    # As they were registered, which may have been before they were checked.
    required = {
        parameter["name"]
        for parameter in _dicts(flow.parameters)
        if parameter.get("required") and isinstance(parameter.get("name"), str)
    }
    if missing := sorted(required - parameters.keys()):
        raise InvalidRequest(f"Required parameters were not supplied: {', '.join(missing)}")
    run_config = item.run_config or flow.group_run_config or flow.run_config
    labels = item.labels if item.labels is not None else flow.group_labels
    if labels is None:
        labels = _labels_of(run_config) or _labels_of(flow.environment)
    members = {
        "parameters": parameters,
        "labels": sorted(set(labels)),
        "context": item.context,
        "run_config": run_config,
        "idempotency_key": item.idempotency_key,
        "scheduled_start_time": item.scheduled_start_time or now,
        "auto_scheduled": False,
    }
    named = {} if item.name is None else {"name": item.name}
    return new_row(item.id, flow.id, flow.name, now) | members | named


def _dicts(value: object) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _labels_of(config: object) -> list[str]:
    labels = config.get("labels") if isinstance(config, dict) else None
    return [label for label in labels if isinstance(label, str)] if isinstance(labels, list) else []
