"""Serving: what was taken is finished, what was answered is kept, and what is away is said to be away."""

import os
import re
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from tests.processes import workers_of
from tests.service import Served, call_command, problem_of, served
from tests.waiting import eventually

UNAVAILABLE = {
    "code": "database-unavailable",
    "detail": "The database does not respond. Nothing was recorded; retry the request later.",
}
NOT_READY = {"code": "not-ready", "detail": "The database does not respond."}


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a new SQLite file."""
    return f"sqlite:///{tmp_path / 'taskruns.db'}"


@contextmanager
def nobody_else_writes(file: Path) -> Iterator[None]:
    """Holds the write lock of a SQLite file, so that all who write wait."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_requests_in_flight_at_sigterm_are_finished(url: str, tmp_path: Path) -> None:
    flow_run = str(uuid4())
    states = [{"type": "Running"}, {"type": "Success"}]
    report = {"items": [{"task_slug": "inc", "map_index": index, "states": states} for index in range(1000)]}
    with served(url, tmp_path) as service, service.client() as http, ThreadPoolExecutor(1) as aside:
        assert http.post("/flow-runs", json={"flow_name": "f", "id": flow_run}).status_code == 201
        with nobody_else_writes(tmp_path / "taskruns.db"):
            answer = aside.submit(http.post, f"/flow-runs/{flow_run}/task-runs", json=report)
            time.sleep(1)  # until the request waits for the database
            service.ask_to_stop()
            time.sleep(0.5)
            assert service.process.poll() is None
            assert not answer.done()
        assert answer.result(30).status_code == 200
        assert [item["outcome"] for item in answer.result().json()["items"]] == ["created"] * 1000
        assert service.process.wait(30) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{service.url}/health")
    with served(url, tmp_path) as service, service.client() as http:
        assert http.get(f"/flow-runs/{flow_run}").json()["task_run_counts"] == {"Success": 1000}
    done = call_command("check", TASKRUNS_DATABASE_URL=url)
    assert (done.returncode, done.stdout) == (0, "No problems found.\n")


def test_idle_connections_do_not_hold_up_the_end(url: str, tmp_path: Path) -> None:
    with served(url, tmp_path) as service, service.client() as http:
        http.get("/health")
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < 5


def test_answered_writes_outlive_a_kill(url: str, tmp_path: Path) -> None:
    with served(url, tmp_path) as service, service.client() as http:
        made = [http.post("/flow-runs", json={"flow_name": "f", "name": str(number)}).json() for number in range(20)]
        for worker in workers_of(service):
            os.kill(worker, 9)
        service.process.kill()
        service.process.wait()
    with served(url, tmp_path) as service, service.client() as http:
        assert [http.get(f"/flow-runs/{one['id']}").json() for one in made] == made


def test_workers_share_a_postgres_database(postgres_url: str, tmp_path: Path) -> None:
    flow_run = str(uuid4())

    def report(index: int) -> int:
        body = {
            "items": [{"task_slug": "inc", "map_index": index, "states": [{"type": "Running"}, {"type": "Success"}]}]
        }
        # A connection of its own, so that any worker may take it.
        with service.client() as own:
            return own.post(f"/flow-runs/{flow_run}/task-runs", json=body).status_code

    with served(postgres_url, tmp_path, "--workers", "2") as service, service.client() as http:
        assert http.post("/flow-runs", json={"flow_name": "f", "id": flow_run}).status_code == 201
        workers = workers_of(service)
        assert len(workers) == 2
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(report, range(80))) == {200}
        eventually(lambda: all(talks_to(worker, urlsplit(postgres_url).port) for worker in workers))
        listed = http.get(f"/flow-runs/{flow_run}/task-runs", params={"sort": "sequence", "limit": 1000}).json()[
            "items"
        ]
        assert sorted(item["map_index"] for item in listed) == list(range(80))
        assert len({item["sequence"] for item in listed}) == 80
        assert http.get(f"/flow-runs/{flow_run}").json()["task_run_counts"] == {"Success": 80}
        assert http.get("/task-runs/aggregate", params={"state": "Success"}).json()["count"] == 80
    assert call_command("check", TASKRUNS_DATABASE_URL=postgres_url).stdout == "No problems found.\n"


def talks_to(pid: int, port: int | None) -> bool:
    """Whether a process has a connection to a port of this machine."""
    own = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(f"socket:[{row[9]}]" in own for row in table if int(row[2].partition(":")[2], 16) == port)


