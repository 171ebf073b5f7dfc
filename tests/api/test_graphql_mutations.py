"""Documents with several mutations of which one cannot be carried out for now: the answer says which were."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Request, get

from taskruns_service.api import HANDLERS
from taskruns_service.app import create_app
from taskruns_service.prefect1.graphql.background import CAPACITY, Background
from tests.service import problem_of, running, settings_of

UPLOAD = (
    'create_flow_from_compressed_string(input: {serialized_flow: "", '
    'project_id: "00000000-0000-7000-8000-000000000001"}) { id }'
)
"""A mutation that is unpacked in the background, which refuses it while too much waits there."""
REFUSED = {"code": "OVERLOADED", "status": 503, "retry_after": 1}
NOT_EXECUTED = {"code": "DATABASE_UNAVAILABLE", "status": 503, "retry_after": 1}


@pytest.fixture
async def graphql(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, on SQLite and on PostgreSQL, whose background takes no more work."""
    occupied, released = asyncio.Event(), threading.Event()

    @get("/occupy")
    async def occupy(request: Request[Any, Any, Any]) -> None:
        background: Background = request.app.state.graphql.background
        work = [asyncio.create_task(background.run(released.wait)) for _ in range(CAPACITY)]
        await asyncio.sleep(0)  # all of it waits
        occupied.set()
        await asyncio.gather(*work)

    async with running(create_app(settings_of(database_url), handlers=(*HANDLERS, occupy))) as client:
        request = asyncio.create_task(client.get("/occupy"))
        await occupied.wait()
        yield client
        released.set()
        assert (await request).status_code == 200


def create(slug: str) -> str:
    return f'create_tenant(input: {{name: "{slug}", slug: "{slug}"}}) {{ id }}'


async def execute(client: httpx.AsyncClient, document: str) -> httpx.Response:
    return await client.post("/graphql", json={"query": document})


async def slugs(client: httpx.AsyncClient) -> set[str]:
    """The slugs of the tenants that tests created."""
    tenants = (await execute(client, "{ tenant { slug } }")).json()["data"]["tenant"]
    return {tenant["slug"] for tenant in tenants} & {"a", "b", "c"}


def errors_of(answer: dict[str, Any]) -> dict[str, Any]:
    return {error["path"][0]: error["extensions"] for error in answer["errors"]}


async def test_mutations_before_a_refused_one_are_answered(graphql: httpx.AsyncClient) -> None:
    response = await execute(graphql, f"mutation {{ {create('a')} {UPLOAD} }}")
    answer = response.json()
    assert (response.status_code, "retry-after" in response.headers) == (200, False)
    assert answer["data"]["create_tenant"]["id"]
    assert answer["data"]["create_flow_from_compressed_string"] is None
    assert answer["errors"] == [
        {
            "message": "Too many large requests are waiting. Retry the request later.",
            "path": ["create_flow_from_compressed_string"],
            "extensions": REFUSED,
        }
    ]
    assert await slugs(graphql) == {"a"}


async def test_mutations_after_a_refused_one_are_not_executed(graphql: httpx.AsyncClient) -> None:
    document = f"mutation {{ first: {create('a')} second: {UPLOAD} third: {UPLOAD} fourth: {create('b')} }}"
    answer = (await execute(graphql, document)).json()
    assert answer["data"]["first"]["id"]
    assert {name for name, value in answer["data"].items() if value is None} == {"second", "third", "fourth"}
    assert errors_of(answer) == {"second": REFUSED, "third": NOT_EXECUTED, "fourth": NOT_EXECUTED}
    assert answer["errors"][-1]["message"].startswith("An earlier field of the request was abandoned")
    assert await slugs(graphql) == {"a"}


@pytest.mark.parametrize(
    "document",
    [
        f"mutation {{ {UPLOAD} }}",
        f"mutation {{ first: {UPLOAD} second: {create('b')} }}",
        f"mutation {{ __typename {UPLOAD} }}",
        f"mutation {{ refused: {create('')} {UPLOAD} }}",
    ],
    ids=["alone", "first", "type name before it", "error before it"],
)
async def test_document_of_which_nothing_was_done_is_refused_as_a_whole(
    document: str, graphql: httpx.AsyncClient
) -> None:
    response = await execute(graphql, document)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert problem_of(response)["code"] == "overloaded"
    assert await slugs(graphql) == set()
