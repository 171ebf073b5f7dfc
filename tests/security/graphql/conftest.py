"""The application in the test's own process, on SQLite and on PostgreSQL, with something of everything to ask for."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from taskruns_service.app import create_app
from tests.postgres import PostgresServer
from tests.questions import FLOW, GraphQL
from tests.service import call_command, running, settings_of


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


@pytest.fixture(scope="module")
async def client(migrated_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, which runs for all tests of a module."""
    async with running(create_app(settings_of(migrated_url))) as client:
        yield client


@pytest.fixture
async def graphql(client: httpx.AsyncClient, tmp_path: Path) -> GraphQL:
    """The client, with a flow of the test's own, its runs, logs and artifacts."""
    service = GraphQL(client)
    ids = service.ids
    everything = await service.data("{ project(limit: 1) { id } tenant(limit: 1) { id } }")
    ids |= {f"{name}_id": rows[0]["id"] for name, rows in everything.items()}
    flow = {**FLOW, "name": tmp_path.name}
    created = await service.change("create_flow", "{ id }", project_id=ids["project_id"], serialized_flow=flow)
    ids["flow_id"] = created["id"]
    of_flow = await service.data("query($id: uuid!) { flow_by_pk(id: $id) { flow_group_id } }", id=ids["flow_id"])
    ids |= of_flow["flow_by_pk"]
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
    return service
