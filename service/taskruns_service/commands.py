"""Every change to flow runs and task runs: the items that the writer takes, and how a batch of them is applied."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct
from sqlalchemy import Connection, and_, bindparam, delete, func, or_, select

from taskruns_service import counts, tables
from taskruns_service.counts import Cell
from taskruns_service.dialects import ListOfTexts, any_of, insert_for
from taskruns_service.errors import (
    Fault,
    FlowRunConflict,
    FlowRunNotFound,
    ServiceError,
    TaskRunNotFound,
    VersionConflict,
)
from taskruns_service.ids import new_id
from taskruns_service.ledger import FlowRunEntry, Ledger, NaturalKey, TaskRunEntry, current_state
from taskruns_service.models import NAME_LENGTH, FlowRunCreate, TaskRunReport, TaskRunUpdate
from taskruns_service.states import Kind, Report, Run, StateType

DEFAULT_PROJECT = "default"

_flow, _flow_run, _task_run = tables.flow, tables.flow_run, tables.task_run


class CreateFlowRun(Struct, frozen=True):
    """Create a flow run, or find the one with this id or idempotency key."""

    id: UUID
    request: FlowRunCreate


class CreatedFlowRun(Struct, frozen=True):
    """The flow run, and whether this created it."""

    id: UUID
    created: bool


class ReportFlowRunState(Struct, frozen=True):
    """Bring a flow run to a state."""

    flow_run_id: UUID
    report: Report


class ReportTaskRun(Struct, frozen=True):
    """Create a task run, or find it by its natural key, and bring it to some states."""

    flow_run_id: UUID
    request: TaskRunReport
    reports: list[Report]


class ReportTaskRunState(Struct, frozen=True):
    """Bring a task run to a state."""

    task_run_id: UUID
    report: Report


class UpdateTaskRun(Struct, frozen=True):
    """Change a task run's name or tags."""

    task_run_id: UUID
    request: TaskRunUpdate
    expected_version: int | None


class DeleteFlowRun(Struct, frozen=True):
    """Delete a flow run with its task runs and their histories."""

    flow_run_id: UUID


Item = CreateFlowRun | ReportFlowRunState | ReportTaskRun | ReportTaskRunState | UpdateTaskRun | DeleteFlowRun


def apply(connection: Connection, items: Sequence[Item]) -> list[Any]:
    """Applies items in one transaction and gives an outcome for each: what it made, or the ServiceError that it met.

    Flow runs are created first and deleted last; in between everything happens under the locks of the flow runs, in
    the order of the items.
    """
    now = datetime.now(UTC)
    outcomes: dict[int, Any] = {}
    for step, kinds in _STEPS:
        chosen = {index: item for index, item in enumerate(items) if isinstance(item, kinds)}
        if chosen:
            outcomes.update(zip(chosen, step(connection, list(chosen.values()), now), strict=True))
    return [outcomes[index] for index in range(len(items))]


class Reported(Struct, frozen=True):
    """What became of reported states, and the run after them. `problem` is a ServiceError where one was refused."""

    outcome: str
    run_id: UUID
    version: int
    state: StateType
    problem: Any = None


def _report(connection: Connection, items: Sequence[Any], now: datetime) -> list[Any]:
    """Creates, transitions and updates under the locks of the flow runs."""
    ledger = Ledger(connection, now)
    task_run_ids = [one.task_run_id for one in items if isinstance(one, ReportTaskRunState | UpdateTaskRun)]
    keys = [_natural_key(one) for one in items if isinstance(one, ReportTaskRun)]
    ledger.lock({one.flow_run_id for one in items if isinstance(one, ReportFlowRunState | ReportTaskRun)}, task_run_ids)
    ledger.read(task_run_ids, keys)
    ledger.read_states(
        [report for one in items if isinstance(one, ReportTaskRun | ReportTaskRunState) for report in _reports(one)],
        [one.report for one in items if isinstance(one, ReportFlowRunState)],
    )
    outcomes: list[Any] = []
    for item in items:
        try:
            outcomes.append(_HANDLERS[type(item)](ledger, item))
        except ServiceError as error:
            outcomes.append(error)
    ledger.write()
    return outcomes


def _reports(item: ReportTaskRun | ReportTaskRunState) -> list[Report]:
    return item.reports if isinstance(item, ReportTaskRun) else [item.report]


def _natural_key(item: ReportTaskRun) -> NaturalKey:
    return item.flow_run_id, item.request.task_slug, item.request.map_index


