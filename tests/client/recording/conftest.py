"""What the tests of the recorder share: a service, a home, and programs that run in processes of their own."""

import logging
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from taskruns import Client
from tests.client.recording.log_lines import log
from tests.client.recording.scripts import Scripts
from tests.postgres import free_port
from tests.service import Served


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's folder of all tests of this worker: a process has one outbox for a service, in one folder."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def service(sqlite_service: Served) -> Served:
    """The service on SQLite, for all tests of this worker."""
    return sqlite_service


@pytest.fixture(autouse=True)
def environment(bare_environment: None, service: Served, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that recorders find."""
    monkeypatch.setenv("TASKRUNS_URL", service.url)
    monkeypatch.setenv("TASKRUNS_HOME", str(home))


@pytest.fixture
def scripts(service: Served, tmp_path: Path) -> Scripts:
    """Programs that report to the service."""
    return Scripts(tmp_path, service.url)


@pytest.fixture
def away() -> Iterator[Client]:
    """A client of a service that is away."""
    with Client(f"http://127.0.0.1:{free_port()}") as client:
        yield client


@pytest.fixture(scope="session")
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(scope="session")
def forked() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, get_context("fork")) as pool:
        yield pool


@pytest.fixture(scope="session")
def spawned() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        yield pool


@pytest.fixture(params=["threads", "forked", "spawned"])
def executor(request: pytest.FixtureRequest) -> Executor:
    """An executor of each kind; Dask's, which needs seconds to start, has a test of its own."""
    pool: Executor = request.getfixturevalue(request.param)
    return pool


@pytest.fixture
def debug_level() -> Iterator[None]:
    """The logger of the tests of logs passes lines of every level on."""
    log.setLevel(logging.DEBUG)
    yield
    log.setLevel(logging.NOTSET)
