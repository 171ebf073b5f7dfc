"""What is read and written in many portions: one moment, one transaction, and rows as any INSERT makes them."""

from operator import itemgetter
from typing import Any

import pytest

from taskruns_service.domain.ids import new_id
from taskruns_service.storage import tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.dialects import expect_many_rows, insert_many
from tests.store.factories import at, insert_rows, rows_of


def agents(number: int) -> list[dict[str, Any]]:
    """Rows with a value of every type, and with nulls."""
    common = {"tenant_id": None, "core_version": "1.4.1", "labels": ["b", "a"], "created": at(0), "updated": at(1.5)}
    return [{"id": new_id(), "name": f"é{index}", "last_queried": None, **common} for index in range(number)]


async def test_rows_are_as_an_insert_makes_them(database: Database) -> None:
    rows = agents(6)
    await database.transact(insert_rows, tables.agent, rows[:3])
    await database.transact(insert_many, tables.agent, rows[3:])
    await database.transact(insert_many, tables.agent, [])
    found = [dict(row._mapping) for row in await database.read(rows_of, tables.agent)]
    assert found == [{**row, "type": None} for row in sorted(rows, key=itemgetter("id"))]


async def test_portions_are_written_together(database: Database) -> None:
    async with database.transaction() as session:
        await session.run(expect_many_rows)
        for _ in range(2):
            await session.run(insert_many, tables.agent, agents(2))
        assert await database.read(rows_of, tables.agent) == []
    assert len(await database.read(rows_of, tables.agent)) == 4


async def test_portions_are_gone_together(database: Database) -> None:
    async def interrupted() -> None:
        async with database.transaction() as session:
            await session.run(insert_many, tables.agent, agents(2))
            raise KeyError

    with pytest.raises(KeyError):
        await interrupted()
    assert await database.read(rows_of, tables.agent) == []
    await database.transact(insert_many, tables.agent, agents(1))
    assert len(await database.read(rows_of, tables.agent)) == 1


async def test_portions_are_read_from_one_moment(database: Database) -> None:
    async with database.snapshot() as session:
        assert await session.run(rows_of, tables.agent) == []
        await database.transact(insert_many, tables.agent, agents(2))
        assert await session.run(rows_of, tables.agent) == []
    assert len(await database.read(rows_of, tables.agent)) == 2