class Cable:
    """The network between the service and its database: it may be cut, or go silent, and be mended."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._connected = threading.Event()
        self._connected.set()
        self._flowing = threading.Event()
        self._flowing.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._connected.is_set():
                    near.close()
                    continue
                far = socket.create_connection(self._target)
                self._ends += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self._flowing.wait()
                sink.sendall(data)
        self._close([source, sink])

    def _close(self, ends: list[socket.socket]) -> None:
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def cut(self) -> None:
        """Closes all connections, and every new one at once."""
        self._connected.clear()
        self._close(self._ends)
        self._ends.clear()

    def mend(self) -> None:
        """Lets everything through again."""
        self._connected.set()
        self._flowing.set()

    def silence(self) -> None:
        """Keeps connections open and carries nothing."""
        self._flowing.clear()

    def close(self) -> None:
        """Ends it."""
        self.mend()
        self._listener.close()
        self._close(self._ends)


@pytest.fixture
def cable(postgres_url: str) -> Iterator[Cable]:
    """The cable to the test's own PostgreSQL database."""
    parts = urlsplit(postgres_url)
    cable = Cable(str(parts.hostname), int(parts.port or 0))
    yield cable
    cable.close()


@pytest.fixture
def wired(cable: Cable, postgres_url: str, tmp_path: Path) -> Iterator[tuple[Served, httpx.Client]]:
    """The service, which has its database at the end of the cable, and a client that has used it."""
    url = postgres_url.replace(f":{urlsplit(postgres_url).port}/", f":{cable.port}/")
    with served(url, tmp_path) as service, service.client() as http:
        assert http.get("/ready").json().items() >= http.get("/health").json().items()
        assert http.post("/flow-runs", json={"flow_name": "f"}).status_code == 201
        yield service, http


def test_database_that_is_away_is_said_to_be_away(cable: Cable, wired: tuple[Served, httpx.Client]) -> None:
    _, http = wired
    cable.cut()
    ready = http.get("/ready")
    assert (ready.status_code, problem_of(ready)) == (503, NOT_READY)
    for response in (http.get("/flow-runs"), http.post("/flow-runs", json={"flow_name": "f"})):
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert problem_of(response) == UNAVAILABLE
    flow_run = uuid4()
    bulk = http.post(f"/flow-runs/{flow_run}/task-runs", json={"items": [{"task_slug": "a"}, {"task_slug": "b"}]})
    assert (bulk.status_code, problem_of(bulk)) == (503, UNAVAILABLE)
    assert http.get("/health").status_code == 200

    cable.mend()
    eventually(lambda: http.get("/ready").status_code == 200)
    assert http.post("/flow-runs", json={"flow_name": "f"}).status_code == 201
    assert len(http.get("/flow-runs").json()["items"]) == 2


def test_connections_that_broke_while_idle_go_unnoticed(cable: Cable, wired: tuple[Served, httpx.Client]) -> None:
    _, http = wired
    for _ in range(3):
        cable.cut()
        cable.mend()
        assert http.post("/flow-runs", json={"flow_name": "f"}).status_code == 201
        cable.cut()
        cable.mend()
        assert http.get("/flow-runs").status_code == 200


def test_database_that_is_silent_does_not_hold_up_readiness(cable: Cable, wired: tuple[Served, httpx.Client]) -> None:
    _, http = wired
    cable.silence()
    began = time.monotonic()
    ready = http.get("/ready")
    assert (ready.status_code, problem_of(ready)) == (503, NOT_READY)
    assert time.monotonic() - began < 8
    assert http.get("/health").status_code == 200
    cable.mend()
    eventually(lambda: http.get("/ready").status_code == 200)
    assert http.post("/flow-runs", json={"flow_name": "f"}).status_code == 201


def test_service_stops_while_the_database_is_away(cable: Cable, wired: tuple[Served, httpx.Client]) -> None:
    service, _ = wired
    cable.cut()
    assert service.stop() == 0


def test_database_of_another_schema_is_not_ready(url: str, tmp_path: Path) -> None:
    with served(url, tmp_path) as service, service.client() as http:
        with closing(sqlite3.connect(tmp_path / "taskruns.db")) as other, other:
            other.execute("UPDATE alembic_version SET version_num = 'ffff'")
        response = http.get("/ready")
        problem = problem_of(response)
        assert (response.status_code, problem["code"]) == (503, "not-ready")
        assert "ffff" in problem["detail"]


def test_documentation_needs_no_network(url: str, tmp_path: Path) -> None:
    with served(url, tmp_path) as service, service.client() as http:
        page = http.get("/docs")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        addresses = re.findall(r"""(?:src|href)=["']?([^"'> ]+)""", page.text)
        assert [address for address in addresses if not re.match(r"/(?!/)", address)] == []
        assert not re.findall(r"url\(|@import", page.text)
        for address in addresses:
            content = http.get(address, headers={"Accept": "*/*"}, follow_redirects=True)
            assert content.status_code == 200
            if address.endswith(".css"):
                assert not re.findall(r"""url\((?!["']?data:)|@import""", content.text)
