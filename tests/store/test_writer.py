"""The writer: no answer before its commit, a bad item fails alone, and what went wrong by chance is repeated."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, insert, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import await_only

from taskruns_service.commands.reports import ReportTaskRun, SetFlowRunState
from taskruns_service.domain.errors import DatabaseUnavailable, FlowRunNotFound, Overloaded, RefusedValue, ServiceError
from taskruns_service.domain.ids import new_id
from taskruns_service.domain.states import StateType
from taskruns_service.schemas import TaskRunReport
from taskruns_service.storage import tables
from taskruns_service.storage.command import execute_commands
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import BATCH_WEIGHT, Writer, weight_of
from tests.postgres import free_port
from tests.store.factories import (
    ask_for_flow_run,
    create_flow_run,
    flow_run_item,
    get_flow_run,
    get_task_run,
    list_states,
    opened,
    report_task_run,
    report_task_runs,
    reported,
    rows_of,
    state,
    statements_seen,
    task_run_item,
)

in_this_process = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
only_postgresql = pytest.mark.parametrize("database_kind", ["postgresql"])
only_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
async def elsewhere(database_url: str) -> Any:
    """The same database, over connections of its own."""
    async with opened(database_url) as other:
        yield other


# Answers


async def test_answered_write_is_committed(writer: Writer, elsewhere: Database) -> None:
    flow_run_id = await create_flow_run(writer)
    for number in range(10):
        outcome = await report_task_run(writer, flow_run_id, "extract-1", state("Running", number))
        assert (await get_task_run(elsewhere, outcome.run_id)).version == outcome.version == number + 1


async def test_answers_come_in_the_order_of_the_items(writer: Writer) -> None:
    flow_runs = [await create_flow_run(writer) for _ in range(8)]
    items = [task_run_item(flow_runs[number % 8], f"task-{number}") for number in range(40)]
    first = await report_task_runs(writer, items)
    again = await report_task_runs(writer, list(reversed(items)))
    assert [outcome.run_id for outcome in again] == [outcome.run_id for outcome in reversed(first)]


@in_this_process
async def test_waiting_writes_share_one_transaction(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    await report_task_run(writer, flow_run_id, "extract-1")
    with statements_seen() as seen:
        await asyncio.gather(
            *(report_task_run(writer, flow_run_id, f"task-{n}", state("Running", n)) for n in range(50))
        )
    batches = sum("UPDATE flow_run " in statement for statement in seen)
    assert 1 <= batches <= 3
    assert (await get_flow_run(database, flow_run_id)).sequence == 101


async def test_error_of_one_item_is_its_own(writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    items = [task_run_item(flow_run_id, "a"), task_run_item(UUID(int=1), "b"), task_run_item(flow_run_id, "c")]
    outcomes = await writer.submit(items, [flow_run_id] * 3)
    assert [getattr(outcome, "outcome", type(outcome)) for outcome in outcomes] == [
        "created",
        FlowRunNotFound,
        "created",
    ]


@in_this_process
async def test_caller_that_goes_away_leaves_its_items_written(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    task = asyncio.create_task(report_task_run(writer, flow_run_id, "extract-1", state("Running", 1)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    again = await report_task_run(writer, flow_run_id, "extract-1")
    assert again == reported("existing", again.run_id, 1, StateType.Running)
    assert (await get_task_run(database, again.run_id)).state == "Running"


async def test_empty_submission_is_answered_at_once(database: Database) -> None:
    writer = Writer(database, execute_commands, capacity=5)
    async with asyncio.timeout(1):
        assert await writer.submit([], []) == []


@only_postgresql
async def test_few_do_not_wait_for_the_transactions_of_many(writer: Writer, database_url: str) -> None:
    held, *others = [await create_flow_run(writer) for _ in range(9)]
    engine = create_async_engine(make_url(database_url))
    try:
        async with engine.connect() as connection:
            lock = text("SELECT 1 FROM flow_run WHERE id = :id FOR UPDATE")
            await connection.execute(lock, {"id": held})
            items = [task_run_item(one, f"task-{n}") for one in (held, *others) for n in range(5)]
            many = asyncio.create_task(report_task_runs(writer, items))
            await waits_for_a_lock(engine, 1)
            async with asyncio.timeout(5):
                for number, one in enumerate(others):
                    assert (await report_task_run(writer, one, f"few-{number}")).outcome == "created"
            assert not many.done()
            await connection.rollback()
        assert {outcome.outcome for outcome in await many} == {"created"}
    finally:
        await engine.dispose()


@in_this_process
async def test_transactions_are_bounded_by_states_and_small_requests_do_not_wait_for_the_rest_of_large_ones(
    database: Database,
) -> None:
    weights: list[int] = []

    def apply(connection: Connection, items: Sequence[Any]) -> list[Any]:
        weights.append(sum(map(weight_of, items)))
        return execute_commands(connection, items)

    async with Writer(database, apply, capacity=10).running() as writer:
        flow_run_id, other = await create_flow_run(writer), await create_flow_run(writer)
        # Several hundred items, as many as the queue takes only because nothing else waits.
        many = asyncio.create_task(
            report_task_runs(
                writer,
                [
                    task_run_item(flow_run_id, f"task-{n}", *(state("Running", m) for m in range(100)))
                    for n in range(300)
                ],
            )
        )
        await asyncio.sleep(0)
        for number in range(3):
            assert (await report_task_run(writer, other, f"few-{number}")).outcome == "created"
            assert not many.done()
        with pytest.raises(Overloaded):
            await report_task_runs(writer, [task_run_item(other, f"more-{n}") for n in range(11)])
        assert {outcome.outcome for outcome in await many} == {"created"}
    assert sum(weights) == 2 + 300 * 100 + 3
    assert max(weights) <= BATCH_WEIGHT + 100


@only_sqlite
async def test_large_requests_go_on_while_small_ones_come(database: Database) -> None:
    async with Writer(database, execute_commands, capacity=10_000).running() as writer:
        flow_run_id, other = await create_flow_run(writer), await create_flow_run(writer)
        large = asyncio.create_task(
            report_task_runs(writer, [task_run_item(flow_run_id, f"task-{n}") for n in range(2000)])
        )

        async def report_until_done() -> None:
            while not large.done():
                await report_task_run(writer, other, "a")

        async with asyncio.timeout(60):
            await asyncio.gather(*(report_until_done() for _ in range(600)))
        assert len(await large) == 2000


# What the database refuses


def poison(flow_run_id: UUID) -> Any:
    """An item that no request makes and no database takes: U+0000 on PostgreSQL, too great a number on SQLite."""
    report = state("Running", 1, message="\0")
    request = TaskRunReport(task_slug="poison", map_index=2**63, tags=[])
    return ReportTaskRun(flow_run_id, request, [report])


@pytest.mark.parametrize("place", [0, 4, 8])
async def test_item_that_the_database_refuses_fails_alone(database: Database, writer: Writer, place: int) -> None:
    flow_run_id = await create_flow_run(writer)
    items = [task_run_item(flow_run_id, f"task-{n}", state("Running", n)) for n in range(8)]
    items.insert(place, poison(flow_run_id))
    outcomes = await report_task_runs(writer, items)
    assert type(outcomes.pop(place)) is RefusedValue
    assert {outcome.outcome for outcome in outcomes} == {"created"}
    assert [row.task_slug for row in await database.read(rows_of, tables.task_run)] == [f"task-{n}" for n in range(8)]
    found = await get_flow_run(database, flow_run_id)
    assert (found.sequence, found.task_run_counts) == (16, {"Running": 8})


async def test_writer_goes_on_after_an_item_that_was_refused(writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    with pytest.raises(ServiceError):
        await writer.submit_one(poison(flow_run_id), flow_run_id)
    assert (await report_task_run(writer, flow_run_id, "extract-1")).outcome == "created"


# Bounds


async def test_writer_refuses_more_than_its_capacity(database: Database) -> None:
    async with Writer(database, execute_commands, capacity=5).running() as writer:
        waiting = [asyncio.create_task(ask_for_flow_run(writer)) for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as refused:
            await create_flow_run(writer)
        assert refused.value.members == {"retry_after": 1}
        assert len({outcome.id for outcome in await asyncio.gather(*waiting)}) == 5
        assert (await ask_for_flow_run(writer)).created
    assert len(await database.read(rows_of, tables.flow_run)) == 6


async def test_idle_writer_takes_a_request_beyond_its_capacity(database: Database) -> None:
    async with Writer(database, execute_commands, capacity=2).running() as writer:
        items = [flow_run_item() for _ in range(5)]
        assert [outcome.created for outcome in await writer.submit(items, [item.id for item in items])] == [True] * 5


async def test_closing_writes_what_was_taken(database: Database) -> None:
    async with Writer(database, execute_commands, capacity=10_000).running() as writer:
        waiting = [asyncio.create_task(ask_for_flow_run(writer)) for _ in range(1500)]
        await asyncio.sleep(0)
    assert all(task.result().created for task in waiting)
    assert len(await database.read(rows_of, tables.flow_run)) == 1500


# What goes wrong by chance


@only_postgresql
async def test_transaction_that_meets_a_deadlock_is_run_again(
    database: Database, writer: Writer, database_url: str
) -> None:
    one, other = sorted([await create_flow_run(writer), await create_flow_run(writer)])
    engine = create_async_engine(make_url(database_url))
    lock = text("UPDATE flow_run SET name = name WHERE id = :id")
    attempts: list[int] = []

    def apply(connection: Connection, items: Sequence[Any]) -> list[Any]:
        attempts.append(len(items))
        return execute_commands(connection, items)

    try:
        async with engine.connect() as connection:
            # It waits for the other's lock in the wrong order, and longer than the writer does before it looks.
            await connection.execute(text("SET deadlock_timeout = '60s'"))
            await connection.commit()
            await connection.execute(lock, {"id": other})
            batch = [task_run_item(one, "a", state("Running", 1)), task_run_item(other, "b", state("Running", 1))]
            written = asyncio.create_task(database.transact(apply, batch))
            await waits_for_a_lock(engine, 1)
            # Now the writer has `one` and waits for `other`; this closes the circle.
            await connection.execute(lock, {"id": one})
            await connection.commit()
            outcomes = await written
    finally:
        await engine.dispose()
    assert attempts == [2, 2]
    assert [outcome.outcome for outcome in outcomes] == ["created", "created"]
    assert [(await get_flow_run(database, flow_run_id)).sequence for flow_run_id in (one, other)] == [2, 2]


async def waits_for_a_lock(engine: Any, count: int) -> None:
    """Returns when as many connections to this database wait for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(10), engine.connect() as connection:
        while (await connection.execute(waiting)).scalar_one() < count:
            await connection.rollback()
            await asyncio.sleep(0.01)


