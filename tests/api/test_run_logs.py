"""Logs over HTTP: reported, listed and filtered, with each fault and its place."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.questions import GraphQL


async def create(client: httpx.AsyncClient) -> str:
    """Creates a flow run, and returns the path of its logs."""
    return f"/flow-runs/{(await client.post('/flow-runs', json={'flow_name': 'etl'})).json()['id']}/logs"


def line(message: str = "m", **members: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), "message": message, **members}


async def test_lines_are_reported_and_listed(client: httpx.AsyncClient) -> None:
    path = await create(client)
    lines = [line(level, level=level, timestamp="2021-05-12T18:00:00Z") for level in ("DEBUG", "ERROR")]
    for recorded in (2, 0):
        response = await client.post(path, json={"items": lines})
        assert (response.status_code, response.json()) == (200, {"received": 2, "recorded": recorded})
    page = (await client.get(path, params={"level": "WARNING"})).json()
    assert [item["message"] for item in page["items"]] == ["ERROR"]
    assert page["next_cursor"] is None


async def test_lines_that_the_engine_of_prefect1_sends_are_listed(etl: GraphQL) -> None:
    flow_run_id = etl.ids["run-0"]
    query = "query($id: uuid) { task_run(where: {flow_run_id: {_eq: $id}}, limit: 1) { id } }"
    (task_run,) = (await etl.data(query, id=flow_run_id))["task_run"]
    of_run = {"flow_run_id": flow_run_id, "name": "prefect.CloudTaskRunner", "info": {"lineno": 1}}
    lines = [
        {**of_run, "message": "begin", "level": "INFO", "timestamp": "2021-05-12T18:00:00"},
        {
            **of_run,
            "message": "own",
            "level": "ERROR",
            "timestamp": "2021-05-12T18:00:01",
            "task_run_id": task_run["id"],
        },
        {**of_run, "message": None, "level": "AUDIT", "timestamp": "2021-05-12T18:00:02"},
    ]
    await etl.change("write_run_logs", "{ success }", logs=lines)
    response = await etl.client.post(f"/flow-runs/{flow_run_id}/logs", json={"items": [line("reported")]})
    assert response.json() == {"received": 1, "recorded": 1}
    of_flow_run = (await etl.client.get(f"/flow-runs/{flow_run_id}/logs")).json()["items"]
    assert [(item["level"], item["message"], item["task_run_id"]) for item in of_flow_run] == [
        ("INFO", "begin", None),
        ("ERROR", "own", task_run["id"]),
        ("AUDIT", None, None),
        ("INFO", "reported", None),
    ]
    of_task_run = (await etl.client.get(f"/task-runs/{task_run['id']}/logs", params={"level": "ERROR"})).json()
    assert of_task_run == {"items": [of_flow_run[1]], "next_cursor": None}


FAULTS = {
    "no lines": ([], "/items"),
    "too many lines": ([line() for _ in range(1001)], "/items"),
    "no id": ([{"message": "m"}], "/items/0"),
    "no message": ([{"id": str(uuid4())}], "/items/0"),
    "a long message": ([line("m" * 65_537)], "/items/0/message"),
    "a long name": ([line(name="n" * 256)], "/items/0/name"),
    "NUL": ([line("a\0b")], ""),
    "a foreign task run": ([line(), line(task_run_id=str(uuid4()))], "/items/1/task_run_id"),
    "an early time": ([line(timestamp="1969-12-31T23:59:59Z")], "/items/0"),
    "an unknown member": ([line(info={})], "/items/0"),
}


@pytest.mark.parametrize(("items", "pointer"), FAULTS.values(), ids=FAULTS)
async def test_invalid_lines_are_refused(client: httpx.AsyncClient, items: Any, pointer: str) -> None:
    path = await create(client)
    response = await client.post(path, json={"items": items})
    assert response.status_code == 400, response.text
    assert response.json()["errors"][0]["pointer"] == pointer
    assert (await client.get(path)).json()["items"] == []


async def test_unknown_level_is_refused_with_the_levels(client: httpx.AsyncClient) -> None:
    path = await create(client)
    for response in (
        await client.get(path, params={"level": "WARN"}),
        await client.post(path, json={"items": [line(level="WARN")]}),
    ):
        assert response.status_code == 400
        detail = response.json()["errors"][0]["detail"]
        assert "Did you mean WARNING? It must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL." in detail


async def test_logs_of_runs_that_do_not_exist_are_not_found(client: httpx.AsyncClient) -> None:
    for kind in ("flow", "task"):
        response = await client.get(f"/{kind}-runs/{uuid4()}/logs")
        assert (response.status_code, response.json()["code"]) == (404, f"{kind}-run-not-found")
    response = await client.post(f"/flow-runs/{uuid4()}/logs", json={"items": [line()]})
    assert (response.status_code, response.json()["code"]) == (404, "flow-run-not-found")
