"""The neighbours of task runs: in their map, in earlier flow runs and along edges, on every database."""

from uuid import UUID

import pytest
from sqlalchemy import Connection, select

from taskruns_service.domain.errors import TaskRunNotFound
from taskruns_service.domain.ids import new_id
from taskruns_service.queries.neighbours import get_task_run_neighbours
from taskruns_service.schemas import TaskRunNeighbour, TaskRunNeighbours
from taskruns_service.storage import tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.dialects import insert_many
from taskruns_service.storage.writer import Writer
from tests.store.factories import (
    at,
    create_flow_run,
    create_task_run,
    get_task_run,
    insert_rows,
    report_task_run,
    report_task_runs,
    run_on,
    state,
    task_run_item,
)


async def neighbours_of(database: Database, task_run_id: UUID) -> TaskRunNeighbours:
    return await database.read(get_task_run_neighbours, task_run_id)


def places(task_runs: list[TaskRunNeighbour]) -> list[tuple[str, int]]:
    return [(task_run.task_slug, task_run.map_index) for task_run in task_runs]


async def neighbour_like(database: Database, task_run_id: UUID) -> TaskRunNeighbour:
    """The neighbour that a task run is to others."""
    task_run = await get_task_run(database, task_run_id)
    return TaskRunNeighbour(
        id=task_run.id,
        flow_run_id=task_run.flow_run_id,
        flow_run_name=task_run.flow_run_name,
        task_slug=task_run.task_slug,
        map_index=task_run.map_index,
        state=task_run.state,
        start_time=task_run.start_time,
        duration=task_run.duration,
    )


