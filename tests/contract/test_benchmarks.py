"""The benchmarks compare equal things: the handlers with SQL by hand send what the service sends."""

import asyncio

import pytest

from tests.benchmarks import data, dataset, limit, servers
from tests.postgres import PostgresServer

TASK_RUNS = 1000


@pytest.mark.slow
def test_handlers_with_sql_by_hand_answer_as_the_service_does(postgres_server: PostgresServer) -> None:
    url = servers.migrated(postgres_server.create_database())
    asyncio.run(data.fill(url, TASK_RUNS))
    known = asyncio.run(dataset.look(url, TASK_RUNS))
    dsn = url.replace("+asyncpg", "")
    with servers.service(url) as service, servers.other("bare", BARE_DSN=dsn) as bare:
        limit.check(service.url, bare, known)
