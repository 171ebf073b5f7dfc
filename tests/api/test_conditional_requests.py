"""ETags: what has not changed is not sent again, and what has changed is not overwritten unseen."""

from typing import Any

import httpx
import pytest

from tests.service import problem_of


@pytest.fixture
async def flow_run(client: httpx.AsyncClient) -> str:
    """The path of a flow run with the mapped parent `inc-1` and its child 0, which is running."""
    flow_run = (await client.post("/flow-runs", json={"flow_name": "example-mapped"})).json()
    items = [
        {"task_slug": "inc-1", "states": [{"type": "Mapped"}]},
        {"task_slug": "inc-1", "map_index": 0, "states": [{"type": "Running", "timestamp": "2021-05-12T18:00:00Z"}]},
    ]
    await client.post(f"/flow-runs/{flow_run['id']}/task-runs", json={"items": items})
    return f"/flow-runs/{flow_run['id']}"


@pytest.fixture
async def child(client: httpx.AsyncClient, flow_run: str) -> str:
    """The path of the child."""
    return await path_of(client, flow_run, 0)


@pytest.fixture
async def parent(client: httpx.AsyncClient, flow_run: str) -> str:
    """The path of the mapped parent."""
    return await path_of(client, flow_run, -1)


async def path_of(client: httpx.AsyncClient, flow_run: str, map_index: int) -> str:
    (found,) = (await client.get(f"{flow_run}/task-runs", params={"map_index": map_index})).json()["items"]
    return f"/task-runs/{found['id']}"


async def finish(client: httpx.AsyncClient, task_run: str) -> httpx.Response:
    return await client.post(f"{task_run}/states", json={"type": "Success", "timestamp": "2021-05-12T18:00:01Z"})


async def test_unchanged_is_not_sent_again(client: httpx.AsyncClient, flow_run: str, child: str) -> None:
    lists = ("task-runs", "task-runs?state=Running", "tasks", "timeline", "timeline?task_slug=inc-1")
    for path in (child, flow_run, *(f"{flow_run}/{name}" for name in lists)):
        first = await client.get(path)
        etag = first.headers["etag"]
        weak = f"W/{etag}"  # as that of a compressed response, by which a cache finds what it keeps
        for known, expected in ((etag, etag), ("*", etag), (f'"0.0", {etag}', etag), (weak, weak)):
            again = await client.get(path, headers={"if-none-match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", expected)
        other = await client.get(path, headers={"if-none-match": '"0.0"'})
        assert (other.status_code, other.content, other.headers["etag"]) == (200, first.content, etag)


async def test_changed_is_sent_again(client: httpx.AsyncClient, flow_run: str, child: str) -> None:
    paths = (child, flow_run, *(f"{flow_run}/{name}" for name in ("task-runs", "tasks", "timeline")))
    known = [(await client.get(path)).headers["etag"] for path in paths]
    receipt = await finish(client, child)
    for path, etag in zip(paths, known, strict=True):
        response = await client.get(path, headers={"if-none-match": etag})
        assert response.status_code == 200
        assert response.headers["etag"] != etag
    assert (await client.get(child)).headers["etag"] == receipt.headers["etag"]


async def test_parent_changes_with_its_children(client: httpx.AsyncClient, parent: str, child: str) -> None:
    first = await client.get(parent)
    assert first.json()["end_time"] is None
    await finish(client, child)
    second = await client.get(parent, headers={"if-none-match": first.headers["etag"]})
    assert (second.status_code, second.json()["end_time"]) == (200, "2021-05-12T18:00:01.000000Z")
    assert second.headers["etag"] != first.headers["etag"]
    assert second.json()["version"] == first.json()["version"]


async def test_state_after_an_outdated_version_is_refused(client: httpx.AsyncClient, child: str) -> None:
    seen = (await client.get(child)).headers["etag"]
    assert (await finish(client, child)).status_code == 201
    current = {"version": 2, "state": "Success", "state_timestamp": "2021-05-12T18:00:01Z"}
    conflict = {
        "code": "version-conflict",
        "detail": "The run has changed since the version that you saw; `current_run` has its current state.",
        "current_run": current,
    }
    refused: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", f"{child}/states", {"type": "Failed"}),
        ("PATCH", child, {"name": "inc of 0"}),
    ]
    for method, path, body in refused:
        response = await client.request(method, path, json=body, headers={"if-match": seen})
        assert (response.status_code, problem_of(response)) == (412, conflict)
        response = await client.request(method, path, json={**body, "expected_version": 1})
        assert (response.status_code, problem_of(response)) == (412, conflict)


