"""Search: what has an id or a name that begins with a text, on every database and by indexes alone."""

import random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection

from taskruns_service import schemas
from taskruns_service.domain.ids import new_id
from taskruns_service.domain.states import StateType
from taskruns_service.queries.search import search
from taskruns_service.schemas.search import MAX_HITS, HitKind
from taskruns_service.storage import tables
from taskruns_service.storage.database import Database
from taskruns_service.storage.dialects import insert_many
from taskruns_service.storage.writer import Writer
from tests.store import large_dataset
from tests.store.factories import (
    at,
    create_flow_run,
    get_flow_run,
    get_task_run,
    opened,
    report_flow_run,
    report_task_run,
    state,
)
from tests.store.reading import ROWS_READ


async def find(database: Database, text: str) -> schemas.SearchHits:
    return await database.read(search, text)


async def names(database: Database, text: str) -> list[tuple[str, str]]:
    """The kinds and the names of the hits."""
    return [(hit.kind, hit.name) for hit in (await find(database, text)).items]


def flow(name: str, version: int = 1) -> dict[str, Any]:
    return {"id": new_id(), "project": "default", "name": name, "version": version, "archived": False, "created": at(0)}


async def test_names_are_found_by_their_beginning_in_any_case(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer, "Transform", name="transient-heron")
    await report_task_run(writer, flow_run_id, "transform-1", state("Running", 1))
    await report_task_run(writer, flow_run_id, "transform-1", state("Running", 1), map_index=0)
    await create_flow_run(writer, "Transform", name="calm-heron")
    everything = [("flow", "Transform"), ("task", "transform-1"), ("flow_run", "transient-heron")]
    assert await names(database, "trans") == everything
    assert await names(database, "TRANS") == everything
    assert await names(database, "transf") == everything[:2]
    assert await names(database, "transform-1") == everything[1:2]
    assert await names(database, "ransform") == []
    assert await names(database, "%") == []
    assert await names(database, "trans_") == []


async def test_hits_say_what_they_are(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer, "etl", name="brave-otter")
    await report_flow_run(writer, flow_run_id, state("Running", 0))
    task_run_id = (await report_task_run(writer, flow_run_id, "inc-1", state("Failed", 1), map_index=3)).run_id
    flow_run = await get_flow_run(database, flow_run_id)
    assert (await find(database, "brave")).items == [
        schemas.SearchHit(
            kind=HitKind.flow_run,
            id=flow_run_id,
            name="brave-otter",
            flow_name="etl",
            flow_run_id=flow_run_id,
            flow_run_name="brave-otter",
            map_index=None,
            state=StateType.Running,
            created=flow_run.created,
        )
    ]
    answer = await find(database, str(task_run_id))
    task_run = await get_task_run(database, task_run_id)
    assert not answer.truncated
    (hit,) = answer.items
    assert (hit.kind, hit.id, hit.name, hit.map_index, hit.state) == ("task_run", task_run_id, "inc-1", 3, "Failed")
    assert (hit.flow_name, hit.flow_run_id, hit.flow_run_name) == ("etl", flow_run_id, "brave-otter")
    assert hit.created == task_run.created


async def test_ids_are_found_by_their_first_eight_digits(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer, "etl", id=UUID("4ffabe61-2a4e-49b1-8679-1899bebebe13"))
    await create_flow_run(writer, "etl", id=UUID("4ffabe62-2a4e-49b1-8679-1899bebebe13"))
    texts = (
        *("4ffabe61", "4FFABE61", "4ffabe612a4e", "4ffabe61-", "4ffabe61-2a", "4ffabe61-2a4e-49b1-8679-1899bebebe13"),
        *("4ffabe612a4e49b186791899bebebe13", "4FFABE61-2A4E-49B1-8679-1899BEBEBE13"),
    )
    for text in texts:
        assert [hit.id for hit in (await find(database, text)).items] == [flow_run_id], text
    for text in ("4ffabe6", "4ffabe61-2b", "4ffabe612a4e49b186791899bebebe130", "4ffabe6g"):
        assert (await find(database, text)).items == [], text


async def test_newest_of_many_ids_come_first(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer, id=UUID("01900000-0000-7000-8000-000000000000"))
    ids = [UUID(f"01900000-00{number:02x}-7000-8000-000000000000") for number in range(1, 31)]
    for number, task_run_id in enumerate(ids):
        await report_task_run(writer, flow_run_id, f"t-{number}", state("Running", 1), id=task_run_id)
    answer = await find(database, "01900000")
    assert answer.truncated
    assert [hit.id for hit in answer.items] == [flow_run_id, *ids[:-MAX_HITS:-1]]
    assert len(answer.items) == MAX_HITS


