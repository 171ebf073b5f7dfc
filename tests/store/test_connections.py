"""Connections: those who find none free wait for one, and none is met in a transaction."""

import asyncio
import gc
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, make_url

from taskruns_service.domain.errors import DatabaseUnavailable
from taskruns_service.storage import dialects
from taskruns_service.storage.connections import Connections
from taskruns_service.storage.database import Database, open_database
from taskruns_service.storage.dialects import driver
from taskruns_service.storage.engines import Patience, threaded_engine
from taskruns_service.storage.threads import Threads

QUERIES = 60
PATIENT = 60.0
"""Seconds that a query waits for its turn before it is refused: for slow machines, which make connections slowly."""


def answer(connection: Connection) -> int:
    dialects.execute(connection, "SELECT 1")
    return 1


async def ask_all_kinds(database: Database) -> list[int]:
    kinds = (database.look_up, database.read_back, database.read, database.scan)
    return await asyncio.gather(*(kinds[number % 4](answer) for number in range(QUERIES)))


async def test_more_queries_than_connections_are_all_answered(database_url: str) -> None:
    async with open_database(dialects.read_url(database_url), max_wait=PATIENT) as database:
        assert await ask_all_kinds(database) == [1] * QUERIES


async def test_new_connections_are_made_after_a_renewal(database_url: str) -> None:
    async with open_database(dialects.read_url(database_url), max_wait=PATIENT) as database:
        await ask_all_kinds(database)
        database.renew()
        assert await ask_all_kinds(database) == [1] * QUERIES


async def test_a_transaction_that_was_left_open_is_not_met_by_the_next_query(database: Database) -> None:
    def leave_open(connection: Connection) -> bool:
        connection.exec_driver_sql("SELECT 1")
        return connection.in_transaction()

    def is_in_transaction(connection: Connection) -> bool:
        return connection.in_transaction()

    assert await database.read(leave_open)
    assert not any([await database.read(is_in_transaction) for _ in range(20)])


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_connections_of_before_are_not_used_after_one_was_lost(database_url: str) -> None:
    """As after a restart of the server: each attempt would otherwise meet another dead one."""

    def ask_process(connection: Connection) -> int:
        ((process,),) = driver.fetch(connection, "SELECT pg_backend_pid() FROM pg_sleep(0.05)", ())
        return int(process)

    def lose(connection: Connection) -> None:
        dialects.execute(connection, "SELECT pg_terminate_backend(pg_backend_pid())")

    async with open_database(dialects.read_url(database_url), pool_size=4, attempts=1) as database:

        async def ask_processes() -> set[int]:
            return set(await asyncio.gather(*(database.look_up(ask_process) for _ in range(4))))

        before = await ask_processes()
        assert len(before) > 1
        with pytest.raises(DatabaseUnavailable):
            await database.look_up(lose)
        assert not before & await ask_processes()


async def test_threads_that_find_no_kept_connection_free_get_one(tmp_path: Path) -> None:
    engine = threaded_engine(make_url(f"sqlite:///{tmp_path / 'taskruns.db'}"), Patience(5, 30, 10), threads=2)
    threads = Threads()
    run = threads.pool(8, "database")
    with closing(Connections(engine, threads)) as connections:
        assert await asyncio.gather(*(run(connections.run, answer) for _ in range(2000))) == [1] * 2000


@pytest.mark.slow
async def test_attempt_to_connect_can_be_cancelled_at_any_moment(postgres_url: str) -> None:
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    for steps in range(20):
        await connect_for(postgres_url, steps)
        gc.collect()  # which is when the loop reports what nobody has retrieved
        assert errors == [], steps


async def connect_for(url: str, steps: int) -> None:
    """Connects to PostgreSQL, and cancels that after so many steps of the event loop."""
    parts = make_url(url)
    address = {"host": parts.host, "port": parts.port, "database": parts.database}
    arguments: dict[str, Any] = {**address, "user": parts.username, "password": parts.password, "timeout": 3}
    attempt = asyncio.create_task(dialects.connect(**arguments))
    for _ in range(steps):
        await asyncio.sleep(0)
    attempt.cancel()
    with suppress(asyncio.CancelledError):
        (await attempt).terminate()
    await asyncio.sleep(0)
