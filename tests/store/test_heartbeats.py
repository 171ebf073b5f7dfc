"""Heartbeats: a flow run that stops sending them becomes Crashed with its task runs, until it is heard of again."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import Connection, select, update

from taskruns_service.commands import heartbeats
from taskruns_service.commands.heartbeats import ReportHeartbeat, Settled, UnbrokenWatch
from taskruns_service.domain.errors import FlowRunNotFound
from taskruns_service.domain.ids import new_id
from taskruns_service.domain.liveness import STALE_SECONDS, Liveness
from taskruns_service.domain.states import DIES_WITH_PROCESS, StateType
from taskruns_service.queries import integrity
from taskruns_service.queries.listings import FLOW_RUNS, ListQuery
from taskruns_service.queries.pages import read_page
from taskruns_service.queries.paging import FLOW_RUN_KEYS, Page, read_sort
from taskruns_service.storage import dialects, tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import (
    at,
    create_flow_run,
    get_flow_run,
    get_task_run,
    list_flow_run_states,
    list_states,
    opened,
    report_flow_run,
    report_state,
    report_task_run,
    state,
)

TIMEOUT = 60.0


async def beat(writer: Writer, flow_run_id: UUID) -> None:
    await writer.submit_one(ReportHeartbeat(flow_run_id), flow_run_id)


async def fall_silent(database: Database, flow_run_id: UUID, seconds: float = 2 * TIMEOUT) -> None:
    """Lets the last heartbeat have come some seconds earlier, by the database's clock."""
    moment = dialects.seconds_ago(seconds)
    await database.transact(
        lambda connection: connection.execute(
            update(tables.flow_run).where(tables.flow_run.c.id == flow_run_id).values(last_heartbeat=moment)
        )
    )


async def settle(database: Database, seconds: float | None = TIMEOUT) -> list[UUID]:
    """Settles all that there is; returns the flow runs that are Crashed now."""
    crashed: list[UUID] = []
    while (settled := await database.transact(heartbeats.settle, seconds)).has_more:
        crashed += settled.crashed
    assert not (await database.read(heartbeats.look, seconds)).has_work
    return [*crashed, *settled.crashed]


async def running_flow_run(writer: Writer, *task_runs: str) -> tuple[UUID, list[UUID]]:
    """A flow run that has sent a heartbeat, and its task runs, each in one of these states."""
    flow_run_id = await create_flow_run(writer)
    await report_flow_run(writer, flow_run_id, state("Running", 0, message="Running flow."))
    await beat(writer, flow_run_id)
    outcomes = [
        await report_task_run(writer, flow_run_id, f"t-{number}", state(type_, 1, message="Before."))
        for number, type_ in enumerate(task_runs)
    ]
    return flow_run_id, [outcome.run_id for outcome in outcomes]


def essence(run: Any) -> tuple[object, ...]:
    """What reports make of a run, whatever was said of it meanwhile."""
    names = ("state", "state_message", "state_timestamp", "run_count", "start_time", "end_time", "duration")
    return tuple(getattr(run, name) for name in names)


async def check(database: Database) -> None:
    """The runs are what their histories make, and all counts are right."""
    assert [finding async for finding in integrity.check(database)] == []


async def test_heartbeat_is_of_the_time_of_the_database_and_no_change(database: Database, writer: Writer) -> None:
    flow_run_id, _ = await running_flow_run(writer)
    first = await get_flow_run(database, flow_run_id)
    await beat(writer, flow_run_id)
    second = await get_flow_run(database, flow_run_id)
    assert first.last_heartbeat is not None
    assert second.last_heartbeat is not None
    assert first.last_heartbeat < second.last_heartbeat
    assert abs(second.last_heartbeat - datetime.now(UTC)) < timedelta(minutes=5)
    assert (second.sequence, second.version, second.updated) == (first.sequence, first.version, first.updated)


async def test_heartbeat_of_no_flow_run_is_refused(writer: Writer) -> None:
    with pytest.raises(FlowRunNotFound):
        await beat(writer, new_id())