@only_postgresql
async def test_serialization_failure_is_run_again(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    attempts: list[int] = []
    running = SetFlowRunState(flow_run_id, state("Running", 1))

    def change(connection: Connection) -> None:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        attempts.append(connection.execute(text("SELECT version FROM flow_run")).scalar_one())
        if len(attempts) == 1:
            # Between this one's reading and its writing another transaction commits a change.
            await_only(writer.submit_one(running, flow_run_id))
        connection.execute(text("UPDATE flow_run SET version = version + 1"))

    await database.transact(change)
    assert attempts == [0, 1]
    assert (await get_flow_run(database, flow_run_id)).version == 2


async def test_row_that_another_transaction_made_first_is_found_when_run_again(
    database: Database, writer: Writer
) -> None:
    flow_run_id = await create_flow_run(writer)
    await report_task_run(writer, flow_run_id, "extract-1")
    (row,) = await database.read(rows_of, tables.task_run)
    attempts: list[int] = []

    def make(connection: Connection) -> int:
        attempts.append(len(attempts))
        if len(attempts) == 1:
            connection.execute(insert(tables.task_run).values(**row._asdict() | {"id": new_id()}))
        return len(attempts)

    assert await database.transact(make) == 2


BACKENDS = "FROM pg_stat_activity WHERE application_name = 'taskruns-service' AND datname = current_database()"


async def cut_off(database_url: str) -> int:
    """Ends all connections that the service has to a PostgreSQL database; how many there were."""
    engine = create_async_engine(make_url(database_url))
    try:
        async with engine.connect() as connection:
            ended = await connection.execute(text(f"SELECT pg_terminate_backend(pid, 5000) {BACKENDS}"))
            return len(ended.all())
    finally:
        await engine.dispose()


@only_postgresql
async def test_connection_lost_between_transactions_is_made_again(
    database: Database, writer: Writer, database_url: str
) -> None:
    flow_run_id = await create_flow_run(writer)
    await get_flow_run(database, flow_run_id)
    assert await cut_off(database_url) >= 2
    assert (await report_task_run(writer, flow_run_id, "extract-1", state("Running", 1))).outcome == "created"
    assert (await get_flow_run(database, flow_run_id)).sequence == 2


@only_postgresql
async def test_connection_lost_during_a_transaction_is_made_again_and_nothing_is_written_twice(
    database: Database, writer: Writer, database_url: str
) -> None:
    flow_run_id = await create_flow_run(writer)
    engine = create_async_engine(make_url(database_url))
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1 FROM flow_run FOR UPDATE"))
            report = asyncio.create_task(report_task_run(writer, flow_run_id, "extract-1", state("Running", 1)))
            await waits_for_a_lock(engine, 1)
            assert await cut_off(database_url) >= 1
            await connection.rollback()
        outcome = await report
    finally:
        await engine.dispose()
    assert outcome == reported("created", outcome.run_id, 1, StateType.Running)
    assert [one.version for one in await list_states(database, outcome.run_id)] == [1]
    assert (await get_flow_run(database, flow_run_id)).sequence == 2


@only_postgresql
async def test_question_whose_connection_is_lost_is_asked_again(
    database: Database, writer: Writer, database_url: str
) -> None:
    flow_run_id = await create_flow_run(writer)
    before = await get_flow_run(database, flow_run_id)
    await cut_off(database_url)
    assert await asyncio.gather(*(get_flow_run(database, flow_run_id) for _ in range(8))) == [before] * 8


async def test_database_that_is_away_is_unavailable() -> None:
    async with opened(f"postgresql://postgres:none@127.0.0.1:{free_port()}/runs") as database:
        with pytest.raises(DatabaseUnavailable) as refused:
            await get_flow_run(database, UUID(int=1))
        assert refused.value.members == {"retry_after": 1}
        async with Writer(database, execute_commands, capacity=10).running() as writer:
            with pytest.raises(DatabaseUnavailable):
                await create_flow_run(writer)


@only_sqlite
async def test_file_that_another_connection_writes_is_waited_for(
    database: Database, writer: Writer, second_writer: Writer
) -> None:
    flow_runs = [await create_flow_run(writer) for _ in range(2)]
    pairs = zip(flow_runs * 10, [writer, second_writer] * 10, strict=True)
    outcomes = await asyncio.gather(*(report_task_run(one, flow_run_id, "a") for flow_run_id, one in pairs))
    assert sorted(outcome.outcome for outcome in outcomes) == ["created"] * 2 + ["existing"] * 18
    assert len(await database.read(rows_of, tables.task_run)) == 2
