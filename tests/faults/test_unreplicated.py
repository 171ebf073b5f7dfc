"""A primary whose synchronous standby is away: what it alone has is not acknowledged, even if it is sent again."""

from collections.abc import Iterator, Mapping

import asyncpg
import pytest

from taskruns_service.app import create_app
from tests.faults.asking import Request, create
from tests.postgres import PostgresServer, database_name, running_postgres
from tests.service import running, settings_of

MOMENT = "2026-11-30T12:00:00Z"
RUN = "019064f2-5a3c-7e1d-8c55-2f8b1d6a4e90"
STATE = {"id": "d0a4e2bc-6b3f-4b57-93cc-3f1f0d2c5a43", "type": "Running"}
NAMES = ("flow run", "key", "report", "task run", "state", "flow run state", "name", "scheduled", "logs", "artifact")


def requests(flow_run: str, flow: str, task_run: str) -> Mapping[str, Request]:
    """Changes that find what they would make when they are sent again, by name."""

    def post(path: str, body: object) -> Request:
        return lambda http: http.post(path, json=body)

    def mutate(mutation: str, answer: str, values: object) -> Request:
        query = f"mutation($i: {mutation}_input!) {{ {mutation}(input: $i) {{ {answer} }} }}"
        return post("/graphql", {"query": query, "variables": {"i": values}})

    line = {"flow_run_id": flow_run, "message": "m", "timestamp": MOMENT}
    note = {"task_run_id": task_run, "kind": "markdown", "data": {}}
    return {
        "flow run": post("/flow-runs", {"id": RUN, "flow_name": "f"}),
        "key": post("/flow-runs", {"flow_name": "f", "idempotency_key": "k"}),
        "report": post(f"/flow-runs/{flow_run}/task-runs", {"items": [{"task_slug": "a", "states": [STATE]}]}),
        "task run": post(f"/flow-runs/{flow_run}/task-runs", {"items": [{"task_slug": "b"}]}),
        "state": post(f"/task-runs/{task_run}/states", STATE),
        "flow run state": post(f"/flow-runs/{flow_run}/states", STATE),
        "name": lambda http: http.patch(f"/task-runs/{task_run}", json={"name": "n"}),
        "scheduled": mutate("create_flow_run", "id", {"flow_id": flow, "idempotency_key": "k"}),
        "logs": mutate("write_run_logs", "success", {"logs": [line]}),
        "artifact": mutate("create_task_run_artifact", "id", note),
    }


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server whose commits wait for a standby that there is not, if their session says so."""
    with running_postgres(synchronous_standby_names="absent", synchronous_commit="local") as running:
        yield running


async def wait_for_standby(url: str) -> None:
    """Lets the commits of new sessions wait."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.execute(f"ALTER DATABASE {database_name(url)} SET synchronous_commit = on")
    finally:
        await connection.close()


@pytest.mark.parametrize("name", NAMES)
async def test_repeated_write_is_not_acknowledged_before_the_standby_has_it(url: str, name: str) -> None:
    async with running(create_app(settings_of(url))) as http:
        flow_run = await create(http)
        answer = await http.post(f"/flow-runs/{flow_run}/task-runs", json={"items": [{"task_slug": "known"}]})
        flow = await http.post("/graphql", json={"query": "{ flow { id } }"})
        task_run = answer.json()["items"][0]["task_run_id"]
        send = requests(flow_run, flow.json()["data"]["flow"][0]["id"], task_run)[name]
    await wait_for_standby(url)
    async with running(create_app(settings_of(url, write_timeout=1))) as http:
        answers = [await send(http) for _ in range(2)]
    codes = [(answer.status_code, answer.json().get("code")) for answer in answers]
    assert codes == [(503, "outcome-unknown")] * 2
