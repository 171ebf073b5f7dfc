"""A small dataset for questions: flow runs and task runs of every kind, the same on every database."""

import random
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from taskruns_service.commands.reports import ReportTaskRun
from taskruns_service.domain.runs import Report
from taskruns_service.storage import tables
from taskruns_service.storage.command import execute_commands
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import (
    create_flow_run,
    opened,
    report_flow_run,
    report_task_runs,
    rows_of,
    state,
    task_run_item,
)

FLOW_NAMES = ("etl", "etl-2", "größe")
CHILDREN = 12
# What a task run goes through, with seconds between the states; the second is when the next begins to differ.
CHAINS: tuple[tuple[str, ...], ...] = (
    (),
    ("Pending",),
    ("Scheduled", "Queued"),
    ("Pending", "Running"),
    ("Pending", "Running", "Cancelling"),
    ("Pending", "Running", "Success"),
    ("Running", "Success", "Cached"),
    ("Pending", "Skipped"),
    ("Pending", "TriggerFailed"),
    ("Pending", "Running", "Failed"),
    ("Pending", "Running", "TimedOut"),
    ("Running", "Failed", "Retrying", "Running", "Success"),
    ("Running", "Failed", "Retrying"),
    ("Pending", "Running", "Looped"),
    ("Pending", "Cancelled"),
)
SLUGS = ("extract-1", "extract-10", "extract-2", "Extract-1", "load_1", "load%1", "größe-1", "z")
NAMES = (None, "Extract 100%", "extract_a", "EXTRACT", "größe", "GRÖSSE", "a", "back\\slash")
TAGS: tuple[list[str], ...] = ([], ["etl"], ["etl", "daily"], ["Etl"], ["daily", "größe", "100%"])
LABELS: tuple[list[str], ...] = ([], ["prod"], ["prod", "eu"], ["Prod"])
MESSAGES = {"Success": "Done.", "Failed": "It failed."}
RESULTS = (None, {"type": "S3Result", "bucket": "b", "location": "k"}, {"type": "S3Result"}, {"type": "NoResultType"})


async def populate(url: str) -> None:
    """Fills the database at `url`."""
    chance = random.Random(7)
    async with opened(url) as database, Writer(database, execute_commands, capacity=10_000).running() as writer:
        parent: dict[str, Any] = {}
        for number in range(7):
            flow_run_id = await create_flow_run(
                writer, FLOW_NAMES[number % 3], name=f"Run-{number}%_", labels=LABELS[number % 4], **parent
            )
            for report in _reports(chance, ("Scheduled", "Running", "Success", "Failed")[:number]):
                await report_flow_run(writer, flow_run_id, report)
            # Two batches, so that some were changed later than others were made.
            for _ in range(2):
                await report_task_runs(writer, [_item(chance, flow_run_id) for _ in range(18)])
            (mapped, *_) = await report_task_runs(writer, _map(chance, flow_run_id, f"map-{number}"))
            parent = {"parent_task_run_id": mapped.run_id} if number % 2 else {}


def _item(chance: random.Random, flow_run_id: UUID) -> ReportTaskRun:
    reports = _reports(chance, chance.choice(CHAINS))
    members = {"name": chance.choice(NAMES), "tags": chance.choice(TAGS)}
    return task_run_item(
        flow_run_id, chance.choice(SLUGS), *reports, map_index=chance.choice([-1, 0, 1, 20]), **members
    )


def _map(chance: random.Random, flow_run_id: UUID, task_slug: str) -> list[ReportTaskRun]:
    items = [task_run_item(flow_run_id, task_slug, state("Pending", 0), state("Mapped", 1, details={"n": CHILDREN}))]
    for map_index in range(CHILDREN):
        reports = _reports(chance, ("Pending", "Running", "Success"))
        items.append(task_run_item(flow_run_id, task_slug, *reports, map_index=map_index))
    chance.shuffle(items)
    return items


def _reports(chance: random.Random, types: tuple[str, ...]) -> list[Report]:
    """States some eighths of a second after one another: times that are exact as floating-point numbers."""
    seconds, reports = chance.randrange(0, 200_000, 40_000) / 1.0, []
    for type_ in types:
        reports.append(state(type_, seconds, result=chance.choice(RESULTS), message=MESSAGES.get(type_)))
        seconds += chance.randrange(0, 400) / 8
    return reports


Rows = Mapping[str, list[Row[Any]]]
"""Rows by table."""


class Dataset:
    """The database, and what is in its tables."""

    def __init__(self, database: Database, rows: Rows) -> None:
        self.database = database
        self.task_runs = rows["task_run"]
        self.flow_runs = rows["flow_run"]
        self.flow_names: dict[UUID, str] = {row.id: row.name for row in rows["flow"]}


def read_dataset(connection: Connection) -> Rows:
    """All that the questions are about."""
    return {table.name: rows_of(connection, table) for table in (tables.task_run, tables.flow_run, tables.flow)}
