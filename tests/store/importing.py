"""Helpers of the tests of the import: what they import, and what is there afterwards."""

from typing import Any
from uuid import UUID

from sqlalchemy import Table

from taskruns_service.prefect1.importing import Imported, import_prefect1
from taskruns_service.storage.database import Database
from tests.store.factories import (
    findings_of,
    rows_of,
)
from tests.store.prefect1 import PrefectServer

RESULT = {"type": "LocalResult", "location": "8e44/extract.pickle", "dir": "/data", "__version__": "1.4.1"}
HISTORY = (("Pending", 0), ("Running", 2), ("Retrying", 3), ("Running", 5), ("Success", 9))


async def bring(prefect: PrefectServer, database: Database, **options: Any) -> Imported:
    """Imports, and counts again."""
    imported = await import_prefect1(prefect.url, database, lambda *_: None, **options)
    assert await findings_of(database) == []
    return imported


async def tasks(prefect: PrefectServer) -> dict[str, UUID]:
    """The ids of tasks, by slug."""
    return {row.slug: row.id for row in await prefect.rows("task")}


async def flow_run_with(prefect: PrefectServer, flow_id: UUID, children: int) -> UUID:
    """A flow run with a mapped task run and its children."""
    task_id = (await tasks(prefect))["extract-1"]
    flow_run_id = await prefect.flow_run(flow_id, ("Scheduled", 0), ("Running", 1), ("Success", 60))
    await prefect.task_run(flow_run_id, task_id, ("Pending", 0), ("Mapped", 2))
    for map_index in range(children):
        await prefect.task_run(flow_run_id, task_id, *HISTORY, map_index=map_index)
    return flow_run_id


async def only(database: Database, table: Table) -> dict[str, Any]:
    """The only row of a table."""
    (row,) = await database.read(rows_of, table)
    return dict(row._mapping)
