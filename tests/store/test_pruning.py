"""Pruning: what is old goes with all that belongs to it, the rest stays, and the counts are right at every moment."""

import asyncio
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from taskruns_service.commands.flow_runs import DeleteFlowRun
from taskruns_service.commands.pruning import (
    Old,
    Pruned,
    PrunedLogs,
    count_old,
    count_old_lines,
    prune_batch,
    prune_log_batch,
)
from taskruns_service.domain.errors import FlowRunNotFound, VersionConflict
from taskruns_service.prefect1.commands.engine_states import beat_flow_run
from taskruns_service.prefect1.commands.logs_and_artifacts import LogLine, create_artifact, read_lines, write_logs
from taskruns_service.storage import tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import (
    BEGIN,
    at,
    create_flow_run,
    findings_of,
    report_flow_run,
    report_task_run,
    rows_of,
    run_on,
    state,
)

DAY = timedelta(days=1).total_seconds()
OLD = Old(BEGIN + timedelta(days=10))
UNFINISHED = Old(BEGIN + timedelta(days=10), unfinished=True)


async def create_ended(writer: Writer, day: float, task_runs: int = 3) -> UUID:
    """Creates a flow run that ended on a day, with some task runs."""
    flow_run_id = await create_flow_run(writer)
    for number in range(task_runs):
        await report_task_run(writer, flow_run_id, f"task-{number}", state("Running", 1), state("Success", 2))
    await report_flow_run(writer, flow_run_id, state("Success", day * DAY))
    return flow_run_id


async def prune(database: Database, old: Old, batch: int) -> list[Pruned]:
    """All batches, as the command does them."""
    parts = []
    while (part := await database.transact(prune_batch, old, batch)).flow_runs:
        parts.append(part)
        assert await findings_of(database) == []
    return parts


async def left(database: Database) -> set[UUID]:
    """The flow runs that are there."""
    return {row.id for row in await database.read(rows_of, tables.flow_run)}


async def test_runs_that_ended_before_are_deleted_and_the_rest_stays(database: Database, writer: Writer) -> None:
    ended = [await create_ended(writer, day) for day in (1, 5, 9, 11)]
    running = await create_flow_run(writer)
    await report_task_run(writer, running, "task-0", state("Running", 1))
    assert await database.read_snapshot(count_old, OLD) == (3, 9)
    # The oldest go first, and one at least in each batch, however many task runs it has.
    assert await prune(database, OLD, 7) == [(2, 6), (1, 3)]
    assert await left(database) == {ended[3], running}
    kept = {row.id for row in await database.read(rows_of, tables.task_run)}
    assert len(kept) == 4
    assert {row.task_run_id for row in await database.read(rows_of, tables.task_run_state)} == kept
    assert {row.flow_run_id for row in await database.read(rows_of, tables.flow_run_state)} == {ended[3]}
    assert await prune(database, OLD, 1) == []


async def test_logs_and_artifacts_go_as_well(database: Database, writer: Writer) -> None:
    old, young = [await create_ended(writer, day) for day in (1, 11)]
    for task_run in await database.read(rows_of, tables.task_run):
        line = LogLine(flow_run_id=task_run.flow_run_id, task_run_id=task_run.id, timestamp=at(1), message="Hello.")
        await database.transact(write_logs, read_lines([line]))
        await database.transact(create_artifact, task_run.id, "link", {"link": "https://example.com"})
    assert await prune(database, OLD, 10) == [(1, 3)]
    assert {row.flow_run_id for row in await database.read(rows_of, tables.log)} == {young}
    kept = {row.id for row in await database.read(rows_of, tables.task_run)}
    artifacts = await database.read(rows_of, tables.task_run_artifact)
    assert (len(artifacts), {row.task_run_id for row in artifacts}) == (3, kept)
    assert old not in await left(database)