async def test_newest_flow_run_of_a_name_is_found_once(database: Database, writer: Writer) -> None:
    for name in ("nightly", "nightly", "Nightly", "nightly-2"):
        newest = await create_flow_run(writer, "etl", name=name)
    hits = (await find(database, "nightly")).items
    assert [hit.name for hit in hits] == ["Nightly", "nightly", "nightly-2"]
    assert hits[2].id == newest


async def test_task_runs_are_found_by_names_of_their_own(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer, "etl", name="brave-otter")
    ids: list[UUID] = []
    for index, name in enumerate(("Load 2026-11-29", "load 2026-11-30", "load 2026-11-30", None, "store")):
        outcome = await report_task_run(writer, flow_run_id, "copy-1", state("Failed", 1), map_index=index, name=name)
        ids.append(outcome.run_id)
    hits = (await find(database, "load 2026")).items
    assert [(hit.kind, hit.name, hit.id, hit.map_index) for hit in hits] == [
        ("task_run", "Load 2026-11-29", ids[0], 0),
        ("task_run", "load 2026-11-30", ids[2], 2),
    ]
    assert {(hit.flow_name, hit.flow_run_id, hit.flow_run_name, hit.state) for hit in hits} == {
        ("etl", flow_run_id, "brave-otter", StateType.Failed)
    }
    assert [hit.name for hit in (await find(database, str(ids[3]))).items] == ["copy-1"]
    assert await names(database, "load 2026-12") == []


async def test_name_that_is_an_id_too_is_one_hit(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer, id=UUID("deadbeef-2a4e-49b1-8679-1899bebebe13"), name="deadbeef")
    assert [hit.id for hit in (await find(database, "deadbeef")).items] == [flow_run_id]


async def test_each_kind_has_its_share(database: Database, writer: Writer) -> None:
    await database.transact(insert_many, tables.flow, [flow(f"x-{number:02}", 9) for number in range(40)])
    flow_run_id = await create_flow_run(writer, "other", name="x-run")
    for number in range(15):
        await report_task_run(writer, flow_run_id, f"x-task-{number:02}", state("Running", 1))
    answer = await find(database, "x-")
    assert answer.truncated
    assert len(answer.items) == MAX_HITS
    kinds = [hit.kind for hit in answer.items]
    assert {kind: kinds.count(kind) for kind in HitKind if kind in kinds} == {"flow": 10, "task": 9, "flow_run": 1}
    assert kinds == sorted(kinds, key=list(HitKind).index)


async def test_versions_of_a_flow_are_one_hit(database: Database) -> None:
    await database.transact(insert_many, tables.flow, [flow("etl", version) for version in range(1, 50)])
    answer = await find(database, "et")
    assert ([hit.name for hit in answer.items], answer.truncated) == (["etl"], False)


ALPHABET = "sSßẞſfFﬀﬁiIİıkKKσςΣéÉe%_\\-1 ŉʼnN"  # noqa: RUF001


async def test_case_is_folded_as_everywhere(database: Database) -> None:
    chance = random.Random(3)
    known = sorted({"".join(chance.choices(ALPHABET, k=chance.randint(1, 4))) for _ in range(400)})
    await database.transact(insert_many, tables.flow, [flow(name) for name in known])
    prefixes = {name[: chance.randint(1, 3)] for name in known}
    prefixes |= {"ss", "STRASSE", "ff", "fi", "sſ", "ʼn", "ʼN", "i̇"}  # noqa: RUF001
    for prefix in sorted(prefixes):
        folded = prefix.casefold()
        expected = [name for name in known if name.casefold().startswith(folded)]
        answer = await find(database, prefix)
        assert [hit.name for hit in answer.items] == expected[:MAX_HITS], prefix
        assert answer.truncated == (len(expected) > MAX_HITS)


TEXTS = ["run-20099", "RUN-2", "r", "task-1", "dail", "nothing", "run-nothing", "Task-19x"]
IDS = [f"{large_dataset.TASK_RUN_ID}", f"{large_dataset.FLOW_RUN_ID}"[:8]]


@pytest.mark.slow
@pytest.mark.xdist_group("large-dataset")
@pytest.mark.parametrize("text", [*TEXTS, *IDS])
async def test_search_reads_few_rows_of_many(database_kind: str, large_dataset_url: str, text: str) -> None:
    def read(connection: Connection) -> int:
        return ROWS_READ[database_kind](connection, lambda: search(connection, text))

    async with opened(large_dataset_url) as database:
        for _ in range(7):  # PostgreSQL may plan for any value after some executions
            await database.read(search, text)
        assert await database.read(read) < large_dataset.FLOW_RUNS / 20
