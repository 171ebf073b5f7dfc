"""Flow runs and task runs by their ids, and what belongs to one of them. Rows leave the database as JSON text."""

from collections.abc import Container
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Raw
from sqlalchemy import Connection, select

from taskruns_service.domain.errors import FlowRunNotFound, TaskRunNotFound
from taskruns_service.queries.listings import ListQuery, sequence_of_flow_run
from taskruns_service.queries.members import FLOW_RUN_MEMBERS, TASK_RUN_MEMBERS
from taskruns_service.queries.pages import RawPage, read_page, read_page_and_extra
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import Prepared, json_object, placeholder

_task_run, _flow_run, _flow = tables.task_run, tables.flow_run, tables.flow
_NO_ITEMS = Raw(b"[]")


class Versioned(NamedTuple):
    """A representation as JSON, and the text that changes whenever it does (its ETag)."""

    body: bytes
    version: str


_get_task_run = Prepared(
    select(_task_run.c.version, _task_run.c.sequence, json_object(TASK_RUN_MEMBERS)).where(
        _task_run.c.id == placeholder("id")
    )
)
_get_flow_run = Prepared(
    select(_flow_run.c.sequence, json_object(FLOW_RUN_MEMBERS))
    .join_from(_flow_run, _flow)
    .where(_flow_run.c.id == placeholder("id"))
)
_get_flow_run_sequence = Prepared(sequence_of_flow_run)
_get_last_change = Prepared(
    select(_flow_run.c.sequence, _flow_run.c.updated).where(_flow_run.c.id == placeholder("id"))
)


def get_task_run(connection: Connection, task_run_id: UUID) -> Versioned:
    """One task run; raises TaskRunNotFound."""
    row = _get_task_run.first(connection, {"id": task_run_id})
    if row is None:
        raise TaskRunNotFound
    version, sequence, body = row
    return Versioned(body.encode(), f"{version}.{sequence}")


def get_flow_run(connection: Connection, flow_run_id: UUID) -> Versioned:
    """One flow run; raises FlowRunNotFound."""
    row = _get_flow_run.first(connection, {"id": flow_run_id})
    if row is None:
        raise FlowRunNotFound
    sequence, body = row
    return Versioned(body.encode(), f"{sequence}")


def get_flow_run_sequence(connection: Connection, flow_run_id: UUID) -> int:
    """How many changes a flow run and its task runs had; raises FlowRunNotFound."""
    row = _get_flow_run_sequence.first(connection, {"flow_run_id": flow_run_id})
    if row is None:
        raise FlowRunNotFound
    return int(row[0])


class Change(NamedTuple):
    """The last change of a flow run. Another flow run with the same id, after a deletion, has another time."""

    sequence: int
    updated: datetime


def get_last_change(connection: Connection, flow_run_id: UUID) -> Change:
    """The last change of a flow run or of its task runs; raises FlowRunNotFound."""
    row = _get_last_change.first(connection, {"id": flow_run_id})
    if row is None:
        raise FlowRunNotFound
    return Change(*row)


def list_flow_run_task_runs(
    connection: Connection, query: ListQuery, *, known: Container[str] | None
) -> tuple[str, RawPage | None]:
    """The version of a flow run's list, and a page of it; None if the version is among the `known` ones.

    The page may be newer than the version says, but never older. Raises FlowRunNotFound.
    """
    (flow_run_id,) = query.where["flow_run_id"]
    if known is not None and (version := f"{get_flow_run_sequence(connection, flow_run_id)}") in known:
        return version, None
    task_runs, sequence = read_page_and_extra(connection, query)
    if sequence is None:
        raise FlowRunNotFound
    return f"{sequence}", task_runs


def list_task_run_states(connection: Connection, query: ListQuery) -> RawPage:
    """The history of a task run, oldest first; raises TaskRunNotFound."""
    states = read_page(connection, query)
    if states.items == _NO_ITEMS:
        get_task_run(connection, *query.where["task_run_id"])
    return states


def list_task_run_artifacts(connection: Connection, query: ListQuery) -> RawPage:
    """A page of the artifacts of a task run, oldest first; raises TaskRunNotFound."""
    artifacts = read_page(connection, query)
    if artifacts.items == _NO_ITEMS:
        get_task_run(connection, *query.where["task_run_id"])
    return artifacts


def list_task_run_logs(connection: Connection, query: ListQuery) -> RawPage:
    """A page of the log lines of a task run; raises TaskRunNotFound."""
    get_task_run(connection, *query.where["task_run_id"])
    return read_page(connection, query)


def list_flow_run_logs(connection: Connection, query: ListQuery) -> RawPage:
    """A page of the log lines of a flow run and of its task runs; raises FlowRunNotFound."""
    lines = read_page(connection, query)
    if lines.items == _NO_ITEMS:
        get_flow_run_sequence(connection, *query.where["flow_run_id"])
    return lines


def list_flow_run_states(connection: Connection, query: ListQuery) -> RawPage:
    """The history of a flow run, oldest first; raises FlowRunNotFound."""
    states = read_page(connection, query)
    if states.items == _NO_ITEMS:
        get_flow_run_sequence(connection, *query.where["flow_run_id"])
    return states
