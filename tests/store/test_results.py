"""Results: where that of a task run is, and those of a mapped parent's children, in the order of their items."""

from typing import Any
from uuid import UUID

import pytest

from taskruns_service.domain.errors import NoResultType, ResultNotPersisted, ResultNotReady, TaskRunNotFound
from taskruns_service.domain.ids import new_id
from taskruns_service.domain.results import ConstantResult, S3Result
from taskruns_service.domain.states import FINISHED, StateType
from taskruns_service.queries import task_run_results
from taskruns_service.schemas import ChildResult, TaskRunResult
from taskruns_service.storage import tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import (
    create_flow_run,
    create_task_run,
    insert_rows,
    report_task_run,
    report_task_runs,
    rows_of,
    state,
    task_run_item,
)


async def result_of(
    database: Database, task_run_id: UUID, limit: int = 100, cursor: str | None = None
) -> TaskRunResult:
    page = task_run_results.children_page({"limit": limit, "cursor": cursor}, task_run_id)
    return await database.read(task_run_results.get_task_run_result, task_run_id, page)


async def all_children(database: Database, parent: UUID, limit: int) -> list[list[ChildResult]]:
    pages, cursor = [], None
    while True:
        found = await result_of(database, parent, limit, cursor)
        pages.append(found.children or [])
        cursor = found.next_cursor
        if cursor is None:
            return pages


def reference(location: str | None) -> S3Result:
    uri = f"s3://b/{location}" if location else None
    return S3Result(bucket="b", location=location, uri=uri, serializer=None, size=None, digest=None)


async def test_result_is_where_it_was_put(database: Database, writer: Writer) -> None:
    given = {"type": "S3Result", "bucket": "b", "location": "k"}
    task_run_id = await create_task_run(writer, "extract-1", state("Success", 1, result=given))
    assert await result_of(database, task_run_id) == TaskRunResult(
        task_run_id=task_run_id, state=StateType.Success, reference=reference("k"), children=None, next_cursor=None
    )


async def test_result_is_that_of_the_current_state(database: Database, writer: Writer) -> None:
    results = [{"type": "S3Result", "bucket": "b", "location": location} for location in ("old", "new")]
    reports = [state("Success", 1, result=results[0]), state("Cached", 2, result=results[1])]
    task_run_id = await create_task_run(writer, "extract-1", *reports)
    assert (await result_of(database, task_run_id)).reference == reference("new")


async def test_constant_is_its_own_result(database: Database, writer: Writer) -> None:
    given = {"type": "ConstantResult", "value": {"größe": [1, None, 0.1]}}
    task_run_id = await create_task_run(writer, "extract-1", state("Success", 1, result=given))
    found = (await result_of(database, task_run_id)).reference
    common: dict[str, Any] = {"location": None, "uri": None, "serializer": None, "size": None, "digest": None}
    assert found == ConstantResult(**common, value={"größe": [1, None, 0.1]})


@pytest.mark.parametrize("type_", sorted(set(StateType) - FINISHED))
async def test_unfinished_run_has_no_result_yet(database: Database, writer: Writer, type_: StateType) -> None:
    task_run_id = await create_task_run(writer, "extract-1", state(type_, 1))
    with pytest.raises(ResultNotReady, match=f"The task run is {type_}"):
        await result_of(database, task_run_id)


@pytest.mark.parametrize("given", [None, {"type": "NoResultType"}, {"type": "NoResult"}])
async def test_run_without_a_result_type_has_no_result(database: Database, writer: Writer, given: Any) -> None:
    task_run_id = await create_task_run(writer, "extract-1", state("Success", 1, result=given))
    with pytest.raises(NoResultType):
        await result_of(database, task_run_id)


@pytest.mark.parametrize("location", [{}, {"location": None}, {"location": ""}])
async def test_result_without_a_location_was_not_kept(database: Database, writer: Writer, location: Any) -> None:
    given = {"type": "S3Result", "bucket": "b", **location}
    task_run_id = await create_task_run(writer, "extract-1", state("Success", 1, result=given))
    with pytest.raises(ResultNotPersisted):
        await result_of(database, task_run_id)


