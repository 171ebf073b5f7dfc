"""A request that is sent again changes nothing, and the answer says that it was known."""

from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import httpx
import pytest

from tests.service import problem_of


@pytest.fixture
async def flow_run(client: httpx.AsyncClient) -> str:
    """The path of a flow run."""
    return f"/flow-runs/{(await client.post('/flow-runs', json={'flow_name': 'f'})).json()['id']}"


@pytest.fixture
async def task_run_id(client: httpx.AsyncClient, flow_run: str) -> str:
    """The id of a task run of it."""
    response = await client.post(f"{flow_run}/task-runs", json={"items": [{"task_slug": "name"}]})
    found: str = response.json()["items"][0]["task_run_id"]
    return found


@pytest.mark.parametrize(
    "known_by",
    [{"id": "8e445d74-9ca6-425b-98e5-72754b7ea174"}, {"idempotency_key": "2021-05-12"}],
    ids=["id", "idempotency key"],
)
async def test_flow_run_is_created_once(client: httpx.AsyncClient, known_by: dict[str, str]) -> None:
    request = {"flow_name": "hello-world", "parameters": {"x": [1, None]}, "labels": ["prod"], **known_by}
    first = await client.post("/flow-runs", json=request)
    again = await client.post("/flow-runs", json=request)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"] == f"/flow-runs/{first.json()['id']}"
    assert again.headers["etag"] == first.headers["etag"]
    # What is not sent is not compared.
    less = await client.post("/flow-runs", json={"flow_name": "hello-world", **known_by})
    assert (less.status_code, less.content) == (200, first.content)


async def test_other_flow_run_with_the_same_id_is_refused(client: httpx.AsyncClient) -> None:
    request = {"flow_name": "f", "id": str(uuid4()), "name": "one", "parameters": {"x": 1}}
    assert (await client.post("/flow-runs", json=request)).status_code == 201
    other = {**request, "flow_name": "g", "parameters": {"x": 2}}
    response = await client.post("/flow-runs", json=other)
    problem = problem_of(response)
    assert (response.status_code, problem["code"]) == (409, "flow-run-conflict")
    assert problem["errors"] == [
        {"pointer": f"/{name}", "detail": f"The flow run {request['id']} has a different value in {name}."}
        for name in ("flow_name", "parameters")
    ]


async def test_idempotency_key_belongs_to_its_flow(client: httpx.AsyncClient) -> None:
    made = [
        await client.post("/flow-runs", json={"flow_name": flow, "idempotency_key": "2021-05-12"})
        for flow in ("f", "g")
    ]
    assert [response.status_code for response in made] == [201, 201]
    assert made[0].json()["id"] != made[1].json()["id"]


async def test_state_is_recorded_once(client: httpx.AsyncClient, flow_run: str, task_run_id: str) -> None:
    for path, owner in ((flow_run, "flow_run_id"), (f"/task-runs/{task_run_id}", "task_run_id")):
        state = {"id": str(uuid4()), "type": "Running", "timestamp": "2021-05-12T18:00:00Z"}
        receipt = {
            "outcome": "recorded",
            "id": state["id"],
            owner: path.rpartition("/")[2],
            "version": 1,
            "state": "Running",
        }
        first = await client.post(f"{path}/states", json=state)
        assert (first.status_code, first.json()) == (201, receipt)
        before = (await client.get(path)).content
        again = await client.post(f"{path}/states", json=state)
        assert (again.status_code, again.json()) == (200, {**receipt, "outcome": "duplicate"})
        assert (await client.get(path)).content == before
        assert len((await client.get(f"{path}/states")).json()["items"]) == 1


async def test_known_state_stays_known_after_the_next(client: httpx.AsyncClient, task_run_id: str) -> None:
    first = {"id": str(uuid4()), "type": "Running"}
    await client.post(f"/task-runs/{task_run_id}/states", json=first)
    await client.post(f"/task-runs/{task_run_id}/states", json={"type": "Success"})
    again = await client.post(f"/task-runs/{task_run_id}/states", json=first)
    expected = {"outcome": "duplicate", "id": first["id"], "task_run_id": task_run_id, "version": 2, "state": "Success"}
    assert (again.status_code, again.json()) == (200, expected)


async def test_state_id_belongs_to_its_run(client: httpx.AsyncClient, flow_run: str, task_run_id: str) -> None:
    state = {"id": str(uuid4()), "type": "Running"}
    await client.post(f"/task-runs/{task_run_id}/states", json=state)
    other = (await client.post(f"{flow_run}/task-runs", json={"items": [{"task_slug": "other"}]})).json()["items"][0]
    response = await client.post(f"/task-runs/{other['task_run_id']}/states", json=state)
    assert (response.status_code, problem_of(response)["code"]) == (409, "state-id-conflict")


