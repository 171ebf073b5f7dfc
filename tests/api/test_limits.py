"""How much of everything the service takes: what is within a limit is kept whole, what is beyond is refused."""

from collections.abc import Callable
from typing import Any
from unittest.mock import ANY

import httpx
import pytest

from tests.service import problem_of

STATE_BYTES = 1_000_000


@pytest.fixture
async def flow_run(client: httpx.AsyncClient) -> str:
    """The path of a flow run."""
    return f"/flow-runs/{(await client.post('/flow-runs', json={'flow_name': 'f'})).json()['id']}"


@pytest.fixture
async def task_run(client: httpx.AsyncClient, flow_run: str) -> str:
    """The path of a task run of it."""
    response = await client.post(f"{flow_run}/task-runs", json={"items": [{"task_slug": "name"}]})
    return f"/task-runs/{response.json()['items'][0]['task_run_id']}"


def nested(levels: int) -> Any:
    """JSON with this many arrays and objects inside of each other."""
    value: Any = {} if levels == 1 else []
    for level in range(levels - 1):
        value = {"in": value} if level == levels - 2 or level % 2 else [value]
    return value


def text_of(length: int) -> str:
    """A text of this length, of characters that need two, three and four bytes, and quotes that need escaping."""
    return ("ß語😀'\"" * length)[:length]


FLOW_RUN_TEXTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "/flow_name": lambda text: {"flow_name": text},
    "/name": lambda text: {"flow_name": "f", "name": text},
    "/idempotency_key": lambda text: {"flow_name": "f", "idempotency_key": text},
    "/labels/0": lambda text: {"flow_name": "f", "labels": [text]},
}
TASK_RUN_TEXTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "/items/0/task_slug": lambda text: {"task_slug": text},
    "/items/0/task_name": lambda text: {"task_slug": "a", "task_name": text},
    "/items/0/name": lambda text: {"task_slug": "a", "name": text},
    "/items/0/tags/0": lambda text: {"task_slug": "a", "tags": [text]},
}


@pytest.mark.parametrize("pointer", FLOW_RUN_TEXTS)
async def test_names_of_flow_runs_have_1_to_255_characters(client: httpx.AsyncClient, pointer: str) -> None:
    request = FLOW_RUN_TEXTS[pointer](text_of(255))
    kept = await client.post("/flow-runs", json=request)
    assert kept.status_code == 201
    assert kept.json() == {**kept.json(), **request}
    for length, detail in ((256, "Expected `str` of length <= 255."), (0, "Expected `str` of length >= 1.")):
        response = await client.post("/flow-runs", json=FLOW_RUN_TEXTS[pointer](text_of(length)))
        assert (response.status_code, problem_of(response)["errors"]) == (400, [{"pointer": pointer, "detail": detail}])


async def test_name_is_made_for_the_longest_flow_name(client: httpx.AsyncClient) -> None:
    made = (await client.post("/flow-runs", json={"flow_name": text_of(255)})).json()
    assert (len(made["name"]), made["name"]) == (255, f"{text_of(248)}-{made['id'][-6:]}")


@pytest.mark.parametrize("pointer", TASK_RUN_TEXTS)
async def test_names_of_task_runs_have_1_to_255_characters(
    client: httpx.AsyncClient, flow_run: str, pointer: str
) -> None:
    item = TASK_RUN_TEXTS[pointer](text_of(255))
    kept = await client.post(f"{flow_run}/task-runs", json={"items": [item]})
    assert kept.status_code == 200
    found = (await client.get(f"/task-runs/{kept.json()['items'][0]['task_run_id']}")).json()
    assert found == {**found, **{name: value for name, value in item.items() if name != "task_name"}}
    for length, detail in ((256, "Expected `str` of length <= 255."), (0, "Expected `str` of length >= 1.")):
        body = {"items": [TASK_RUN_TEXTS[pointer](text_of(length))]}
        response = await client.post(f"{flow_run}/task-runs", json=body)
        assert (response.status_code, problem_of(response)["errors"]) == (400, [{"pointer": pointer, "detail": detail}])


async def test_longest_slug_is_found_and_counted(client: httpx.AsyncClient, flow_run: str) -> None:
    slug = text_of(255)
    await client.post(f"{flow_run}/task-runs", json={"items": [{"task_slug": slug}]})
    found = await client.get(f"{flow_run}/task-runs", params={"task_slug": slug, "fields": "task_slug"})
    assert found.json() == {"items": [{"task_slug": slug}], "next_cursor": None}
    groups = (await client.get("/task-runs/aggregate", params={"group_by": "task_slug"})).json()["groups"]
    assert groups == [{"key": {"task_slug": slug}, "count": 1, "measures": {}, "sample_ids": None, "previous": None}]


