"""Lists with chosen fields: operations of their own, and lists of whole items, where older clients ask for fields."""

import httpx
import pytest

from taskruns_service.schemas import TaskRunField
from tests.service import problem_of


@pytest.fixture
async def flow_run(client: httpx.AsyncClient) -> str:
    """The id of a flow run with one task run, which is pending."""
    flow_run: str = (await client.post("/flow-runs", json={"flow_name": "etl", "name": "brave-otter"})).json()["id"]
    await client.post(f"/flow-runs/{flow_run}/task-runs", json={"items": [{"task_slug": "extract-1"}]})
    return flow_run


@pytest.mark.parametrize(
    "query", ["fields=state,task_slug", "fields=task_slug&fields=state", "fields=state,state,task_slug"]
)
async def test_items_have_the_fields_that_are_named(client: httpx.AsyncClient, flow_run: str, query: str) -> None:
    for path in ("/task-runs", f"/flow-runs/{flow_run}/task-runs"):
        for fields in (f"{path}/fields", path):
            page = (await client.get(f"{fields}?{query}")).json()
            assert page == {"items": [{"state": "Pending", "task_slug": "extract-1"}], "next_cursor": None}


async def test_flow_runs_have_the_fields_that_are_named(client: httpx.AsyncClient, flow_run: str) -> None:
    for path in ("/flow-runs/fields", "/flow-runs"):
        page = (await client.get(path, params={"fields": "name,id", "flow_name": "etl"})).json()
        assert page == {"items": [{"id": flow_run, "name": "brave-otter"}], "next_cursor": None}


async def test_page_goes_on_with_or_without_fields(client: httpx.AsyncClient, flow_run: str) -> None:
    items = [{"task_slug": "extract-1", "map_index": index} for index in range(3)]
    await client.post(f"/flow-runs/{flow_run}/task-runs", json={"items": items})
    path = f"/flow-runs/{flow_run}/task-runs"
    first = (await client.get(f"{path}/fields", params={"fields": "map_index", "limit": 2})).json()
    assert [item["map_index"] for item in first["items"]] == [-1, 0]
    rest = (await client.get(path, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [item["map_index"] for item in rest["items"]] == [1, 2]


async def test_fields_of_an_unchanged_flow_run_are_not_sent_again(client: httpx.AsyncClient, flow_run: str) -> None:
    path = f"/flow-runs/{flow_run}/task-runs/fields"
    first = await client.get(path, params={"fields": "id"})
    again = await client.get(path, params={"fields": "id"}, headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)


async def test_fields_are_demanded_where_they_are_the_answer(client: httpx.AsyncClient) -> None:
    response = await client.get("/task-runs/fields", params={"state": "Failed"})
    detail = f"It is missing. It must be one of {', '.join(TaskRunField)}."
    assert response.status_code == 400
    assert problem_of(response)["errors"] == [{"parameter": "fields", "detail": detail}]


async def test_unknown_field_is_refused_with_the_nearest(client: httpx.AsyncClient) -> None:
    for path in ("/task-runs/fields", "/task-runs"):
        response = await client.get(path, params={"fields": "id,task_slugs"})
        detail = f"Did you mean task_slug? It must be one of {', '.join(TaskRunField)}."
        assert response.status_code == 400
        assert problem_of(response)["errors"] == [{"parameter": "fields", "detail": detail}]
    for fields in ("", "id,", "id, state", ",".join(["id"] * 101)):
        assert (await client.get("/task-runs/fields", params={"fields": fields})).status_code == 400
