"""Maps: a mapped parent is shown, found, sorted and measured with the times of its children, as they change."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import Row

from taskruns_service import schemas
from taskruns_service.commands.flow_runs import DeleteFlowRun
from taskruns_service.commands.reports import ReportOutcome
from taskruns_service.domain.errors import ServiceError
from taskruns_service.domain.states import StateType
from taskruns_service.prefect1.commands.engine_states import CancelFlowRun, ForceTaskRunState
from taskruns_service.queries import aggregates
from taskruns_service.queries.aggregations import AggregateQuestion
from taskruns_service.queries.filters import TASK_RUN_FILTERS
from taskruns_service.queries.listings import TASK_RUNS, ListQuery
from taskruns_service.queries.pages import read_page
from taskruns_service.queries.paging import TASK_RUN_KEYS, Page, read_sort
from taskruns_service.storage import tables
from taskruns_service.storage.command import Command
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import (
    at,
    create_flow_run,
    findings_of,
    get_task_run,
    insert_rows,
    report_state,
    report_task_run,
    report_task_runs,
    rows_of,
    run_on,
    state,
    statements_seen,
    task_run_item,
    update_task_run,
)

TIMES = ("start_time", "end_time", "duration", "run_time", "queue_time")
FILTERS = [one.name for one in TASK_RUN_FILTERS if one.name.startswith(TIMES)]


def seconds(start: Any, end: Any) -> float | None:
    return None if start is None or end is None else max(0.0, (end - start).total_seconds())


def is_parent(row: Row[Any]) -> bool:
    return bool(row.state == "Mapped" and row.map_index == -1)


def expected(parent: Row[Any], rows: Sequence[Row[Any]]) -> tuple[Any, ...]:
    """The times that a mapped parent should have."""
    children = [
        row
        for row in rows
        if (row.flow_run_id, row.task_slug) == (parent.flow_run_id, parent.task_slug) and row.map_index >= 0
    ]
    start = min((row.start_time for row in children if row.start_time), default=None)
    has_ended = all(row.end_time for row in children)
    end = max((row.end_time for row in children), default=None) if has_ended else None
    run_times = [row.run_time for row in children if row.run_time is not None]
    run_time = round(sum(run_times), 6) if has_ended and run_times else None
    return start, end, seconds(start, end), run_time, seconds(parent.first_timestamp, start)


async def check(database: Database) -> list[Row[Any]]:
    """All task runs; every mapped parent among them has the times of its children."""
    rows = await database.read(rows_of, tables.task_run)
    for row in rows:
        if is_parent(row):
            kept = (row.start_time, row.end_time, row.duration, row.run_time, row.queue_time)
            assert kept == expected(row, rows)
    assert await findings_of(database) == []
    return rows


async def mapped(writer: Writer, *children: Sequence[tuple[str, float]], **members: Any) -> tuple[UUID, UUID]:
    """A flow run with a mapped parent and its children; the ids of both."""
    flow_run_id = members.get("flow_run_id") or await create_flow_run(writer)
    slug = members.get("slug", "map-1")
    parent = await report_task_run(writer, flow_run_id, slug, state("Pending", 0), state("Mapped", 1))
    items = [
        task_run_item(flow_run_id, slug, *(state(*report) for report in reports), map_index=index)
        for index, reports in enumerate(children)
    ]
    if items:
        await report_task_runs(writer, items)
    return flow_run_id, parent.run_id


TYPES = ("Pending", "Running", "Running", "Success", "Success", "Failed", "Retrying", "Cancelled", "Skipped")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
async def test_parents_keep_up_with_whatever_happens(database: Database, writer: Writer, seed: int) -> None:
    """Children that come in any order, end, start again and are reported late, alone and many at a time."""
    chance = random.Random(seed)
    flow_runs = [await create_flow_run(writer) for _ in range(2)]
    ids: list[UUID] = []
    for _ in range(25):
        items: list[Command[ReportOutcome]] = []
        for _ in range(chance.choice((1, 1, 3, 8))):
            slug, index = chance.choice(("a-1", "b-1")), chance.randrange(-1, 4)
            types = ("Pending", "Running", "Mapped", "Mapped", "Success") if index < 0 else TYPES
            report = state(chance.choice(types), chance.randrange(30), force=chance.random() < 0.1)
            if ids and chance.random() < 0.5:
                items.append(ForceTaskRunState(task_run_id=chance.choice(ids), report=report))
            else:
                items.append(task_run_item(chance.choice(flow_runs), slug, report, map_index=index))
        outcomes = await writer.submit(items, [chance.choice(flow_runs) for _ in items])
        ids += [outcome.run_id for outcome in outcomes if not isinstance(outcome, ServiceError)]
        await check(database)


async def test_child_that_starts_again_opens_its_parent(database: Database, writer: Writer) -> None:
    """The child that ended last starts again, and ends before the others did: its clock is another one."""
    flow_run_id, parent = await mapped(writer, [("Running", 2), ("Success", 5)], [("Running", 3), ("Failed", 9)])
    assert (await get_task_run(database, parent)).end_time == at(9)
    child = await report_task_run(writer, flow_run_id, "map-1", map_index=1)
    await report_state(writer, child.run_id, state("Retrying", 10))
    assert (await get_task_run(database, parent)).end_time is None
    await report_state(writer, child.run_id, state("Running", 11))
    await report_state(writer, child.run_id, state("Success", 12))
    assert (await get_task_run(database, parent)).end_time == at(12)
    await report_state(writer, child.run_id, state("Cancelled", 4, force=True))
    await check(database)


async def test_children_may_come_before_their_parent(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    child = await report_task_run(writer, flow_run_id, "map-1", state("Running", 2), map_index=0)
    parent = await report_task_run(writer, flow_run_id, "map-1", state("Pending", 0))
    await report_state(writer, child.run_id, state("Success", 7))
    assert (await get_task_run(database, parent.run_id)).end_time is None
    await report_state(writer, parent.run_id, state("Mapped", 1))
    found = await get_task_run(database, parent.run_id)
    assert tuple(getattr(found, name) for name in TIMES) == (at(2), at(7), 5.0, 5.0, 2.0)


async def test_parent_that_is_mapped_no_more_has_its_own_times(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    parent = await report_task_run(writer, flow_run_id, "map-1", state("Running", 1), state("Mapped", 2))
    await report_task_run(writer, flow_run_id, "map-1", state("Running", 3), state("Success", 8), map_index=0)
    assert (await get_task_run(database, parent.run_id)).start_time == at(3)
    await report_state(writer, parent.run_id, state("Failed", 9, force=True))
    found = await get_task_run(database, parent.run_id)
    assert tuple(getattr(found, name) for name in TIMES) == (at(1), at(9), 8.0, 8.0, 0.0)
    await check(database)


async def test_cancelled_flow_run_ends_its_maps(database: Database, writer: Writer) -> None:
    flow_run_id, parent = await mapped(writer, [("Running", 2)], [("Running", 3), ("Success", 5)])
    await writer.submit_one(CancelFlowRun(flow_run_id), flow_run_id)
    assert (await get_task_run(database, parent)).end_time is not None
    await check(database)


async def test_parent_takes_a_sequence_only_when_it_is_shown_otherwise(database: Database, writer: Writer) -> None:
    flow_run_id, parent = await mapped(writer, [("Running", 2)], [("Running", 3)])
    before = await get_task_run(database, parent)
    first, last = [await report_task_run(writer, flow_run_id, "map-1", map_index=index) for index in (0, 1)]
    await report_state(writer, first.run_id, state("Success", 5))
    assert await get_task_run(database, parent) == before
    await report_state(writer, last.run_id, state("Success", 6))
    found = await get_task_run(database, parent)
    assert (found.end_time, found.version) == (at(6), before.version)
    rows = await database.read(rows_of, tables.task_run)
    assert found.sequence == max(row.sequence for row in rows)


@pytest.mark.parametrize("existed", [False, True])
async def test_parent_that_is_mapped_with_its_children_takes_no_sequence_for_their_times(
    database: Database, writer: Writer, *, existed: bool
) -> None:
    flow_run_id = await create_flow_run(writer)
    if existed:
        await report_task_run(writer, flow_run_id, "map-1", state("Pending", 0))
    (before,) = await database.read(rows_of, tables.flow_run)
    parent, child = [state("Mapped", 1)], [state("Running", 2), state("Success", 3)]
    await report_task_runs(
        writer,
        [
            task_run_item(flow_run_id, "map-1", *parent),
            task_run_item(flow_run_id, "map-1", *child, map_index=0),
        ],
    )
    (after,) = await database.read(rows_of, tables.flow_run)
    created = 1 if existed else 2
    assert after.sequence - before.sequence == created + len(parent + child)
    await check(database)


async def test_parent_that_is_renamed_keeps_the_times_of_its_children(database: Database, writer: Writer) -> None:
    _, parent = await mapped(writer, [("Running", 2), ("Success", 5)])
    await update_task_run(writer, parent, name="new")
    assert (await get_task_run(database, parent)).end_time == at(5)
    await check(database)


async def test_children_that_end_at_the_same_time_end_their_parent(
    database: Database, writer: Writer, second_writer: Writer
) -> None:
    flow_run_id, parent = await mapped(writer, *[[("Running", 2)]] * 20)
    items = [task_run_item(flow_run_id, "map-1", state("Success", 5 + index), map_index=index) for index in range(20)]
    await asyncio.gather(
        *((writer, second_writer)[number % 2].submit_one(item, flow_run_id) for number, item in enumerate(items))
    )
    assert (await get_task_run(database, parent)).end_time == at(24)
    await check(database)


async def test_report_of_a_child_takes_no_more_statements_than_that_of_another_task_run(
    database: Database, writer: Writer
) -> None:
    """It touches the map only: its parent is neither read nor written."""
    flow_run_id, _ = await mapped(writer, [("Running", 2)], [("Running", 3)], [("Pending", 3)])
    await report_task_run(writer, flow_run_id, "plain", state("Running", 2))
    parent, *_ = await database.read(rows_of, tables.task_run)
    statements: dict[int, list[str]] = {}
    for index, slug in ((-1, "plain"), (0, "map-1")):
        with statements_seen() as statements[index]:
            await report_task_run(writer, flow_run_id, slug, state("Success", 5), map_index=index)
    others = [text for text in statements[0] if not text.startswith("UPDATE task_run_map ")]
    assert len(others) == len(statements[-1])
    with statements_seen() as seen:
        await report_task_run(writer, flow_run_id, "map-1", state("Running", 3), map_index=2)
    assert len(seen) == len(statements[0])
    assert (await database.read(rows_of, tables.task_run))[0] == parent


async def test_child_that_starts_later_leaves_the_map_as_it_is(database: Database, writer: Writer) -> None:
    """Nothing is written for it: who writes the row notes the start before."""
    flow_run_id, _ = await mapped(writer, [("Pending", 1)], [("Pending", 1)])
    starts = []
    for index, seconds in ((0, 2), (1, 3)):
        await report_task_run(writer, flow_run_id, "map-1", state("Running", seconds), map_index=index)
        starts += [
            (row.start_time, row.previous_start_time) for row in await database.read(rows_of, tables.task_run_map)
        ]
    assert starts == [(at(2), None)] * 2
    await check(database)


async def test_parent_has_the_run_time_of_its_children_once_all_have_ended(database: Database, writer: Writer) -> None:
    retried = [("Running", 2), ("Retrying", 3.5), ("Running", 60), ("Success", 64)]
    flow_run_id, parent = await mapped(writer, [("Running", 2), ("Success", 5.25)], retried[:3])
    assert (await get_task_run(database, parent)).run_time is None
    await report_task_run(writer, flow_run_id, "map-1", state("Success", 64), map_index=1)
    assert (await get_task_run(database, parent)).run_time == 3.25 + 1.5 + 4
    # A late pause changes neither the start nor the end of the child.
    await report_task_run(writer, flow_run_id, "map-1", state("Paused", 62), map_index=1)
    found = await get_task_run(database, parent)
    assert (found.end_time, found.run_time) == (at(64), 3.25 + 1.5 + 2)
    await check(database)


async def test_batch_of_children_of_several_maps_changes_each_of_them(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    slugs = [f"map-{number}" for number in range(3)]
    for slug in slugs:
        await mapped(writer, [("Running", 2)], [("Running", 3)], flow_run_id=flow_run_id, slug=slug)
    items = [task_run_item(flow_run_id, slug, state("Success", 5), map_index=0) for slug in slugs]
    items.append(task_run_item(flow_run_id, slugs[0], state("Success", 6), map_index=1))
    await report_task_runs(writer, items)
    kept = {row.task_slug: row.open_children for row in await database.read(rows_of, tables.task_run_map)}
    assert kept == {"map-0": 0, "map-1": 1, "map-2": 1}
    await check(database)


async def test_map_that_keeps_something_else_than_its_children_is_found(database: Database, writer: Writer) -> None:
    flow_run_id, parent = await mapped(writer, [("Running", 2)], [("Running", 3)])
    kept = tables.task_run_map
    found = f"open of the children of task run {parent}: counted 2, kept"
    await database.transact(run_on, kept.update().values(open_children=1))
    assert await findings_of(database, flow_run_id) == [f"{found} 1"]
    await database.transact(run_on, kept.delete())
    assert await findings_of(database, flow_run_id) == [f"{found} None"]
    row = {"flow_run_id": UUID(int=1), "task_slug": "a", "open_children": 0, "is_exact": True}
    await database.transact(insert_rows, kept, [row])
    assert f"task run map {UUID(int=1)} a: there is no flow run {UUID(int=1)}" in await findings_of(database)


async def test_deleted_flow_run_takes_its_maps_along(database: Database, writer: Writer) -> None:
    flow_run_id, _ = await mapped(writer, [("Running", 2)])
    other, _ = await mapped(writer, [("Running", 2)])
    await writer.submit_one(DeleteFlowRun(flow_run_id), flow_run_id)
    assert [row.flow_run_id for row in await database.read(rows_of, tables.task_run_map)] == [other]


# Questions


@pytest.fixture
async def shown(database: Database, writer: Writer) -> list[schemas.TaskRun]:
    """The task runs of a flow run with maps that have ended, are running, wait and have no children."""
    flow_run_id, _ = await mapped(writer, [("Running", 2), ("Success", 40)], [("Running", 4), ("Success", 62)])
    maps: dict[str, list[list[tuple[str, float]]]] = {
        "running": [[("Running", 3), ("Success", 5)], [("Running", 2.5)]],
        "waiting": [[("Pending", 6)]],
        "empty": [],
        "skipped": [[("Skipped", 7)]],
    }
    for slug, children in maps.items():
        await mapped(writer, *children, flow_run_id=flow_run_id, slug=slug)
    await report_task_run(writer, flow_run_id, "plain", state("Running", 10), state("Success", 45))
    return await listed(database, flow_run_id)


async def listed(database: Database, flow_run_id: UUID, sort: str = "created", **where: Any) -> list[schemas.TaskRun]:
    page = Page(orders=read_sort(sort, TASK_RUN_KEYS, tables.task_run.c.id, across_flow_runs=False), limit=1000)
    found = await database.read(read_page, ListQuery(TASK_RUNS, {"flow_run_id": [flow_run_id], **where}, page))
    return msgspec.json.decode(found.items, type=list[schemas.TaskRun])


def meets(value: Any, name: str, wanted: Any) -> bool:
    """Whether what is shown meets a filter."""
    operator = name.rpartition("_")[2]
    if operator == "null":
        return (value is None) is bool(wanted)
    comparisons = {"gte": "__ge__", "gt": "__gt__", "lte": "__le__", "lt": "__lt__"}
    return value is not None and bool(getattr(value, comparisons[operator])(wanted))


@pytest.mark.parametrize("name", FILTERS)
async def test_filter_finds_what_is_shown(database: Database, shown: list[schemas.TaskRun], name: str) -> None:
    field = next(one for one in TIMES if name.startswith(one))
    values: list[Any] = [True, False] if name.endswith("_is_null") else [at(2), at(5), at(62), at(70)]
    if field in ("duration", "run_time", "queue_time"):
        values = [0, 2.0, 35.0, 60.0, 61.0]
    for wanted in values:
        found = await listed(database, shown[0].flow_run_id, **{name: wanted})
        assert found == [run for run in shown if meets(getattr(run, field), name, wanted)]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("field", TIMES)
async def test_sort_is_by_what_is_shown(
    database: Database, shown: list[schemas.TaskRun], field: str, descending: bool
) -> None:
    found = await listed(database, shown[0].flow_run_id, f"{'-' * descending}{field}")
    values = [getattr(run, field) for run in found]
    present = [value for value in values if value is not None]
    assert present == sorted(present, reverse=descending) == values[: len(present)]
    assert {run.id for run in found} == {run.id for run in shown}


async def test_measures_are_of_what_is_shown(database: Database, shown: list[schemas.TaskRun]) -> None:
    names = (
        *("sum_duration", "max_duration", "p50_duration", "sum_run_time", "sum_queue_time"),
        *("first_start_time", "last_end_time"),
    )
    question = AggregateQuestion(
        where={"flow_run_id": [shown[0].flow_run_id], "is_mapped_parent": True}, measures=names, group_by=["task_slug"]
    )
    found = await database.read_snapshot(aggregates.aggregate, question)
    parents = {run.task_slug: run for run in shown if run.state is StateType.Mapped}
    assert found.measures.max_duration == parents["map-1"].duration == 60.0
    for group in found.groups or ():
        parent, measures = parents[str(group.key.task_slug)], group.measures
        assert (measures.sum_duration, measures.p50_duration) == (parent.duration, parent.duration)
        assert (measures.sum_run_time, measures.sum_queue_time) == (parent.run_time, parent.queue_time)
        assert measures.first_start_time == parent.start_time
        assert measures.last_end_time == parent.end_time


async def test_page_goes_on_after_a_parent(database: Database, shown: list[schemas.TaskRun]) -> None:
    """The cursor has what is shown, too."""
    orders = read_sort("-end_time", TASK_RUN_KEYS, tables.task_run.c.id, across_flow_runs=True)
    found: list[UUID] = []
    after = None
    with suppress(StopIteration):
        while True:
            page = Page(orders=orders, limit=1, after=after)
            part = await database.read(read_page, ListQuery(TASK_RUNS, {}, page))
            (run,) = msgspec.json.decode(part.items, type=list[schemas.TaskRun])
            found.append(run.id)
            if part.next_cursor is None:
                break
            after = (run.end_time, run.id)
    assert len(found) == len(set(found)) == len(shown)
