"""Artifacts of task runs, listed as engines of Prefect 1 sent them."""

from uuid import UUID

import msgspec
import pytest

from taskruns_service import schemas
from taskruns_service.domain.errors import TaskRunNotFound
from taskruns_service.domain.ids import new_id
from taskruns_service.prefect1.commands.logs_and_artifacts import create_artifact, delete_artifact, update_artifact
from taskruns_service.queries import runs
from taskruns_service.queries.listings import TASK_RUN_ARTIFACTS
from taskruns_service.storage import tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import at, create_task_run, run_on


async def page_of(database: Database, task_run_id: UUID, **parameters: object) -> schemas.ArtifactPage:
    query = TASK_RUN_ARTIFACTS.query({"limit": 100, **parameters}, task_run_id)
    page = await database.read(runs.list_task_run_artifacts, query)
    items = msgspec.json.decode(page.items, type=list[schemas.Artifact])
    return schemas.ArtifactPage(items=items, next_cursor=page.next_cursor)


async def test_artifacts_are_listed_as_they_are_now(database: Database, writer: Writer) -> None:
    task_run_id, other_id = await create_task_run(writer, "a-1"), await create_task_run(writer, "b-1")
    data: list[object] = [{"link": "https://example.com/1"}, {"markdown": "# One"}, None, ["x", 1.5]]
    ids = [await database.transact(create_artifact, task_run_id, f"kind-{n}", item) for n, item in enumerate(data)]
    await database.transact(create_artifact, other_id, "link", {"link": "https://example.com/other"})
    items = (await page_of(database, task_run_id)).items
    shown = {item.id: (item.task_run_id, item.kind, item.data) for item in items}
    assert shown == {id: (task_run_id, f"kind-{n}", data[n]) for n, id in enumerate(ids)}
    await database.transact(update_artifact, ids[0], {"link": "https://example.com/2"})
    await database.transact(delete_artifact, ids[1])
    items = (await page_of(database, task_run_id)).items
    assert {item.id for item in items} == {ids[0], *ids[2:]}
    (changed,) = (item for item in items if item.id == ids[0])
    assert changed.data == {"link": "https://example.com/2"}
    assert changed.updated >= changed.created


async def test_pages_of_artifacts_follow_each_other(database: Database, writer: Writer) -> None:
    task_run_id = await create_task_run(writer)
    for number in range(7):
        artifact_id = await database.transact(create_artifact, task_run_id, "markdown", {"markdown": f"{number}"})
        artifact = tables.task_run_artifact
        created = artifact.update().where(artifact.c.id == artifact_id).values(created=at(number))
        await database.transact(run_on, created)
    whole = (await page_of(database, task_run_id)).items
    items: list[schemas.Artifact] = []
    cursor: str | None = None
    while not items or cursor is not None:
        page = await page_of(database, task_run_id, limit=3, **({"cursor": cursor} if cursor else {}))
        items += page.items
        cursor = page.next_cursor
    assert items == whole
    assert [item.data for item in items] == [{"markdown": f"{number}"} for number in range(7)]


async def test_artifacts_of_no_task_run_are_not_found(database: Database, writer: Writer) -> None:
    assert (await page_of(database, await create_task_run(writer))).items == []
    with pytest.raises(TaskRunNotFound):
        await page_of(database, new_id())