async def test_result_of_a_task_run_that_is_not_there_is_refused(database: Database) -> None:
    with pytest.raises(TaskRunNotFound):
        await result_of(database, UUID(int=1))


# Mapped


async def test_mapped_parent_has_the_results_of_its_children_in_the_order_of_their_items(
    database: Database, writer: Writer
) -> None:
    flow_run_id = await create_flow_run(writer)
    parent = (await report_task_run(writer, flow_run_id, "map-1", state("Mapped", 1))).run_id
    # Twelve, reported backwards: text order would put 10 and 11 before 2, the order of arrival 11 first.
    given = {"type": "S3Result", "bucket": "b"}
    items = [
        task_run_item(flow_run_id, "map-1", state("Success", 2, result=given | {"location": f"{n}"}), map_index=n)
        for n in reversed(range(12))
    ]
    outcomes = await report_task_runs(writer, items)
    await report_task_run(writer, flow_run_id, "map-10", state("Success", 2, result=given), map_index=0)
    assert await result_of(database, parent) == TaskRunResult(
        task_run_id=parent,
        state=StateType.Mapped,
        reference=None,
        children=[
            ChildResult(task_run_id=outcome.run_id, map_index=n, state=StateType.Success, reference=reference(str(n)))
            for n, outcome in enumerate(reversed(outcomes))
        ],
        next_cursor=None,
    )


async def test_child_is_there_whatever_became_of_it(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    parent = (await report_task_run(writer, flow_run_id, "map-1", state("Mapped", 1))).run_id
    given = {"type": "S3Result", "bucket": "b"}
    reports = [[], [state("Running", 2)], [state("Failed", 2)], [state("Success", 2, result=given)]]
    items = [task_run_item(flow_run_id, "map-1", *one, map_index=n) for n, one in enumerate(reports)]
    await report_task_runs(writer, items)
    children = (await result_of(database, parent)).children or []
    assert [(child.state, child.reference) for child in children] == [
        ("Pending", None),
        ("Running", None),
        ("Failed", None),
        ("Success", reference(None)),
    ]


async def test_map_over_nothing_has_no_children(database: Database, writer: Writer) -> None:
    parent = await create_task_run(writer, "map-1", state("Mapped", 1))
    assert await result_of(database, parent) == TaskRunResult(
        task_run_id=parent, state=StateType.Mapped, reference=None, children=[], next_cursor=None
    )


@pytest.mark.parametrize("limit", [1, 5, 6, 11, 12, 13])
async def test_children_are_paged(database: Database, writer: Writer, limit: int) -> None:
    flow_run_id = await create_flow_run(writer)
    parent = (await report_task_run(writer, flow_run_id, "map-1", state("Mapped", 1))).run_id
    # With gaps, since children may be reported in any order.
    indexes = [0, 1, 2, 5, 6, 7, 9, 10, 11, 100, 101, 2**31 - 1]
    await report_task_runs(writer, [task_run_item(flow_run_id, "map-1", map_index=n) for n in indexes])
    pages = await all_children(database, parent, limit)
    assert [child.map_index for page in pages for child in page] == indexes
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert pages[-1]


async def test_ten_thousand_children_are_paged_in_their_order(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    parent = (await report_task_run(writer, flow_run_id, "map-1", state("Mapped", 1))).run_id
    await report_task_run(writer, flow_run_id, "map-1", state("Success", 2), map_index=0)
    (child,) = [row for row in await database.read(rows_of, tables.task_run) if row.map_index == 0]
    rows = [child._asdict() | {"id": new_id(flow_run_id), "map_index": n} for n in range(1, 10_000)]
    await database.transact(insert_rows, tables.task_run, rows)
    pages = await all_children(database, parent, 1000)
    assert [len(page) for page in pages] == [1000] * 10
    assert [one.map_index for page in pages for one in page] == list(range(10_000))


async def test_child_of_a_map_has_a_result_of_its_own(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    given = {"type": "S3Result", "bucket": "b", "location": "k"}
    reports = [state("Running", 1), state("Mapped", 2, result=given)]
    child = await report_task_run(writer, flow_run_id, "map-1", *reports, map_index=0)
    assert (await result_of(database, child.run_id)).reference == reference("k")