async def test_child_has_its_parent_and_the_children_beside_it(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    ids: dict[int, UUID] = {}
    for map_index in (-1, 0, 2, 3):
        states = (state("Running", 1), state("Failed", 4 + map_index))
        outcome = await report_task_run(writer, flow_run_id, "inc-1", *states, map_index=map_index)
        ids[map_index] = outcome.run_id
    shown = {map_index: await neighbour_like(database, id) for map_index, id in ids.items()}
    beside = {-1: (None, None, None), 0: (-1, None, 2), 2: (-1, 0, 3), 3: (-1, 2, None)}
    for map_index, places_beside in beside.items():
        parent, previous, following = (None if place is None else shown[place] for place in places_beside)
        assert await neighbours_of(database, ids[map_index]) == TaskRunNeighbours(
            task_run_id=ids[map_index],
            mapped_parent=parent,
            previous_child=previous,
            next_child=following,
            earlier_task_runs=[],
            upstream=[],
            downstream=[],
            truncated=False,
        )


async def test_same_task_in_earlier_flow_runs_is_shown_latest_first(database: Database, writer: Writer) -> None:
    earlier: list[UUID] = []
    for number in range(13):
        flow_run_id = await create_flow_run(writer, name=f"run-{number}")
        # What is not the same task run: another task, a child, another flow, and a flow run without the task.
        await report_task_run(writer, flow_run_id, "other-1", state("Running", 1))
        if number != 5:
            outcome = await report_task_run(writer, flow_run_id, "inc-1", state("Running", 1), state("Success", number))
            earlier.append(outcome.run_id)
        await report_task_run(writer, flow_run_id, "inc-1", state("Running", 1), map_index=number % 2)
        await report_task_run(writer, await create_flow_run(writer, "other"), "inc-1", state("Running", 1))
    *before, last = earlier
    expected = [await neighbour_like(database, id) for id in before[:-11:-1]]
    assert len(expected) == 10
    assert (await neighbours_of(database, last)).earlier_task_runs == expected
    assert (await neighbours_of(database, earlier[0])).earlier_task_runs == []


async def test_flow_runs_of_earlier_versions_are_earlier_ones(database: Database, writer: Writer) -> None:
    ids = [await create_task_run(writer) for _ in range(3)]
    flow_run_ids = [(await get_task_run(database, id)).flow_run_id for id in ids]
    (flow,) = await database.read(lambda connection: list(connection.execute(select(tables.flow)).mappings()))
    versions = [{**flow, "id": new_id(), "version": flow["version"] + number} for number in (1, 2)]
    await database.transact(insert_rows, tables.flow, versions)
    for flow_run_id, version in zip(flow_run_ids[1:], versions, strict=True):
        update = tables.flow_run.update().where(tables.flow_run.c.id == flow_run_id).values(flow_id=version["id"])
        await database.transact(run_on, update)
    earlier = (await neighbours_of(database, ids[2])).earlier_task_runs
    assert [task_run.id for task_run in earlier] == [ids[1], ids[0]]


Edge = tuple[str, str, bool, str]
"""Upstream and downstream, whether it is mapped, and the key."""
EDGES: list[Edge] = [
    ("extract-1", "inc-1", False, "settings"),
    ("rows-1", "inc-1", True, "row"),
    ("inc-1", "check-1", True, "row"),
    ("inc-1", "check-1", False, "rows"),
    ("inc-1", "sum-1", False, "rows"),
    ("inc-1", "never-1", False, "rows"),
    ("sum-1", "store-1", False, "sum"),
]


def connect(connection: Connection, edges: list[Edge]) -> None:
    """Puts edges into the only flow, with the tasks that no task run was reported of."""
    task = tables.task.c
    ids = {slug: id for id, slug in connection.execute(select(task.id, task.slug))}
    flow_id = connection.execute(select(tables.flow.c.id)).scalar_one()
    missing = {slug for edge in edges for slug in edge[:2]} - ids.keys()
    names = [
        {"id": new_id(), "flow_id": flow_id, "slug": slug, "name": slug, "created": at(0)} for slug in sorted(missing)
    ]
    insert_many(connection, tables.task, names)
    ids |= {row["slug"]: row["id"] for row in names}
    rows = [
        {
            "id": new_id(),
            "flow_id": flow_id,
            "upstream_task_id": ids[upstream],
            "downstream_task_id": ids[downstream],
            "mapped": is_mapped,
            "key": key,
            "created": at(0),
        }
        for upstream, downstream, is_mapped, key in edges
    ]
    insert_many(connection, tables.edge, rows)


async def test_edges_lead_upstream_and_downstream(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    single = [(slug, -1) for slug in ("extract-1", "rows-1", "sum-1", "store-1")]
    maps = [(slug, map_index) for slug in ("inc-1", "check-1") for map_index in range(-1, 3)]
    ids = {
        (slug, map_index): (await report_task_run(writer, flow_run_id, slug, map_index=map_index)).run_id
        for slug, map_index in (*single, *maps)
    }
    await database.transact(connect, EDGES)
    ends = {
        ("inc-1", 1): ([("extract-1", -1), ("rows-1", -1)], [("check-1", 1), ("sum-1", -1)]),
        ("inc-1", -1): ([("extract-1", -1), ("rows-1", -1)], [("check-1", -1), ("sum-1", -1)]),
        ("check-1", 2): ([("inc-1", 2)], []),
        ("sum-1", -1): ([("inc-1", -1)], [("store-1", -1)]),
        ("extract-1", -1): ([], [("inc-1", -1)]),
    }
    for place, (upstream, downstream) in ends.items():
        neighbours = await neighbours_of(database, ids[place])
        assert (places(neighbours.upstream), places(neighbours.downstream)) == (upstream, downstream)
        assert not neighbours.truncated
        for task_run in (*neighbours.upstream, *neighbours.downstream):
            assert task_run == await neighbour_like(database, ids[task_run.task_slug, task_run.map_index])


async def test_many_connected_tasks_are_cut(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    slugs = [f"row-{number:03}" for number in range(101)]
    await report_task_runs(writer, [task_run_item(flow_run_id, slug) for slug in (*slugs, "sum-1")])
    await database.transact(connect, [(slug, "sum-1", False, "row") for slug in slugs])
    outcome = await report_task_run(writer, flow_run_id, "sum-1")
    neighbours = await neighbours_of(database, outcome.run_id)
    assert (places(neighbours.upstream), neighbours.truncated) == ([(slug, -1) for slug in slugs[:100]], True)


async def test_neighbours_of_no_task_run_are_not_found(database: Database) -> None:
    with pytest.raises(TaskRunNotFound):
        await neighbours_of(database, new_id())
