"""Flow runs: created, found again by id or idempotency key, and deleted with all that belongs to them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import compress
from uuid import UUID

from msgspec import UNSET, Struct
from sqlalchemy import Connection, and_, delete, func, literal, or_, select

from taskruns_service.commands.flows import newest_flows
from taskruns_service.commands.unit_of_work import UnitOfWork, current_run
from taskruns_service.domain.errors import Fault, FlowRunConflict, FlowRunNotFound, ServiceError, VersionConflict
from taskruns_service.domain.runs import Run
from taskruns_service.schemas import NAME_LENGTH, FlowRunCreate
from taskruns_service.storage import tables, tally
from taskruns_service.storage.command import Command, Stage
from taskruns_service.storage.dialects import ListOfIds, Writes, any_of, insert_for
from taskruns_service.storage.tally import Cell, FlowRunCell

_flow, _flow_run, _task_run = tables.flow, tables.flow_run, tables.task_run

MEMBERS = ("name", "parameters", "labels", "context", "idempotency_key", "parent_task_run_id")
"""What a client says of a new flow run, and what an existing one must have then."""


class CreatedFlowRun(Struct, frozen=True):
    """The flow run, and whether this created it."""

    id: UUID
    created: bool


class CreateFlowRun(Command[CreatedFlowRun], frozen=True):
    """Create a flow run, or find the one with this id or idempotency key."""

    stage = Stage.create
    id: UUID
    request: FlowRunCreate

    @staticmethod
    def execute(connection: Connection, commands: Sequence["CreateFlowRun"], now: datetime) -> list[object]:
        """Returns for each a CreatedFlowRun or FlowRunConflict."""
        return _create_flow_runs(connection, commands, now)


class DeleteFlowRun(Command[None], frozen=True):
    """Delete a flow run with its task runs and their histories, artifacts and logs.

    `expected_sequence` is the one that it must have, None for any; `weight` is how many task runs it has.
    """

    stage = Stage.delete
    flow_run_id: UUID
    expected_sequence: int | None = None
    weight: int = 1

    @staticmethod
    def execute(connection: Connection, commands: Sequence["DeleteFlowRun"], now: datetime) -> list[object]:
        """Returns for each None, FlowRunNotFound or VersionConflict."""
        return _delete_flow_runs(connection, commands, now)


def _create_flow_runs(connection: Connection, items: Sequence[CreateFlowRun], now: datetime) -> list[object]:
    flows = newest_flows(connection, {item.request.flow_name for item in items}, now)
    insert = insert_for(connection, _flow_run).on_conflict_do_nothing().returning(_flow_run.c.id)
    outcomes: list[object] = [None] * len(items)
    pending = list(range(len(items)))
    while pending:
        # One row of an id at a time: what is inserted is then that item's, and the next one with the id finds it.
        tried = {items[index].id: index for index in reversed(pending)}
        rows = [
            _new_flow_run(items[index], flows[items[index].request.flow_name], now)
            for _, index in sorted(tried.items())
        ]
        inserted = set(connection.scalars(insert, rows))
        for identifier, index in tried.items():
            outcomes[index] = _found_flow_run(connection, items[index], flows, created=identifier in inserted)
        # None: what was in the way is deleted by now.
        pending = [index for index in pending if outcomes[index] is None]
    created = (isinstance(outcome, CreatedFlowRun) and outcome.created for outcome in outcomes)
    count_new(connection, (flows[item.request.flow_name] for item in compress(items, created)))
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


def _new_flow_run(item: CreateFlowRun, flow_id: UUID, now: datetime) -> dict[str, object]:
    request = item.request
    members = {name: value for name in MEMBERS if (value := getattr(request, name)) is not UNSET}
    return new_row(item.id, flow_id, request.flow_name, now) | members


def new_row(identifier: UUID, flow_id: UUID, flow_name: str, now: datetime) -> dict[str, object]:
    """A flow run that nothing has happened to, as a row, with a name made of its flow's."""
    run = Run()
    return {
        "id": identifier,
        "flow_id": flow_id,
        "name": f"{flow_name[: NAME_LENGTH - 7]}-{identifier.hex[-6:]}",
        "parameters": {},
        "labels": [],
        "context": {},
        "idempotency_key": None,
        "parent_task_run_id": None,
        "state": run.state,
        "version": run.version,
        "run_count": run.run_count,
        "sequence": 0,
        "state_counts": {},
        "created": now,
        "updated": now,
    }


