"""Lists: every sort in both directions, page after page; the members that are asked for; mapped parents' times."""

from itertools import chain, cycle, permutations
from typing import Any

import msgspec
import pytest
from sqlalchemy import Row

from taskruns_service import schemas
from taskruns_service.queries import members, runs
from taskruns_service.queries.listings import FLOW_RUN_TASK_RUNS, FLOW_RUNS, TASK_RUNS, ListQuery
from taskruns_service.queries.pages import read_page
from taskruns_service.queries.paging import FLOW_RUN_KEYS, TASK_RUN_KEYS, Page, question_of, read_cursor, read_sort
from taskruns_service.storage import tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.dataset import Dataset
from tests.store.factories import (
    at,
    create_flow_run,
    get_flow_run,
    get_task_run,
    report_state,
    report_task_run,
    report_task_runs,
    state,
    statements_seen,
    task_run_item,
)

OF: dict[str, Any] = {
    "task run": (TASK_RUNS, TASK_RUN_KEYS, tables.task_run.c.id),
    "flow run": (FLOW_RUNS, FLOW_RUN_KEYS, tables.flow_run.c.id),
}
NULLABLE = [name for name, key in TASK_RUN_KEYS.items() if key.nullable]


async def pages(
    database: Database,
    sort: str,
    limit: int,
    *,
    of: str = "task run",
    where: Any = None,
    across_flow_runs: bool = False,
) -> list[list[dict[str, Any]]]:
    """All pages of a list, each found by the cursor of the one before."""
    listing, keys, identifier = OF[of]
    orders = read_sort(sort, keys, identifier, across_flow_runs=across_flow_runs)
    types = [(order.key.type, order.key.nullable) for order in orders]
    question, after, found = question_of(sort), None, []
    while True:
        page = Page(orders=orders, limit=limit, after=after, question=question)
        read = await database.read(read_page, ListQuery(listing, where or {}, page, ("id",)))
        found.append(msgspec.json.decode(read.items))
        assert len(found) <= 1000, "paging does not end"
        if read.next_cursor is None:
            return found
        after = read_cursor(read.next_cursor, question, types)


def in_order(rows: list[Row[Any]], sort: str, *, of: str = "task run") -> list[str]:
    """The ids of rows as they should be sorted: rows without a value last, then by id as the first key goes."""
    names = sort.split(",")
    stands_for_id = of == "task run" and any(name.removeprefix("-") == "created" for name in names)
    if not stands_for_id:
        names.append("-id" if names[0].startswith("-") else "id")
    for name in reversed(names):
        column, descending = name.removeprefix("-"), name.startswith("-")
        if of == "task run" and column == "created":
            column = "id"
        valued = [row for row in rows if getattr(row, column) is not None]
        # Reversed, so that those that are alike stay in the order of the lesser keys.
        valued = valued[::-1] if descending else valued
        valued.sort(key=lambda row: getattr(row, column))
        valued = valued[::-1] if descending else valued
        rows = [*valued, *(row for row in rows if getattr(row, column) is None)]
    return [str(row.id) for row in rows]


def both_ways(*sorts: str) -> list[str]:
    return [way + sort for sort in sorts for way in ("", "-")]


EVERYWHERE = both_ways(*(name for name, key in TASK_RUN_KEYS.items() if key.indexed_globally))
WAYS = [("", ""), ("-", "-"), ("-", ""), ("", "-")]
PAIRS = [
    f"{way}{one},{other_way}{other}"
    for (one, other), (way, other_way) in zip(permutations(NULLABLE, 2), cycle(WAYS), strict=False)
]
LONGER = [
    "state,task_slug,-map_index",
    "-name,start_time,-end_time,duration",
    "start_time,created",
    "map_index,created",
]


@pytest.mark.parametrize("sort", [*EVERYWHERE, "start_time,-end_time", "-end_time,start_time", "-start_time,name"])
async def test_list_across_flow_runs_has_every_task_run_once_in_order(dataset: Dataset, sort: str) -> None:
    expected = in_order(dataset.task_runs, sort)
    for limit in (13, len(expected), 1000):
        found = await pages(dataset.database, sort, limit, across_flow_runs=True)
        assert [item["id"] for item in chain.from_iterable(found)] == expected
        assert all(len(page) == limit for page in found[:-1])
        assert found[-1] or len(found) == 1


@pytest.mark.parametrize("sort", both_ways(*TASK_RUN_KEYS) + PAIRS + LONGER)
async def test_list_of_a_flow_run_has_every_task_run_once_in_order(dataset: Dataset, sort: str) -> None:
    flow_run_id = dataset.flow_runs[3].id
    expected = in_order([row for row in dataset.task_runs if row.flow_run_id == flow_run_id], sort)
    for limit in (1, 7, 1000):
        found = await pages(dataset.database, sort, limit, where={"flow_run_id": [flow_run_id]})
        assert [item["id"] for item in chain.from_iterable(found)] == expected