@pytest.mark.parametrize("flow_run_state", ["Running", "Cancelling"])
async def test_silent_flow_run_becomes_crashed_with_what_its_process_ran(
    database: Database, writer: Writer, flow_run_state: str
) -> None:
    flow_run_id, task_run_ids = await running_flow_run(writer, *StateType)
    await report_flow_run(writer, flow_run_id, state(flow_run_state, 1))
    await fall_silent(database, flow_run_id)
    silent = await get_flow_run(database, flow_run_id)
    assert await settle(database) == [flow_run_id]
    found = await get_flow_run(database, flow_run_id)
    message = f"No heartbeat since {silent.last_heartbeat:%Y-%m-%d %H:%M:%S} UTC."
    assert (found.state, found.state_message, found.last_heartbeat) == ("Crashed", message, silent.last_heartbeat)
    assert found.end_time is not None
    assert silent.last_heartbeat is not None
    assert found.end_time == found.state_timestamp
    assert found.end_time > silent.last_heartbeat
    states = [(await get_task_run(database, task_run_id)).state for task_run_id in task_run_ids]
    assert states == ["Crashed" if type_ in DIES_WITH_PROCESS else type_ for type_ in StateType]
    assert found.task_run_counts["Crashed"] == len(DIES_WITH_PROCESS) + 1
    await check(database)
    assert await settle(database) == []


@pytest.mark.parametrize("type_", sorted(set(StateType) - {"Running", "Cancelling"}))
async def test_flow_run_that_is_not_running_stays(database: Database, writer: Writer, type_: str) -> None:
    flow_run_id, (task_run_id,) = await running_flow_run(writer, "Running")
    await report_flow_run(writer, flow_run_id, state(type_, 2))
    await fall_silent(database, flow_run_id)
    assert await settle(database) == []
    assert (await get_flow_run(database, flow_run_id)).state == type_
    assert (await get_task_run(database, task_run_id)).state == "Running"


async def test_flow_run_without_heartbeats_and_one_that_sends_them_stay(database: Database, writer: Writer) -> None:
    flow_run_id, _ = await running_flow_run(writer, "Running")
    other_id = await create_flow_run(writer)
    await report_flow_run(writer, other_id, state("Running", 0))
    assert await settle(database) == []
    assert await settle(database, None) == []
    await fall_silent(database, flow_run_id)
    assert await settle(database, None) == []
    assert [(await get_flow_run(database, each)).state for each in (flow_run_id, other_id)] == ["Running"] * 2


@pytest.mark.parametrize("type_", sorted(DIES_WITH_PROCESS))
async def test_heartbeat_brings_back_flow_run_and_task_runs(database: Database, writer: Writer, type_: str) -> None:
    flow_run_id, (task_run_id, ended_id) = await running_flow_run(writer, type_, "Success")
    runs = await get_flow_run(database, flow_run_id), await get_task_run(database, task_run_id)
    await fall_silent(database, flow_run_id)
    await settle(database)
    await beat(writer, flow_run_id)
    assert essence(await get_flow_run(database, flow_run_id)) == essence(runs[0])
    assert await settle(database) == []
    assert essence(await get_task_run(database, task_run_id)) == essence(runs[1])
    assert (await get_task_run(database, ended_id)).version == 1
    assert (await get_flow_run(database, flow_run_id)).task_run_counts == runs[0].task_run_counts
    await check(database)
    history = await list_states(database, task_run_id)
    assert [(past.type, past.is_late) for past in history] == [(type_, False), ("Crashed", True)]


async def test_task_run_that_reported_nothing_yet_comes_back(database: Database, writer: Writer) -> None:
    flow_run_id, _ = await running_flow_run(writer)
    task_run_id = (await report_task_run(writer, flow_run_id, "t")).run_id
    await fall_silent(database, flow_run_id)
    await settle(database)
    assert (await get_task_run(database, task_run_id)).state == "Crashed"
    await beat(writer, flow_run_id)
    await settle(database)
    found = await get_task_run(database, task_run_id)
    assert (found.state, found.state_timestamp, found.end_time) == ("Pending", None, None)
    await check(database)


# Clocks of clients: seconds after what the database says.
CLOCKS = {"right": 0.0, "a day late": -86_400.0, "a day early": 86_400.0}
GOES_ON = {
    "to the end": [("Success", 2)],
    "to a failure": [("Failed", 2)],
    "with a retry": [("Retrying", 2), ("Running", 3), ("Success", 4)],
    "running again": [("Running", 2)],
    "with a late state": [("Submitted", -1)],
}


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("name", GOES_ON)
async def test_run_that_reports_on_is_as_if_it_had_never_been_crashed(
    database: Database, writer: Writer, name: str, clock: str
) -> None:
    begin = (datetime.now(UTC) - at(0)).total_seconds() - 3600 + CLOCKS[clock]
    ends = []
    for is_interrupted in (False, True):
        flow_run_id = await create_flow_run(writer)
        await report_flow_run(writer, flow_run_id, state("Running", begin))
        await beat(writer, flow_run_id)
        task_run_id = (await report_task_run(writer, flow_run_id, "t", state("Running", begin))).run_id
        if is_interrupted:
            await fall_silent(database, flow_run_id)
            assert await settle(database) == [flow_run_id]
            crashed = await get_task_run(database, task_run_id)
            assert (crashed.state, crashed.duration is not None) == ("Crashed", True)
        for type_, seconds in GOES_ON[name]:
            await report_state(writer, task_run_id, state(type_, begin + seconds))
            await report_flow_run(writer, flow_run_id, state(type_, begin + seconds))
        await settle(database)
        runs = await get_task_run(database, task_run_id), await get_flow_run(database, flow_run_id)
        ends.append([*map(essence, runs), runs[1].task_run_counts])
        await check(database)
    assert ends[0] == ends[1]


