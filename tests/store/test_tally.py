"""The tally: whatever happens, the counts that are kept are what counting gives, and a drift is found."""

from collections import Counter
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from taskruns_service.commands.flow_runs import DeleteFlowRun
from taskruns_service.domain.errors import TerminalState
from taskruns_service.domain.ids import new_id
from taskruns_service.domain.states import StateType
from taskruns_service.queries import aggregates
from taskruns_service.queries.aggregations import FLOW_RUNS, AggregateQuestion
from taskruns_service.storage import tables, tally
from taskruns_service.storage.command import execute_commands
from taskruns_service.storage.database import Database
from taskruns_service.storage.tally import Drift
from taskruns_service.storage.writer import Writer
from tests.store.factories import (
    create_flow_run,
    delete_flow_run,
    findings_of,
    flow_run_item,
    report_flow_run,
    report_task_run,
    report_task_runs,
    rows_of,
    run_on,
    state,
    task_run_item,
)

FLOWS = ("etl", "report")
SLUGS = ("extract-1", "load-1")
few = st.integers(0, 3)
reports = st.tuples(few, st.sampled_from(SLUGS), few, st.sampled_from(StateType), st.none() | few, st.booleans())
operations = st.lists(
    st.one_of(
        st.tuples(st.just("create"), st.sampled_from(FLOWS)),
        st.tuples(st.just("report"), st.lists(reports, min_size=1, max_size=6)),
        st.tuples(st.just("repeat"), few),
        st.tuples(st.just("set state"), few, st.sampled_from(StateType), st.none() | few),
        st.tuples(st.just("delete"), few),
        st.tuples(st.just("fold")),
    ),
    max_size=12,
)


def recount(connection: Connection) -> Counter[tuple[str, str, str]]:
    """What the task runs are, counted one by one."""
    flow_names = {row.id: row.name for row in rows_of(connection, tables.flow)}
    return Counter((flow_names[row.flow_id], row.task_slug, row.state) for row in rows_of(connection, tables.task_run))


def recount_flow_runs(connection: Connection) -> Counter[tuple[str, str]]:
    """The same of the flow runs."""
    flow_names = {row.id: row.name for row in rows_of(connection, tables.flow)}
    return Counter((flow_names[row.flow_id], row.state) for row in rows_of(connection, tables.flow_run))


async def check(database: Database) -> None:
    """Compares all counts that are kept with the rows."""
    assert await findings_of(database) == []
    question = AggregateQuestion(where={}, group_by=("flow_name", "task_slug", "state"))
    found = await database.read_snapshot(aggregates.aggregate, question)
    rows = await database.read_snapshot(recount)
    kept = {(one.key.flow_name, one.key.task_slug, one.key.state): one.count for one in found.groups or []}
    assert (kept, found.count) == (dict(rows), rows.total())
    question = AggregateQuestion(aggregation=FLOW_RUNS, where={}, group_by=("flow_name", "state"))
    found = await database.read_snapshot(aggregates.aggregate, question)
    flow_runs = await database.read_snapshot(recount_flow_runs)
    kept_flow_runs = {(group.key.flow_name, group.key.state): group.count for group in found.groups or []}
    assert (kept_flow_runs, found.count) == (dict(flow_runs), flow_runs.total())


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(operations)
async def test_kept_counts_are_what_counting_gives(database: Database, writer: Writer, steps: list[Any]) -> None:
    flow_runs = [await create_flow_run(writer)]
    sent: list[Any] = []
    for verb, *arguments in steps:
        if verb == "create":
            flow_runs.append(await create_flow_run(writer, arguments[0]))
        elif verb == "report":
            sent.append([report_of(flow_runs, one) for one in arguments[0]])
            await report_task_runs(writer, sent[-1])
        elif verb == "repeat" and sent:
            await report_task_runs(writer, sent[arguments[0] % len(sent)])
        elif verb == "set state":
            number, type_, seconds = arguments
            with suppress(TerminalState):
                await report_flow_run(writer, flow_runs[number % len(flow_runs)], state(type_, seconds))
        elif verb == "delete" and len(flow_runs) > 1:
            await delete_flow_run(writer, flow_runs.pop(arguments[0] % len(flow_runs)))
        elif verb == "fold":
            await database.transact(tally.fold)
    await check(database)


def report_of(flow_runs: list[Any], drawn: tuple[Any, ...]) -> Any:
    which, slug, map_index, type_, seconds, force = drawn
    report = state(type_, seconds, force=force)
    return task_run_item(flow_runs[which % len(flow_runs)], slug, report, map_index=map_index)


async def test_batch_that_creates_changes_and_deletes_leaves_no_count(database: Database) -> None:
    item = flow_run_item(id=new_id())
    reports_ = [task_run_item(item.id, slug, state("Running", 1), state("Success", 2)) for slug in SLUGS]
    await database.transact(execute_commands, [item, *reports_, DeleteFlowRun(item.id)])
    assert await database.read(rows_of, tables.task_run) == []
    await check(database)


# Folding


async def test_folding_changes_no_count_and_leaves_nothing_to_fold(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    for slug in SLUGS:
        await report_task_run(writer, flow_run_id, slug, state("Running", 1))
        await report_task_run(writer, flow_run_id, slug, state("Success", 2))
    await database.transact(tally.fold)
    for deltas in (tables.task_run_tally_delta, tables.flow_run_tally_delta):
        assert await database.read(rows_of, deltas) == []
    assert await database.transact(tally.fold) == 0
    tallied = {
        (row["task_slug"], row["state"]): row["count"]
        for row in (row._mapping for row in await database.read(rows_of, tables.task_run_tally))
        if row["count"]
    }
    assert tallied == {(slug, "Success"): 1 for slug in SLUGS}
    await check(database)


async def test_drift_is_found(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    await report_task_run(writer, flow_run_id, "extract-1", state("Success", 1))
    await database.transact(tally.fold)
    assert await database.read_snapshot(tally.check) == []
    table = tables.task_run_tally
    await database.transact(run_on, table.update().where(table.c.state == "Success").values(count=7))
    (flow,) = await database.read(rows_of, tables.flow)
    assert await database.read_snapshot(tally.check) == [Drift(f"{flow.id} extract-1 Success", 1, 7)]


async def test_drift_of_flow_runs_is_found(database: Database, writer: Writer) -> None:
    await create_flow_run(writer)
    await database.transact(tally.fold)
    table = tables.flow_run_tally
    await database.transact(run_on, table.update().where(table.c.state == "Pending").values(count=7))
    (flow,) = await database.read(rows_of, tables.flow)
    assert await database.read_snapshot(tally.check) == [Drift(f"{flow.id} Pending", 1, 7)]


async def test_flow_run_that_is_created_again_is_counted_once(database: Database, writer: Writer) -> None:
    item = flow_run_item(id=new_id(), idempotency_key="today")
    await writer.submit([item, item], [item.id, item.id])
    await create_flow_run(writer, idempotency_key="today")
    await check(database)
