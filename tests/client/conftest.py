"""What the client's tests share: the service in a process of its own, and clients of it on both databases."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from taskruns.client import AsyncClient, Client
from tests.client.faults import Ask, asking
from tests.postgres import PostgresServer
from tests.service import Served, call_command, served


@pytest.fixture(scope="session")
def sqlite_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The service on a SQLite file, for all tests of this worker: each makes flow runs of its own."""
    folder = tmp_path_factory.mktemp("sqlite")
    with served(f"sqlite:///{folder / 'taskruns.db'}", folder, synchronous="NORMAL", log_level="error") as service:
        yield service


@pytest.fixture(scope="session")
def postgres_service(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The service on PostgreSQL, for all tests of this worker: each makes flow runs of its own."""
    url = postgres_server.create_database()
    done = call_command("migrate", TASKRUNS_DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    with served(url, tmp_path_factory.mktemp("postgresql"), log_level="error") as service:
        yield service


@pytest.fixture(params=["sqlite", "postgres"])
def service(request: pytest.FixtureRequest) -> Served:
    """A running service: each test runs on SQLite and on PostgreSQL."""
    running: Served = request.getfixturevalue(f"{request.param}_service")
    return running


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what the environment says, so that a test has the defaults and what it sets itself."""
    for name in list(os.environ):
        if name.startswith("TASKRUNS_") and not name.startswith("TASKRUNS_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture
def client(service: Served) -> Iterator[Client]:
    """A client of the service, on both databases."""
    with Client(service.url) as client:
        yield client


@pytest.fixture(params=[Client, AsyncClient], ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> type[Client] | type[AsyncClient]:
    """The class of client: each test runs with both."""
    chosen: type[Client] | type[AsyncClient] = request.param
    return chosen


@pytest.fixture
async def ask(kind: type[Client] | type[AsyncClient], service: Served) -> AsyncIterator[Ask]:
    """Asks the service with a client of either kind, on both databases."""
    async with AsyncExitStack() as stack:
        if kind is Client:
            yield asking(stack.enter_context(Client(service.url)))
        else:
            yield asking(await stack.enter_async_context(AsyncClient(service.url)))


@pytest.fixture
async def connect(kind: type[Client] | type[AsyncClient]) -> AsyncIterator[Callable[..., Ask]]:
    """Makes clients of either kind of which a function answers the requests."""
    async with AsyncExitStack() as stack:

        def made(answer: Callable[[httpx.Request], httpx.Response], **options: Any) -> Ask:
            transport = httpx.MockTransport(answer)
            if kind is Client:
                http = stack.enter_context(httpx.Client(transport=transport))
                return asking(Client("http://service", http_client=http, **options))
            async_http = httpx.AsyncClient(transport=transport)
            stack.push_async_callback(async_http.aclose)
            return asking(AsyncClient("http://service", http_client=async_http, **options))

        yield made
