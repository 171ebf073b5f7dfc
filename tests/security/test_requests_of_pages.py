"""A web page in the user's browser changes nothing and reads nothing, whatever it sends and wherever it is from."""

import json
import re
import socket
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from taskruns_service.prefect1.graphql.schema import make_schema
from tests.security.conftest import Serve
from tests.service import Served, problem_of, run_command

SCHEMA = make_schema()
assert SCHEMA.mutation_type is not None
MUTATIONS = tuple(SCHEMA.mutation_type.fields)
RUN = str(uuid4())
REBOUND = "evil.example"
QUERY = "{ task_run_aggregate { aggregate { count } } }"


def writing_operations() -> list[tuple[str, str, Any]]:
    """Method, path and body of every request that changes something, over REST and over GraphQL."""
    state = {"type": "Running"}
    rest: list[tuple[str, str, Any]] = [
        ("POST", "/flow-runs", {"flow_name": "evil"}),
        ("DELETE", f"/flow-runs/{RUN}", {}),
        ("POST", f"/flow-runs/{RUN}/states", state),
        ("POST", f"/flow-runs/{RUN}/task-runs", {"items": [{"task_slug": "evil"}]}),
        ("POST", f"/flow-runs/{RUN}/heartbeats", {}),
        ("POST", f"/flow-runs/{RUN}/logs", {"items": [{"id": RUN, "message": "evil"}]}),
        ("PATCH", f"/task-runs/{RUN}", {"name": "evil"}),
        ("POST", f"/task-runs/{RUN}/states", state),
        ("POST", "/task-runs/states", {"items": [{"task_run_id": RUN, **state}]}),
    ]
    mutations = [{"query": f"mutation {{ {name}(input: {{}}) {{ __typename }} }}"} for name in MUTATIONS]
    graphql = [{"query": QUERY}, {"query": 'mutation { create_tenant(input: {name: "evil", slug: "evil"}) { id } }'}]
    return rest + [("POST", path, body) for path in ("/", "/graphql") for body in graphql + mutations]


OPERATIONS = writing_operations()


@pytest.fixture(scope="module")
def http(service: Served) -> Any:
    """A client of the service."""
    with service.client() as client:
        yield client


def is_empty(http: httpx.Client) -> bool:
    """Whether nothing was written."""
    answer = http.post("/graphql", json={"query": '{ tenant(where: {slug: {_eq: "evil"}}) { id } flow { id } }'})
    return bool(answer.json()["data"] == {"tenant": [], "flow": []})


def test_every_writing_operation_is_tried(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    documented = {(method.upper(), path) for path, item in paths.items() for method in item if method != "get"}
    templates = {
        (method, re.sub(rf"^/(flow|task)-runs/{RUN}", r"/\1-runs/{\1_run_id}", path)) for method, path, _ in OPERATIONS
    }
    assert templates == documented | {("POST", "/"), ("POST", "/graphql")}
    assert len(MUTATIONS) > 25


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_simple_request_of_a_page_is_refused(http: httpx.Client, media_type: str) -> None:
    for operation in OPERATIONS:
        method, path, body = operation
        answer = http.request(method, path, content=json.dumps(body), headers={"content-type": media_type})
        assert (answer.status_code, problem_of(answer)["code"]) == (415, "unsupported-media-type"), operation
    assert is_empty(http)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"sec-fetch-site": "cross-site"},
        {"origin": "http://evil.example", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example"},
    ],
    ids=lambda headers: " ".join(headers.values()),
)
def test_foreign_origin_changes_nothing(http: httpx.Client, headers: dict[str, str]) -> None:
    for operation in OPERATIONS:
        method, path, body = operation
        answer = http.request(method, path, json=body, headers=headers)
        assert (answer.status_code, problem_of(answer)["code"]) == (403, "origin-not-allowed"), operation
    assert is_empty(http)


def test_own_pages_still_work(http: httpx.Client) -> None:
    headers = {"origin": str(http.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    answer = http.post("/graphql", json={"query": QUERY}, headers=headers)
    assert answer.json() == {"data": {"task_run_aggregate": {"aggregate": {"count": 0}}}}


@pytest.mark.parametrize("forwarded", [{}, {"x-forwarded-host": "localhost", "forwarded": "host=localhost"}])
def test_rebound_host_is_answered_on_no_path(http: httpx.Client, forwarded: dict[str, str]) -> None:
    for method, path in (
        *(("GET", path) for path in ("/flow-runs", "/task-runs/aggregate", "/health", "/docs", "/graphql", "/nowhere")),
        *(("OPTIONS", "/flow-runs"), ("HEAD", "/task-runs"), ("POST", "/flow-runs"), ("POST", "/")),
    ):
        answer = http.request(method, path, headers={"host": REBOUND, **forwarded})
        assert answer.status_code == 421, (method, path)
    problem = problem_of(http.get("/flow-runs", headers={"host": f"{REBOUND}:4200"}))
    assert problem["code"] == "host-not-allowed"
    assert "TASKRUNS_ALLOWED_HOSTS" in problem["detail"]


@pytest.mark.parametrize(
    "host", [b"", b"a b", b"localhost:99999999", b"[::1", b"\xff", b"localhost,evil.example", b"localhost/", b"@"]
)
def test_unreadable_host_is_refused(http: httpx.Client, host: bytes) -> None:
    answer = http.get("/flow-runs", headers=[(b"host", host)])
    assert (answer.status_code, problem_of(answer)["code"]) == (400, "invalid-request")


@pytest.mark.parametrize("head", [b"Host: localhost\r\nHost: evil.example\r\n", b""])
def test_two_hosts_and_none_are_refused(service: Served, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", httpx.URL(service.url).port or 0), 20) as connection:
        connection.sendall(b"GET /flow-runs HTTP/1.1\r\n" + head + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_operator_may_allow_a_host(serve: Serve) -> None:
    with serve(allowed_hosts="runs.example.com, other.example:8443") as service, service.client() as http:
        assert http.get("/health", headers={"host": "runs.example.com"}).status_code == 200
        assert http.get("/health", headers={"host": "other.example"}).status_code == 421
        page = {"host": "127.0.0.1", "origin": "https://runs.example.com"}
        assert http.post("/flow-runs", json={"flow_name": "f"}, headers=page).status_code == 201


def test_beyond_loopback_the_host_is_not_checked_but_the_origin_is(serve: Serve) -> None:
    with serve("--host", "0.0.0.0", "--insecure") as service, service.client() as http:
        assert http.get("/flow-runs", headers={"host": "runs.internal"}).status_code == 200
        headers = {"host": "runs.internal", "origin": "http://evil.example"}
        assert http.post("/flow-runs", json={"flow_name": "f"}, headers=headers).status_code == 403


def test_with_keys_the_host_is_not_checked_but_the_origin_is(serve: Serve) -> None:
    with serve(require_keys="true") as service, service.client() as http:
        assert http.get("/flow-runs", headers={"host": REBOUND}).status_code == 401
        headers = {"origin": "http://evil.example", "authorization": "Bearer trk_x_y"}
        assert http.post("/flow-runs", json={"flow_name": "f"}, headers=headers).status_code == 403


def test_wrong_allowed_host_is_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'taskruns.db'}"
    done = run_command("serve", TASKRUNS_ALLOWED_HOSTS="http://runs.example.com", TASKRUNS_DATABASE_URL=url)
    assert done.returncode == 2
    assert done.stderr.startswith("taskruns-service: TASKRUNS_ALLOWED_HOSTS is invalid: 'http://runs.example.com' ")
