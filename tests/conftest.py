"""The fixtures that every folder of tests may use."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, event

from tests import portable
from tests.postgres import PostgresServer, running_postgres

# How long an example takes is the machine's affair.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Runs async tests and fixtures on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def portable_statements() -> Iterator[None]:
    """Reads every statement that PostgreSQL gets from a test's own process."""
    event.listen(Engine, "before_cursor_execute", portable.refuse)
    yield
    event.remove(Engine, "before_cursor_execute", portable.refuse)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL server, started when the first test of this worker asks for it."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template() -> str | None:
    """The URL of the database that `postgres_url` copies, None for an empty one; a folder of tests may override it."""
    return None


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_template: str | None) -> Iterator[str]:
    """The URL of a database of the test's own."""
    url = postgres_server.create_database(postgres_template)
    yield url
    postgres_server.drop(url)
