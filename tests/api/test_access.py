"""Who may do what: every operation asks for the scope that it declares, where others can reach the service."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from taskruns_service.api import HANDLERS
from taskruns_service.api.operations import Operation, Scope, operation_of
from taskruns_service.app import create_app
from tests.postgres import free_port
from tests.service import call_command, problem_of, running, served, settings_of

PUBLIC = {"get_health", "get_readiness", "get_openapi", "get_documentation"}
REALM = 'Bearer realm="taskruns"'


def declared(handler: HTTPRouteHandler) -> Operation:
    """What a handler declares; one that declares nothing fails the test."""
    operation = operation_of(handler)
    assert operation is not None, f"{handler} declares no scope"
    return operation


def create_key(sqlite_url: str, scope: str) -> str:
    done = call_command("keys", "create", "--scope", scope, "--name", f"for {scope}", TASKRUNS_DATABASE_URL=sqlite_url)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def revoke_key(sqlite_url: str, key: str) -> None:
    done = call_command("keys", "revoke", key.split("_")[1], TASKRUNS_DATABASE_URL=sqlite_url)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def keys_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database with keys in it."""
    return f"sqlite:///{tmp_path_factory.mktemp('keys') / 'taskruns.db'}"


@pytest.fixture(scope="module")
def keys(keys_url: str) -> dict[str, str | None]:
    """What a client may send, by what it is."""
    keys: dict[str, str | None] = {scope: f"Bearer {create_key(keys_url, scope)}" for scope in ("read", "write")}
    revoked = create_key(keys_url, "write")
    revoke_key(keys_url, revoked)
    write = create_key(keys_url, "write")
    return {
        **keys,
        "no key": None,
        "revoked": f"Bearer {revoked}",
        "unknown": "Bearer trk_000000000000_" + "A" * 43,
        "wrong secret": f"Bearer {write[:-1]}{'A' if write[-1] != 'A' else 'B'}",
        "without a secret": f"Bearer {write.rpartition('_')[0]}_",
        "no key at all": "Bearer secret",
        "empty": "Bearer ",
        "password": "Basic dXNlcjpwYXNzd29yZA==",
    }


@pytest.fixture
async def guarded(keys_url: str, keys: dict[str, str | None]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that asks for keys."""
    async with running(create_app(settings_of(keys_url, require_keys=True))) as client:
        yield client


async def ask(client: httpx.AsyncClient, handler: HTTPRouteHandler, authorization: str | None) -> httpx.Response:
    """Sends what the handler takes, about runs that do not exist; of a stream, what it refuses, or it would not end."""
    (path,), (method,) = handler.paths, handler.http_methods
    if any(answer.events for answer in declared(handler).answers.values()):
        path += "?colour=red"
    headers = {} if authorization is None else {"authorization": authorization}
    body = declared(handler).body_example
    return await client.request(method, re.sub(r"{\w+:uuid}", str(uuid4()), path), json=body, headers=headers)


def test_every_change_needs_the_write_scope() -> None:
    scopes = {
        declared(handler).id: Scope.public
        if declared(handler).id in PUBLIC
        else Scope.read
        if handler.http_methods == {"GET"}
        else Scope.write
        for handler in HANDLERS
    }
    assert {declared(handler).id: declared(handler).scope for handler in HANDLERS} == scopes


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: declared(handler).id)
async def test_operation_asks_for_its_scope(
    guarded: httpx.AsyncClient, keys: dict[str, str | None], handler: HTTPRouteHandler
) -> None:
    scope = declared(handler).scope
    for kind, authorization in keys.items():
        response = await ask(guarded, handler, authorization)
        if scope is Scope.public or kind == "write" or (kind == "read" and scope is Scope.read):
            assert response.status_code not in (401, 403), kind
            assert "www-authenticate" not in response.headers
        elif kind == "read":
            detail = "This API key can read but not write. Use a key with the scope `write`."
            assert (response.status_code, problem_of(response)) == (403, {"code": "forbidden", "detail": detail})
        else:
            assert response.status_code == 401, kind
            assert response.headers["www-authenticate"] == REALM
            assert problem_of(response)["code"] == "unauthenticated"


async def test_head_asks_for_the_same_scope(guarded: httpx.AsyncClient, keys: dict[str, str | None]) -> None:
    response = await guarded.head("/task-runs")
    assert (response.status_code, response.headers["www-authenticate"]) == (401, REALM)
    authorization = keys["read"]
    assert authorization is not None
    response = await guarded.head("/task-runs", headers={"authorization": authorization})
    assert response.status_code == 200


async def test_request_is_not_read_before_the_key(guarded: httpx.AsyncClient) -> None:
    for response in (
        await guarded.post("/flow-runs", content=b"{", headers={"content-type": "application/json"}),
        await guarded.post("/flow-runs", content=b" " * 2_000_000),
        await guarded.get("/task-runs?colour=red"),
        await guarded.get(f"/flow-runs/{uuid4()}?colour=red"),
    ):
        assert response.status_code == 401


async def test_scheme_is_read_in_any_case(guarded: httpx.AsyncClient, keys: dict[str, str | None]) -> None:
    authorization = keys["read"]
    assert authorization is not None
    for spelling in (authorization.replace("Bearer", "bearer"), authorization.replace("Bearer ", "BEARER   ")):
        assert (await guarded.get("/task-runs", headers={"authorization": spelling})).status_code == 200


@pytest.mark.slow
async def test_revoked_key_stops_within_five_seconds(sqlite_url: str) -> None:
    key = await asyncio.to_thread(create_key, sqlite_url, "read")
    headers = {"authorization": f"Bearer {key}"}
    async with running(create_app(settings_of(sqlite_url, require_keys=True))) as client:
        assert (await client.get("/task-runs", headers=headers)).status_code == 200
        await asyncio.to_thread(revoke_key, sqlite_url, key)
        deadline = time.monotonic() + 5
        while (await client.get("/task-runs", headers=headers)).status_code == 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


async def test_loopback_needs_no_key(client: httpx.AsyncClient) -> None:
    for headers in ({}, {"authorization": "Bearer whatever"}):
        assert (await client.get("/task-runs", headers=headers)).status_code == 200


def test_network_is_not_served_without_keys(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'taskruns.db'}"
    port = str(free_port())
    done = call_command("serve", "--host", "0.0.0.0", "--port", port, TASKRUNS_DATABASE_URL=url)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "taskruns-service: Other machines can reach 0.0.0.0, and there are no API keys. "
        "Create one with `taskruns-service keys create`, or pass --insecure.\n"
    )


@pytest.mark.slow
def test_network_is_served_with_keys(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'taskruns.db'}"
    key = create_key(url, "read")
    with served(url, tmp_path, "--host", "0.0.0.0") as service, service.client() as http:
        assert http.get("/task-runs").status_code == 401
        assert http.get("/task-runs", headers={"authorization": f"Bearer {key}"}).status_code == 200


@pytest.mark.slow
def test_network_is_served_without_keys_by_those_who_insist(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'taskruns.db'}"
    with served(url, tmp_path, "--host", "0.0.0.0", "--insecure") as service, service.client() as http:
        assert http.get("/task-runs").status_code == 200
