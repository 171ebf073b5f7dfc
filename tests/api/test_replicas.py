"""Replicas: two service processes on one PostgreSQL make one row of one key, lose no change, and keep counts exact."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.postgres import PostgresServer
from tests.service import call_command, served

# One worker starts both processes, for all tests here.
pytestmark = pytest.mark.xdist_group("replicas")
MANY = 40
BEGIN = "2021-05-12T18:00:{:02}Z"

Http = httpx.AsyncClient


class Replicas:
    """Clients of both processes, one for each call in turn."""

    def __init__(self, clients: Sequence[Http]) -> None:
        self.clients = clients

    async def post(self, path: str, bodies: Sequence[Any]) -> list[httpx.Response]:
        """Sends all bodies at once, to one process and the other in turn."""
        return await self.at_once([("POST", path, body) for body in bodies])

    async def at_once(self, calls: Sequence[tuple[str, str, Any]]) -> list[httpx.Response]:
        """Makes all calls at once, to one process and the other in turn."""
        clients = [self.clients[number % 2] for number in range(len(calls))]
        sent = [one.request(method, path, json=body) for one, (method, path, body) in zip(clients, calls, strict=True)]
        return await asyncio.gather(*sent)

    async def create(self) -> str:
        """Creates a flow run and gives its path."""
        (answer,) = await self.post("/flow-runs", [{"flow_name": "etl"}])
        return f"/flow-runs/{answer.json()['id']}"

    async def get(self, path: str) -> Any:
        """What both processes answer, which is the same."""
        first, second = [(await one.get(path)).json() for one in self.clients]
        assert first == second
        return first


@pytest.fixture(scope="module")
def urls(
    postgres_server: PostgresServer, postgres_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """The URLs of two processes on one database; in the end its counts are right."""
    folders: list[Path] = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    database = postgres_server.create_database(postgres_template)
    with served(database, folders[0]) as first, served(database, folders[1]) as second:
        yield first.url, second.url
        checked = call_command("check", TASKRUNS_DATABASE_URL=database)
        assert (checked.returncode, checked.stdout) == (0, "No problems found.\n")
    assert "Traceback" not in first.output() + second.output()
    postgres_server.drop(database)


@pytest.fixture
async def replicas(urls: tuple[str, str]) -> Any:
    """Both processes."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Http(base_url=url, timeout=60)) for url in urls]
        yield Replicas(clients)


def statuses(answers: Sequence[httpx.Response]) -> Counter[int]:
    """How many answers had each status."""
    return Counter(answer.status_code for answer in answers)


def state(type_: str, second: int, **members: Any) -> dict[str, Any]:
    """A state with an id of its own."""
    return {"id": str(uuid4()), "type": type_, "timestamp": BEGIN.format(second), **members}


async def test_one_key_makes_one_flow_run(replicas: Replicas) -> None:
    answers = await replicas.post("/flow-runs", [{"flow_name": "keyed", "idempotency_key": "k"}] * MANY)
    assert statuses(answers) == {201: 1, 200: MANY - 1}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_one_id_makes_one_flow_run(replicas: Replicas) -> None:
    identifier = str(uuid4())
    answers = await replicas.post("/flow-runs", [{"flow_name": "by id", "id": identifier}] * MANY)
    assert statuses(answers) == {201: 1, 200: MANY - 1}


async def test_one_name_makes_one_flow(replicas: Replicas) -> None:
    answers = await replicas.post("/flow-runs", [{"flow_name": f"new-{number % 4}"} for number in range(MANY)])
    assert statuses(answers) == {201: MANY}
    flows = {(answer.json()["flow_name"], answer.json()["flow_id"]) for answer in answers}
    assert len(flows) == 4


