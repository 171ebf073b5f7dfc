"""Weights: what changes a whole flow run takes as much of the queue of writes as it has task runs."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from taskruns_service.app import create_app
from tests.service import running, settings_of

CAPACITY = 40
TASK_RUNS = 30


def mutation(name: str, result: str, **sent: Any) -> dict[str, Any]:
    query = f"mutation($input: {name}_input!) {{ {name}(input: $input) {{ {result} }} }}"
    return {"query": query, "variables": {"input": sent}}


Send = Callable[[httpx.AsyncClient, str], Coroutine[Any, Any, httpx.Response]]
CANCELLED = {"type": "Cancelled", "message": ""}
CHANGES: dict[str, Send] = {
    "delete": lambda http, run: http.delete(f"/flow-runs/{run}"),
    "graphql delete": lambda http, run: http.post(
        "/graphql", json=mutation("delete_flow_run", "success", flow_run_id=run)
    ),
    "graphql cancel": lambda http, run: http.post(
        "/graphql", json=mutation("cancel_flow_run", "state", flow_run_id=run)
    ),
    "graphql states": lambda http, run: http.post(
        "/graphql",
        json=mutation("set_flow_run_states", "states { id }", states=[{"flow_run_id": run, "state": CANCELLED}]),
    ),
}


async def report(http: httpx.AsyncClient, flow_run: str, count: int) -> httpx.Response:
    items = [{"task_slug": f"t{number}", "states": [{"type": "Pending"}]} for number in range(count)]
    return await http.post(f"/flow-runs/{flow_run}/task-runs", json={"items": items})


async def create(http: httpx.AsyncClient) -> str:
    identifier: str = (await http.post("/flow-runs", json={"flow_name": "f"})).json()["id"]
    return identifier


@pytest.fixture
async def http(sqlite_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """The service, with a small queue of writes."""
    async with running(create_app(settings_of(sqlite_url, queue_size=CAPACITY, write_timeout=3))) as client:
        yield client


@pytest.mark.parametrize("kind", CHANGES)
async def test_change_of_a_flow_run_weighs_as_much_as_its_task_runs(
    kind: str, http: httpx.AsyncClient, sqlite_file: Path
) -> None:
    large, small, busy = [await create(http) for _ in range(3)]
    assert (await report(http, large, TASK_RUNS)).status_code == 200
    assert (await report(http, small, 1)).status_code == 200
    with closing(sqlite3.connect(sqlite_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(report(http, busy, CAPACITY - TASK_RUNS + 1))
        await asyncio.sleep(0.05)
        refused = await CHANGES[kind](http, large)
        assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "overloaded", "1")
        light = asyncio.create_task(CHANGES[kind](http, small))
        await asyncio.sleep(0.05)
        assert not light.done()
        other.execute("ROLLBACK")
    assert (await waiting).status_code == 200
    assert (await light).status_code in (200, 204)
    assert (await CHANGES[kind](http, large)).status_code in (200, 204)
