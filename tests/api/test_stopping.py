"""Stopping: what is open does not hold up the end, everything that was taken on is written, and nothing is killed."""

import os
import signal
import socket
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.processes import children_of, kill, runs, workers_of
from tests.service import Served, call_command, served, starting
from tests.waiting import eventually

SECONDS = 15
"""More than any stop takes here, and half of what what is open took without being ended."""
BODY_BEGUN = (
    b"POST /flow-runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
)
HEAD_BEGUN = b"GET /health HTTP/1.1\r\nHost: loc"
QUESTION = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a new SQLite file, which is in `tmp_path`."""
    return f"sqlite:///{tmp_path / 'taskruns.db'}"


def connect(service: Served, sent: bytes) -> socket.socket:
    url = urlsplit(service.url)
    connection = socket.create_connection((url.hostname, url.port))
    connection.sendall(sent)
    connection.settimeout(30)
    return connection


def begin_body(service: Served) -> socket.socket:
    return connect(service, BODY_BEGUN)


def begin_head(service: Served) -> socket.socket:
    return connect(service, HEAD_BEGUN)


def begin_second_head(service: Served) -> socket.socket:
    connection = connect(service, QUESTION)
    connection.recv(1)
    connection.sendall(HEAD_BEGUN)
    return connection


def read_nothing(service: Served) -> socket.socket:
    """Asks so often, and reads no answer, that the service cannot send any more."""
    connection = connect(service, b"")
    connection.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            connection.send(QUESTION)
    return connection


@pytest.mark.parametrize(
    "open_connection",
    [begin_body, begin_head, begin_second_head, read_nothing],
    ids=lambda function: function.__name__,
)
def test_open_connections_do_not_hold_up_the_end(
    service: Served, tmp_path: Path, open_connection: Callable[[Served], socket.socket]
) -> None:
    with ExitStack() as stack, service.client() as http:
        assert http.post("/flow-runs", json={"flow_name": "f"}).status_code == 201
        for _ in range(8):  # so that each worker has some
            stack.enter_context(closing(open_connection(service)))
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < SECONDS
    assert "Killing" not in service.output()
    # The last one that closes the database removes this: so the application was shut down.
    assert not (tmp_path / "taskruns.db-wal").exists()


def test_body_that_does_not_arrive_is_refused_at_the_end(service: Served) -> None:
    with closing(begin_body(service)) as connection:
        eventually(lambda: has_read(connection))
        service.ask_to_stop()
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"\r\nretry-after: 1\r\n" in answer
        assert b"The service is stopping" in answer
        assert service.process.wait(SECONDS) == 0


def has_read(connection: socket.socket) -> bool:
    """Whether the other end has read all that was sent to it, as the system's table of connections tells."""
    near, far = connection.getsockname()[1], connection.getpeername()[1]
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = [(int(row[1].partition(":")[2], 16), int(row[2].partition(":")[2], 16), row[4]) for row in rows]
    return (far, near, "00000000:00000000") in ends


def test_body_that_arrives_in_time_is_recorded(service: Served) -> None:
    body = b'{"flow_name": "late"}'
    head = (
        f"POST /flow-runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    with closing(connect(service, f"{head}\r\n\r\n".encode())) as connection:
        eventually(lambda: has_read(connection))
        service.ask_to_stop()
        connection.sendall(body)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 201 Created\r\n")
        assert service.process.wait(SECONDS) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_of_the_end_may_come_twice_and_to_all(service: Served, number: int) -> None:
    for _ in range(2):
        for process in (service.process.pid, *workers_of(service)):
            with suppress(ProcessLookupError):
                os.kill(process, number)
    assert service.process.wait(SECONDS) == 0
    assert "Killing" not in service.output()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_service_stops_while_its_worker_starts(sqlite_url: str, tmp_path: Path, number: int) -> None:
    with starting(sqlite_url, tmp_path) as service:
        eventually(lambda: bool(workers_of(service)))
        service.process.send_signal(number)
        assert service.process.wait(SECONDS) == 0
        assert "Killing" not in service.output()
    assert call_command("migrate", TASKRUNS_DATABASE_URL=sqlite_url).returncode == 0


def test_service_stops_while_it_migrates(sqlite_url: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "taskruns.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with starting(sqlite_url, tmp_path) as service:
            eventually((tmp_path / "taskruns.db.lock").exists)
            service.ask_to_stop()
            assert service.process.wait(SECONDS) == -signal.SIGTERM
        other.execute("ROLLBACK")
    assert call_command("migrate", TASKRUNS_DATABASE_URL=sqlite_url).returncode == 0


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_starting_worker_does_not_outlive_its_parent(
    request: pytest.FixtureRequest, database: str, tmp_path: Path
) -> None:
    url = request.getfixturevalue(f"{database}_url")
    with starting(url, tmp_path) as service:
        eventually(lambda: bool(workers_of(service)))
        workers = children_of(service.process.pid)
        service.process.kill()
        service.process.wait()
        try:
            eventually(lambda: not any(map(runs, workers)))
        finally:
            for worker in workers:
                kill(worker)
    with served(url, tmp_path, port=int(service.url.rpartition(":")[2])) as again, again.client() as http:
        assert http.post("/flow-runs", json={"flow_name": "f"}).status_code == 201


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT])
def test_workers_do_not_outlive_their_parent(service: Served, number: int) -> None:
    workers = workers_of(service)
    service.process.send_signal(number)
    service.process.wait()
    try:
        eventually(lambda: not any(map(runs, workers)))
    finally:
        for worker in workers:
            kill(worker)


def test_slow_write_is_finished_before_the_end(sqlite_url: str, tmp_path: Path) -> None:
    with served(sqlite_url, tmp_path) as service, service.client() as http, ThreadPoolExecutor(1) as aside:
        with closing(sqlite3.connect(tmp_path / "taskruns.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answer = aside.submit(http.post, "/flow-runs", json={"flow_name": "f"})
            (worker,) = workers_of(service)
            with closing(begin_body(service)) as connection:
                eventually(lambda: has_read(connection))
            service.ask_to_stop()
            eventually(lambda: "Shutting down" in service.output())
            assert runs(worker)
            other.execute("ROLLBACK")
        assert answer.result(30).status_code == 201
        assert service.process.wait(SECONDS) == 0