async def test_bulk_takes_1_to_1000_items(client: httpx.AsyncClient, flow_run: str) -> None:
    def report(count: int) -> dict[str, Any]:
        return {"items": [{"task_slug": "inc", "map_index": index} for index in range(count)]}

    kept = await client.post(f"{flow_run}/task-runs", json=report(1000))
    assert kept.status_code == 200
    assert [item["outcome"] for item in kept.json()["items"]] == ["created"] * 1000
    ids = [item["task_run_id"] for item in kept.json()["items"]]

    def states(count: int) -> dict[str, Any]:
        return {"items": [{"task_run_id": ids[index % 1000], "type": "Running"} for index in range(count)]}

    kept = await client.post("/task-runs/states", json=states(1000))
    assert [item["outcome"] for item in kept.json()["items"]] == ["recorded"] * 1000
    listed = (await client.get(f"{flow_run}/task-runs", params={"limit": 1000, "state": "Running"})).json()
    assert ([item["id"] for item in listed["items"]], listed["next_cursor"]) == (ids, None)

    for path, body in ((f"{flow_run}/task-runs", report), ("/task-runs/states", states)):
        for count, detail in ((1001, "Expected `array` of length <= 1000."), (0, "Expected `array` of length >= 1.")):
            response = await client.post(path, json=body(count))
            assert response.status_code == 400
            assert problem_of(response)["errors"] == [{"pointer": "/items", "detail": detail}]


async def test_report_has_up_to_1000_states(client: httpx.AsyncClient, flow_run: str) -> None:
    def report(count: int) -> dict[str, Any]:
        return {"items": [{"task_slug": "loop", "states": [{"type": "Running"}] * count}]}

    kept = await client.post(f"{flow_run}/task-runs", json=report(1000))
    (item,) = kept.json()["items"]
    assert (item["outcome"], item["version"]) == ("created", 1000)
    assert (await client.get(f"/task-runs/{item['task_run_id']}")).json()["run_count"] == 1000
    response = await client.post(f"{flow_run}/task-runs", json=report(1001))
    fault = {"pointer": "/items/0/states", "detail": "Expected `array` of length <= 1000."}
    assert (response.status_code, problem_of(response)["errors"]) == (400, [fault])


async def test_task_run_has_up_to_100_tags(client: httpx.AsyncClient, task_run: str) -> None:
    tags = [f"tag-{number}" for number in range(100)]
    response = await client.patch(task_run, json={"tags": tags})
    assert (response.status_code, response.json()["tags"]) == (200, tags)
    response = await client.patch(task_run, json={"tags": [*tags, "one-more"]})
    fault = {"pointer": "/tags", "detail": "Expected `array` of length <= 100."}
    assert (response.status_code, problem_of(response)["errors"]) == (400, [fault])


async def test_state_has_up_to_a_million_bytes(client: httpx.AsyncClient, task_run: str) -> None:
    def state(size: int) -> dict[str, Any]:
        reference = {"type": "PrefectResult", "location": f'"{"x" * size}"'}
        return {"type": "Success", "timestamp": "2021-05-12T18:00:00Z", "result": reference}

    # What else is in the state takes some of it.
    kept = await client.post(f"{task_run}/states", json=state(STATE_BYTES - 1000))
    assert kept.status_code == 201
    found = (await client.get(f"{task_run}/result")).json()
    assert found["reference"]["location"] == state(STATE_BYTES - 1000)["result"]["location"]
    (history,) = (await client.get(f"{task_run}/states")).json()["items"]
    assert history["result"] == state(STATE_BYTES - 1000)["result"]

    response = await client.post(f"{task_run}/states", json=state(STATE_BYTES))
    fault = {"pointer": "", "detail": "a state can have at most 1000000 bytes."}
    assert (response.status_code, problem_of(response)["errors"]) == (400, [fault])
    details = {"type": "Running", "details": {"context": "x" * STATE_BYTES}}
    response = await client.post(f"{task_run}/states", json=details)
    assert (response.status_code, problem_of(response)["errors"]) == (400, [fault])


async def test_message_has_up_to_65536_characters(client: httpx.AsyncClient, task_run: str) -> None:
    message = text_of(65_536)
    kept = await client.post(f"{task_run}/states", json={"type": "Running", "message": message})
    assert kept.status_code == 201
    assert (await client.get(task_run)).json()["state_message"] == message
    response = await client.post(f"{task_run}/states", json={"type": "Running", "message": message + "x"})
    fault = {"pointer": "/message", "detail": "Expected `str` of length <= 65536."}
    assert (response.status_code, problem_of(response)["errors"]) == (400, [fault])


