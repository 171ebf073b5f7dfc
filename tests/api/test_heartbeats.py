"""Heartbeats over HTTP, a service that waits for them, and Crashed runs as clients of all kinds see them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from taskruns_service.app import create_app
from tests.service import running, settings_of


@pytest.fixture
async def watchful(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that does not wait long for heartbeats."""
    async with running(create_app(settings_of(database_url, heartbeat_timeout=1.0))) as client:
        yield client


async def until(is_so: Callable[[], Awaitable[bool]], seconds: float = 120) -> None:
    """Waits until something is so; fails when it is not after so long."""
    deadline = time.monotonic() + seconds
    while not await is_so():
        assert time.monotonic() < deadline, "It never was so."
        await asyncio.sleep(0.02)


async def begin(client: httpx.AsyncClient, *, beats: bool = True) -> str:
    """Creates a flow run that is running, with a running task run; returns its path."""
    path = f"/flow-runs/{(await client.post('/flow-runs', json={'flow_name': 'etl'})).json()['id']}"
    await client.post(f"{path}/states", json={"type": "Running"})
    await client.post(f"{path}/task-runs", json={"items": [{"task_slug": "t", "states": [{"type": "Running"}]}]})
    if beats:
        assert (await client.post(f"{path}/heartbeats")).status_code == 204
    return path


async def get(client: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    return (await client.get(path, params=parameters)).json()


async def state_of(client: httpx.AsyncClient, path: str) -> str:
    return str((await get(client, path))["state"])


async def has_crashed(client: httpx.AsyncClient, path: str) -> bool:
    return await state_of(client, path) == "Crashed"


async def test_heartbeat_is_shown_and_changes_no_etag(client: httpx.AsyncClient) -> None:
    path = await begin(client, beats=False)
    before = await client.get(path)
    assert before.json()["last_heartbeat"] is None
    response = await client.post(f"{path}/heartbeats")
    assert (response.status_code, response.content) == (204, b"")
    after = await client.get(path)
    shown = after.json()
    assert shown.pop("last_heartbeat") is not None
    assert {**shown, "last_heartbeat": None} == before.json()
    assert after.headers["etag"] == before.headers["etag"]
    assert (await get(client, "/flow-runs"))["items"][0]["last_heartbeat"] is not None
    fields = await get(client, "/flow-runs/fields", fields="last_heartbeat")
    assert list(fields["items"][0]) == ["last_heartbeat"]


async def test_heartbeat_of_no_flow_run_is_not_found(client: httpx.AsyncClient) -> None:
    response = await client.post(f"/flow-runs/{uuid4()}/heartbeats")
    assert (response.status_code, response.json()["code"]) == (404, "flow-run-not-found")


async def test_silent_flow_run_becomes_crashed_and_comes_back(watchful: httpx.AsyncClient) -> None:
    quiet = await begin(watchful, beats=False)
    path = await begin(watchful)
    await until(lambda: has_crashed(watchful, path))
    (task_run,) = (await get(watchful, f"{path}/task-runs"))["items"]
    assert (task_run["state"], task_run["state_message"][:19]) == ("Crashed", "No heartbeat since ")
    assert await state_of(watchful, quiet) == "Running"
    for filters in ({"state": "Crashed"}, {"state_group": "failed"}):
        assert [item["id"] for item in (await get(watchful, "/task-runs", **filters))["items"]] == [task_run["id"]]
    for kind in ("flow", "task"):
        groups = (await get(watchful, f"/{kind}-runs/aggregate", group_by="state"))["groups"]
        assert [(group["key"], group["count"]) for group in groups] == [
            ({"state": "Crashed"}, 1),
            ({"state": "Running"}, 1),
        ]

    async def is_back() -> bool:
        await watchful.post(f"{path}/heartbeats")
        return bool((await get(watchful, path))["task_run_counts"] == {"Running": 1})

    await until(is_back)
    assert await state_of(watchful, path) == "Running"


async def test_graphql_shows_crashed_as_failed(watchful: httpx.AsyncClient) -> None:
    path = await begin(watchful)
    await until(lambda: has_crashed(watchful, path))
    is_failed = 'where: {state: {_eq: "Failed"}}'
    is_not = 'where: {state: {_neq: "Failed"}}'
    query = f"""{{
        flow_run({is_failed}) {{ state serialized_state end_time states {{ state }} }}
        task_run({is_failed}) {{ state }}
        in: task_run(where: {{state: {{_in: ["Failed", "Success"]}}}}) {{ state }}
        like: task_run(where: {{state: {{_like: "Fail%"}}}}) {{ state }}
        not: task_run({is_not}) {{ state }}
        not_in: task_run(where: {{state: {{_nin: ["Failed"]}}}}) {{ state }}
        crashed: task_run(where: {{state: {{_eq: "Crashed"}}}}) {{ state }}
        counted: task_run_aggregate({is_failed}) {{ aggregate {{ count }} }}
        others: task_run_aggregate(where: {{state: {{_eq: "Crashed"}}}}) {{ aggregate {{ count }} }}
    }}"""
    answer = (await watchful.post("/graphql", json={"query": query})).json()["data"]
    (flow_run,) = answer.pop("flow_run")
    assert (flow_run["state"], flow_run["serialized_state"]["type"]) == ("Failed", "Failed")
    assert flow_run["end_time"] is not None
    assert sorted(one["state"] for one in flow_run["states"]) == ["Failed", "Running"]
    failed = [{"state": "Failed"}]
    assert answer == {
        **dict.fromkeys(("task_run", "in", "like"), failed),
        **{name: [] for name in ("not", "not_in", "crashed")},
        "counted": {"aggregate": {"count": 1}},
        "others": {"aggregate": {"count": 0}},
    }


async def test_graphql_takes_no_crashed_state(client: httpx.AsyncClient) -> None:
    path = await begin(client)
    states = [{"flow_run_id": path.rpartition("/")[2], "version": None, "state": {"type": "Crashed"}}]
    query = "mutation($i: set_flow_run_states_input!) { set_flow_run_states(input: $i) { states { status } } }"
    answer = (await client.post("/graphql", json={"query": query, "variables": {"i": {"states": states}}})).json()
    assert "There is no state type 'Crashed'" in answer["errors"][0]["message"]


async def test_crashed_can_be_reported_and_insists_on_nothing(client: httpx.AsyncClient) -> None:
    path = await begin(client)
    assert (await client.post(f"{path}/states", json={"type": "Crashed"})).json()["outcome"] == "recorded"
    assert (await client.post(f"{path}/states", json={"type": "Success"})).json()["outcome"] == "recorded"
    response = await client.post(f"{path}/states", json={"type": "Crashed", "force": True})
    assert (response.json()["outcome"], await state_of(client, path)) == ("late", "Success")
