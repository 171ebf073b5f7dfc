"""Races: two writers, each with its own connections as a process has, make one row of one key and lose no change."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.util import await_only

from taskruns_service.commands.flow_runs import CreatedFlowRun
from taskruns_service.commands.logs import ReportLogs
from taskruns_service.domain.errors import FlowRunNotFound, ServiceError, StateIdConflict, TaskRunNotFound
from taskruns_service.domain.ids import new_id
from taskruns_service.schemas import LogLineReport
from taskruns_service.storage import tables, tally
from taskruns_service.storage.command import execute_commands
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import (
    ask_for_flow_run,
    create_flow_run,
    create_task_run,
    delete_flow_run,
    findings_of,
    flow_run_item,
    get_flow_run,
    get_task_run,
    list_states,
    report_state,
    report_task_run,
    report_task_runs,
    rows_of,
    state,
    task_run_item,
    update_task_run,
)

MANY = 40


async def all_of(calls: list[Any]) -> list[Any]:
    """The outcomes of calls that are made at once, whether they answer or raise a ServiceError."""
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, ServiceError):
            raise outcome
    return list(outcomes)


def in_turn(writer: Writer, second_writer: Writer) -> list[Writer]:
    """Which writer makes which of the calls."""
    return [writer, second_writer] * (MANY // 2)


async def test_one_key_makes_one_flow_run(database: Database, writer: Writer, second_writer: Writer) -> None:
    writers = in_turn(writer, second_writer)
    outcomes = await all_of([ask_for_flow_run(one, "etl", idempotency_key="k") for one in writers])
    assert len({outcome.id for outcome in outcomes}) == 1
    assert [outcome.created for outcome in outcomes].count(True) == 1
    assert [row.id for row in await database.read(rows_of, tables.flow_run)] == [outcomes[0].id]
    assert len(await database.read(rows_of, tables.flow)) == 1


async def test_one_id_makes_one_flow_run(database: Database, writer: Writer, second_writer: Writer) -> None:
    identifier = new_id()
    outcomes = await all_of([ask_for_flow_run(one, id=identifier) for one in in_turn(writer, second_writer)])
    assert [outcome.created for outcome in outcomes].count(True) == 1
    assert [row.id for row in await database.read(rows_of, tables.flow_run)] == [identifier]


async def test_one_name_makes_one_flow(database: Database, writer: Writer, second_writer: Writer) -> None:
    names = [f"flow-{number % 4}" for number in range(MANY)]
    calls = [ask_for_flow_run(one, name) for one, name in zip(in_turn(writer, second_writer), names, strict=True)]
    outcomes = await all_of(calls)
    assert all(outcome.created for outcome in outcomes)
    assert sorted(row.name for row in await database.read(rows_of, tables.flow)) == sorted(set(names))


async def test_one_natural_key_makes_one_task_run(database: Database, writer: Writer, second_writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    reports = [state("Running", number) for number in range(MANY)]
    calls = [
        report_task_run(one, flow_run_id, "extract-1", report)
        for one, report in zip(in_turn(writer, second_writer), reports, strict=True)
    ]
    outcomes = await all_of(calls)
    assert len({outcome.run_id for outcome in outcomes}) == 1
    assert [outcome.outcome for outcome in outcomes].count("created") == 1
    (row,) = await database.read(rows_of, tables.task_run)
    history = await list_states(database, row.id)
    assert {one.id for one in history} == {report.id for report in reports}
    # Each was the current state for a while, or late.
    assert (row.run_count, row.version) == (MANY, [one.is_late for one in history].count(False))


async def test_batches_over_the_same_task_runs_lose_nothing(
    database: Database, writer: Writer, second_writer: Writer
) -> None:
    flow_runs = [await create_flow_run(writer) for _ in range(4)]
    calls = []
    for number, one in enumerate(in_turn(writer, second_writer)):
        items = [
            task_run_item(flow_run_id, f"task-{slug}", state("Running", number))
            for flow_run_id in flow_runs[:: -1 if number % 2 else 1]
            for slug in range(3)
        ]
        calls.append(report_task_runs(one, items))
    for outcomes in await all_of(calls):
        assert [one for one in outcomes if isinstance(one, ServiceError)] == []
    rows = await database.read(rows_of, tables.task_run)
    assert [row.run_count for row in rows] == [MANY] * 12
    assert [(await get_flow_run(database, one)).sequence for one in flow_runs] == [3 * (MANY + 1)] * 4
    assert await findings_of(database) == []


async def test_sequence_has_no_gaps(database: Database, writer: Writer, second_writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    writers = in_turn(writer, second_writer)
    await all_of([report_task_run(one, flow_run_id, f"task-{n}", state("Running", n)) for n, one in enumerate(writers)])
    states = await database.read(rows_of, tables.task_run_state)
    rows = await database.read(rows_of, tables.task_run)
    # A creation takes a number, and the state that came with it the next.
    assert sorted([row.sequence for row in states] + [row.sequence - 1 for row in rows]) == list(range(1, 2 * MANY + 1))


async def test_one_state_id_is_of_one_run(database: Database, writer: Writer, second_writer: Writer) -> None:
    runs = [await create_task_run(writer) for _ in range(MANY)]
    report = state("Running", 1)
    pairs = zip(in_turn(writer, second_writer), runs, strict=True)
    outcomes = await all_of([report_state(one, run, report) for one, run in pairs])
    recorded = [outcome for outcome in outcomes if not isinstance(outcome, ServiceError)]
    assert [(outcome.outcome, outcome.version) for outcome in recorded] == [("recorded", 1)]
    assert [type(one) for one in outcomes if isinstance(one, ServiceError)] == [StateIdConflict] * (MANY - 1)
    assert [row.task_run_id for row in await database.read(rows_of, tables.task_run_state)] == [recorded[0].run_id]


async def test_one_state_that_is_reported_again_and_again_is_recorded_once(
    database: Database, writer: Writer, second_writer: Writer
) -> None:
    flow_run_id = await create_flow_run(writer)
    task_run_id = (await report_task_run(writer, flow_run_id, "extract-1")).run_id
    report = state("Running", 1)
    outcomes = await all_of([report_state(one, task_run_id, report) for one in in_turn(writer, second_writer)])
    assert sorted(outcome.outcome for outcome in outcomes) == ["duplicate"] * (MANY - 1) + ["recorded"]
    assert (await get_task_run(database, task_run_id)).run_count == 1


async def test_of_many_that_expect_one_version_one_is_recorded(
    database: Database, writer: Writer, second_writer: Writer
) -> None:
    task_run_id = (await report_task_run(writer, await create_flow_run(writer), "extract-1")).run_id
    writers = in_turn(writer, second_writer)
    outcomes = await all_of(
        [report_state(one, task_run_id, state("Running", n, expected_version=0)) for n, one in enumerate(writers)]
    )
    assert [getattr(outcome, "outcome", None) for outcome in outcomes].count("recorded") == 1
    assert (await get_task_run(database, task_run_id)).version == 1


async def test_changes_at_once_all_happen(database: Database, writer: Writer, second_writer: Writer) -> None:
    task_run_id = (await report_task_run(writer, await create_flow_run(writer), "extract-1")).run_id
    calls = [
        update_task_run(one, task_run_id, tags=[str(number)])
        if number % 4 == 0
        else report_state(one, task_run_id, state("Running", number))
        for number, one in enumerate(in_turn(writer, second_writer))
    ]
    outcomes = await all_of(calls)
    # Its creation took the first number.
    assert sorted(outcome.sequence for outcome in outcomes) == list(range(2, MANY + 2))
    found = await get_task_run(database, task_run_id)
    assert (found.sequence, found.run_count) == (MANY + 1, MANY * 3 // 4)
    history = await list_states(database, task_run_id)
    assert found.version == [one.is_late for one in history].count(False)


async def test_reports_about_a_flow_run_that_is_being_deleted_leave_nothing(
    database: Database, writer: Writer, second_writer: Writer
) -> None:
    flow_run_id = await create_flow_run(writer)
    task_run_id = (await report_task_run(writer, flow_run_id, "extract-1")).run_id
    writers = in_turn(writer, second_writer)
    calls: list[Coroutine[Any, Any, Any]] = [
        report_task_run(one, flow_run_id, f"task-{number}", state("Running", 1)) for number, one in enumerate(writers)
    ]
    calls += [report_state(one, task_run_id, state("Running", number)) for number, one in enumerate(writers)]
    calls.insert(MANY // 2, delete_flow_run(second_writer, flow_run_id))
    outcomes = await all_of(calls)
    errors = {type(outcome) for outcome in outcomes if isinstance(outcome, ServiceError)}
    assert errors <= {FlowRunNotFound, TaskRunNotFound}
    for table in (tables.flow_run, tables.task_run, tables.task_run_state):
        assert await database.read(rows_of, table) == []
    assert await findings_of(database) == []


async def test_lines_of_a_flow_run_that_is_being_deleted_leave_nothing(
    database: Database, writer: Writer, second_writer: Writer
) -> None:
    for _ in range(5):
        flow_run_id = await create_flow_run(writer)
        task_run_id = (await report_task_run(writer, flow_run_id, "extract-1")).run_id
        reports = [
            [LogLineReport(id=uuid4(), message="line", task_run_id=of_run) for of_run in (None, task_run_id)]
            for _ in range(MANY)
        ]
        calls: list[Coroutine[Any, Any, Any]] = [
            one.submit_one(ReportLogs(flow_run_id, lines), flow_run_id)
            for one, lines in zip(in_turn(writer, second_writer), reports, strict=True)
        ]
        calls.insert(MANY // 2, delete_flow_run(second_writer, flow_run_id))
        outcomes = await all_of(calls)
        assert {type(outcome) for outcome in outcomes if isinstance(outcome, ServiceError)} <= {FlowRunNotFound}
        assert await database.read(rows_of, tables.log) == []
        assert await findings_of(database) == []


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_flow_run_with_lines_on_their_way_is_deleted_after_them(
    database: Database, writer: Writer, second_writer: Writer
) -> None:
    flow_run_id = await create_flow_run(writer)
    report = ReportLogs(flow_run_id, [LogLineReport(id=uuid4(), message="line")])
    deletions: list[asyncio.Task[Any]] = []

    def record(connection: Connection) -> list[object]:
        def delete_it(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.startswith("INSERT INTO log "):
                deletions.append(asyncio.get_running_loop().create_task(delete_flow_run(second_writer, flow_run_id)))
                await_only(until_somebody_waits_for_a_lock(database))

        event.listen(connection, "before_cursor_execute", delete_it)
        return list(execute_commands(connection, [report]))

    assert await database.transact(record) == [1]
    await deletions[0]
    assert await database.read(rows_of, tables.log) == []


async def until_somebody_waits_for_a_lock(database: Database) -> None:
    """Waits until a connection of PostgreSQL waits for a row that another one has locked."""

    def is_waiting(connection: Connection) -> bool:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return bool(connection.exec_driver_sql(waiting).scalar_one())

    while not await database.read(is_waiting):  # noqa: ASYNC110 - PostgreSQL tells nobody
        await asyncio.sleep(0.01)


async def test_key_of_a_flow_run_that_is_being_deleted_makes_or_finds_one(
    database: Database, writer: Writer, second_writer: Writer
) -> None:
    calls = []
    for number in range(MANY):
        flow_run_id = await create_flow_run(writer, "etl", idempotency_key=f"k-{number}")
        calls += [
            delete_flow_run(writer, flow_run_id),
            ask_for_flow_run(second_writer, "etl", idempotency_key=f"k-{number}"),
        ]
    outcomes = await all_of(calls)
    assert not [outcome for outcome in outcomes if isinstance(outcome, ServiceError)]
    kept = {row.id for row in await database.read(rows_of, tables.flow_run)}
    assert {outcome.id for outcome in outcomes[1::2] if outcome.created} == kept


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_flow_run_that_is_deleted_while_it_is_looked_for_is_made_again(
    database: Database, writer: Writer, second_writer: Writer
) -> None:
    taken = await create_flow_run(writer, "etl", idempotency_key="k")
    item = flow_run_item("etl", idempotency_key="k")
    deleted: list[UUID] = []

    def create(connection: Connection) -> Any:
        def delete_it(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.startswith("INSERT INTO flow_run ") and not deleted:
                deleted.append(taken)
                await_only(delete_flow_run(second_writer, taken))

        event.listen(connection, "after_cursor_execute", delete_it)
        return execute_commands(connection, [item])

    assert await database.transact(create) == [CreatedFlowRun(item.id, created=True)]
    assert deleted == [taken]
    assert [row.id for row in await database.read(rows_of, tables.flow_run)] == [item.id]


async def test_folding_while_others_write_loses_no_count(
    database: Database, writer: Writer, second_writer: Writer
) -> None:
    flow_run_id = await create_flow_run(writer)
    writers = in_turn(writer, second_writer)
    calls: list[Any] = [
        report_task_run(one, flow_run_id, f"task-{number % 5}", state("Running" if number % 2 else "Pending"))
        for number, one in enumerate(writers)
    ]
    await all_of([*calls, *(database.transact(tally.fold) for _ in range(4))])
    assert await findings_of(database) == []
