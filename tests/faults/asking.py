"""Requests of each kind, and what their answers have to be while the database does not do its work."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx

from tests.service import problem_of

Request = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]
"""Sends a request with the client that it is called with."""
ANSWER_SECONDS = 12.0
"""No request waits longer for its answer, whatever the database does."""
READY_SECONDS = 2.0
SLACK_SECONDS = 3.0
"""What a machine that is busy with other tests may add."""


async def create(http: httpx.AsyncClient, **members: Any) -> str:
    """Creates a flow run and returns its id."""
    answer = await http.post("/flow-runs", json={"flow_name": "f", **members})
    assert answer.status_code == 201, answer.text
    identifier: str = answer.json()["id"]
    return identifier


async def report(http: httpx.AsyncClient, flow_run: str, *slugs: str) -> httpx.Response:
    """Reports a Running of task runs, in one request."""
    items = [{"task_slug": slug, "states": [{"type": "Running"}]} for slug in slugs or ("a",)]
    return await http.post(f"/flow-runs/{flow_run}/task-runs", json={"items": items})


def reads(flow_run: str) -> Mapping[str, Request]:
    """Questions of each kind, by name."""
    graphql = {"query": "{ flow_run(limit: 1) { id name } }"}
    return {
        "look-up": lambda http: http.get(f"/flow-runs/{flow_run}"),
        "list": lambda http: http.get(f"/flow-runs/{flow_run}/task-runs"),
        "scan": lambda http: http.get("/task-runs/aggregate?group_by=state&name_contains=a"),
        "graphql": lambda http: http.post("/graphql", json=graphql),
    }


def writes(flow_run: str) -> Mapping[str, Request]:
    """Changes of each kind, by name: single and bulk, over REST and GraphQL, through the writer and beside it."""
    state = {"type": "Running", "message": ""}
    set_state = {
        "query": "mutation($i: set_flow_run_states_input!) { set_flow_run_states(input: $i) { states { id } } }",
        "variables": {"i": {"states": [{"flow_run_id": flow_run, "state": state}]}},
    }
    heartbeat = {
        "query": "mutation($i: update_flow_run_heartbeat_input!) { update_flow_run_heartbeat(input: $i) { success } }",
        "variables": {"i": {"flow_run_id": flow_run}},
    }
    return {
        "create": lambda http: http.post("/flow-runs", json={"flow_name": "f"}),
        "state": lambda http: http.post(f"/flow-runs/{flow_run}/states", json={"type": "Running"}),
        "bulk": lambda http: report(http, flow_run, *(f"t{number}" for number in range(50))),
        "graphql states": lambda http: http.post("/graphql", json=set_state),
        "graphql heartbeat": lambda http: http.post("/graphql", json=heartbeat),
    }


async def refusals(
    http: httpx.AsyncClient,
    requests: Mapping[str, Request],
    seconds: float = ANSWER_SECONDS,
) -> dict[str, tuple[int, str, str | None]]:
    """Sends all requests at once; returns for each the status, the code and Retry-After. All are answered in time."""
    began = time.monotonic()
    answers = await asyncio.gather(*(send(http) for send in requests.values()))
    assert time.monotonic() - began < seconds + SLACK_SECONDS
    return {
        name: (answer.status_code, str(answer.json().get("code")), answer.headers.get("retry-after"))
        for name, answer in zip(requests, answers, strict=True)
    }


UNAVAILABLE = (503, "database-unavailable", "1")


async def reason_against(http: httpx.AsyncClient) -> str | None:
    """Why the service is not ready; None if it is. It says so in time."""
    began = time.monotonic()
    answer = await http.get("/ready")
    assert time.monotonic() - began < READY_SECONDS + SLACK_SECONDS
    if answer.status_code == 200:
        return None
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    problem = problem_of(answer)
    assert problem["code"] == "not-ready"
    detail: str = problem["detail"]
    return detail


async def until_ready(http: httpx.AsyncClient) -> None:
    """Waits until the service is ready."""
    end = time.monotonic() + 30
    while (reason := await reason_against(http)) is not None:
        assert time.monotonic() < end, reason
        await asyncio.sleep(0.1)
