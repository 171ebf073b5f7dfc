"""A flow run with a large map, among others that have none: alike on every database."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from taskruns_service.domain.ids import id_of
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import insert_many, read_url
from tests.store.factories import FILL_SECONDS, at, opened, run_on

CHILDREN = 8000
SLUG = "map"
SINGLES = [f"single-{number}" for number in range(30)]
"""The task slugs that are not mapped: such task runs are the first of each flow run."""
OTHERS = 1000
"""The flow runs without a map."""
TASK_RUNS = CHILDREN + 1 + len(SINGLES)
"""The task runs of the flow run with the map."""

_FLOW_ID = id_of(at(0), b"flow")
FLOW_RUN_ID = id_of(at(0), b"flow run")
TASK_IDS = {slug: id_of(at(0), slug.encode()) for slug in (*SINGLES, SLUG)}


async def fill(url: str) -> None:
    """Puts them into the empty database at `url`; PostgreSQL keeps statistics, and SQLite has none in use."""
    async with opened(url, write_timeout=FILL_SECONDS) as database:
        await database.transact(gather)
        if read_url(url).get_backend_name() == "postgresql":
            await database.transact(run_on, text("ANALYZE"))


def gather(connection: Connection) -> None:
    """Puts them into an empty database."""
    flow = {"id": _FLOW_ID, "project": "default", "name": "etl", "version": 1, "archived": False, "created": at(0)}
    insert_many(connection, tables.flow, [flow])
    tasks = [
        {"id": identifier, "flow_id": _FLOW_ID, "slug": slug, "name": slug, "created": at(0)}
        for slug, identifier in TASK_IDS.items()
    ]
    insert_many(connection, tables.task, tasks)
    edge = {"upstream_task_id": TASK_IDS[SINGLES[3]], "downstream_task_id": TASK_IDS[SLUG], "key": "x", "mapped": True}
    insert_many(connection, tables.edge, [{"id": _FLOW_ID, "flow_id": _FLOW_ID, "created": at(0), **edge}])
    flow_run_ids = [FLOW_RUN_ID, *(id_of(at(number), f"flow run {number}".encode()) for number in range(OTHERS))]
    insert_many(connection, tables.flow_run, [_flow_run(flow_run_id) for flow_run_id in flow_run_ids])
    singles = [(slug, -1) for slug in SINGLES]
    mapped = [(SLUG, index) for index in range(-1, CHILDREN)]
    for number, flow_run_id in enumerate(flow_run_ids):
        members = singles if number else [*singles, *mapped]
        rows = [_task_run(flow_run_id, place, *member) for place, member in enumerate(members)]
        insert_many(connection, tables.task_run, rows)


def _flow_run(identifier: UUID) -> dict[str, Any]:
    documents: dict[str, Any] = {"parameters": {}, "labels": [], "context": {}, "state_counts": {}}
    return {"id": identifier, "flow_id": _FLOW_ID, "name": "run", **documents, **_run(0, "Success")}


def _task_run(flow_run_id: UUID, place: int, slug: str, map_index: int) -> dict[str, Any]:
    return {
        "id": id_of(at(place), f"{flow_run_id} {place}".encode()),
        "flow_run_id": flow_run_id,
        "flow_id": _FLOW_ID,
        "task_id": TASK_IDS[slug],
        "task_slug": slug,
        "task_name": slug,
        "map_index": map_index,
        "tags": [],
        "has_result": False,
        **_run(place, "Mapped" if (slug, map_index) == (SLUG, -1) else "Success"),
    }


def _run(place: int, state: str) -> dict[str, Any]:
    """What states make of a run: each begins a second after the one before and takes longer or less long than it."""
    took = place * 7919 % 1009 / 100
    ran = state != "Mapped"
    return {
        "state": state,
        "state_timestamp": at(place),
        "version": 3,
        "run_count": 1,
        "first_timestamp": at(place),
        "start_time": at(place) if ran else None,
        "end_time": at(place + took) if ran else None,
        "duration": took if ran else None,
        "run_time": took if ran else None,
        "queue_time": 0.0 if ran else None,
        "sequence": 3 * place + 3,
        "created": at(place),
        "updated": at(place),
    }
