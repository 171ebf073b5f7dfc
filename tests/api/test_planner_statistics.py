"""The planner's statistics of a new PostgreSQL database are made soon after its first rows."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from taskruns_service.app import create_app
from taskruns_service.storage import dialects
from taskruns_service.storage.database import open_database
from taskruns_service.storage.dialects import read_url
from tests.service import running, settings_of

STATISTICS = "SELECT count(*) FROM pg_stats WHERE tablename = 'task_run'"


@pytest.fixture
async def owner(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a new database, in which autovacuum leaves the tables of task runs alone."""
    connection = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    for table in ("task_run", "task_run_state"):
        await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    yield connection
    await connection.close()


async def test_new_database_is_analyzed_soon_after_its_first_rows(postgres_url: str, owner: asyncpg.Connection) -> None:
    async with running(create_app(settings_of(postgres_url))) as http:
        flow_run = (await http.post("/flow-runs", json={"flow_name": "etl"})).json()["id"]
        items = [{"task_slug": f"task-{number}", "states": [{"type": "Running"}]} for number in range(1000)]
        answer = await http.post(f"/flow-runs/{flow_run}/task-runs", json={"items": items})
        assert answer.status_code == 200, answer.text
        async with asyncio.timeout(30):
            while not await owner.fetchval(STATISTICS):  # noqa: ASYNC110 - another process makes them
                await asyncio.sleep(0.05)


async def test_table_is_known_once_its_owner_has_analyzed_it(postgres_url: str, owner: asyncpg.Connection) -> None:
    await owner.execute("INSERT INTO tenant VALUES (gen_random_uuid(), 'a', 'a', now(), now())")
    await owner.execute("CREATE ROLE visitor LOGIN PASSWORD 'visitor'; GRANT SELECT ON tenant TO visitor")
    visitor_url = f"postgresql://visitor:visitor@{postgres_url.rpartition('@')[2]}"
    try:
        for url, size in ((visitor_url, 8192), (postgres_url, None)):
            async with open_database(read_url(url)) as database:
                assert await database.read(dialects.size_without_statistics, "tenant") == 8192
                await database.write(dialects.analyze, ["tenant"])
                assert await database.read(dialects.size_without_statistics, "tenant") == size
    finally:
        await owner.execute("DROP OWNED BY visitor; DROP ROLE visitor")
