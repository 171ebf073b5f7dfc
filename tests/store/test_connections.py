"""Connections: those who find none free wait for one, and none is met in a transaction."""

import asyncio
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, make_url

from taskruns_service.storage import dialects
from taskruns_service.storage.connections import Connections
from taskruns_service.storage.database import Database
from taskruns_service.storage.engines import Patience, threaded_engine
from taskruns_service.storage.threads import Threads

QUERIES = 60


def answer(connection: Connection) -> int:
    dialects.execute(connection, "SELECT 1")
    return 1


async def ask_all_kinds(database: Database) -> list[int]:
    kinds = (database.look_up, database.read_back, database.read, database.scan)
    return await asyncio.gather(*(kinds[number % 4](answer) for number in range(QUERIES)))


async def test_more_queries_than_connections_are_all_answered(database: Database) -> None:
    assert await ask_all_kinds(database) == [1] * QUERIES


async def test_new_connections_are_made_after_a_renewal(database: Database) -> None:
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


async def test_threads_that_find_no_kept_connection_free_get_one(tmp_path: Path) -> None:
    engine = threaded_engine(make_url(f"sqlite:///{tmp_path / 'taskruns.db'}"), Patience(5, 30, 10), threads=2)
    threads = Threads()
    run = threads.pool(8, "database")
    with closing(Connections(engine, threads)) as connections:
        assert await asyncio.gather(*(run(connections.run, answer) for _ in range(2000))) == [1] * 2000
