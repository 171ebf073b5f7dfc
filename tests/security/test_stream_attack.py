"""Streams at their limits: as many as a process has, clients that never read, and the end of a process with all."""

import json
import logging
import resource
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.security.memory import memory_of
from tests.service import Served, served
from tests.sockets import begin_flow_run, connect, read_to_the_end, read_until
from tests.waiting import eventually

pytestmark = [pytest.mark.attack, pytest.mark.timeout(600)]

log = logging.getLogger(__name__)

STREAMS = 1_000
IDLE = 2_000
OPEN_FILES = 2 * (STREAMS + IDLE)
SILENT = 50
MESSAGE = "x" * 20_000
TASK_RUNS = 300
BYTES_PER_SILENT_CLIENT = 2 * 2**20


@pytest.fixture(autouse=True)
def open_files() -> Iterator[None]:
    """Lets the test's own process have enough connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < OPEN_FILES:
        pytest.fail(f"The test needs {OPEN_FILES} open files, and the system allows {hard}: ulimit -Hn.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def streams_of(service: Served, path: str, count: int) -> Iterator[list[socket.socket]]:
    """Opens streams, each of which has sent its first event."""
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(connect(service, path))) for _ in range(count)]
        for connection in connections:
            read_until(connection, b"event: flow_run")
        yield connections


def report(client: httpx.Client, path: str, count: int, message: str = "") -> None:
    states = [{"type": "Running", "message": message}]
    items = [{"task_slug": f"t-{number}", "states": states} for number in range(count)]
    assert client.post(f"{path}/task-runs", json={"items": items}).status_code == httpx.codes.OK


def test_idle_connections_and_streams_leave_room_for_others(tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path / 'taskruns.db'}", tmp_path) as service, service.client() as client:
        path = begin_flow_run(client)
        url = urlsplit(service.url)
        with ExitStack() as stack, streams_of(service, f"{path}/events", STREAMS) as streams:
            for _ in range(IDLE):
                stack.enter_context(closing(socket.create_connection((url.hostname, url.port))))
            milliseconds = []
            for _ in range(10):
                began = time.perf_counter()
                assert httpx.get(f"{service.url}/health", timeout=30).status_code == httpx.codes.OK
                milliseconds.append(1000 * (time.perf_counter() - began))
            log.info("/health: median %.0f ms, longest %.0f ms", sorted(milliseconds)[5], max(milliseconds))
            report(client, path, 1)
            for stream in streams:
                read_until(stream, b"event: task_runs")


def test_clients_that_never_read_cost_little_and_lose_their_streams(tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path / 'taskruns.db'}", tmp_path) as service, service.client() as client:
        path = begin_flow_run(client)
        for number in range(TASK_RUNS // 100):
            states = [{"type": "Running", "message": MESSAGE}]
            items = [{"task_slug": f"t-{number}-{place}", "states": states} for place in range(100)]
            assert client.post(f"{path}/task-runs", json={"items": items}).status_code == httpx.codes.OK
        with closing(connect(service, f"{path}/events?after_sequence=0")) as reader:
            sequence = client.get(path).json()["sequence"]
            read_until(reader, f"id: {sequence}\n".encode())
        before = memory_of(service)
        with ExitStack() as stack:
            for _ in range(SILENT):
                stack.enter_context(closing(connect(service, f"{path}/events?after_sequence=0")))
            eventually(lambda: service.output().count("stream began") == SILENT + 1)
            most = 0

            def all_have_ended() -> bool:
                nonlocal most
                most = max(most, memory_of(service))
                return service.output().count("stream ended") == SILENT + 1

            began = time.monotonic()
            eventually(all_have_ended, seconds=300)
            each = (most - before) / SILENT
            log.info("%.0f KiB a client, all closed after %.0f s", each / 1024, time.monotonic() - began)
            assert each < BYTES_PER_SILENT_CLIENT


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_process_with_all_its_streams_stops(loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if loop == "asyncio":  # which the server takes where there is no uvloop
        (tmp_path / "uvloop.py").write_text("raise ImportError")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    file = tmp_path / "taskruns.db"
    with served(f"sqlite:///{file}", tmp_path) as service, service.client() as client:
        path = begin_flow_run(client)
        with streams_of(service, f"{path}/events", STREAMS) as streams:
            report(client, path, 100)
            began = time.monotonic()
            assert service.stop() == 0
            log.info("%s: stopped after %.1f s", loop, time.monotonic() - began)
            assert "Killing" not in service.output()
            for stream in streams:
                rest = read_to_the_end(stream)
                assert b'"code":"stopping"' in rest
                assert rest.endswith(b"0\r\n\r\n")  # it ended as it should
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT count(*) FROM task_run").fetchone() == (100,)
    lines = [json.loads(line) for line in service.output().splitlines() if line.startswith("{")]
    assert sum(line["event"] == "stream ended" for line in lines) == STREAMS
