"""Compression over HTTP: what is large is sent as gzip to those who ask, and is the same then."""

import gzip
import json
from typing import Any

import httpx
import pytest

GZIP = {"accept-encoding": "gzip"}
PLAIN = {"accept-encoding": "identity"}
TASK_RUNS = 400


@pytest.fixture
async def flow_run(client: httpx.AsyncClient) -> str:
    """The path of a flow run with many task runs."""
    flow_run = (await client.post("/flow-runs", json={"flow_name": "etl"})).json()
    await report(client, f"/flow-runs/{flow_run['id']}", "Running")
    return f"/flow-runs/{flow_run['id']}"


async def report(client: httpx.AsyncClient, flow_run: str, state: str) -> httpx.Response:
    states = [{"type": state, "timestamp": "2021-05-12T18:00:00Z"}]
    items = [{"task_slug": "map", "map_index": index, "states": states} for index in range(TASK_RUNS)]
    response = await client.post(f"{flow_run}/task-runs", json={"items": items}, headers=GZIP)
    assert response.status_code == 200
    return response


async def raw(client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str], **content: Any) -> Any:
    """A response with the bytes that were sent as its body."""
    async with client.stream(method, path, headers=headers, **content) as response:
        body = b"".join([part async for part in response.aiter_raw()])
    return response, body


LARGE = ("/openapi.json", "/graphql/schema", "/flow-runs/ID/task-runs", "/flow-runs/ID/timeline", "/task-runs")


@pytest.mark.parametrize("path", LARGE)
async def test_large_response_is_the_same_as_gzip(client: httpx.AsyncClient, flow_run: str, path: str) -> None:
    path = path.replace("/flow-runs/ID", flow_run)
    plain, whole = await raw(client, "GET", path, PLAIN)
    compressed, body = await raw(client, "GET", path, GZIP)
    assert "content-encoding" not in plain.headers
    assert compressed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == whole
    assert len(body) < len(whole) / 2
    for response, sent in ((plain, whole), (compressed, body)):
        assert response.headers["content-length"] == str(len(sent))
        assert response.headers["vary"] == "Accept-Encoding"
    assert compressed.headers["content-type"] == plain.headers["content-type"]
    if "etag" in plain.headers:
        assert compressed.headers["etag"] == f"W/{plain.headers['etag']}"


@pytest.mark.parametrize("path", LARGE)
async def test_head_has_the_headers_of_get_and_no_body(client: httpx.AsyncClient, flow_run: str, path: str) -> None:
    path = path.replace("/flow-runs/ID", flow_run)
    for asked in (GZIP, PLAIN):
        whole, _ = await raw(client, "GET", path, asked)
        head, body = await raw(client, "HEAD", path, asked)
        assert body == b""
        own = {"x-request-id"}
        assert {name: head.headers[name] for name in head.headers if name not in own} == {
            name: whole.headers[name] for name in whole.headers if name not in own
        }


@pytest.mark.parametrize("path", ["/task-runs", "/timeline", "/timeline?task_slug=map"])
async def test_unchanged_is_not_sent_again_whatever_was_sent(
    client: httpx.AsyncClient, flow_run: str, path: str
) -> None:
    for asked in (GZIP, PLAIN):
        etag = (await client.get(f"{flow_run}{path}", headers=asked)).headers["etag"]
        for again in (GZIP, PLAIN):
            response = await client.get(f"{flow_run}{path}", headers={**again, "if-none-match": etag})
            assert (response.status_code, response.content) == (304, b"")
            assert response.headers["etag"] == etag
            assert response.headers["vary"] == "Accept-Encoding"
            assert "content-encoding" not in response.headers
    await report(client, flow_run, "Success")
    response = await client.get(f"{flow_run}{path}", headers={**GZIP, "if-none-match": etag})
    assert response.status_code == 200


async def test_small_responses_and_receipts_are_not_compressed(client: httpx.AsyncClient, flow_run: str) -> None:
    small = await client.get(flow_run, headers=GZIP)
    assert "content-encoding" not in small.headers
    assert "vary" not in small.headers
    receipts = await report(client, flow_run, "Success")
    assert len(receipts.content) > 10_000
    assert "content-encoding" not in receipts.headers


async def test_what_graphql_answers_is_compressed(client: httpx.AsyncClient, flow_run: str) -> None:
    query = {"query": "{ task_run(limit: 300) { id created } }"}
    plain, whole = await raw(client, "POST", "/graphql", PLAIN, json=query)
    compressed, body = await raw(client, "POST", "/graphql", GZIP, json=query)
    assert "content-encoding" not in plain.headers
    assert compressed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == whole


@pytest.mark.parametrize("asked", ["gzip;q=0", "br", "identity, gzip;q=0.5", "", "*;q=0"])
async def test_those_who_do_not_want_gzip_get_none(client: httpx.AsyncClient, flow_run: str, asked: str) -> None:
    response, body = await raw(client, "GET", f"{flow_run}/timeline", {"accept-encoding": asked})
    assert "content-encoding" not in response.headers
    assert body.startswith(b"{")


async def timeline(client: httpx.AsyncClient, flow_run: str, query: str = "") -> Any:
    response, body = await raw(client, "GET", f"{flow_run}/timeline{query}", GZIP)
    assert response.status_code == 200, body
    return json.loads(gzip.decompress(body) if "content-encoding" in response.headers else body)


async def test_timeline_that_was_kept_is_that_of_its_parameters(client: httpx.AsyncClient, flow_run: str) -> None:
    whole = await timeline(client, flow_run)
    assert len(whole["tasks"][0]["spans"]["state"]) == TASK_RUNS
    assert await timeline(client, flow_run) == whole
    assert (await timeline(client, flow_run, "?task_slug=other"))["tasks"] == []
    assert await timeline(client, flow_run, "?task_slug=map") == whole


async def test_timeline_that_was_kept_is_not_answered_after_a_change(client: httpx.AsyncClient, flow_run: str) -> None:
    before = await timeline(client, flow_run)
    await report(client, flow_run, "Success")
    after = await timeline(client, flow_run)
    assert after["sequence"] > before["sequence"]
    states = [{item["states"][place] for place in item["tasks"][0]["spans"]["state"]} for item in (before, after)]
    assert states == [{"Running"}, {"Success"}]


async def test_tasks_that_were_kept_are_not_answered_after_a_change(client: httpx.AsyncClient, flow_run: str) -> None:
    before, again = [(await client.get(f"{flow_run}/tasks")).json() for _ in range(2)]
    assert before == again
    await report(client, flow_run, "Success")
    after = (await client.get(f"{flow_run}/tasks")).json()
    assert after["sequence"] > before["sequence"]
    assert [item["items"][0]["state"] for item in (before, after)] == ["Running", "Success"]


async def test_timeline_of_a_deleted_flow_run_is_gone_and_another_with_its_id_has_its_own(
    client: httpx.AsyncClient, flow_run: str
) -> None:
    before = await timeline(client, flow_run)
    assert (await client.delete(flow_run)).status_code == 204
    response = await client.get(f"{flow_run}/timeline", headers=GZIP)
    assert response.status_code == 404
    await client.post("/flow-runs", json={"flow_name": "etl", "id": flow_run.rpartition("/")[2]})
    await report(client, flow_run, "Failed")
    after = await timeline(client, flow_run)
    assert after["sequence"] == before["sequence"]
    assert {after["states"][place] for place in after["tasks"][0]["spans"]["state"]} == {"Failed"}
