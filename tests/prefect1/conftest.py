"""What the tests with prefect 1.4.1 share: the service on both databases, and the main flow, run once on each."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from taskruns import Client
from tests.postgres import PostgresServer
from tests.prefect1.programs import Prefect1, find_python
from tests.service import Served, call_command, served

# A worker that has begun with one of the databases has its services and its flow runs: it goes on with that.
DATABASES = [pytest.param(name, marks=pytest.mark.xdist_group(f"prefect1-{name}")) for name in ("sqlite", "postgres")]


@contextmanager
def serving(database: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Served]:
    """Runs a service on an empty database of this kind."""
    url = f"sqlite:///{folder / 'taskruns.db'}"
    if database == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.create_database()
        done = call_command("migrate", TASKRUNS_DATABASE_URL=url)
        assert done.returncode == 0, done.stderr
    with served(url, folder, synchronous="NORMAL", log_level="error") as service:
        yield service


@pytest.fixture(scope="session", params=DATABASES)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running service: all that is tested is tested on SQLite and on PostgreSQL."""
    find_python()
    with serving(request.param, request, tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="session")
def prefect1(service: Served, tmp_path_factory: pytest.TempPathFactory) -> Prefect1:
    """An installation of prefect 1.4.1 that has the service as its backend."""
    return Prefect1(service.url, tmp_path_factory.mktemp("prefect-1"))


@pytest.fixture(scope="session")
def main_flow(prefect1: Prefect1) -> dict[str, Any]:
    """What the engine told of two runs of the main flow: `flow_id`, `first` and `second`."""
    answers: dict[str, Any] = prefect1.see("running.run_twice", folder=str(prefect1.home / "kept"))
    return answers


@pytest.fixture(scope="session")
def runs(main_flow: dict[str, Any]) -> dict[str, str]:
    """The ids of the two runs of the main flow."""
    return {name: main_flow[name]["flow_run_id"] for name in ("first", "second")}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what the environment says to our client."""
    for name in list(os.environ):
        if name.startswith("TASKRUNS_") and not name.startswith("TASKRUNS_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture
def client(service: Served) -> Iterator[Client]:
    """Our client of the service."""
    with Client(service.url) as client:
        yield client