@pytest.mark.parametrize("sort", [*both_ways(*FLOW_RUN_KEYS), "start_time,end_time", "-end_time,-start_time"])
async def test_list_has_every_flow_run_once_in_order(dataset: Dataset, sort: str) -> None:
    expected = in_order(dataset.flow_runs, sort, of="flow run")
    for limit in (1, 3, len(expected), 1000):
        found = await pages(dataset.database, sort, limit, of="flow run", across_flow_runs=True)
        assert [item["id"] for item in chain.from_iterable(found)] == expected


async def test_list_of_nothing_is_one_empty_page(dataset: Dataset) -> None:
    assert await pages(dataset.database, "-created", 10, where={"task_slug": ["nothing"]}) == [[]]


async def test_page_goes_on_where_the_one_before_ended_though_rows_came_in_between(
    database: Database, writer: Writer
) -> None:
    flow_run_id = await create_flow_run(writer)
    await report_task_runs(writer, [task_run_item(flow_run_id, f"b-{number}") for number in range(4)])
    orders = read_sort("task_slug", TASK_RUN_KEYS, tables.task_run.c.id, across_flow_runs=False)
    where = {"flow_run_id": [flow_run_id]}
    first = await database.read(read_page, ListQuery(TASK_RUNS, where, Page(orders=orders, limit=2), ("task_slug",)))
    await report_task_runs(writer, [task_run_item(flow_run_id, slug) for slug in ("a", "b-15", "c")])
    types = [(order.key.type, order.key.nullable) for order in orders]
    after = read_cursor(first.next_cursor or "", b"", types)
    second = await database.read(
        read_page, ListQuery(TASK_RUNS, where, Page(orders=orders, after=after), ("task_slug",))
    )
    slugs = [item["task_slug"] for page in (first, second) for item in msgspec.json.decode(page.items)]
    assert slugs == ["b-0", "b-1", "b-15", "b-2", "b-3", "c"]


# Members


async def test_task_runs_of_a_list_are_as_they_are_alone(dataset: Dataset) -> None:
    orders = read_sort("-created", TASK_RUN_KEYS, tables.task_run.c.id, across_flow_runs=True)
    page = await dataset.database.read(read_page, ListQuery(TASK_RUNS, {}, Page(orders=orders, limit=60)))
    listed = msgspec.json.decode(page.items, type=list[schemas.TaskRun])
    assert listed == [await get_task_run(dataset.database, one.id) for one in listed]


async def test_flow_runs_of_a_list_are_as_they_are_alone(dataset: Dataset) -> None:
    orders = read_sort("-created", FLOW_RUN_KEYS, tables.flow_run.c.id, across_flow_runs=True)
    page = await dataset.database.read(read_page, ListQuery(FLOW_RUNS, {}, Page(orders=orders)))
    listed = msgspec.json.decode(page.items, type=list[schemas.FlowRunSummary])
    alone = [await get_flow_run(dataset.database, one.id) for one in listed]
    assert listed == [msgspec.convert(one, schemas.FlowRunSummary, from_attributes=True) for one in alone]
    extra = schemas.FlowRun.__struct_fields__[len(schemas.FlowRunSummary.__struct_fields__) :]
    assert not set(extra) & msgspec.json.decode(page.items)[0].keys()


@pytest.mark.parametrize("name", members.TASK_RUN_MEMBERS)
async def test_member_is_the_same_when_it_is_asked_for_alone(dataset: Dataset, name: str) -> None:
    orders = read_sort("created", TASK_RUN_KEYS, tables.task_run.c.id, across_flow_runs=True)
    page = Page(orders=orders, limit=30)
    whole = await dataset.database.read(read_page, ListQuery(TASK_RUNS, {}, page))
    alone = await dataset.database.read(read_page, ListQuery(TASK_RUNS, {}, page, (name,)))
    decoded = msgspec.json.decode(whole.items)
    assert msgspec.json.decode(alone.items) == [{name: item[name]} for item in decoded]


async def test_members_come_in_their_order_once(dataset: Dataset) -> None:
    orders = read_sort("created", FLOW_RUN_KEYS, tables.flow_run.c.id, across_flow_runs=True)
    found = await dataset.database.read(
        read_page, ListQuery(FLOW_RUNS, {}, Page(orders=orders), ("state", "id", "state", "flow_name"))
    )
    assert [list(item) for item in msgspec.json.decode(found.items)] == [["id", "flow_name", "state"]] * 7


def test_task_run_has_all_its_members() -> None:
    assert tuple(members.TASK_RUN_MEMBERS) == schemas.TaskRun.__struct_fields__
    assert set(members.FLOW_RUN_MEMBERS) == set(schemas.FlowRun.__struct_fields__)
    assert set(members.FLOW_RUN_SUMMARY_MEMBERS) == set(schemas.FlowRunSummary.__struct_fields__)


async def test_page_is_read_with_one_statement(dataset: Dataset) -> None:
    with statements_seen() as seen:
        await pages(dataset.database, "-created", 1000, across_flow_runs=True)
    assert len([statement for statement in seen if "SELECT" in statement]) == 1