def _flow_run_entry(ledger: Ledger, flow_run_id: UUID) -> FlowRunEntry:
    if (entry := ledger.flow_runs.get(flow_run_id)) is None:
        raise FlowRunNotFound
    return entry


def _task_run_entry(ledger: Ledger, task_run_id: UUID) -> TaskRunEntry:
    if (entry := ledger.task_runs.get(task_run_id)) is None:
        raise TaskRunNotFound
    return entry


def _report_flow_run_state(ledger: Ledger, item: ReportFlowRunState) -> Reported:
    entry = _flow_run_entry(ledger, item.flow_run_id)
    return _reported(entry, ledger.record(entry, item.report))


def _report_task_run_state(ledger: Ledger, item: ReportTaskRunState) -> Reported:
    entry = _task_run_entry(ledger, item.task_run_id)
    return _reported(entry, ledger.record(entry, item.report))


def _report_task_run(ledger: Ledger, item: ReportTaskRun) -> Reported:
    _flow_run_entry(ledger, item.flow_run_id)
    key, request = _natural_key(item), item.request
    entry = ledger.by_key.get(key)
    created = entry is None
    if entry is None:
        task_name = request.task_slug if request.task_name is UNSET else request.task_name
        entry = ledger.create(key, name=request.name, tags=request.tags, task_name=task_name)
    kinds: set[str] = set()
    refusals: list[tuple[int, ServiceError]] = []
    for index, report in enumerate(item.reports):
        try:
            kinds.add(ledger.record(entry, report))
        except ServiceError as error:
            refusals.append((index, error))
    if refusals:
        faults = tuple(Fault(pointer=f"/states/{index}", detail=error.detail) for index, error in refusals)
        first = refusals[0][1]
        problem = type(first)(first.detail, faults=faults, **first.members)
        return _reported(entry, "refused", problem)
    words = [Kind.recorded, Kind.late, Kind.duplicate]
    return _reported(entry, "created" if created else next((one for one in words if one in kinds), "existing"))


def _update_task_run(ledger: Ledger, item: UpdateTaskRun) -> Reported:
    entry = _task_run_entry(ledger, item.task_run_id)
    if item.expected_version not in (None, entry.run.version):
        raise VersionConflict(current=current_state(entry.run))
    changes = {name: value for name, value in msgspec.structs.asdict(item.request).items() if name in _CHANGEABLE}
    changes = {name: value for name, value in changes.items() if value is not UNSET}
    if changes:
        ledger.rename(entry, changes)
    return _reported(entry, "recorded")


def _reported(entry: FlowRunEntry | TaskRunEntry, outcome: str, problem: ServiceError | None = None) -> Reported:
    return Reported(str(outcome), entry.id, entry.run.version, entry.run.state, problem)


_CHANGEABLE = ("name", "tags")
_HANDLERS: dict[type, Callable[[Ledger, Any], Reported]] = {
    ReportFlowRunState: _report_flow_run_state,
    ReportTaskRun: _report_task_run,
    ReportTaskRunState: _report_task_run_state,
    UpdateTaskRun: _update_task_run,
}


def _create_flow_runs(connection: Connection, items: Sequence[CreateFlowRun], now: datetime) -> list[Any]:
    flows = _flows(connection, {item.request.flow_name for item in items}, now)
    insert = insert_for(connection, _flow_run).on_conflict_do_nothing().returning(_flow_run.c.id)
    outcomes: list[Any] = [None] * len(items)
    left = list(range(len(items)))
    while left:
        # One row of an id at a time: what is inserted is then that item's, and the next one with the id finds it.
        tried = {items[index].id: index for index in reversed(left)}
        rows = (_new_flow_run(items[index], flows[items[index].request.flow_name], now) for index in tried.values())
        inserted = set(connection.scalars(insert, sorted(rows, key=lambda row: row["id"])))
        for identifier, index in tried.items():
            outcomes[index] = _found_flow_run(connection, items[index], flows, created=identifier in inserted)
        # None: what was in the way is deleted by now.
        left = [index for index in left if outcomes[index] is None]
    return outcomes


def _found_flow_run(
    connection: Connection, item: CreateFlowRun, flows: dict[str, UUID], *, created: bool
) -> CreatedFlowRun | ServiceError | None:
    if created:
        return CreatedFlowRun(item.id, created=True)
    try:
        existing = _existing_flow_run(connection, item, flows)
    except ServiceError as error:
        return error
    return None if existing is None else CreatedFlowRun(existing, created=False)