async def test_json_nests_up_to_100_levels(client: httpx.AsyncClient, task_run: str) -> None:
    deep = nested(100)
    kept = await client.post("/flow-runs", json={"flow_name": "f", "parameters": deep, "context": deep})
    assert (kept.status_code, kept.json()["parameters"], kept.json()["context"]) == (201, deep, deep)
    kept = await client.post(f"{task_run}/states", json={"type": "Running", "details": deep})
    (history,) = (await client.get(f"{task_run}/states")).json()["items"]
    assert (kept.status_code, history["details"]) == (201, deep)

    deeper = nested(101)
    for path, body in (
        ("/flow-runs", {"flow_name": "f", "parameters": deeper}),
        ("/flow-runs", {"flow_name": "f", "context": deeper}),
        (f"{task_run}/states", {"type": "Running", "details": deeper}),
        (f"{task_run}/states", {"type": "Running", "result": {"type": "LocalResult", "more": deeper}}),
    ):
        response = await client.post(path, json=body)
        fault = {"pointer": "", "detail": "JSON can nest at most 100 levels deep."}
        assert (response.status_code, problem_of(response)["errors"]) == (400, [fault])


@pytest.mark.parametrize("member", ["location", "dir", "bucket", "container"])
async def test_place_of_a_result_is_a_plain_place(client: httpx.AsyncClient, task_run: str, member: str) -> None:
    async def report(place: str) -> httpx.Response:
        result = {"type": "MyResult", "location": "x", member: place}
        return await client.post(f"{task_run}/states", json={"type": "Success", "result": result})

    # What comes after the host may have an @; the names of buckets and containers have none.
    with_at = ("s3://flows/x@y", "me@example.org/x")
    named = member in ("bucket", "container")
    for place in ("ß" * 2048, "a b%20c\\d", *(() if named else with_at)):
        assert (await report(place)).status_code == 201
        found = (await client.get(f"{task_run}/result")).json()["reference"]["given"]
        assert found == {"type": "MyResult", "location": "x", member: place}
    for place, why in (
        ("ß" * 2048 + "x", "can have at most 4096 bytes"),
        ("s3://key:secret@flows/x", "cannot contain a user name or password"),
        ("https://token@example.org/x", "cannot contain a user name or password"),
        ("https://[half/x", "cannot contain a user name or password"),
        *((place, "cannot contain a user name or password") for place in (with_at if named else ())),
        ("a\nb", "cannot contain control characters"),
        ("a\x7fb", "cannot contain control characters"),
        ("\x1b[2J", "cannot contain control characters"),
    ):
        response = await report(place)
        fault = {"pointer": ANY, "detail": f"`{member}` of a result {why}."}
        assert (response.status_code, problem_of(response)["errors"]) == (400, [fault])


async def test_value_of_a_result_is_json(client: httpx.AsyncClient, task_run: str) -> None:
    for value, status in (("[1, null]", 201), ('"a\\nb"', 201), ("Hello", 400), ("[1", 400)):
        result = {"type": "PrefectResult", "location": value}
        response = await client.post(f"{task_run}/states", json={"type": "Success", "result": result})
        assert response.status_code == status


async def test_timestamps_lie_between_1970_and_9998(client: httpx.AsyncClient, task_run: str) -> None:
    for moment in ("1970-01-01T00:00:00Z", "9998-12-31T23:59:59.999999Z"):
        response = await client.post(f"{task_run}/states", json={"type": "Pending", "timestamp": moment})
        assert response.status_code == 201
    for moment in ("1969-12-31T23:59:59.999999Z", "1970-01-01T00:59:59+01:00", "9999-12-31T23:59:59-23:59"):
        response = await client.post(f"{task_run}/states", json={"type": "Pending", "timestamp": moment})
        fault = {"pointer": "", "detail": "timestamps must be between the years 1970 and 9998 (UTC)."}
        assert (response.status_code, problem_of(response)["errors"]) == (400, [fault])


async def test_map_index_is_minus_1_or_an_index(client: httpx.AsyncClient, flow_run: str) -> None:
    for index, status in ((-1, 200), (0, 200), (2**31 - 1, 200), (-2, 400), (2**31, 400), (2**64, 400)):
        body = {"items": [{"task_slug": "inc", "map_index": index}]}
        assert (await client.post(f"{flow_run}/task-runs", json=body)).status_code == status


async def test_page_has_1_to_1000_items(client: httpx.AsyncClient, flow_run: str, task_run: str) -> None:
    paths = ("/flow-runs", "/task-runs", f"{flow_run}/task-runs", f"{flow_run}/states", f"{task_run}/states")
    for path in paths:
        for limit, status in ((1, 200), (1000, 200), (0, 400), (1001, 400)):
            assert (await client.get(path, params={"limit": limit})).status_code == status


async def test_numbers_come_back_as_they_were_sent(client: httpx.AsyncClient) -> None:
    parameters = b'{"a":1,"b":9007199254740993,"c":-0.5,"d":1e300,"e":123456789012345678901234567890,"f":1.10}'
    content = b'{"flow_name":"f","parameters":' + parameters + b"}"
    made = await client.post("/flow-runs", content=content, headers={"content-type": "application/json"})
    assert made.status_code == 201
    sent = {"a": 1, "b": 9007199254740993, "c": -0.5, "d": 1e300, "f": 1.1}
    assert made.json()["parameters"] == {**sent, "e": pytest.approx(123456789012345678901234567890)}
