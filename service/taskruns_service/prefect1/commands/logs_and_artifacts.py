"""Logs and artifacts: what runs say in their logs, and what task runs show to people."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, bindparam, delete, select, update

from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.domain.ids import id_of
from taskruns_service.prefect1.types import Columns
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import ListOfIds, any_of, batches, insert_for

_artifact, _log, _flow_run, _task_run = tables.task_run_artifact, tables.log, tables.flow_run, tables.task_run


class LogLine(Struct, frozen=True, kw_only=True):
    """A line of a log: of a flow run, or of one of its task runs."""

    flow_run_id: UUID
    timestamp: datetime
    task_run_id: UUID | None = None
    name: str | None = None
    level: str = "INFO"
    message: str | None = None
    info: object = None


def read_lines(lines: Iterable[LogLine]) -> list[Columns]:
    """Lines of logs as rows, ahead of the transaction that keeps them."""
    now = datetime.now(UTC)
    return [
        {"id": id_of(line.timestamp, msgspec.json.encode(line)), "created": now, **msgspec.structs.asdict(line)}
        for line in lines
    ]


def write_logs(connection: Connection, rows: Sequence[Columns]) -> None:
    """Keeps lines of logs; those of flow runs that are not there are left out, and what is there is not kept twice."""
    named = list({row["flow_run_id"] for row in rows})
    known = set(connection.scalars(_known_flow_runs, {"ids": named}))
    insert = insert_for(connection, _log).on_conflict_do_nothing()
    for batch in batches([row for row in rows if row["flow_run_id"] in known]):
        connection.execute(insert, batch)


def create_artifact(connection: Connection, task_run_id: UUID, kind: str, data: object) -> UUID:
    """Keeps an artifact of a task run and gives its id; the same one is kept once. Raises InvalidRequest."""
    read_task_run = select(_task_run.c.created).where(_task_run.c.id == task_run_id)
    # The lock makes the commit wait for a synchronous standby, which may lack the same artifact.
    created = connection.scalar(read_task_run.with_for_update(key_share=True, read=True))
    if created is None:
        raise InvalidRequest(f"Task run {task_run_id} not found")
    identifier = id_of(created, msgspec.json.encode([task_run_id, kind, data]))
    now = datetime.now(UTC)
    row = {"id": identifier, "task_run_id": task_run_id, "kind": kind, "data": data, "created": now, "updated": now}
    connection.execute(insert_for(connection, _artifact).on_conflict_do_nothing(), row)
    return identifier


def update_artifact(connection: Connection, identifier: UUID, data: object) -> bool:
    """Replaces what an artifact shows; whether there is such a one."""
    changed = update(_artifact).where(_artifact.c.id == identifier).values(data=data, updated=datetime.now(UTC))
    return bool(connection.execute(changed).rowcount)


def delete_artifact(connection: Connection, identifier: UUID) -> bool:
    """Deletes an artifact; returns False if it does not exist."""
    return bool(connection.execute(delete(_artifact).where(_artifact.c.id == identifier)).rowcount)


_known_flow_runs = (
    select(_flow_run.c.id)
    .where(any_of(_flow_run.c.id, bindparam("ids", type_=ListOfIds)))
    .order_by(_flow_run.c.id)
    # The lock makes the commit wait for a synchronous standby, which may lack the same lines.
    .with_for_update(key_share=True, read=True)
)
