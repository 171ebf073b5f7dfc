"""The fixtures of the store's tests: each test that asks for `database` runs on SQLite and on PostgreSQL."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from structlog.testing import capture_logs

from taskruns_service.storage import migrations
from taskruns_service.storage.command import execute_commands
from taskruns_service.storage.database import Database, open_database
from taskruns_service.storage.dialects import read_url
from taskruns_service.storage.tables import metadata
from taskruns_service.storage.writer import Writer
from tests.postgres import PostgresServer
from tests.store import large_dataset
from tests.store.dataset import Dataset, Rows, populate, read_dataset
from tests.store.factories import opened
from tests.store.prefect1 import PrefectServer
from tests.store.remote_writer import RemoteWriter, remote_writers


async def migrate(url: str) -> None:
    """Gives the database at `url` the tables of the service."""
    async with open_database(read_url(url)) as database:  # whatever --pgbouncer keeps open could not be copied
        await database.transact(migrations.upgrade)


async def empty(url: str) -> None:
    """Deletes all rows of the service's tables in one request: with an engine it takes four times as long."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute("; ".join(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables)))
    await connection.close()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """A migrated PostgreSQL database that others are copies of."""
    url = postgres_server.create_database()
    asyncio.run(migrate(url))
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that others are copies of."""
    file = tmp_path_factory.mktemp("template") / "taskruns.db"
    asyncio.run(migrate(f"sqlite:///{file}"))
    return file


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a migrated SQLite file of the test's own."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path)}"


Fill = Callable[[str], Coroutine[Any, Any, None]]
"""Puts rows into the empty, migrated database at a URL."""
KINDS = ["sqlite", "postgresql"]
REPLICAS = "replicas"
"""PostgreSQL, with two other processes that write in turn what the test submits."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs tests on both databases, and those that write with two processes that do so as well."""
    chosen = any(mark.args[0] == "database_kind" for mark in metafunc.definition.iter_markers("parametrize"))
    if "database_kind" in metafunc.fixturenames and not chosen:
        replicas = pytest.param(REPLICAS, marks=pytest.mark.slow)
        kinds = [*KINDS, replicas] if "writer" in metafunc.fixturenames else KINDS
        metafunc.parametrize("database_kind", kinds, indirect=True)


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    """The kind of database that the test runs on."""
    kind: str = request.param
    return kind


@pytest.fixture(scope="session")
def postgres_database(postgres_server: PostgresServer, postgres_template: str) -> str:
    """A migrated PostgreSQL database that one test after another has for itself."""
    return postgres_server.create_database(postgres_template)


@pytest.fixture
def postgres_url(postgres_database: str) -> str:
    """The URL of a migrated PostgreSQL database without rows: emptying one takes a tenth of the time of copying one."""
    asyncio.run(empty(postgres_database))
    return postgres_database


@pytest.fixture
def database_url(request: pytest.FixtureRequest, database_kind: str) -> str:
    """The URL of a migrated database of the test's own."""
    url: str = request.getfixturevalue("sqlite_url" if database_kind == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def empty_database_url(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a database of the test's own that has no tables."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.create_database()
        yield url
        server.drop(url)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keeps logged tracebacks, which take seconds to print for people, out of the tests' output."""
    with capture_logs():
        yield


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database of the test's own."""
    async with opened(database_url) as database:
        yield database


@pytest.fixture(scope="session")
def sockets(postgres_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """Where the two processes are to be reached that write into the database of the replicas."""
    with remote_writers(postgres_database, tmp_path_factory.mktemp("remote-writers")) as sockets:
        yield sockets


@pytest.fixture
async def writer(request: pytest.FixtureRequest, database: Database, database_kind: str) -> AsyncIterator[Writer]:
    """The writer of `database`."""
    if database_kind == REPLICAS:
        yield RemoteWriter(database, execute_commands, request.getfixturevalue("sockets"))
    else:
        async with Writer(database, execute_commands, capacity=10_000).running() as writer:
            yield writer


@pytest.fixture
async def second_writer(database_url: str) -> AsyncIterator[Writer]:
    """A writer with connections of its own, as another process has."""
    async with opened(database_url) as other, Writer(other, execute_commands, capacity=10_000).running() as writer:
        yield writer


@pytest.fixture(scope="session")
def filled(
    postgres_server: PostgresServer,
    postgres_template: str,
    sqlite_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, Fill], str]:
    """Gives the URL of a database of a kind that something has filled; it is for reading, and made once."""

    @cache
    def url_of(kind: str, fill: Fill) -> str:
        if kind == "sqlite":
            url = f"sqlite:///{shutil.copy(sqlite_template, tmp_path_factory.mktemp('filled'))}"
        else:
            url = postgres_server.create_database(postgres_template)
        asyncio.run(fill(url))
        return url

    return url_of


@pytest.fixture
def dataset_url(database_kind: str, filled: Callable[[str, Fill], str]) -> str:
    """The URL of the small dataset."""
    return filled(database_kind, populate)


@pytest.fixture(scope="session")
def dataset_reader() -> Callable[[str], Rows]:
    """Gives what is in the tables of the small dataset at a URL; each is read once."""

    async def read(url: str) -> Rows:
        async with opened(url) as database:
            return await database.read_snapshot(read_dataset)

    return cache(lambda url: asyncio.run(read(url)))


@pytest.fixture
def dataset_rows(dataset_url: str, dataset_reader: Callable[[str], Rows]) -> Rows:
    """What is in the tables of the small dataset."""
    return dataset_reader(dataset_url)


@pytest.fixture
async def dataset(dataset_url: str, dataset_rows: Rows) -> AsyncIterator[Dataset]:
    """The small dataset, and what is in its tables."""
    async with opened(dataset_url) as database:
        yield Dataset(database, dataset_rows)


@pytest.fixture
def large_dataset_url(database_kind: str, filled: Callable[[str, Fill], str]) -> str:
    """The URL of the large dataset."""
    return filled(database_kind, large_dataset.fill)


@pytest.fixture
async def prefect(postgres_server: PostgresServer) -> AsyncIterator[PrefectServer]:
    """The database of a Prefect Server that nothing was registered with."""
    server = PrefectServer(postgres_server.create_database())
    await server.create()
    yield server
    await server.close()
    postgres_server.drop(server.url)


@pytest.fixture
async def nightly(prefect: PrefectServer) -> UUID:
    """A flow with the tasks `extract-1` and `load-1`."""
    flow_id = await prefect.flow(await prefect.project(await prefect.tenant()))
    extract, load = [await prefect.task(flow_id, slug, tags=["etl"]) for slug in ("extract-1", "load-1")]
    await prefect.insert("edge", flow_id=flow_id, upstream_task_id=extract, downstream_task_id=load, key="rows")
    return flow_id
