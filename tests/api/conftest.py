"""The databases and clients that the tests of the API share."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from taskruns_service.app import create_app
from taskruns_service.storage.tables import metadata
from tests.etl import serving
from tests.postgres import PostgresServer
from tests.questions import GraphQL
from tests.service import Served, call_command, running, served, settings_of
from tests.streams import Watched


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the schema and nothing in it, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "taskruns.db"
    done = call_command("migrate", TASKRUNS_DATABASE_URL=f"sqlite:///{path}")
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def sqlite_file(migrated_file: Path, tmp_path: Path) -> Path:
    """A SQLite file of the test's own, with the schema."""
    path = tmp_path / "taskruns.db"
    shutil.copy(migrated_file, path)
    return path


@pytest.fixture
def sqlite_url(sqlite_file: Path) -> str:
    """The URL of a SQLite database of the test's own, with the schema."""
    return f"sqlite:///{sqlite_file}"


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> Iterator[str]:
    """A PostgreSQL database with the schema and nothing in it, to be copied."""
    url = postgres_server.create_database()
    done = call_command("migrate", TASKRUNS_DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    yield url
    postgres_server.drop(url)


Rows = dict[str, list[asyncpg.Record]]
"""Rows by table, in an order in which they can be inserted."""


async def read_rows(url: str) -> Rows:
    """All rows of the service's tables."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    rows = {table.name: await connection.fetch(f"SELECT * FROM {table.name}") for table in metadata.sorted_tables}
    await connection.close()
    return rows


async def restore(url: str, rows: Rows) -> None:
    """Leaves only these rows in a database, and cuts off whoever is still connected to it."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute(
        """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()"""
    )
    await connection.execute("; ".join(f"DELETE FROM {name}" for name in reversed(rows)))
    for name, records in rows.items():
        if records:
            await connection.copy_records_to_table(name, records=records, columns=list(records[0].keys()))
    await connection.close()


@pytest.fixture(scope="session")
def shared_postgres(postgres_server: PostgresServer, postgres_template: str) -> tuple[str, Rows]:
    """The URL of a database that one test after another has for itself, and the rows that it began with."""
    url = postgres_server.create_database(postgres_template)
    return url, asyncio.run(read_rows(url))


@pytest.fixture
def restored_postgres_url(shared_postgres: tuple[str, Rows]) -> str:
    """The URL of a PostgreSQL database as it is after `migrate`: restoring one is quicker than copying one."""
    url, rows = shared_postgres
    asyncio.run(restore(url, rows))
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database with the schema and nothing in it: each test runs on SQLite and on PostgreSQL."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "restored_postgres_url")
    return url


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def common_database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database with the schema for all tests of a module that only read what is made there once."""
    if request.param == "sqlite":
        file: Path = request.getfixturevalue("migrated_file")
        yield f"sqlite:///{shutil.copy(file, tmp_path_factory.mktemp('common'))}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.create_database(request.getfixturevalue("postgres_template"))
        yield url
        server.drop(url)


@pytest.fixture
async def client(sqlite_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, which runs in the test on SQLite and asks for no keys."""
    async with running(create_app(settings_of(sqlite_url))) as client:
        yield client


@pytest.fixture
async def watched(database_url: str) -> AsyncIterator[Watched]:
    """The application with a flow run to watch."""
    app = create_app(settings_of(database_url))
    async with running(app) as client:
        service = Watched(app, client)
        await service.begin()
        yield service


@pytest.fixture
async def etl(database_url: str) -> AsyncIterator[GraphQL]:
    """The application, with the flows of `tests.etl`."""
    async with serving(database_url) as service:
        yield service


@pytest.fixture(scope="module")
async def common_etl(common_database_url: str) -> AsyncIterator[GraphQL]:
    """The same for all tests of a module that change nothing."""
    async with serving(common_database_url) as service:
        yield service


@pytest.fixture(params=["sqlite", "postgres-2"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """The service on both databases, in one process and in two."""
    database, _, workers = request.param.partition("-")
    url = request.getfixturevalue(f"{database}_url")
    with served(url, tmp_path, "--workers", workers or "1") as service:
        yield service
