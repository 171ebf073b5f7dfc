"""The fixtures of the tests with faults: a database that may be broken, and what asks the service about it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import PostgresServer, running_postgres
from tests.service import call_command

TABLE = pytest.StashKey[list[str]]()
"""The rows of the table of promises, which is printed at the end."""
TABLE_HEAD = ["| promise | faults | lost | longest gap |", "|---|---|---|---|"]


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often a test makes its fault."""
    rounds: int = request.config.getoption("--rounds")
    return rounds


@pytest.fixture
def promises(request: pytest.FixtureRequest) -> list[str]:
    """The rows of the table of promises."""
    return request.config.stash.setdefault(TABLE, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints the table of promises."""
    if rows := config.stash.get(TABLE, []):
        terminalreporter.section("promises")
        terminalreporter.write("\n".join([*TABLE_HEAD, *rows]) + "\n")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server that the tests of one file may freeze and restart."""
    with running_postgres() as running:
        yield running


@pytest.fixture(scope="module")
def template(server: PostgresServer) -> str:
    """The URL of a migrated database on it that others are copies of."""
    url = server.create_database()
    assert call_command("migrate", TASKRUNS_DATABASE_URL=url).returncode == 0
    return url


@pytest.fixture
def url(server: PostgresServer, template: str) -> Iterator[str]:
    """The URL of a migrated database on it, of the test's own."""
    url = server.create_database(template)
    yield url
    server.drop(url)


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    """A migrated SQLite file."""
    file = tmp_path / "taskruns.db"
    assert call_command("migrate", TASKRUNS_DATABASE_URL=f"sqlite:///{file}").returncode == 0
    return file