async def test_one_natural_key_makes_one_task_run(replicas: Replicas) -> None:
    run = await replicas.create()
    bodies = [{"items": [{"task_slug": "a", "states": [state("Running", number)]}]} for number in range(MANY)]
    items = [answer.json()["items"][0] for answer in await replicas.post(f"{run}/task-runs", bodies)]
    assert len({item["task_run_id"] for item in items}) == 1
    assert Counter(item["outcome"] for item in items)["created"] == 1
    task_run = f"/task-runs/{items[0]['task_run_id']}"
    found = await replicas.get(task_run)
    history = (await replicas.get(f"{task_run}/states?limit=1000"))["items"]
    assert len(history) == found["run_count"] == MANY
    # Each was the current state for a while, or late.
    assert found["version"] == [item["is_late"] for item in history].count(False)


async def test_batches_over_the_same_task_runs_lose_nothing(replicas: Replicas) -> None:
    run = await replicas.create()
    bodies = [
        {"items": [{"task_slug": f"task-{slug}", "states": [state("Running", number)]} for slug in slugs]}
        for number in range(MANY)
        for slugs in ([0, 1, 2][:: -1 if number % 2 else 1],)
    ]
    assert statuses(await replicas.post(f"{run}/task-runs", bodies)) == {200: MANY}
    found = await replicas.get(f"{run}/task-runs")
    assert [item["run_count"] for item in found["items"]] == [MANY] * 3
    # Each creation took a number, and each state: without gaps, in whichever process.
    whole = await replicas.get(run)
    assert (whole["sequence"], whole["task_run_counts"]) == (3 * (MANY + 1), {"Running": 3})


async def test_of_many_that_expect_one_version_one_is_recorded(replicas: Replicas) -> None:
    run = await replicas.create()
    (made,) = await replicas.post(f"{run}/task-runs", [{"items": [{"task_slug": "a"}]}])
    path = f"/task-runs/{made.json()['items'][0]['task_run_id']}/states"
    answers = await replicas.post(path, [state("Running", number, expected_version=0) for number in range(MANY)])
    assert statuses(answers) == {201: 1, 412: MANY - 1}


async def test_one_state_that_is_reported_again_and_again_is_recorded_once(replicas: Replicas) -> None:
    run = await replicas.create()
    (made,) = await replicas.post(f"{run}/task-runs", [{"items": [{"task_slug": "a"}]}])
    task_run = f"/task-runs/{made.json()['items'][0]['task_run_id']}"
    assert statuses(await replicas.post(f"{task_run}/states", [state("Running", 1)] * MANY)) == {201: 1, 200: MANY - 1}
    assert (await replicas.get(task_run))["run_count"] == 1


async def test_one_state_id_is_of_one_run(replicas: Replicas) -> None:
    run = await replicas.create()
    (made,) = await replicas.post(
        f"{run}/task-runs", [{"items": [{"task_slug": f"task-{number}"} for number in range(MANY)]}]
    )
    report = state("Running", 1)
    calls = [("POST", f"/task-runs/{one['task_run_id']}/states", report) for one in made.json()["items"]]
    assert statuses(await replicas.at_once(calls)) == {201: 1, 409: MANY - 1}


async def test_reports_about_a_flow_run_that_is_being_deleted_leave_nothing(replicas: Replicas) -> None:
    run = await replicas.create()
    calls: list[tuple[str, str, Any]] = [
        ("POST", f"{run}/task-runs", {"items": [{"task_slug": f"task-{n}", "states": [state("Running", 1)]}]})
        for n in range(MANY)
    ]
    calls.insert(MANY // 2, ("DELETE", run, None))
    answers = statuses(await replicas.at_once(calls))
    assert answers.keys() <= {200, 204, 404}
    assert answers[204] == 1
    identifier = run.rpartition("/")[2]
    assert (await replicas.get(f"/task-runs?flow_run_id={identifier}"))["items"] == []


async def test_write_that_one_process_answered_is_read_by_the_other(replicas: Replicas) -> None:
    first, second = replicas.clients
    run = await replicas.create()
    for number in range(10):
        body = {"items": [{"task_slug": f"task-{number}", "states": [state("Success", number)]}]}
        assert (await first.post(f"{run}/task-runs", json=body)).status_code == 200
        assert (await second.get(run)).json()["task_run_counts"] == {"Success": number + 1}
        counted = await second.get("/task-runs/aggregate", params={"flow_run_id": run.rpartition("/")[2]})
        assert counted.json()["count"] == number + 1
