"""A large dataset: as many flow runs and task runs as it takes for a bad plan to show, alike on every database."""

import random
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, insert, select, text

from taskruns_service.domain.ids import id_of
from taskruns_service.domain.states import FINISHED, StateType
from taskruns_service.storage import tables
from taskruns_service.storage.dialects import insert_many, read_url
from tests.store.factories import FILL_SECONDS, at, opened, run_on

FLOWS = {"daily": 60, "hourly": 30, "weekly": 9, "seldom": 1}
"""Flows, and how often their flow runs are met."""
SLUGS = [f"task-{number}" for number in range(20)]
FLOW_RUNS = 40_000
BUSY = 100
"""One of so many flow runs has task runs, and one of so many of these has a map of them."""
WIDTH = 100
"""The task runs of such a flow run."""
TASK_RUNS = FLOW_RUNS // BUSY * WIDTH
APART = 60.0
"""The seconds from one flow run to the next."""
STATES = {"Success": 9000, "Failed": 800, "Cancelled": 100, "TimedOut": 50, "Skipped": 50}
"""The states of runs, and how often they are met. Only newer ones have others."""
CANCELLED = 1 / 32
"""The part of the runs, those made last, that were all cancelled."""
UNFINISHED = ("Running", "Retrying", "Pending", "Scheduled")
"""The states of the very last."""


def _id(kind: str, name: str, seconds: float = 0) -> UUID:
    return id_of(at(seconds), f"{kind} {name}".encode())


_NUMBER = FLOW_RUNS // 2 + BUSY - 1
FLOW_RUN_ID = _id("flow run", f"{_NUMBER}", _NUMBER * APART)
"""A flow run with task runs, in the middle of them all."""
TASK_RUN_ID = _id("task run", f"{FLOW_RUN_ID} 0", _NUMBER * APART)
"""One of its task runs."""


async def fill(url: str) -> None:
    """Puts the large dataset into the empty database at `url`, whose statistics then know it as they do in use."""
    async with opened(url, write_timeout=FILL_SECONDS) as database:
        await database.transact(gather)
        for statement in _STATISTICS[read_url(url).get_backend_name()]:
            await database.transact(run_on, text(statement))


# PostgreSQL keeps its statistics by itself. SQLite has some only once it is told to, which the service does not do:
# of a column they have the average, by which the few that are running would be as many as those that succeeded.
_STATISTICS = {"postgresql": ("ANALYZE",), "sqlite": ()}


def gather(connection: Connection) -> None:
    """Puts the large dataset into an empty database."""
    chance = random.Random(7)
    flows = [_flow(name) for name in FLOWS]
    insert_many(connection, tables.flow, flows)
    insert_many(connection, tables.task, [_task(flow["id"], slug) for flow in flows for slug in SLUGS])
    chosen = chance.choices(flows, [*FLOWS.values()], k=FLOW_RUNS)
    flow_runs = [_flow_run(chance, number, flow["id"]) for number, flow in enumerate(chosen)]
    insert_many(connection, tables.flow_run, flow_runs)
    busy = flow_runs[BUSY - 1 :: BUSY]
    for number, flow_run in enumerate(busy):
        states = chance.choices([*STATES], [*STATES.values()], k=WIDTH)
        if number >= len(busy) * (1 - CANCELLED):
            states = ["Cancelled"] * WIDTH
        if flow_run is busy[-1]:
            states = [UNFINISHED[place % len(UNFINISHED)] for place in range(WIDTH)]
        members = _map(states) if number % BUSY == 0 else _tasks(states)
        insert_many(
            connection, tables.task_run, [_task_run(chance, flow_run, *member) for member in enumerate(members)]
        )
    key = [tables.task_run.c[name] for name in ("flow_id", "task_slug", "state")]
    counted = select(*key, func.count()).group_by(*key)
    connection.execute(insert(tables.task_run_tally).from_select([*(column.name for column in key), "count"], counted))


_Member = tuple[str, int, str]
"""What a task run is within its flow run: its task slug, its map index and its state."""


def _map(states: list[str]) -> list[_Member]:
    return [(SLUGS[0], place - 1, state) for place, state in enumerate(["Mapped", *states[1:]])]


def _tasks(states: list[str]) -> list[_Member]:
    return [(SLUGS[place % len(SLUGS)], place // len(SLUGS) - 1, state) for place, state in enumerate(states)]


def _flow(name: str) -> dict[str, Any]:
    identifier = _id("flow", name)
    return {"id": identifier, "project": "default", "name": name, "version": 1, "archived": False, "created": at(0)}


def _task(flow_id: UUID, slug: str) -> dict[str, Any]:
    return {
        "id": _id("task", f"{flow_id} {slug}"),
        "flow_id": flow_id,
        "slug": slug,
        "name": _name(slug),
        "created": at(0),
    }


def _name(slug: str) -> str:
    return f"{slug} of all flows"


def _flow_run(chance: random.Random, number: int, flow_id: UUID) -> dict[str, Any]:
    seconds = number * APART
    (state,) = chance.choices([*STATES], [*STATES.values()])
    if number >= FLOW_RUNS * (1 - CANCELLED):
        state = "Cancelled"
    if number >= FLOW_RUNS - len(UNFINISHED):
        state = UNFINISHED[number % len(UNFINISHED)]
    return {
        "id": _id("flow run", f"{number}", seconds),
        "flow_id": flow_id,
        "name": f"run-{number}",
        "parameters": {},
        "labels": ["prod"] if number % 3 else ["prod", "eu"],
        "context": {},
        "state_counts": {},
        **_run(chance, state, seconds),
    }


def _task_run(chance: random.Random, flow_run: dict[str, Any], place: int, member: _Member) -> dict[str, Any]:
    slug, map_index, state = member
    seconds = (flow_run["created"] - at(0)).total_seconds() + place
    return {
        "id": _id("task run", f"{flow_run['id']} {place}", seconds),
        "flow_run_id": flow_run["id"],
        "flow_id": flow_run["flow_id"],
        "task_id": _id("task", f"{flow_run['flow_id']} {slug}"),
        "task_slug": slug,
        "task_name": _name(slug),
        "map_index": map_index,
        "name": f"run-{place}",
        "tags": ["etl"] if chance.random() < 0.5 else ["etl", "large"],
        "has_result": state == "Success" and chance.random() < 0.5,
        **_run(chance, state, seconds),
    }


def _run(chance: random.Random, state: str, seconds: float) -> dict[str, Any]:
    """What states make of a run that was made at this time."""
    waited, took = chance.uniform(0, 60), chance.expovariate(1 / 30)
    ran = state not in ("Pending", "Scheduled", "Skipped", "Mapped")
    ended = StateType(state) in FINISHED
    last = at(seconds + waited + took)
    return {
        "state": state,
        "state_timestamp": last,
        "state_message": f"Took {took:.3f} s.",
        "version": 3,
        "run_count": (2 if chance.random() < 0.1 else 1) if ran else 0,
        "first_timestamp": at(seconds),
        "start_time": at(seconds + waited) if ran else None,
        "end_time": last if ended else None,
        "duration": took if ran and ended else None,
        "run_time": took * 0.75 if ran and ended else None,
        "queue_time": waited if ran else None,
        "sequence": chance.randrange(1, 3 * WIDTH),
        "created": at(seconds),
        "updated": last,
    }