async def test_task_runs_are_reported_once(client: httpx.AsyncClient, flow_run: str) -> None:
    running, first_running, success = ({"id": str(uuid4()), "type": one} for one in ("Running", "Running", "Success"))
    report = {
        "items": [
            {"task_slug": "name"},
            {"task_slug": "inc-1", "map_index": 2, "states": [running]},
            {"task_slug": "inc-1", "map_index": 3, "states": [first_running, success]},
        ]
    }
    first = await client.post(f"{flow_run}/task-runs", json=report)
    before = (await client.get(f"{flow_run}/task-runs")).content
    again = await client.post(f"{flow_run}/task-runs", json=report)
    assert (first.status_code, again.status_code) == (200, 200)
    assert [item["outcome"] for item in first.json()["items"]] == ["created"] * 3
    known = ["existing", "duplicate", "duplicate"]
    assert again.json() == {
        "items": [{**item, "outcome": outcome} for item, outcome in zip(first.json()["items"], known, strict=True)]
    }
    assert (await client.get(f"{flow_run}/task-runs")).content == before


async def test_states_of_task_runs_are_reported_once(client: httpx.AsyncClient, task_run_id: str) -> None:
    items = [{"task_run_id": task_run_id, "id": str(uuid4()), "type": type_} for type_ in ("Running", "Success")]
    first = await client.post("/task-runs/states", json={"items": items})
    again = await client.post("/task-runs/states", json={"items": items})
    common = {"task_run_id": task_run_id, "problem": None}
    assert (first.status_code, first.json()["items"]) == (
        200,
        [
            {**common, "index": 0, "outcome": "recorded", "version": 1, "state": "Running"},
            {**common, "index": 1, "outcome": "recorded", "version": 2, "state": "Success"},
        ],
    )
    assert (again.status_code, again.json()["items"]) == (
        200,
        [{**common, "index": index, "outcome": "duplicate", "version": 2, "state": "Success"} for index in (0, 1)],
    )


async def test_same_state_twice_in_one_request_is_recorded_once(client: httpx.AsyncClient, task_run_id: str) -> None:
    state = {"task_run_id": task_run_id, "id": str(uuid4()), "type": "Running"}
    response = await client.post("/task-runs/states", json={"items": [state, state]})
    assert [item["outcome"] for item in response.json()["items"]] == ["recorded", "duplicate"]


async def test_update_may_be_repeated(client: httpx.AsyncClient, task_run_id: str) -> None:
    change: dict[str, Any] = {"name": "one", "tags": ["etl"]}
    first = await client.patch(f"/task-runs/{task_run_id}", json=change)
    again = await client.patch(f"/task-runs/{task_run_id}", json=change)
    assert (first.status_code, again.status_code) == (200, 200)
    moving = {"version": ANY, "sequence": ANY, "updated": ANY}
    assert {**again.json(), **change} == again.json() == {**first.json(), **moving}


async def test_one_refused_item_leaves_the_others(client: httpx.AsyncClient, flow_run: str, task_run_id: str) -> None:
    await client.post(f"/task-runs/{task_run_id}/states", json={"type": "Success", "timestamp": "2021-05-12T18:00:00Z"})
    report = {
        "items": [
            {"task_slug": "a", "states": [{"type": "Running"}]},
            {"task_slug": "name", "states": [{"type": "Failed"}, {"type": "Success"}, {"type": "Running"}]},
            {"task_slug": "b", "states": [{"type": "Success"}]},
        ]
    }
    response = await client.post(f"{flow_run}/task-runs", json=report)
    detail = "The run is Success, and Running would reopen it. To reopen it, send `force`."
    fault = {"pointer": "/items/1/states/2", "detail": detail}
    assert (response.status_code, response.json()["items"]) == (
        207,
        [
            {"index": 0, "outcome": "created", "task_run_id": ANY, "version": 1, "state": "Running", "problem": None},
            {
                "index": 1,
                "outcome": "refused",
                "task_run_id": task_run_id,
                "version": 3,
                "state": "Success",
                "problem": {"code": "terminal-state", "detail": detail, "errors": [fault], "current_run": ANY},
            },
            {"index": 2, "outcome": "created", "task_run_id": ANY, "version": 1, "state": "Success", "problem": None},
        ],
    )
    assert response.json()["items"][1]["problem"]["current_run"] == {
        "version": 3,
        "state": "Success",
        "state_timestamp": ANY,
    }
    assert (await client.get(flow_run)).json()["task_run_counts"] == {"Running": 1, "Success": 2}


async def test_unknown_task_run_is_refused_alone(client: httpx.AsyncClient, task_run_id: str) -> None:
    unknown = str(uuid4())
    items = [{"task_run_id": one, "type": "Running"} for one in (unknown, task_run_id)]
    response = await client.post("/task-runs/states", json={"items": items})
    assert (response.status_code, response.json()["items"]) == (
        207,
        [
            {
                "index": 0,
                "outcome": "refused",
                "task_run_id": unknown,
                "version": None,
                "state": None,
                "problem": {"code": "task-run-not-found", "detail": "There is no task run with this id."},
            },
            {
                "index": 1,
                "outcome": "recorded",
                "task_run_id": task_run_id,
                "version": 1,
                "state": "Running",
                "problem": None,
            },
        ],
    )