async def test_report_without_a_timestamp_brings_a_run_back(database: Database, writer: Writer) -> None:
    flow_run_id, (task_run_id,) = await running_flow_run(writer, "Running")
    await fall_silent(database, flow_run_id)
    await settle(database)
    await report_state(writer, task_run_id, state("Success"))
    found = await get_task_run(database, task_run_id)
    assert (found.state, found.run_count) == ("Success", 1)
    await check(database)


async def test_late_reports_of_an_ended_process_leave_its_flow_run_crashed(database: Database, writer: Writer) -> None:
    """What another process found in its outbox: an end counts, and what runs for ever is Crashed once more."""
    flow_run_id, (first_id, second_id) = await running_flow_run(writer, "Running", "Pending")
    await fall_silent(database, flow_run_id)
    await settle(database)
    await report_state(writer, first_id, state("Success", 2))
    await report_state(writer, second_id, state("Running", 3))
    assert (await get_task_run(database, second_id)).state == "Running"
    await settle(database)
    assert [(await get_task_run(database, each)).state for each in (first_id, second_id)] == ["Success", "Crashed"]
    assert (await get_flow_run(database, flow_run_id)).state == "Crashed"
    await check(database)


async def test_flow_run_becomes_crashed_again_and_comes_back_again(database: Database, writer: Writer) -> None:
    flow_run_id, (task_run_id,) = await running_flow_run(writer, "Running")
    for _ in range(3):
        await fall_silent(database, flow_run_id)
        assert await settle(database) == [flow_run_id]
        await beat(writer, flow_run_id)
        await settle(database)
        assert (await get_task_run(database, task_run_id)).state == "Running"
    await check(database)
    assert [past.is_late for past in await list_flow_run_states(database, flow_run_id)] == [False, True, True, True]


