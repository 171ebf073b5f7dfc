"""Supervision: workers that end are replaced, however often, and two of them never have one SQLite file."""

import os
import re
import signal
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from taskruns import Client
from tests.postgres import free_port
from tests.processes import runs, workers_of
from tests.service import Served, call_command, served, starting
from tests.waiting import eventually

ONE_REQUEST_EACH = httpx.Limits(max_keepalive_connections=0)
"""Connections are not used again, so that any worker may take the next request."""


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a new SQLite file, which is in `tmp_path`."""
    return f"sqlite:///{tmp_path / 'taskruns.db'}"


def answers(service: Served) -> bool:
    with suppress(httpx.TransportError), service.client() as http:
        return http.get("/ready", timeout=5).status_code == 200
    return False


def is_replaced(service: Served, old: list[int]) -> bool:
    """Whether as many workers as before run, none of which is an old one."""
    workers = workers_of(service)
    return len(workers) == len(old) and not set(workers) & set(old)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_that_end_are_replaced_each_time(service: Served, number: int) -> None:
    for _ in range(2):
        old = workers_of(service)
        for worker in old:
            os.kill(worker, number)
        eventually(lambda: is_replaced(service, old) and answers(service))  # noqa: B023 - it is called at once
    assert service.process.poll() is None
    assert service.stop() == 0
    assert "Killing" not in service.output()


def test_worker_that_starts_may_be_killed(sqlite_url: str, tmp_path: Path) -> None:
    with served(sqlite_url, tmp_path) as service:

        def is_one_killed() -> bool:
            workers = workers_of(service)
            for worker in workers[:1]:
                with suppress(ProcessLookupError):  # it may be the one before, which has ended meanwhile
                    os.kill(worker, signal.SIGKILL)
            return bool(workers)

        for _ in range(3):  # as soon as there is one
            eventually(is_one_killed)
        eventually(lambda: answers(service))


def test_workers_that_can_not_start_end_the_service(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'taskruns_service.server.processes' in sys.orig_argv:\n"
        "    sys.modules['taskruns_service.app'] = None\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
        with starting(sqlite_url, tmp_path) as service:
            assert service.process.wait(60) == 1
    assert "workers in a row failed" in service.output()


def test_reload_replaces_the_workers(service: Served) -> None:
    old = workers_of(service)
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: is_replaced(service, old) and answers(service))
    assert service.stop() == 0
    assert "Killing" not in service.output()


def test_reload_never_has_two_writers_on_one_file(sqlite_url: str, tmp_path: Path) -> None:
    with served(sqlite_url, tmp_path) as service:
        old = workers_of(service)
        counts = set()

        def is_over() -> bool:
            counts.add(len(workers_of(service)))
            return is_replaced(service, old) and answers(service)

        for _ in range(2):
            service.process.send_signal(signal.SIGHUP)
            eventually(is_over)
            old = workers_of(service)
        assert counts <= {0, 1}
        assert service.stop() == 0


def test_service_stops_while_it_reloads(service: Served) -> None:
    old = workers_of(service)
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: workers_of(service) != old)
    assert service.stop() == 0
    assert "Killing" not in service.output()


def test_answered_writes_outlive_the_kill_of_a_worker(service: Served) -> None:
    recorded: list[str] = []
    is_over = threading.Event()

    def record() -> None:
        with service.client(limits=ONE_REQUEST_EACH) as http:
            while not is_over.wait(0.005):  # leaves the workers some time to start in
                with suppress(httpx.TransportError):
                    answer = http.post("/flow-runs", json={"flow_name": "f"})
                    if answer.status_code == 201:
                        recorded.append(answer.json()["id"])

    threads = [threading.Thread(target=record) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            count = len(recorded)
            eventually(lambda: len(recorded) > count + 20)  # noqa: B023 - it is called at once
            os.kill(workers_of(service)[0], signal.SIGKILL)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    eventually(lambda: answers(service))
    with Client(service.url) as client:
        found = {flow_run.id for flow_run in client.flow_runs.list(limit=1000)}
    assert {UUID(flow_run) for flow_run in recorded} <= found
    done = call_command("check", TASKRUNS_DATABASE_URL=service.database_url)
    assert (done.returncode, done.stderr) == (0, "")


def test_services_that_start_at_the_same_moment_do_not_share_a_port(tmp_path: Path) -> None:
    for attempt in range(3):
        port = free_port()
        with ExitStack() as stack:
            services = []
            for number in range(4):
                folder = tmp_path / f"{attempt}-{number}"
                folder.mkdir()
                url = f"sqlite:///{folder / 'taskruns.db'}"
                services.append(stack.enter_context(starting(url, folder, port=port)))
            eventually(lambda: sum(one.process.poll() is not None for one in services) == 3)  # noqa: B023
            (serving,) = [one for one in services if one.process.poll() is None]
            eventually(lambda: answers(serving))  # noqa: B023 - it is called at once
            for one in services:
                if one is not serving:
                    assert one.process.returncode in (1, 2)
                    assert re.search(f"(is using|Cannot listen on) 127.0.0.1:{port}", one.output())
                    assert "Traceback" not in one.output()
            assert serving.stop() == 0


def test_port_is_free_when_workers_without_a_supervisor_have_ended(tmp_path: Path, sqlite_url: str) -> None:
    port = free_port()
    with served(sqlite_url, tmp_path, port=port) as service:
        workers = workers_of(service)
        service.process.kill()
        service.process.wait()
        eventually(lambda: not any(map(runs, workers)))
    with served(sqlite_url, tmp_path, port=port) as service:
        assert answers(service)
