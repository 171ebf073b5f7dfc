"""Factories of flow runs and task runs for the tests of the store, and what reads them back."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import ANY
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Engine, Row, Table, event, select

from taskruns_service import schemas
from taskruns_service.commands.flow_runs import CreatedFlowRun, CreateFlowRun, DeleteFlowRun
from taskruns_service.commands.reports import (
    ReportOutcome,
    ReportTaskRun,
    SetFlowRunState,
    SetTaskRunState,
    UpdateTaskRun,
)
from taskruns_service.domain.ids import new_id
from taskruns_service.domain.runs import Report
from taskruns_service.domain.states import StateType
from taskruns_service.queries import integrity, runs
from taskruns_service.queries.listings import FLOW_RUN_STATES, TASK_RUN_STATES
from taskruns_service.schemas import FlowRunCreate, TaskRunReport, TaskRunUpdate
from taskruns_service.storage.database import Database, open_database
from taskruns_service.storage.dialects import read_url
from taskruns_service.storage.writer import Writer
from tests.pgbouncer import default_url, is_pooled

BEGIN = datetime(2021, 5, 12, 18, 0, tzinfo=UTC)


FILL_SECONDS = 100.0
"""What a transaction may take that fills a large table, on a machine that is busy with other tests."""


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[Database]:
    """A database, without the waits that keep data through a power cut; `options` are those of `open_database`."""
    options = {"pool_size": 4, "synchronous": "OFF", "is_pooled": is_pooled(url), **options}
    async with open_database(read_url(default_url(url)), **options) as database:
        yield database


def at(seconds: float) -> datetime:
    """A moment some seconds after the beginning."""
    return BEGIN + timedelta(seconds=seconds)


def state(type_: StateType | str, seconds: float | None = None, **members: Any) -> Report:
    """A reported state, with an id of its own."""
    timestamp = None if seconds is None else at(seconds)
    return Report(**{"id": new_id(), "type": StateType(type_), "timestamp": timestamp, **members})


async def create_flow_run(writer: Writer, flow_name: str = "etl", **members: Any) -> UUID:
    """Creates a flow run."""
    outcome = await ask_for_flow_run(writer, flow_name, **members)
    return outcome.id


async def ask_for_flow_run(writer: Writer, flow_name: str = "etl", **members: Any) -> CreatedFlowRun:
    """Creates a flow run, or finds it."""
    item = flow_run_item(flow_name, **members)
    outcome: CreatedFlowRun = await writer.submit_one(item, item.id)
    return outcome


def flow_run_item(flow_name: str = "etl", **members: Any) -> CreateFlowRun:
    """The item that creates a flow run."""
    return CreateFlowRun(members.get("id") or new_id(), FlowRunCreate(flow_name=flow_name, **members))


async def report_flow_run(writer: Writer, flow_run_id: UUID, report: Report) -> ReportOutcome:
    """Brings a flow run to a state."""
    outcome: ReportOutcome = await writer.submit_one(SetFlowRunState(flow_run_id, report), flow_run_id)
    return outcome


def reported(outcome: str, run_id: UUID, version: int, state: StateType) -> ReportOutcome:
    """What became of a report, whatever the sequence is."""
    return ReportOutcome(outcome, run_id, version, state, sequence=ANY)


def task_run_item(flow_run_id: UUID, task_slug: str, *reports: Report, **members: Any) -> ReportTaskRun:
    """The item that creates a task run and brings it to some states."""
    return ReportTaskRun(flow_run_id, TaskRunReport(task_slug=task_slug, **members), list(reports))


async def report_task_run(
    writer: Writer, flow_run_id: UUID, task_slug: str, *reports: Report, **members: Any
) -> ReportOutcome:
    """Creates a task run, or finds it by its natural key, and brings it to some states."""
    outcome: ReportOutcome = await writer.submit_one(
        task_run_item(flow_run_id, task_slug, *reports, **members), flow_run_id
    )
    return outcome


async def report_task_runs(writer: Writer, items: Sequence[ReportTaskRun]) -> list[Any]:
    """The same for many at once."""
    return await writer.submit(items, [item.flow_run_id for item in items])


async def create_task_run(writer: Writer, task_slug: str = "extract-1", *reports: Report, **members: Any) -> UUID:
    """Creates a task run in a flow run of its own."""
    outcome = await report_task_run(writer, await create_flow_run(writer), task_slug, *reports, **members)
    return outcome.run_id


async def report_state(writer: Writer, task_run_id: UUID, report: Report) -> ReportOutcome:
    """Brings a task run to a state."""
    outcome: ReportOutcome = await writer.submit_one(SetTaskRunState(task_run_id, report), task_run_id)
    return outcome


async def update_task_run(
    writer: Writer, task_run_id: UUID, expected_version: int | None = None, **changes: Any
) -> ReportOutcome:
    """Changes a task run's name or tags."""
    item = UpdateTaskRun(task_run_id, TaskRunUpdate(**changes), expected_version)
    outcome: ReportOutcome = await writer.submit_one(item, task_run_id)
    return outcome


async def delete_flow_run(writer: Writer, flow_run_id: UUID) -> None:
    """Deletes a flow run."""
    await writer.submit_one(DeleteFlowRun(flow_run_id), flow_run_id)


async def get_task_run(database: Database, task_run_id: UUID) -> schemas.TaskRun:
    """A task run as clients read it."""
    answer = await database.read(runs.get_task_run, task_run_id)
    return msgspec.json.decode(answer.body, type=schemas.TaskRun)


async def get_flow_run(database: Database, flow_run_id: UUID) -> schemas.FlowRun:
    """A flow run as clients read it."""
    answer = await database.read(runs.get_flow_run, flow_run_id)
    return msgspec.json.decode(answer.body, type=schemas.FlowRun)


async def list_states(database: Database, task_run_id: UUID, limit: int = 1000) -> list[schemas.State]:
    """The history of a task run."""
    query = TASK_RUN_STATES.query({"limit": limit}, task_run_id)
    page_of_states = await database.read(runs.list_task_run_states, query)
    return msgspec.json.decode(page_of_states.items, type=list[schemas.State])


async def list_flow_run_states(database: Database, flow_run_id: UUID) -> list[schemas.State]:
    """The history of a flow run."""
    query = FLOW_RUN_STATES.query({"limit": 1000}, flow_run_id)
    page_of_states = await database.read(runs.list_flow_run_states, query)
    return msgspec.json.decode(page_of_states.items, type=list[schemas.State])


async def findings_of(database: Database, flow_run_id: UUID | None = None) -> list[str]:
    """What a check finds wrong."""
    return [str(finding) async for finding in integrity.check(database, flow_run_id)]


def rows_of(connection: Connection, table: Table) -> list[Row[Any]]:
    """All rows of a table, in the order of their primary key."""
    return list(connection.execute(select(table).order_by(*table.primary_key)))


def insert_rows(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Puts rows into a table, past all rules."""
    connection.execute(table.insert(), rows)


def run_on(connection: Connection, statement: Any) -> None:
    """Runs one statement."""
    connection.execute(statement)


@contextmanager
def statements_seen() -> Iterator[list[str]]:
    """The texts of all statements that databases get within the block."""
    seen: list[str] = []

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", see)
