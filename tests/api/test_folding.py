# ruff: noqa: RUF001 - that letters look alike is what this is about
"""Case: REST and GraphQL find the same names, whatever case they are written in."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from taskruns_service.app import create_app
from tests.postgres import PostgresServer
from tests.service import call_command, running, settings_of

NAMES = ["Ärger", "ÄRGER", "Ж", "ΣΊΣΥΦΟΣ", "Straße", "STRASSE", "İzmir", "ısı", "ﬁle", "100%", "a_b"]


@pytest.fixture(scope="module")
async def named(common_database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application on SQLite and on PostgreSQL, with task runs of these names."""
    items = [{"task_slug": f"task-{number}", "name": name, "states": []} for number, name in enumerate(NAMES)]
    async with running(create_app(settings_of(common_database_url))) as client:
        flow_run = (await client.post("/flow-runs", json={"flow_name": "etl", "name": "Größe"})).json()
        reported = await client.post(f"/flow-runs/{flow_run['id']}/task-runs", json={"items": items})
        assert reported.status_code == 200, reported.text
        yield client


async def listed(client: httpx.AsyncClient, text: str) -> set[str]:
    response = await client.get("/task-runs", params={"name_contains": text})
    assert response.status_code == 200, response.text
    return {item["name"] for item in response.json()["items"]}


async def asked(client: httpx.AsyncClient, **comparison: Any) -> set[str]:
    query = "query($where: task_run_bool_exp) { task_run(where: $where) { name } }"
    response = await client.post("/graphql", json={"query": query, "variables": {"where": {"name": comparison}}})
    assert "errors" not in response.json(), response.text
    return {item["name"] for item in response.json()["data"]["task_run"]}


@pytest.mark.parametrize("text", [*NAMES, "ärger", "ж", "σίσυφος", "strasse", "STRAẞE", "i̇zmir", "izmir", "FILE", "ﬀ"])
async def test_rest_and_graphql_find_the_same_names(named: httpx.AsyncClient, text: str) -> None:
    pattern = text.replace("%", r"\%").replace("_", r"\_")
    expected = {name for name in NAMES if text.casefold() in name.casefold()}
    assert await listed(named, text) == expected
    assert await asked(named, _ilike=f"%{pattern}%") == expected
    assert await asked(named, _nilike=f"%{pattern}%") == set(NAMES) - expected
    assert await asked(named, _iregex=text) == expected
    assert await asked(named, _niregex=text) == set(NAMES) - expected


async def test_flow_runs_and_counts_are_found_in_any_case(named: httpx.AsyncClient) -> None:
    found = (await named.get("/flow-runs", params={"name_contains": "GRÖSSE"})).json()["items"]
    assert [item["name"] for item in found] == ["Größe"]
    counted = (await named.get("/task-runs/aggregate", params={"name_contains": "ärger"})).json()
    assert counted["count"] == 2


LOCALE = ["--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8"]
MESSAGES = ["b", "B", "a", "Ä", "ä", "Z", "_", None]


@pytest.fixture(params=["sqlite", "postgres in a locale"])
def url_of_a_locale(request: pytest.FixtureRequest, sqlite_url: str, postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a database, with the schema, whose own order of texts is that of a language, where it has one."""
    if request.param == "sqlite":
        yield sqlite_url
        return
    try:
        url = postgres_server.create_database("template0", *LOCALE)
    except RuntimeError:  # a server that was built without ICU has no other order to offer
        url = postgres_server.create_database()
    done = call_command("migrate", TASKRUNS_DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    yield url
    postgres_server.drop(url)


async def test_texts_are_ordered_by_code_point_in_any_locale(url_of_a_locale: str) -> None:
    items = [
        {"task_slug": f"t-{number}", "name": message, "states": [{"type": "Running", "message": message}]}
        for number, message in enumerate(MESSAGES)
    ]
    ordered = sorted(filter(None, MESSAGES))
    async with running(create_app(settings_of(url_of_a_locale))) as client:
        flow_run = (await client.post("/flow-runs", json={"flow_name": "etl"})).json()
        assert (await client.post(f"/flow-runs/{flow_run['id']}/task-runs", json={"items": items})).status_code == 200
        query = """{
            sorted: task_run(order_by: {state_message: asc}) { state_message }
            more: task_run(where: {state_message: {_gt: "Z"}}) { state_message }
            task_run_aggregate { aggregate { max { state_message } min { state_message } } }
        }"""
        data = (await client.post("/graphql", json={"query": query})).json()["data"]
        assert [row["state_message"] for row in data["sorted"]] == [*ordered, None]
        assert {row["state_message"] for row in data["more"]} == {text for text in ordered if text > "Z"}
        assert data["task_run_aggregate"]["aggregate"] == {
            "max": {"state_message": ordered[-1]},
            "min": {"state_message": ordered[0]},
        }
