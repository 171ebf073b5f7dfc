"""The application in the test's own process, on SQLite and on PostgreSQL, with something of everything to ask for."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from taskruns_service.app import create_app
from tests.postgres import PostgresServer
from tests.service import call_command, running, settings_of

FLOW = {
    "name": "etl",
    "__version__": "1.4.1",
    "parameters": [{"name": "n", "required": False}],
    "environment": {"labels": ["a"]},
    "run_config": {"labels": ["b"]},
    "storage": {"type": "Local"},
    "reference_tasks": [{"slug": "b-1"}],
    "tasks": [
        {"slug": "a-1", "name": "a", "tags": ["t"], "trigger": {"fn": "x"}, "max_retries": 1, "retry_delay": 1},
        {"slug": "b-1", "type": "T", "description": "d", "cache_key": "k", "auto_generated": False},
    ],
    "edges": [{"upstream_task": {"slug": "a-1"}, "downstream_task": {"slug": "b-1"}, "key": "x", "mapped": True}],
}


class GraphQL:
    """A client that asks in GraphQL, and knows the ids of what there is."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.ids: dict[str, str] = {}

    async def post(self, query: str, **variables: Any) -> httpx.Response:
        """Sends a query, whatever is answered."""
        return await self.client.post("/graphql", json={"query": query, "variables": variables})

    async def data(self, query: str, **variables: Any) -> Any:
        """The data of an answer without errors."""
        response = await self.post(query, **variables)
        answer = response.json()
        assert "errors" not in answer, answer
        return answer["data"]

    async def error(self, query: str, **variables: Any) -> tuple[str, str]:
        """The code and the message of the only error in an answer."""
        (error,) = (await self.post(query, **variables)).json()["errors"]
        return error["extensions"]["code"], error["message"]

    async def change(self, name: str, selected: str, **members: Any) -> Any:
        """The data of a mutation."""
        query = f"mutation($input: {name}_input!) {{ {name}(input: $input) {selected} }}"
        return (await self.data(query, input=members))[name]


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def migrated_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database with the schema, one of each kind for all tests here."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('graphql') / 'taskruns.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.create_database()
    done = call_command("migrate", TASKRUNS_DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    return url


@pytest.fixture
async def graphql(migrated_url: str, tmp_path: Path) -> AsyncIterator[GraphQL]:
    """A client of the application, with a flow, its runs, logs and artifacts."""
    async with running(create_app(settings_of(migrated_url))) as client:
        service = GraphQL(client)
        ids = service.ids
        everything = await service.data("{ project(limit: 1) { id } tenant(limit: 1) { id } }")
        ids |= {f"{name}_id": rows[0]["id"] for name, rows in everything.items()}
        flow = {**FLOW, "name": tmp_path.name}
        made = await service.change("create_flow", "{ id }", project_id=ids["project_id"], serialized_flow=flow)
        ids["flow_id"] = made["id"]
        ids["flow_run_id"] = (await service.change("create_flow_run", "{ id }", flow_id=ids["flow_id"]))["id"]
        of_run = "query($id: uuid!) { task_run(where: {flow_run_id: {_eq: $id}}, limit: 1) { id task_id } }"
        (task_run,) = (await service.data(of_run, id=ids["flow_run_id"]))["task_run"]
        ids |= {"task_run_id": task_run["id"], "task_id": task_run["task_id"]}
        artifact = await service.change(
            "create_task_run_artifact", "{ id }", task_run_id=ids["task_run_id"], kind="link", data={"a": [1]}
        )
        ids["task_run_artifact_id"] = artifact["id"]
        await service.change(
            "write_run_logs", "{ success }", logs=[{"flow_run_id": ids["flow_run_id"], "message": "a", "info": {}}]
        )
        yield service