def count_new(connection: Connection, flow_ids: Iterable[UUID]) -> None:
    """Adds new flow runs to the tally; `flow_ids` has the flow of each."""
    deltas = Counter(FlowRunCell(flow_id, Run().state) for flow_id in flow_ids)
    with Writes(connection) as writes:
        tally.FLOW_RUNS.record(writes, deltas)


def _existing_flow_run(connection: Connection, item: CreateFlowRun, flows: dict[str, UUID]) -> UUID | None:
    """The flow run that stands in the way of a new one; raises FlowRunConflict if it is not the same."""
    request, flow_id = item.request, flows[item.request.flow_name]
    key = None if request.idempotency_key is UNSET else request.idempotency_key
    same_key = and_(_flow_run.c.flow_id == flow_id, _flow_run.c.idempotency_key == key)
    # The lock is in the log of the database, so that the commit waits for a synchronous standby: it may lack the row.
    rows = connection.execute(
        select(_flow_run, _flow.c.name.label("flow_name"))
        .join_from(_flow_run, _flow)
        .where(or_(_flow_run.c.id == item.id, same_key) if key is not None else _flow_run.c.id == item.id)
        .with_for_update(of=_flow_run, key_share=True, read=True)
    ).all()
    faults = [
        Fault(pointer=f"/{name}", detail=f"The flow run {row.id} has a different value in {name}.")
        for row in rows
        for name in ("id", "flow_name", *MEMBERS)
        if (value := getattr(request, name)) is not UNSET and value != getattr(row, name)
    ]
    if faults:
        raise FlowRunConflict(faults=tuple(faults))
    return rows[0].id if rows else None


def _delete_flow_runs(connection: Connection, items: Sequence[DeleteFlowRun], now: datetime) -> list[object]:
    unit_of_work = UnitOfWork(connection, now)
    unit_of_work.lock({item.flow_run_id for item in items})
    deleted: set[UUID] = set()
    outcomes: list[object] = []
    for item in items:
        entry = unit_of_work.flow_runs.get(item.flow_run_id)
        if entry is None or entry.id in deleted:
            outcomes.append(FlowRunNotFound())
        elif item.expected_sequence not in (None, entry.sequence):
            outcomes.append(VersionConflict(current_run=current_run(entry.run)))
        else:
            deleted.add(entry.id)
            outcomes.append(None)
    if deleted:
        delete_flow_runs(connection, sorted(deleted))
    return outcomes


def delete_flow_runs(connection: Connection, flow_run_ids: Sequence[UUID]) -> None:
    """Deletes all that belongs to flow runs, which are locked."""
    ids = literal(list(flow_run_ids), ListOfIds)
    columns = [_task_run.c[name] for name in Cell._fields]
    of_flow_runs = any_of(_task_run.c.flow_run_id, ids)
    task_runs_by_cell = connection.execute(select(*columns, func.count()).where(of_flow_runs).group_by(*columns)).all()
    task_runs = select(_task_run.c.id).where(of_flow_runs)
    for table in (tables.task_run_state, tables.task_run_artifact):
        connection.execute(delete(table).where(table.c.task_run_id.in_(task_runs)))
    for table in (_task_run, tables.task_run_map, tables.flow_run_state, tables.log):
        connection.execute(delete(table).where(any_of(table.c.flow_run_id, ids)))
    key = (_flow_run.c[name] for name in FlowRunCell._fields)
    deleted = connection.execute(delete(_flow_run).where(any_of(_flow_run.c.id, ids)).returning(*key))
    flow_runs_by_cell = Counter(FlowRunCell(*cell) for cell in deleted)
    with Writes(connection) as writes:
        tally.TASK_RUNS.record(writes, {Cell(*cell): -count for *cell, count in task_runs_by_cell})
        tally.FLOW_RUNS.record(writes, {cell: -count for cell, count in flow_runs_by_cell.items()})
