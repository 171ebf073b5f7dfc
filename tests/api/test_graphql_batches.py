"""Batches: several requests in one body, as Prefect 1's UI sends them, within the bounds of one request."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from taskruns_service.app import create_app
from tests.service import call_command, running, settings_of


@pytest.fixture
async def graphql(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application on SQLite and on PostgreSQL."""
    async with running(create_app(settings_of(database_url, answer_bytes=100_000))) as client:
        yield client


async def test_batch_is_answered_in_its_order(graphql: httpx.AsyncClient) -> None:
    batch: list[dict[str, Any]] = [
        {"query": "query Hello { hello }", "operationName": "Hello", "variables": {}, "extensions": {}},
        {"query": "{ no_such_thing }"},
        {"query": "query($slug: String) { tenant(where: {slug: {_eq: $slug}}) { slug } }", "variables": {"slug": "no"}},
        {"query": 'mutation { create_tenant(input: {name: "a", slug: "a"}) { id } }'},
        {"query": '{ tenant(where: {slug: {_eq: "a"}}) { slug } }'},
    ]
    response = await graphql.post("/graphql", json=batch)
    hello, unknown, nobody, made, found = response.json()
    assert response.status_code == 200
    assert hello == {"data": {"hello": "hi"}}
    assert unknown["errors"][0]["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}
    assert nobody == {"data": {"tenant": []}}
    assert made["data"]["create_tenant"]["id"]
    assert found == {"data": {"tenant": [{"slug": "a"}]}}


async def test_batch_of_one_is_a_list_of_one(graphql: httpx.AsyncClient) -> None:
    response = await graphql.post(
        "/", content=b' \n[{"query": "{ hello }"}]', headers={"content-type": "application/json"}
    )
    assert response.json() == [{"data": {"hello": "hi"}}]


@pytest.mark.parametrize(
    ("batch", "complaint"),
    [([], "1 to 25 requests; this one has 0"), ([{"query": "{ hello }"}] * 26, "1 to 25 requests; this one has 26")],
)
async def test_batch_has_one_to_twenty_five_requests(graphql: httpx.AsyncClient, batch: Any, complaint: str) -> None:
    response = await graphql.post("/graphql", json=batch)
    assert response.status_code == 400
    assert complaint in response.json()["errors"][0]["message"]


async def test_invalid_request_of_a_batch_is_refused_in_its_place(graphql: httpx.AsyncClient) -> None:
    response = await graphql.post("/graphql", json=[1, {"query": "{ hello }"}, {"query": ["{ hello }"]}])
    codes = [answer.get("errors", [{}])[0].get("extensions") for answer in response.json()]
    assert codes == [{"code": "BAD_USER_INPUT"}, None, {"code": "BAD_USER_INPUT"}]


async def test_batch_may_ask_for_no_more_than_one_request_may(graphql: httpx.AsyncClient) -> None:
    many = "{" + " ".join(f"a{number}: hello" for number in range(30)) + "}"
    answers = (await graphql.post("/graphql", json=[{"query": many}] * 4)).json()
    assert [len(answer.get("errors", ())) for answer in answers] == [0, 0, 0, 20]
    assert "can run at most 100 statements in total" in answers[-1]["errors"][0]["message"]


async def test_batch_may_compare_no_more_than_one_request_may(graphql: httpx.AsyncClient) -> None:
    where = {"_or": [{"name": {"_eq": "a"}} for _ in range(300)]}
    query = {"query": "query($where: tenant_bool_exp) { tenant(where: $where) { id } }", "variables": {"where": where}}
    first, second = (await graphql.post("/graphql", json=[query] * 2)).json()
    assert "errors" not in first
    assert "800 comparisons" in second["errors"][0]["message"]


async def test_answers_of_a_batch_are_no_larger_than_one_may_be(graphql: httpx.AsyncClient) -> None:
    description = "x" * 40_000
    (tenant,) = (await graphql.post("/graphql", json={"query": "{ tenant { id } }"})).json()["data"]["tenant"]
    made = {"name": "large", "description": description, "tenant_id": tenant["id"]}
    mutation = "mutation($input: create_project_input!) { create_project(input: $input) { id } }"
    await graphql.post("/graphql", json={"query": mutation, "variables": {"input": made}})
    query = {"query": '{ project(where: {name: {_eq: "large"}}) { description } }'}
    answers = (await graphql.post("/graphql", json=[query] * 4)).json()
    assert ["errors" in answer for answer in answers] == [False, False, True, True]


@pytest.fixture
def read_key(sqlite_url: str) -> str:
    """An API key that opens reading."""
    made = call_command("keys", "create", "--scope", "read", "--name", "r", TASKRUNS_DATABASE_URL=sqlite_url)
    return made.stdout.strip()


async def test_key_for_reading_changes_nothing_in_a_batch(sqlite_url: str, read_key: str) -> None:
    batch = [
        {"query": "{ hello }"},
        {"query": 'mutation { create_tenant(input: {name: "a", slug: "a"}) { id } }'},
        {"query": '{ tenant(where: {slug: {_eq: "a"}}) { slug } }'},
    ]
    async with running(create_app(settings_of(sqlite_url, require_keys=True))) as client:
        headers = {"Authorization": f"Bearer {read_key}"}
        hello, refused, nobody = (await client.post("/graphql", json=batch, headers=headers)).json()
        assert (hello, nobody) == ({"data": {"hello": "hi"}}, {"data": {"tenant": []}})
        assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        without = (await client.post("/graphql", json=batch)).json()
        assert without["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