async def test_lines_of_logs_go_alone_a_batch_at_a_time(database: Database, writer: Writer) -> None:
    flow_run_ids = [await create_flow_run(writer) for _ in range(3)]
    lines = [
        LogLine(flow_run_id=flow_run_id, timestamp=at(day * DAY), message=str(day))
        for flow_run_id in flow_run_ids[:2]
        for day in (1, 5, 9, 11)
    ]
    await database.transact(write_logs, read_lines(lines))
    assert await database.read_snapshot(count_old_lines, OLD.before) == 6
    part, counts = PrunedLogs(), []
    while part.last is not None:
        part = await database.transact(prune_log_batch, OLD.before, part.last, 4)
        counts.append(part.lines)
    assert counts == [4, 2, 0]
    kept = {(row.flow_run_id, row.message) for row in await database.read(rows_of, tables.log)}
    assert kept == {(flow_run_id, "11") for flow_run_id in flow_run_ids[:2]}
    assert await left(database) == set(flow_run_ids)


async def test_flow_run_that_is_deleted_twice_at_once_is_deleted_once(database: Database, writer: Writer) -> None:
    flow_run_ids = [await create_ended(writer, 1) for _ in range(3)]
    first, second, _ = flow_run_ids
    items = [DeleteFlowRun(first), DeleteFlowRun(first), DeleteFlowRun(second, expected_sequence=0)]
    outcomes = await writer.submit(items, [item.flow_run_id for item in items])
    assert [type(outcome) for outcome in outcomes] == [type(None), FlowRunNotFound, VersionConflict]
    assert await left(database) == set(flow_run_ids[1:])
    assert await findings_of(database) == []


async def test_unfinished_flow_runs_go_only_where_they_are_asked_for(database: Database, writer: Writer) -> None:
    forgotten, waiting, ended = [await create_flow_run(writer) for _ in range(3)]
    await report_flow_run(writer, ended, state("Success", 0))
    old = tables.flow_run.c.id.in_([forgotten, ended])
    made_then = tables.flow_run.update().where(old).values(created=at(0), updated=at(0))
    await database.transact(run_on, made_then)
    assert await database.read_snapshot(count_old, UNFINISHED) == (1, 0)
    assert await prune(database, OLD, 10) == [(1, 0)]
    assert await left(database) == {forgotten, waiting}
    assert await prune(database, UNFINISHED, 10) == [(1, 0)]
    assert await left(database) == {waiting}


async def test_unfinished_flow_run_that_sends_heartbeats_is_kept(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    await database.transact(run_on, tables.flow_run.update().values(created=at(0), updated=at(0)))
    assert await database.transact(beat_flow_run, flow_run_id)
    assert await prune(database, UNFINISHED, 10) == []
    assert await left(database) == {flow_run_id}


async def test_flow_run_that_runs_again_is_kept(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    await report_flow_run(writer, flow_run_id, state("Failed", 0))
    await report_flow_run(writer, flow_run_id, state("Running", 1))
    assert await prune(database, OLD, 10) == []
    assert await left(database) == {flow_run_id}


async def test_pruning_while_others_write_keeps_the_counts(
    database: Database, writer: Writer, second_writer: Writer
) -> None:
    ended = [await create_ended(writer, 1) for _ in range(8)]

    async def report(number: int) -> None:
        flow_run_id = await create_flow_run(second_writer)
        await report_task_run(second_writer, flow_run_id, f"task-{number % 3}", state("Running", number))
        # Late reports to what is going, which they meet or miss.
        await asyncio.gather(
            report_task_run(writer, ended[number % 8], "task-9", state("Running", number)), return_exceptions=True
        )

    async def prune_all() -> None:
        while (await database.transact(prune_batch, OLD, 5)).flow_runs or await left(database) & set(ended):
            pass

    await asyncio.gather(prune_all(), *(report(number) for number in range(24)))
    assert not await left(database) & set(ended)
    of_task_runs = select(tables.task_run.c.flow_run_id)
    assert {row[0] for row in await database.read(lambda one: one.execute(of_task_runs).all())} <= await left(database)
    assert await findings_of(database) == []