async def test_same_state_as_seen_takes_the_next(client: httpx.AsyncClient, child: str) -> None:
    seen = (await client.get(child)).headers["etag"]
    changed = await client.patch(child, json={"name": "inc of 0"}, headers={"if-match": seen})
    assert (changed.status_code, changed.json()["name"]) == (200, "inc of 0")
    assert changed.headers["etag"] == (await client.get(child)).headers["etag"] != seen
    for known in (changed.headers["etag"], "*"):
        response = await client.post(f"{child}/states", json={"type": "Running"}, headers={"if-match": known})
        assert response.status_code == 201


async def test_other_changes_than_states_are_no_versions(client: httpx.AsyncClient, flow_run: str, child: str) -> None:
    """A new name, new tags and a late state change the ETag and not the version: histories count 1, 2, 3."""
    seen = {(await client.get(child)).headers["etag"]}
    changes: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", child, {"name": "new"}),
        ("PATCH", child, {"tags": ["etl"]}),
        ("POST", "/graphql", rename("set_task_run_name", {"task_run_id": child.rpartition("/")[2], "name": "newer"})),
        ("POST", f"{child}/states", {"type": "Running", "timestamp": "2021-05-12T17:00:00Z"}),
    ]
    for method, path, body in changes:
        response = await client.request(method, path, json=body)
        assert response.status_code < 300, response.text
        found = await client.get(child)
        assert found.json()["version"] == 1
        assert found.headers["etag"] not in seen
        for old in seen:
            refused = await client.patch(child, json={"name": "lost"}, headers={"if-match": old})
            assert refused.status_code == 412
            refused = await client.post(f"{child}/states", json={"type": "Success"}, headers={"if-match": old})
            assert refused.status_code == 412
            assert (await client.get(child, headers={"if-none-match": old})).status_code == 200
        seen.add(found.headers["etag"])
    assert found.json()["start_time"] == "2021-05-12T17:00:00.000000Z"
    await finish(client, child)
    await client.patch(child, json={"name": "last"})
    await client.post(f"{child}/states", json={"type": "Cached"})
    history = (await client.get(f"{child}/states")).json()["items"]
    assert [state["version"] for state in history] == [None, 1, 2, 3]


async def test_flow_run_that_is_renamed_keeps_its_version(client: httpx.AsyncClient, flow_run: str) -> None:
    before = await client.get(flow_run)
    body = rename("set_flow_run_name", {"flow_run_id": flow_run.rpartition("/")[2], "name": "new"})
    assert (await client.post("/graphql", json=body)).json()["data"] == {"set_flow_run_name": {"success": True}}
    after = await client.get(flow_run, headers={"if-none-match": before.headers["etag"]})
    assert (after.status_code, after.json()["name"]) == (200, "new")
    assert after.json()["version"] == before.json()["version"]
    body = {"type": "Running"}
    refused = await client.post(f"{flow_run}/states", json=body, headers={"if-match": before.headers["etag"]})
    assert refused.status_code == 412


def rename(mutation: str, sent: dict[str, str]) -> dict[str, Any]:
    query = f"mutation($input: {mutation}_input!) {{ {mutation}(input: $input) {{ success }} }}"
    return {"query": query, "variables": {"input": sent}}


@pytest.mark.parametrize("kind", ["flow_run", "task_run"])
async def test_heartbeat_changes_nothing_that_is_shown(
    client: httpx.AsyncClient, flow_run: str, child: str, kind: str
) -> None:
    path = {"flow_run": flow_run, "task_run": child}[kind]
    before = await client.get(path)
    body = rename(f"update_{kind}_heartbeat", {f"{kind}_id": path.rpartition("/")[2]})
    assert (await client.post("/graphql", json=body)).json()["data"] == {f"update_{kind}_heartbeat": {"success": True}}
    after = await client.get(path)
    assert (after.content, after.headers["etag"]) == (before.content, before.headers["etag"])


async def test_version_alone_is_matched_whatever_else_has_changed(client: httpx.AsyncClient, child: str) -> None:
    await client.patch(child, json={"name": "new"})
    assert (await client.patch(child, json={"name": "newer"}, headers={"if-match": '"1"'})).status_code == 200
    await finish(client, child)
    assert (await client.patch(child, json={"name": "newest"}, headers={"if-match": '"1"'})).status_code == 412


async def test_flow_run_is_not_matched_by_the_etag_of_a_task_run(
    client: httpx.AsyncClient, flow_run: str, child: str
) -> None:
    seen = (await client.get(child)).headers["etag"]
    response = await client.post(f"{flow_run}/states", json={"type": "Running"}, headers={"if-match": seen})
    assert response.status_code == 412


async def test_flow_run_is_matched_by_all_its_changes(client: httpx.AsyncClient, flow_run: str, child: str) -> None:
    seen = (await client.get(flow_run)).headers["etag"]
    await finish(client, child)
    response = await client.post(f"{flow_run}/states", json={"type": "Running"}, headers={"if-match": seen})
    assert (response.status_code, problem_of(response)["code"]) == (412, "version-conflict")
    seen = (await client.get(flow_run)).headers["etag"]
    response = await client.post(f"{flow_run}/states", json={"type": "Running"}, headers={"if-match": seen})
    assert response.status_code == 201


