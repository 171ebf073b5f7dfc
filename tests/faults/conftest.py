"""The fixtures of the tests with faults: a database that may be broken, and what asks the service about it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.postgres import PostgresServer, running_postgres
from tests.service import call_command

TABLE_HEAD = ["| promise | faults | lost | longest gap |", "|---|---|---|---|"]


class Promise(NamedTuple):
    """A row of the table that `--promises` prints at the end."""

    promise: str
    faults: int | str
    lost: str
    longest_gap: str

    def __str__(self) -> str:
        return f"| {' | '.join(map(str, self))} |"


TABLE = pytest.StashKey[list[Promise]]()
ANSWERS = pytest.StashKey[dict[str, list[float]]]()
"""For each module, by what it promises: the longest that a request of each test waited for its answer, in seconds."""


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often a test makes its fault."""
    rounds: int = request.config.getoption("--rounds")
    return rounds


@pytest.fixture
def promises(request: pytest.FixtureRequest) -> list[Promise]:
    """The rows of the table of promises."""
    return request.config.stash.setdefault(TABLE, [])


@pytest.fixture(autouse=True)
def longest_answer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keeps how long a request of the test waited for its answer."""
    seconds = [0.0]
    send, send_async = httpx.Client.send, httpx.AsyncClient.send

    def timed(*arguments: Any, **options: Any) -> httpx.Response:
        began = time.monotonic()
        try:
            return send(*arguments, **options)
        finally:
            seconds.append(time.monotonic() - began)

    async def timed_async(*arguments: Any, **options: Any) -> httpx.Response:
        began = time.monotonic()
        try:
            return await send_async(*arguments, **options)
        finally:
            seconds.append(time.monotonic() - began)

    monkeypatch.setattr(httpx.Client, "send", timed)
    monkeypatch.setattr(httpx.AsyncClient, "send", timed_async)
    yield
    promise = request.module.__doc__.partition("\n")[0]
    request.config.stash.setdefault(ANSWERS, {}).setdefault(promise, []).append(max(seconds))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints the table of promises: those with a ledger, and those of modules."""
    if config.getoption("--promises"):
        rows = [*config.stash.setdefault(TABLE, [])]
        for promise, answers in config.stash.get(ANSWERS, {}).items():
            rows.append(Promise(promise, f"{len(answers)} tests", "–", f"an answer {max(answers):.1f} s"))
        terminalreporter.section("promises")
        terminalreporter.write("\n".join([*TABLE_HEAD, *map(str, rows)]) + "\n")


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