STATE: dict[str, Any] = {
    "type": "Success",
    "timestamp": "2021-05-12T18:00:00.5Z",
    "message": "All fine.",
    "result": {"type": "LocalResult", "dir": "/data", "location": "a", "size": 1},
    "details": {"x": [1, None], "y": {"a": 1, "b": 2}},
}
OTHERS = {
    "type": {"type": "Cached"},
    "timestamp": {"timestamp": "2021-05-12T18:00:00.500001Z"},
    "message": {"message": "Fine."},
    "no message": {"message": None},
    "result": {"result": {**STATE["result"], "location": "b"}},
    "result of another kind": {"result": {**STATE["result"], "size": 1.0}},
    "no result": {"result": None},
    "details": {"details": {**STATE["details"], "x": [True, None]}},
    "no details": {"details": {}},
}
SAME = {
    "the same": {},
    "another offset": {"timestamp": "2021-05-12T20:00:00.500+02:00"},
    "no timestamp": {"timestamp": ...},
    "another order of members": {"details": {"y": {"b": 2, "a": 1}, "x": [1, None]}},
    "a condition": {"force": True},
    "a version that it had": {"expected_version": 0},
}


def changed(state: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**state, **changes}.items() if value is not ...}


@pytest.fixture
async def paths(client: httpx.AsyncClient, flow_run: str, task_run_id: str) -> list[str]:
    """Where states of one run go: of a flow run and of a task run."""
    return [f"{flow_run}/states", f"/task-runs/{task_run_id}/states"]


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS)
async def test_other_state_with_the_same_id_is_refused(
    client: httpx.AsyncClient, paths: list[str], changes: dict[str, Any]
) -> None:
    (name,) = changes
    for path in paths:
        state = {"id": str(uuid4()), **STATE}
        assert (await client.post(path, json=state)).status_code == 201
        before = (await client.get(path)).content
        response = await client.post(path, json={**state, **changes})
        problem = problem_of(response)
        assert (response.status_code, problem["code"]) == (409, "state-id-conflict")
        assert problem["errors"] == [
            {"pointer": f"/{name}", "detail": f"The state {state['id']} has a different {name}."}
        ]
        assert (await client.get(path)).content == before


@pytest.mark.parametrize("changes", SAME.values(), ids=SAME)
async def test_same_state_is_known_however_it_is_written(
    client: httpx.AsyncClient, paths: list[str], changes: dict[str, Any]
) -> None:
    for path in paths:
        state = {"id": str(uuid4()), **STATE}
        await client.post(path, json=state)
        response = await client.post(path, json=changed(state, changes))
        assert (response.status_code, response.json()["outcome"]) == (200, "duplicate")


@pytest.mark.parametrize("one_request", [True, False])
async def test_other_states_with_known_ids_are_refused_alone(
    client: httpx.AsyncClient, flow_run: str, task_run_id: str, one_request: bool
) -> None:
    state = {"id": str(uuid4()), **STATE}
    other = {**state, "type": "Failed", "message": None}
    fresh = {"id": str(uuid4()), "type": "Cached", "timestamp": "2021-05-12T18:00:01Z"}

    async def refused(path: str, first: Any, second: Any) -> Any:
        bodies = [[first, second]] if one_request else [[first], [second]]
        for items in bodies:
            response = await client.post(path, json={"items": items})
        assert response.status_code == 207
        item = response.json()["items"][-1]
        assert (item["outcome"], item["problem"]["code"]) == ("refused", "state-id-conflict")
        return item["problem"]["errors"]

    whose = {"task_run_id": task_run_id}
    detail = f"The state {state['id']} has a different"
    assert await refused("/task-runs/states", {**whose, **state}, {**whose, **other}) == [
        {"pointer": f"/items/{int(one_request)}/{name}", "detail": f"{detail} {name}."} for name in ("type", "message")
    ]
    state["id"] = other["id"] = str(uuid4())
    detail = f"The state {state['id']} has a different"
    report = {"task_slug": "bulk"}
    errors = await refused(f"{flow_run}/task-runs", {**report, "states": [state]}, {**report, "states": [fresh, other]})
    assert errors == [
        {"pointer": f"/items/{int(one_request)}/states/1/{name}", "detail": f"{detail} {name}."}
        for name in ("type", "message")
    ]
    (task_run,) = (await client.get(f"{flow_run}/task-runs", params={"task_slug": "bulk"})).json()["items"]
    assert task_run["state"] == "Cached"  # the other state of the item is recorded