async def test_heartbeat_in_the_middle_ends_the_crash(
    database: Database, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction settles a bounded number of task runs; the flow run is Crashed after the last of them."""
    monkeypatch.setattr(heartbeats, "SETTLE_BATCH_SIZE", 3)
    flow_run_id, task_run_ids = await running_flow_run(writer, *["Running"] * 8)
    await fall_silent(database, flow_run_id)
    counts = []
    for _ in range(2):
        assert await database.transact(heartbeats.settle, TIMEOUT) == Settled([], has_more=True)
        counts.append((await get_flow_run(database, flow_run_id)).task_run_counts)
    assert counts == [{"Running": 5, "Crashed": 3}, {"Running": 2, "Crashed": 6}]
    assert (await get_flow_run(database, flow_run_id)).state == "Running"
    await beat(writer, flow_run_id)
    assert await settle(database) == []
    assert {(await get_task_run(database, each)).state for each in task_run_ids} == {"Running"}
    await fall_silent(database, flow_run_id)
    assert await settle(database) == [flow_run_id]
    assert (await get_flow_run(database, flow_run_id)).task_run_counts == {"Crashed": 8}
    await check(database)


async def test_task_run_that_somebody_reported_as_crashed_stays_so(database: Database, writer: Writer) -> None:
    flow_run_id, (reported_id, silent_id) = await running_flow_run(writer, "Running", "Running")
    await report_state(writer, reported_id, state("Crashed", 2, message="The node is gone."))
    await fall_silent(database, flow_run_id)
    await settle(database)
    await beat(writer, flow_run_id)
    await settle(database)
    found = await get_task_run(database, reported_id)
    assert (found.state, found.state_message) == ("Crashed", "The node is gone.")
    assert (await get_task_run(database, silent_id)).state == "Running"


async def test_nothing_is_looked_at_but_what_sends_heartbeats(database: Database, writer: Writer) -> None:
    flow_run_id, _ = await running_flow_run(writer)
    await report_flow_run(writer, flow_run_id, state("Success", 1))
    await settle(database)

    def liveness(connection: Connection) -> list[Liveness | None]:
        return list(connection.scalars(select(tables.flow_run.c.liveness)))

    assert await database.read(liveness) == [None]


async def test_two_processes_settle_each_flow_run_once(database: Database, writer: Writer, database_url: str) -> None:
    """Both look at the same time: what one has locked the other leaves alone, or finds done."""
    flow_run_ids = [(await running_flow_run(writer, "Running", "Pending"))[0] for _ in range(20)]
    for flow_run_id in flow_run_ids:
        await fall_silent(database, flow_run_id)
    async with opened(database_url) as other:
        crashed = [
            *(each for settled in await all_at_once(database, other) for each in settled.crashed),
            *await settle(database),
        ]
    assert sorted(crashed) == sorted(flow_run_ids)
    for flow_run_id in flow_run_ids:
        history = await list_flow_run_states(database, flow_run_id)
        assert [past.type for past in history] == ["Running", "Crashed"]
    await check(database)


async def all_at_once(*databases: Database) -> list[Settled]:
    """Settles in several processes at the same time."""
    return await asyncio.gather(
        *(database.write(heartbeats.settle, TIMEOUT) for database in databases for _ in range(3))
    )


async def test_reports_and_heartbeats_meet_a_crash_in_any_order(
    database: Database, writer: Writer, second_writer: Writer
) -> None:
    """Whatever is first, the task runs end as their reports say, since each of them reports its end after the crash."""
    flow_run_id, task_run_ids = await running_flow_run(writer, *["Running"] * 30)
    await fall_silent(database, flow_run_id)
    reports = (
        report_state(each, task_run_id, state("Success", 9))
        for task_run_id, each in zip(task_run_ids, [writer, second_writer] * 15, strict=True)
    )
    await asyncio.gather(database.write(heartbeats.settle, TIMEOUT), *reports, beat(second_writer, flow_run_id))
    await beat(writer, flow_run_id)
    await settle(database)
    found = await get_flow_run(database, flow_run_id)
    assert (found.state, found.task_run_counts) == ("Running", {"Success": 30})
    await check(database)


async def test_stale_flow_runs_are_listed_before_they_are_crashed(database: Database, writer: Writer) -> None:
    stale_id, _ = await running_flow_run(writer)
    fresh_id, _ = await running_flow_run(writer)
    ended_id, _ = await running_flow_run(writer)
    await report_flow_run(writer, ended_id, state("Success", 5))
    without_id = await create_flow_run(writer)
    for flow_run_id in (stale_id, ended_id):
        await fall_silent(database, flow_run_id, STALE_SECONDS + 1)
    await fall_silent(database, fresh_id, STALE_SECONDS - 30)

    async def listed(*, is_stale: bool) -> set[UUID]:
        orders = read_sort("created", FLOW_RUN_KEYS, tables.flow_run.c.id, across_flow_runs=True)
        query = ListQuery(FLOW_RUNS, {"is_stale": is_stale}, Page(orders=orders, limit=100), ("id",))
        page = await database.read(read_page, query)
        return {UUID(item["id"]) for item in msgspec.json.decode(page.items)}

    assert await listed(is_stale=True) == {stale_id}
    assert await listed(is_stale=False) == {fresh_id, ended_id, without_id}


async def test_looks_read_the_index_of_flow_runs_with_heartbeats(database: Database, writer: Writer) -> None:
    await running_flow_run(writer)

    def plan(connection: Connection) -> str:
        statement = heartbeats.flow_runs_to_settle(TIMEOUT)
        text = statement.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        if connection.dialect.name == "sqlite":
            return str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all())
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # of a table that fits into a page
        return str(connection.exec_driver_sql(f"EXPLAIN {text}").all())

    assert "ix_flow_run_liveness" in await database.transact(plan)


async def test_silent_flow_run_of_an_import_stays(database: Database, writer: Writer) -> None:
    """Its current state is not in its history, so that it could not come back to that."""
    flow_run_id, _ = await running_flow_run(writer)
    flow_run = tables.flow_run
    await database.transact(
        lambda connection: connection.execute(
            update(flow_run).where(flow_run.c.id == flow_run_id).values(state_id=None)
        )
    )
    await fall_silent(database, flow_run_id)
    assert await settle(database) == []


def test_watch_is_unbroken_after_its_time_without_a_gap() -> None:
    watch = UnbrokenWatch(60)
    moments = [0, 30, 59, 60, 89, 150, 180, 210, 205, 235, 265]
    assert [watch.is_unbroken(at(seconds)) for seconds in moments] == [
        *(False, False, False, True, True),
        *(False, False, True),  # a gap of 61 seconds
        *(False, False, True),  # a clock that was set back
    ]