# Mapped parents


async def mapped(writer: Writer, *children: list[tuple[str, float]]) -> Any:
    """The id of a mapped parent with these children, each with its states."""
    flow_run_id = await create_flow_run(writer)
    items = [
        task_run_item(flow_run_id, "map-1", *(state(*one) for one in reports), map_index=map_index)
        for map_index, reports in enumerate(children)
    ]
    parent = await report_task_run(writer, flow_run_id, "map-1", state("Pending", 1), state("Mapped", 2))
    # Neighbours that are not its children.
    for neighbour in ("map-10", "other"):
        await report_task_run(writer, flow_run_id, neighbour, state("Running", 0), state("Success", 99), map_index=0)
    await report_task_runs(writer, items) if items else None
    return parent.run_id


def times(run: schemas.TaskRun) -> tuple[Any, ...]:
    return run.start_time, run.end_time, run.duration, run.queue_time


async def test_mapped_parent_has_the_times_of_its_children(database: Database, writer: Writer) -> None:
    parent = await mapped(writer, [("Running", 5), ("Success", 7)], [("Running", 3.5), ("Failed", 6)], [("Skipped", 9)])
    assert times(await get_task_run(database, parent)) == (at(3.5), at(9), 5.5, 2.5)


async def test_mapped_parent_ends_when_its_last_child_has(database: Database, writer: Writer) -> None:
    parent = await mapped(writer, [("Running", 5), ("Success", 7)], [("Running", 3)])
    assert times(await get_task_run(database, parent)) == (at(3), None, None, 2.0)


async def test_mapped_parent_whose_children_wait_has_not_started(database: Database, writer: Writer) -> None:
    parent = await mapped(writer, [("Pending", 5)], [])
    assert times(await get_task_run(database, parent)) == (None, None, None, None)


async def test_map_over_nothing_has_no_times(database: Database, writer: Writer) -> None:
    parent = await mapped(writer)
    assert times(await get_task_run(database, parent)) == (None, None, None, None)


@pytest.mark.parametrize("end", [2.999_499, 2.999_5, 2.999_7, 2.999_999, 3.0])
async def test_mapped_parents_seconds_are_exact(database: Database, writer: Writer, end: float) -> None:
    parent = await mapped(writer, [("Running", 1.000_001), ("Success", end)])
    found = await get_task_run(database, parent)
    assert found.duration == pytest.approx(end - 1.000_001, abs=1e-9)
    assert found.queue_time == pytest.approx(0.000_001, abs=1e-9)


async def test_version_of_a_mapped_parent_changes_with_its_children(database: Database, writer: Writer) -> None:
    parent = await mapped(writer, [("Running", 5)])
    before = await database.read(runs.get_task_run, parent)
    child = await report_task_run(writer, (await get_task_run(database, parent)).flow_run_id, "map-1", map_index=0)
    await report_state(writer, child.run_id, state("Success", 9))
    after = await database.read(runs.get_task_run, parent)
    assert before.version != after.version


async def test_child_of_a_map_that_is_mapped_has_its_own_times(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    child = await report_task_run(writer, flow_run_id, "map-1", state("Running", 1), state("Mapped", 3), map_index=0)
    assert times(await get_task_run(database, child.run_id)) == (at(1), at(3), 2.0, 0.0)


async def test_task_run_has_the_names_of_its_flow_and_its_flow_run(database: Database, writer: Writer) -> None:
    named = await create_flow_run(writer, "etl", name="brave-otter")
    other = await create_flow_run(writer, "größe", name="calm-heron")
    for flow_run_id in (named, other):
        await report_task_run(writer, flow_run_id, "inc-1", state("Mapped", 0))
        await report_task_run(writer, flow_run_id, "inc-1", state("Running", 1), map_index=0)
    page = Page(orders=read_sort("created", TASK_RUN_KEYS, tables.task_run.c.id, across_flow_runs=True))
    names_of_runs = ("flow_name", "flow_run_name")
    listed = await database.read(read_page, ListQuery(TASK_RUNS, {}, page, names_of_runs))
    names = [{"flow_run_name": "brave-otter", "flow_name": "etl"}] * 2
    others = [{"flow_run_name": "calm-heron", "flow_name": "größe"}] * 2
    assert msgspec.json.decode(listed.items) == [*names, *others]
    query = ListQuery(FLOW_RUN_TASK_RUNS, {"flow_run_id": [named]}, page, names_of_runs)
    _, within = await database.read(runs.list_flow_run_task_runs, query, known=None)
    assert within is not None
    assert msgspec.json.decode(within.items) == names
    whole = await database.read(read_page, ListQuery(TASK_RUNS, {"flow_name": ["etl"]}, page))
    for task_run in msgspec.json.decode(whole.items, type=list[schemas.TaskRun]):
        assert await get_task_run(database, task_run.id) == task_run
