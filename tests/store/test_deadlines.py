"""Deadlines: a question is over in its time, whatever the database does, and when its client has gone."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from taskruns_service.domain.errors import ClientGone, Overloaded, QueryTimeout
from taskruns_service.storage.database import Database, open_database
from taskruns_service.storage.deadlines import Client, current_client
from taskruns_service.storage.dialects import read_url

SECONDS = 1.0
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n WHERE i < 0"
HALF_A_TIMEOUT = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000) SELECT count(*) FROM n",
    "postgresql": f"SELECT pg_sleep({SECONDS / 2})",
}

only_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])
only_postgresql = pytest.mark.parametrize("database_kind", ["postgresql"])


@asynccontextmanager
async def impatient(url: str, **options: Any) -> AsyncIterator[Database]:
    async with open_database(read_url(url), query_timeout=SECONDS, pool_size=2, max_scans=1, **options) as database:
        yield database


def run(connection: Connection, statement: str) -> Any:
    return connection.execute(text(statement)).scalar()


def run_for_ever(connection: Connection, statement: str) -> None:
    while True:
        connection.execute(text(statement)).scalar()


async def assert_timeout(question: Awaitable[Any]) -> None:
    began = time.monotonic()
    with pytest.raises(QueryTimeout):
        await question
    assert SECONDS * 0.9 <= time.monotonic() - began < SECONDS + 2


async def test_statement_without_end_is_over_in_its_time(database_url: str) -> None:
    async with impatient(database_url) as database:
        await assert_timeout(database.scan(run, ENDLESS))
        assert await database.scan(run, "SELECT 1") == 1


@pytest.mark.parametrize("ask", [Database.read, Database.read_snapshot])
async def test_question_of_many_statements_has_one_time(
    ask: Callable[..., Awaitable[Any]], database_url: str, database_kind: str
) -> None:
    async with impatient(database_url) as database:
        await assert_timeout(ask(database, run_for_ever, HALF_A_TIMEOUT[database_kind]))
        # No transaction is left open on the connection.
        assert await ask(database, run, "SELECT 1") == 1


@only_sqlite
async def test_caller_of_what_can_not_be_interrupted_is_answered_and_the_slot_stays_taken(database_url: str) -> None:
    ended = threading.Event()
    async with impatient(database_url, max_wait=0.5) as database:
        await assert_timeout(database.scan(lambda _: ended.wait(60)))
        with pytest.raises(Overloaded):
            await database.scan(run, "SELECT 1")
        ended.set()
        async with asyncio.timeout(10):
            while True:
                try:
                    assert await database.scan(run, "SELECT 1") == 1
                    break
                except Overloaded:
                    await asyncio.sleep(0.01)


@only_postgresql
async def test_server_that_does_not_answer_does_not_hold_its_caller(database_url: str) -> None:
    async with impatient(database_url) as database:
        process = await database.look_up(run, "SELECT pg_backend_pid()")
        os.kill(process, signal.SIGSTOP)
        try:
            await assert_timeout(database.look_up(run, "SELECT 1"))
            assert await database.look_up(run, "SELECT 1") == 1
        finally:
            os.kill(process, signal.SIGCONT)


@only_postgresql
async def test_statement_that_takes_long_is_not_taken_for_a_silent_connection(database_url: str) -> None:
    begun = []

    def ask_slowly(connection: Connection) -> None:
        begun.append(connection)
        run(connection, "SELECT pg_sleep(1)")

    async with open_database(read_url(database_url), connect_timeout=0.2) as database:
        await database.scan(ask_slowly)
    assert len(begun) == 1


async def test_question_ends_when_its_client_goes(database_url: str, database_kind: str) -> None:
    leaves = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await leaves.wait()
        return {"type": "http.disconnect"}

    async with open_database(read_url(database_url), max_scans=2) as database:
        current_client.set(Client(receive))
        questions = [asyncio.create_task(database.scan(run, ENDLESS)) for _ in range(2)]
        await asyncio.sleep(0.5)
        leaves.set()
        async with asyncio.timeout(10):
            for question in questions:
                with pytest.raises(ClientGone):
                    await question
        current_client.set(None)
        assert await database.scan(run, "SELECT 1") == 1
    if database_kind == "postgresql":
        assert await count_running(database_url, "%RECURSIVE%") == 0


async def count_running(url: str, pattern: str) -> int:
    """Returns how many statements like a pattern the server runs, once there are none or after a while."""
    engine = create_async_engine(make_url(url))
    running = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE state = 'active' AND query LIKE :pattern AND pid <> pg_backend_pid()"
    )
    try:
        async with engine.connect() as connection:
            for _ in range(100):
                if not (count := (await connection.execute(running, {"pattern": pattern})).scalar_one()):
                    break
                await connection.rollback()
                await asyncio.sleep(0.05)
            return int(count)
    finally:
        await engine.dispose()
