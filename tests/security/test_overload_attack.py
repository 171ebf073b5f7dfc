"""Overload by many: at three times the capacity, the rest is refused quickly, and nothing else suffers."""

import asyncio
import json
import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import make_url

from taskruns_service.storage.tables import task_run
from tests.security.conftest import Serve
from tests.security.load import Answer, capacity, get, open_load, p99
from tests.security.slowness import create_task_runs, is_sqlite
from tests.service import Served

pytestmark = pytest.mark.attack

log = logging.getLogger(__name__)

COPIES = 100  # of 1,000 task runs
LOAD_SECONDS = 15.0
BULK_ITEMS, BULK_STATES = 1000, 400
QUESTIONS = {
    "scan": "/task-runs/aggregate?measure=p95_duration&group_by=state",
    "read": "/task-runs/aggregate?measure=p95_duration&group_by=state&flow_run_id={flow_run_id}",
}


async def copy_task_runs(service: Served) -> None:
    """Copies all task runs many times over, past the service: it only has to read them."""
    values = {column.name: column.name for column in task_run.c} | {
        "map_index": "map_index + 1000 * number",
        "duration": "map_index % 100 + 0.5",
        "start_time": "created",
    }
    if is_sqlite(service):
        values["id"] = "substr(id, 1, 24) || substr(hex(randomblob(6)), 1, 12)"
        numbers = "WITH RECURSIVE n(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM n LIMIT {}) SELECT * FROM n"
    else:
        values["id"] = "gen_random_uuid()"
        numbers = "SELECT generate_series(1, {}) AS number"
    source = f"SELECT {', '.join(values.values())} FROM task_run, ({numbers.format(COPIES)}) AS n"
    statement = f"INSERT INTO task_run ({', '.join(values)}) {source}"
    if is_sqlite(service):
        with closing(sqlite3.connect(str(make_url(service.database_url).database))) as file, file:
            file.execute(statement)
    else:
        server = await asyncpg.connect(service.database_url.replace("+asyncpg", ""))
        try:
            await server.execute(statement, timeout=300)
            await server.execute("ANALYZE task_run")
        finally:
            await server.close()


@pytest.fixture(scope="module")
def crowded(serve: Serve) -> Iterator[tuple[Served, str]]:
    """A service with many task runs of one flow run, and the id of one of them."""
    with serve() as service:

        async def fill() -> str:
            async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:
                task_run_id, *_ = await create_task_runs(client)
            await copy_task_runs(service)
            return task_run_id

        yield service, asyncio.run(fill())


@pytest.mark.parametrize("question", QUESTIONS)
def test_three_times_the_capacity(question: str, crowded: tuple[Served, str]) -> None:
    service, task_run_id = crowded
    look_up = f"/task-runs/{task_run_id}"
    flow_run_id = httpx.get(service.url + look_up).json()["flow_run_id"]
    asyncio.run(overload(service.url, QUESTIONS[question].format(flow_run_id=flow_run_id), look_up))


async def overload(url: str, path: str, look_up: str) -> None:
    await capacity(url, path, clients=4, seconds=1)
    per_second = await capacity(url, path, clients=4, seconds=5)
    began = time.monotonic()
    answers, look_ups, healths, readies = await asyncio.gather(
        open_load(url, path, per_second=3 * per_second, seconds=LOAD_SECONDS),
        *(open_load(url, beside, per_second=10, seconds=LOAD_SECONDS) for beside in (look_up, "/health", "/ready")),
    )
    answered = [one for one in answers if one.status == 200]
    refused = [one for one in answers if one.status == 503]
    assert len(answered) + len(refused) == len(answers)
    good = [one for one in answered if one.sent_at + one.seconds < began + LOAD_SECONDS]
    until_normal = await time_until_normal(url, path, began + LOAD_SECONDS)
    # Measured again, since others may use the machine by now.
    least = min(per_second, await capacity(url, path, clients=4, seconds=5))
    figures = {
        "capacity": per_second,
        "goodput": len(good) / LOAD_SECONDS / least,
        "refused": len(refused) / len(answers),
        "p99 of answered": p99(answered),
        "p99 of refused": p99(refused),
        "p99 of look-ups": p99(look_ups),
        "p99 of /health": p99(healths),
        "seconds until normal": until_normal,
    }
    log.info("%s: %s", path, {name: round(figure, 3) for name, figure in figures.items()})
    assert {one.status for one in (*look_ups, *healths, *readies)} == {200}
    assert figures["goodput"] >= 0.8
    assert figures["p99 of refused"] <= 0.1
    assert figures["p99 of look-ups"] <= 0.25
    assert figures["p99 of /health"] <= 0.1
    assert figures["seconds until normal"] <= 5


async def time_until_normal(url: str, path: str, end: float) -> float:
    """Returns how many seconds after the load a question was answered at once."""
    usual = min([(await get(url, path)).seconds for _ in range(3)])
    answer = Answer(0, 0, 1e9)
    while answer.status != 200 or answer.seconds > 2 * usual + 0.1:
        answer = await get(url, path)
    return max(0, answer.sent_at - end)


def test_bulk_request_of_many_states_does_not_hold_up_single_ones(serve: Serve) -> None:
    with serve() as service:
        asyncio.run(report_beside_bulk(service))


async def report_beside_bulk(service: Served) -> None:
    async with httpx.AsyncClient(base_url=service.url, timeout=300) as client:
        task_run_id, *_ = await create_task_runs(client, 1)
        flow_run = (await client.post("/flow-runs", json={"flow_name": "bulk"})).json()
        states = [{"type": "Running"}] * BULK_STATES
        items = [{"task_slug": "inc", "map_index": index, "states": states} for index in range(BULK_ITEMS)]
        body = json.dumps({"items": items}, separators=(",", ":")).encode()
        path, headers = f"/flow-runs/{flow_run['id']}/task-runs", {"Content-Type": "application/json"}
        bulk = asyncio.create_task(client.post(path, content=body, headers=headers))
        seconds: dict[str, list[float]] = {"single": [], "health": []}

        async def timed(kind: str, request: Any) -> None:
            began = time.monotonic()
            answer = await request
            assert answer.is_success
            seconds[kind].append(time.monotonic() - began)

        while not bulk.done():
            await timed("single", client.post(f"/task-runs/{task_run_id}/states", json={"type": "Running"}))
            await timed("health", client.get("/health"))
        assert (await bulk).status_code == 200
        log.info("slowest: %s", {kind: round(max(times), 3) for kind, times in seconds.items()})
        assert max(seconds["single"]) < 0.5
        assert max(seconds["health"]) < 0.5
