"""The databases and clients that the tests of the API share."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from taskruns_service.app import create_app
from tests.etl import register
from tests.postgres import PostgresServer
from tests.questions import GraphQL
from tests.service import call_command, running, settings_of


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


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database of the test's own, with the schema: each test runs on SQLite and on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def client(sqlite_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, which runs in the test on SQLite and asks for no keys."""
    async with running(create_app(settings_of(sqlite_url))) as client:
        yield client


@pytest.fixture
async def etl(database_url: str) -> AsyncIterator[GraphQL]:
    """The application, with the flows of `tests.etl`."""
    async with running(create_app(settings_of(database_url))) as client:
        service = GraphQL(client)
        await register(service)
        yield service
