"""Overload by questions: slow ones hold up neither look-ups nor writes, and what cannot be answered is refused."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.security.conftest import Serve
from tests.security.slowness import (
    agents_locked,
    create_task_runs,
    graphql,
    held,
    is_sqlite,
    slow_query,
    table_lock,
    until,
)
from tests.service import Served, problem_of

SECONDS = 15
"""What is held up by a slow question takes at least twice as long."""
SCAN = "/task-runs?name_contains=nothing&limit=1"
SCAN_WITHOUT_FLOWS = "/task-runs/aggregate?measure=max_duration"
OVERLOADED = {"code": "overloaded", "detail": "Too many queries are waiting. Retry the request later."}


@pytest.fixture
async def client(service: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service.url, timeout=SECONDS) as made:
        yield made


async def is_refused(client: httpx.AsyncClient, path: str) -> bool:
    return (await client.get(path)).status_code == 503


async def is_answered(client: httpx.AsyncClient, path: str) -> bool:
    return (await client.get(path)).status_code == 200


def test_slow_questions_hold_up_neither_look_ups_nor_writes(serve: Serve) -> None:
    with serve(max_wait=1) as service:
        asyncio.run(ask_beside_slow_questions(service))


async def ask_beside_slow_questions(service: Served) -> None:
    async with httpx.AsyncClient(base_url=service.url, timeout=SECONDS) as client, slow_query(service) as query:
        task_run_id, *_ = await create_task_runs(client)
        with held(service, graphql(query), 12):
            await until(lambda: is_refused(client, SCAN))
            for path in (SCAN, "/task-runs/aggregate?measure=max_duration", "/flow-runs?label=none"):
                refused = await client.get(path)
                assert problem_of(refused) == OVERLOADED
                assert int(refused.headers["retry-after"]) >= 1
            by_graphql = await client.post("/graphql", json={"query": "{ agent { id } }"})
            assert problem_of(by_graphql) == OVERLOADED
            for path in ("/health", "/ready", f"/task-runs/{task_run_id}", f"/task-runs/{task_run_id}/states"):
                assert (await client.get(path)).status_code == 200, path
            for path in ("/task-runs?limit=100", "/task-runs/aggregate?group_by=state", "/flow-runs"):
                assert (await client.get(path)).status_code == 200, path
            created = await client.post("/flow-runs", json={"flow_name": "quick"})
            assert created.status_code == 201
            running = await client.post(f"/task-runs/{task_run_id}/states", json={"type": "Running"})
            assert running.status_code == 201
            by_key = f'{{ task_run_by_pk(id: "{task_run_id}") {{ id flow_run {{ id }} }} }}'
            found = (await client.post("/graphql", json={"query": by_key})).json()["data"]["task_run_by_pk"]
            assert found == {"id": task_run_id, "flow_run": {"id": found["flow_run"]["id"]}}
        # The slow questions ended with their clients: otherwise they would go on for half a minute.
        await until(lambda: is_answered(client, SCAN), SECONDS)


async def test_page_that_asks_thirty_things_at_once_gets_all_of_them(client: httpx.AsyncClient) -> None:
    await create_task_runs(client)
    kinds = ("/task-runs/aggregate?measure=max_duration&group_by=task_slug", SCAN, "/task-runs?limit=100")
    answers = await asyncio.gather(*(client.get(kinds[number % 3]) for number in range(30)))
    assert [answer.status_code for answer in answers] == [200] * 30


def test_question_ends_when_its_client_goes(serve: Serve) -> None:
    with serve(max_scans=1, max_wait=0.2) as service:
        asyncio.run(leave_questions(service))
        assert '"status":499' in service.output().replace(" ", "")
        assert "Traceback" not in service.output()


async def leave_questions(service: Served) -> None:
    async with httpx.AsyncClient(base_url=service.url, timeout=SECONDS) as client:
        await create_task_runs(client)
        async with slow_query(service) as query:
            with held(service, graphql(query), 1):
                await until(lambda: is_refused(client, SCAN))
            await until(lambda: is_answered(client, SCAN), SECONDS)
        if not is_sqlite(service):
            async with table_lock(service, "flow"):
                request = b"GET /flow-runs?label=none HTTP/1.1\r\nHost: localhost\r\n\r\n"
                with held(service, request, 1):
                    await until(lambda: is_refused(client, SCAN_WITHOUT_FLOWS))
                await until(lambda: is_answered(client, SCAN_WITHOUT_FLOWS), SECONDS)


def test_transactions_that_wait_are_refused_before_they_are_too_many(serve: Serve) -> None:
    with serve(max_wait=1) as service:
        asyncio.run(register_agents(service))


async def register_agents(service: Served) -> None:
    register = 'mutation { register_agent(input: {type: "t", name: "n", labels: []}) { id } }'
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:
        task_run_id, *_ = await create_task_runs(client, 1)
        answers: list[httpx.Response] = []

        async def ask() -> None:
            answers.append(await client.post("/graphql", json={"query": register}))

        async with asyncio.TaskGroup() as tasks, agents_locked(service):
            for _ in range(10):
                tasks.create_task(ask())
            await until(lambda: has_refusal(answers), SECONDS)
            if not is_sqlite(service):  # where one transaction writes at a time
                running = await client.post(f"/task-runs/{task_run_id}/states", json={"type": "Running"})
                assert running.status_code == 201
        assert {answer.status_code for answer in answers} == {200, 503}
        await ask()
        assert answers[-1].status_code == 200


async def has_refusal(answers: list[httpx.Response]) -> bool:
    return any(problem_of(answer)["code"] == "overloaded" for answer in answers if answer.status_code == 503)