@pytest.mark.parametrize("value", ["3", '"3', "3, 4", '"a"b"', "W/3", '"3";"4"', ""])
async def test_malformed_condition_is_refused(client: httpx.AsyncClient, flow_run: str, child: str, value: str) -> None:
    for path in (child, flow_run, f"{flow_run}/task-runs"):
        response = await client.get(path, headers={"if-none-match": value})
        assert response.status_code == 400
        detail = 'It must be an ETag from an earlier response, such as "3", or *.'
        assert problem_of(response)["errors"] == [{"header": "If-None-Match", "detail": detail}]
    for method, path in (("POST", f"{child}/states"), ("POST", f"{flow_run}/states"), ("PATCH", child)):
        body = {} if method == "PATCH" else {"type": "Running"}
        response = await client.request(method, path, json=body, headers={"if-match": value})
        assert response.status_code == 400
        (fault,) = problem_of(response)["errors"]
        assert fault["header"] == "If-Match"


async def test_flow_run_that_has_changed_is_not_deleted(client: httpx.AsyncClient, flow_run: str, child: str) -> None:
    seen = (await client.get(flow_run)).headers["etag"]
    await finish(client, child)
    response = await client.delete(flow_run, headers={"if-match": seen})
    assert (response.status_code, problem_of(response)["code"]) == (412, "version-conflict")
    now = (await client.get(flow_run)).headers["etag"]
    assert (await client.delete(flow_run, headers={"if-match": now})).status_code == 204
    response = await client.delete(flow_run, headers={"if-match": now})
    assert (response.status_code, problem_of(response)["code"]) == (404, "flow-run-not-found")


async def test_comma_may_be_part_of_an_etag(client: httpx.AsyncClient, child: str) -> None:
    known = (await client.get(child)).headers["etag"]
    assert (await client.get(child, headers={"if-none-match": '"a,b"'})).status_code == 200
    assert (await client.get(child, headers={"if-none-match": f'"a,b" ,{known}'})).status_code == 304


async def test_malformed_condition_is_refused_beside_an_expected_version(client: httpx.AsyncClient, child: str) -> None:
    for method, path, body in (
        ("PATCH", child, {"expected_version": 1}),
        ("POST", f"{child}/states", {"type": "Running", "expected_version": 1}),
    ):
        response = await client.request(method, path, json=body, headers={"if-match": "one"})
        assert (response.status_code, problem_of(response)["code"]) == (400, "invalid-request")


async def test_one_etag_is_matched_at_a_time(client: httpx.AsyncClient, child: str) -> None:
    for value in ('"1", "2"', '"one"', '"-1"', '"99999999999999999999"'):
        response = await client.patch(child, json={}, headers={"if-match": value})
        detail = 'It must be one ETag from an earlier response, such as "3".'
        assert (response.status_code, problem_of(response)["errors"]) == (
            400,
            [{"header": "If-Match", "detail": detail}],
        )


async def test_head_is_get_without_the_body(client: httpx.AsyncClient, flow_run: str, child: str) -> None:
    known = (await client.get(child)).headers["etag"]
    asked: list[tuple[str, dict[str, str]]] = [
        (child, {}),
        (child, {"if-none-match": known}),
        (flow_run, {}),
        (f"{flow_run}/task-runs?limit=1", {}),
        ("/task-runs?limit=0", {}),
        ("/health", {}),
        ("/docs", {}),
        ("/openapi.json", {}),
        ("/nowhere", {}),
    ]
    for path, headers in asked:
        got = await client.get(path, headers={**headers, "x-request-id": "same"})
        head = await client.head(path, headers={**headers, "x-request-id": "same"})
        assert (head.status_code, head.headers, head.content) == (got.status_code, got.headers, b"")


async def test_what_a_run_has_already_is_no_change(client: httpx.AsyncClient, flow_run: str, child: str) -> None:
    paths = (child, flow_run, f"{flow_run}/task-runs")
    for body in ({"name": "first"}, {"tags": ["b", "a"]}, {"name": "second", "tags": []}, {"name": None}):
        await client.patch(child, json=body)
        known = [await client.get(path) for path in paths]
        again = await client.patch(child, json=body)
        assert (again.status_code, again.headers["etag"]) == (200, known[0].headers["etag"])
        for path, seen in zip(paths, known, strict=True):
            answer = await client.get(path)
            assert (answer.content, answer.headers["etag"]) == (seen.content, seen.headers["etag"])
    # One of two is another.
    await client.patch(child, json={"name": "first", "tags": ["a"]})
    etag = (await client.get(child)).headers["etag"]
    await client.patch(child, json={"name": "first", "tags": ["b"]})
    assert (await client.get(child)).headers["etag"] != etag
