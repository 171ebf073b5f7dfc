"""`taskruns-service prune`: what it says, and that it may be killed and run again while the service writes."""

import asyncio
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from tests.service import PROGRAM, call_command, environment_of, served
from tests.waiting import eventually

LONG_AGO = "2021-05-12T18:00:00Z"


def record(http: httpx.Client, flow_runs: int, task_runs: int, ended: str | None = LONG_AGO) -> None:
    """Records flow runs, which have ended unless `ended` is None."""
    items = [{"task_slug": f"task-{number}", "states": [{"type": "Success"}]} for number in range(task_runs)]
    for _ in range(flow_runs):
        path = f"/flow-runs/{http.post('/flow-runs', json={'flow_name': 'f'}).json()['id']}"
        assert http.post(f"{path}/task-runs", json={"items": items}).status_code == 200
        if ended is not None:
            assert http.post(f"{path}/states", json={"type": "Success", "timestamp": ended}).status_code == 201


def prune(url: str, *arguments: str) -> str:
    """What the command prints when it is done."""
    return pruned(url, "--older-than", "90d", *arguments)


def pruned(url: str, *arguments: str) -> str:
    done = call_command("prune", *arguments, TASKRUNS_DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "THEN", done.stdout)


def check(url: str) -> None:
    done = call_command("check", TASKRUNS_DATABASE_URL=url)
    assert (done.returncode, done.stdout) == (0, "No problems found.\n")


def kill_prune(url: str, batches: int) -> None:
    """Runs the command with a flow run in each batch, and kills it at work when it has told of so many batches."""
    near, far = socket.socketpair()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # so that it waits after some lines that nobody reads
    command: list[str | Path] = [PROGRAM, "prune", "--older-than", "90d", "--batch-size", "1"]
    with near, subprocess.Popen(command, env=environment_of(TASKRUNS_DATABASE_URL=url), stderr=far.fileno()) as process:
        far.close()
        with near.makefile("rb", buffering=0) as lines:
            for _ in range(batches):
                assert lines.readline().startswith(b"deleted ")
        process.send_signal(signal.SIGKILL)
    if url.startswith("postgresql"):  # which may commit what the process had just sent
        eventually(lambda: asyncio.run(sessions(url)) == 0)


async def sessions(url: str) -> int:
    """How many connections others have to a database of PostgreSQL."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return count
    finally:
        await connection.close()


def test_old_flow_runs_are_counted_and_then_deleted(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path) as service, service.client() as http:
        record(http, 3, 4)
        record(http, 1, 5, ended=None)
    told = "3 flow runs from before THEN UTC, with 12 task runs.\n"
    assert prune(database_url, "--dry-run") == f"There are {told}"
    assert prune(database_url) == f"Deleted {told}"
    assert prune(database_url) == "Deleted 0 flow runs from before THEN UTC, with 0 task runs.\n"
    # It has changed since, so it is not old.
    assert prune(database_url, "--unfinished", "--dry-run").startswith("There are 0 flow runs")
    assert call_command("prune", "--older-than", "0h", "--unfinished", TASKRUNS_DATABASE_URL=database_url).stdout
    check(database_url)


def test_old_lines_of_logs_are_counted_and_then_deleted(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path) as service, service.client() as http:
        record(http, 2, 1)
        record(http, 1, 1, ended=None)
        for flow_run in http.get("/flow-runs").json()["items"]:
            lines = [{"message": "old", "timestamp": LONG_AGO}] * 3 + [{"message": "young"}]
            path = f"/flow-runs/{flow_run['id']}/logs"
            items = [{"id": str(uuid4()), "level": "INFO", **line} for line in lines]
            assert http.post(path, json={"items": items}).is_success
    old = "9 lines of logs from before THEN UTC.\n"
    assert pruned(database_url, "--logs-older-than", "14d", "--dry-run") == f"There are {old}"
    assert pruned(database_url, "--logs-older-than", "14d", "--batch-size", "2") == f"Deleted {old}"
    with served(database_url, tmp_path) as service, service.client() as http:
        for flow_run in http.get("/flow-runs").json()["items"]:
            (line,) = http.get(f"/flow-runs/{flow_run['id']}/logs").json()["items"]
            assert line["message"] == "young"
    both = (
        "Deleted 2 flow runs from before THEN UTC, with 2 task runs.\nDeleted 1 lines of logs from before THEN UTC.\n"
    )
    assert pruned(database_url, "--older-than", "90d", "--logs-older-than", "0h") == both
    check(database_url)


def test_file_that_is_served_is_not_pruned(sqlite_url: str, tmp_path: Path) -> None:
    with served(sqlite_url, tmp_path):
        done = call_command("prune", "--older-than", "90d", TASKRUNS_DATABASE_URL=sqlite_url)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Another taskruns-service is using " in done.stderr


def test_killed_again_and_again_it_keeps_counts_exact_and_goes_on(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path) as service, service.client() as http:
        record(http, 40, 2)
    remaining = 40
    for batches in (1, 3):
        kill_prune(database_url, batches)
        counted = prune(database_url, "--dry-run")
        flow_runs = int(counted.split()[2])
        assert 0 < flow_runs <= remaining - batches
        assert counted == f"There are {flow_runs} flow runs from before THEN UTC, with {2 * flow_runs} task runs.\n"
        check(database_url)
        remaining = flow_runs
    done = f"Deleted {remaining} flow runs from before THEN UTC, with {2 * remaining} task runs.\n"
    assert prune(database_url) == done
    check(database_url)


def test_killed_while_the_service_writes_it_goes_on_where_it_was(postgres_url: str, tmp_path: Path) -> None:
    def flow_runs(http: httpx.Client) -> int:
        answer: dict[str, Any] = http.get("/flow-runs", params={"limit": 1000, "fields": "id"}).json()
        return len(answer["items"])

    with served(postgres_url, tmp_path) as service, service.client() as http:
        record(http, 60, 3)
        command: list[str | Path] = [PROGRAM, "prune", "--older-than", "90d", "--batch-size", "3"]
        environment = environment_of(TASKRUNS_DATABASE_URL=postgres_url)
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert process.stderr.readline() == "deleted   1 flow runs, 3 task runs\n"
            process.send_signal(signal.SIGKILL)
        left = flow_runs(http)
        assert 0 < left < 60
        record(http, 2, 3, ended=None)
        check(postgres_url)
        # What the killed process had just sent may have been committed after it.
        told = [
            f"Deleted {one} flow runs from before THEN UTC, with {3 * one} task runs.\n" for one in (left, left - 1)
        ]
        assert prune(postgres_url) in told
        assert flow_runs(http) == 2
    check(postgres_url)