def _flows(connection: Connection, names: set[str], now: datetime) -> dict[str, UUID]:
    """The newest version of each of these flows in the default project; those that are new are made."""

    def known() -> dict[str, UUID]:
        rows = connection.execute(_read_flows, {"names": list(names)})
        return {row.name: row.id for row in rows}

    found = known()
    if missing := sorted(names - found.keys()):
        common = {"project": DEFAULT_PROJECT, "version": 1, "archived": False, "created": now}
        rows = [{"id": new_id(), "name": name, **common} for name in missing]
        connection.execute(insert_for(connection, _flow).on_conflict_do_nothing(), rows)
        found = known()
    return found


def _new_flow_run(item: CreateFlowRun, flow_id: UUID, now: datetime) -> dict[str, Any]:
    request, run = item.request, Run()
    given = {
        name: value
        for name in ("name", "parameters", "labels", "context", "idempotency_key")
        if (value := getattr(request, name)) is not UNSET
    }
    made = f"{request.flow_name[: NAME_LENGTH - 7]}-{item.id.hex[-6:]}"
    return {
        "id": item.id,
        "flow_id": flow_id,
        "name": made,
        "parameters": {},
        "labels": [],
        "context": {},
        "idempotency_key": None,
        "state": run.state,
        "version": run.version,
        "run_count": run.run_count,
        "sequence": 0,
        "state_counts": {},
        "created": now,
        "updated": now,
        **given,
    }


def _existing_flow_run(connection: Connection, item: CreateFlowRun, flows: dict[str, UUID]) -> UUID | None:
    """The flow run that stands in the way of a new one; raises FlowRunConflict if it is not the same."""
    request, flow_id = item.request, flows[item.request.flow_name]
    key = None if request.idempotency_key is UNSET else request.idempotency_key
    same_key = and_(_flow_run.c.flow_id == flow_id, _flow_run.c.idempotency_key == key)
    rows = connection.execute(
        select(_flow_run, _flow.c.name.label("flow_name"))
        .join_from(_flow_run, _flow)
        .where(or_(_flow_run.c.id == item.id, same_key) if key is not None else _flow_run.c.id == item.id)
    ).all()
    faults = [
        Fault(pointer=f"/{name}", detail=f"The flow run {row.id} has another {name}.")
        for row in rows
        for name in ("id", "flow_name", "name", "parameters", "labels", "context", "idempotency_key")
        if (asked := getattr(request, name)) is not UNSET and asked != getattr(row, name)
    ]
    if faults:
        raise FlowRunConflict(faults=tuple(faults))
    return rows[0].id if rows else None


def _delete_flow_runs(connection: Connection, items: Sequence[DeleteFlowRun], now: datetime) -> list[Any]:
    ledger = Ledger(connection, now)
    ledger.lock({item.flow_run_id for item in items})
    outcomes: list[Any] = []
    for item in items:
        if ledger.flow_runs.pop(item.flow_run_id, None) is None:
            outcomes.append(FlowRunNotFound())
        else:
            _delete_flow_run(connection, item.flow_run_id)
            outcomes.append(None)
    return outcomes


def _delete_flow_run(connection: Connection, flow_run_id: UUID) -> None:
    columns = [_task_run.c[name] for name in Cell._fields]
    of_flow_run = _task_run.c.flow_run_id == flow_run_id
    rows = connection.execute(select(*columns, func.count()).where(of_flow_run).group_by(*columns))
    counts.record(connection, {Cell(*cell): -count for *cell, count in rows})
    task_runs = select(_task_run.c.id).where(of_flow_run)
    connection.execute(delete(tables.task_run_state).where(tables.task_run_state.c.task_run_id.in_(task_runs)))
    connection.execute(delete(_task_run).where(of_flow_run))
    connection.execute(delete(tables.flow_run_state).where(tables.flow_run_state.c.flow_run_id == flow_run_id))
    connection.execute(delete(_flow_run).where(_flow_run.c.id == flow_run_id))


_read_flows = (
    select(_flow.c.name, _flow.c.id)
    .where(_flow.c.project == DEFAULT_PROJECT, any_of(_flow.c.name, bindparam("names", type_=ListOfTexts)))
    .order_by(_flow.c.version)
)
_STEPS: tuple[tuple[Callable[[Connection, Sequence[Any], datetime], list[Any]], tuple[type, ...]], ...] = (
    (_create_flow_runs, (CreateFlowRun,)),
    (_report, tuple(_HANDLERS)),
    (_delete_flow_runs, (DeleteFlowRun,)),
)
