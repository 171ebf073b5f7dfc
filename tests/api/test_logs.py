"""The log: a line of JSON for each request, by its id, and nothing of what people sent."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service import call_command, served

SECRET = "tell-nobody"


def lines_of(output: str) -> list[dict[str, Any]]:
    """The lines of a log, each of which has to be a JSON object."""
    read = [json.loads(line) for line in output.splitlines()]
    assert all(isinstance(line, dict) for line in read)
    return read


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a new database."""
    return f"sqlite:///{tmp_path / 'taskruns.db'}"


def test_request_is_a_line_of_json(url: str, tmp_path: Path) -> None:
    with served(url, tmp_path) as service, service.client() as http:
        answers = [
            http.post("/flow-runs", json={"flow_name": "f"}),
            http.get("/task-runs", params={"limit": 1}),
            http.head("/health", headers={"x-request-id": "mine"}),
            http.get("/nowhere"),
        ]
        service.stop()
    logged = {
        line["request_id"]: line for line in lines_of(after_the_greeting(service.output())) if "request_id" in line
    }
    for answer in answers:
        line = logged[answer.headers["x-request-id"]]
        assert (line["event"], line["level"], line["method"], line["path"], line["status"]) == (
            "request",
            "info",
            answer.request.method,
            answer.request.url.path,
            answer.status_code,
        )
        assert line["milliseconds"] >= 0
        assert line["timestamp"].endswith("Z")


def after_the_greeting(output: str) -> str:
    """What is printed after the lines for people: the database, what may damage it, and the address."""
    kept = [line for line in output.splitlines() if not line.startswith(("database  ", "warning   ", "serving   "))]
    assert sum(line.startswith(("database  ", "serving   ")) for line in output.splitlines()) == 2
    return "\n".join(kept)


def test_bodies_keys_and_parameters_are_not_logged(url: str, tmp_path: Path) -> None:
    key = call_command("keys", "create", "--scope", "write", "--name", "x", TASKRUNS_DATABASE_URL=url).stdout.strip()
    with served(url, tmp_path, "--require-keys", log_level="debug") as service, service.client() as http:
        headers = {"authorization": f"Bearer {key}"}
        body = {"flow_name": SECRET, "name": SECRET, "parameters": {SECRET: SECRET}, "idempotency_key": SECRET}
        assert http.post("/flow-runs", json=body, headers=headers).status_code == 201
        assert http.post("/flow-runs", json={**body, "name": "other"}, headers=headers).status_code == 409
        assert http.post("/flow-runs", json={"flow_name": SECRET, SECRET: 1}, headers=headers).status_code == 400
        assert http.get("/task-runs", params={"task_slug": SECRET}, headers=headers).status_code == 200
        assert http.get("/task-runs", params={SECRET: SECRET}, headers=headers).status_code == 400
        assert http.get("/task-runs", headers={"authorization": f"Bearer {SECRET}"}).status_code == 401
        assert http.get("/task-runs", headers={**headers, "cookie": SECRET}).status_code == 200
        service.stop()
    output = service.output()
    assert SECRET not in output
    assert key.split("_", 2)[2] not in output


def refused_writes(http: httpx.Client) -> dict[str, Any]:
    """The answer to a state that the database refuses."""
    flow_run = http.post("/flow-runs", json={"flow_name": "f"}).json()["id"]
    state = {"type": "Success", "message": SECRET, "result": {"type": "LocalResult", "location": SECRET}}
    body = {"items": [{"task_slug": "name", "name": SECRET, "tags": [SECRET], "states": [state]}]}
    response = http.post(f"/flow-runs/{flow_run}/task-runs", json=body)
    assert response.status_code == 500
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_failure_is_logged_without_what_was_sent(url: str, tmp_path: Path, log_format: str) -> None:
    with served(url, tmp_path, "--log-format", log_format) as service, service.client() as http:
        with closing(sqlite3.connect(tmp_path / "taskruns.db")) as other:
            other.execute("CREATE TRIGGER no BEFORE INSERT ON task_run BEGIN SELECT RAISE(ABORT, 'the reason'); END")
        answer = refused_writes(http)
        service.stop()
    output = service.output()
    assert answer["code"] == "internal-error"
    assert "the reason" in output
    assert "Traceback" in output
    assert SECRET not in output
    if log_format == "json":
        lines_of(after_the_greeting(output))


def test_quiet_log_has_no_requests(url: str, tmp_path: Path) -> None:
    with served(url, tmp_path, log_level="warning") as service, service.client() as http:
        http.get("/task-runs")
        service.stop()
    assert after_the_greeting(service.output()) == ""


def test_password_of_the_database_is_not_shown(postgres_url: str, tmp_path: Path) -> None:
    password = postgres_url.partition("//postgres:")[2].partition("@")[0]
    with served(postgres_url, tmp_path) as service, service.client() as http:
        http.get("/task-runs")
        service.stop()
    assert password not in service.output()
    assert "database  postgresql://postgres:***@127.0.0.1:" in service.output()
