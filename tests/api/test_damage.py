"""Damage and what may lead to it: a damaged file is not served, and what is at risk is said."""

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from taskruns_service.storage.database import open_database
from taskruns_service.storage.dialects import has_wal_reset_fault, read_url
from taskruns_service.storage.readiness import Readiness
from tests.postgres import PostgresServer, database_name, running_postgres, running_standby
from tests.service import call_command, problem_of, served
from tests.waiting import eventually

PAGE = 4096


def fill(url: str, folder: Path) -> str:
    """Records enough for some hundred pages; the id of the flow run."""
    with served(url, folder) as service, service.client() as http:
        flow_run_id: str = http.post("/flow-runs", json={"flow_name": "f"}).json()["id"]
        for first in range(0, 2000, 1000):
            items = [{"task_slug": f"t-{first + n}", "states": [{"type": "Success"}]} for n in range(1000)]
            assert http.post(f"/flow-runs/{flow_run_id}/task-runs", json={"items": items}).status_code == 200
        return flow_run_id


def damage(path: Path, pages: int) -> None:
    """Overwrites pages, none of them the first."""
    count = path.stat().st_size // PAGE
    chosen = random.Random(7).sample(range(1, count), pages)
    with path.open("r+b") as file:
        for page in chosen:
            file.seek(page * PAGE)
            file.write(random.Random(page).randbytes(PAGE))


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_damaged_file_is_not_served(sqlite_file: Path, sqlite_url: str, tmp_path: Path, command: str) -> None:
    fill(sqlite_url, tmp_path)
    damage(sqlite_file, 60)
    done = call_command(command, TASKRUNS_DATABASE_URL=sqlite_url)
    assert done.returncode == 2
    assert done.stderr.startswith(f"taskruns-service: The file {sqlite_file} is damaged: ")
    assert done.stderr.endswith(
        "Stop all programs that use it, keep the file, and replace it with a backup (docs/operations.md).\n"
    )
    assert len(done.stderr) < 1000


@pytest.mark.parametrize("content", [b"not a database at all" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_file_of_something_else_is_not_served(sqlite_file: Path, sqlite_url: str, content: bytes) -> None:
    sqlite_file.write_bytes(content)
    done = call_command("serve", TASKRUNS_DATABASE_URL=sqlite_url)
    assert (done.returncode, f"The file {sqlite_file} is damaged: " in done.stderr) == (2, True)
    assert sqlite_file.read_bytes() == content


def test_damage_that_a_question_meets_makes_the_service_unready(
    sqlite_file: Path, sqlite_url: str, tmp_path: Path
) -> None:
    flow_run_id = fill(sqlite_url, tmp_path)
    with served(sqlite_url, tmp_path) as service, service.client() as http:
        assert http.get("/ready").status_code == 200
        count = sqlite_file.stat().st_size // PAGE
        with closing(sqlite3.connect(f"file:{sqlite_file}?mode=ro", uri=True)) as other:
            roots = {row[0] for row in other.execute("SELECT rootpage FROM sqlite_schema WHERE rootpage > 0")}
        with sqlite_file.open("r+b") as file:
            for page in set(range(1, count)) - {root - 1 for root in roots}:
                file.seek(page * PAGE)
                file.write(b"\xff" * PAGE)

        def is_refused() -> bool:
            http.get(f"/flow-runs/{flow_run_id}/task-runs", params={"limit": 1000})
            return http.get("/ready").status_code == 503

        eventually(is_refused)
        assert f"The file {sqlite_file} is damaged: " in problem_of(http.get("/ready"))["detail"]
        refused = http.post("/flow-runs", json={"flow_name": "f"})
        assert (refused.status_code, problem_of(refused)["code"]) == (503, "database-unavailable")


def test_readiness_names_the_damage_that_it_is_the_first_to_meet(sqlite_file: Path, sqlite_url: str) -> None:
    sqlite_file.write_bytes(b"not a database at all" * 1000)

    async def reason_against() -> str | None:
        async with open_database(read_url(sqlite_url)) as database:
            return await Readiness(database).reason_against()

    reason = asyncio.run(reason_against())
    assert reason is not None
    assert reason.startswith(f"The file {sqlite_file} is damaged: ")


# What is at risk


@pytest.fixture(scope="module")
def careful_postgres() -> Iterator[PostgresServer]:
    """A server as it comes, which keeps what it has answered."""
    with running_postgres(fsync="on", full_page_writes="on") as server:
        yield server


def warnings_of(url: str, folder: Path, **settings: Any) -> list[str]:
    """The warnings of a service, which are printed at its start and stand in `/ready`."""
    with served(url, folder, **settings) as service, service.client() as http:
        warnings: list[str] = http.get("/ready").json()["warnings"]
        printed = [line for line in service.output().splitlines() if line.startswith("warning ")]
    assert printed == [f"warning   {sentence}" for sentence in warnings]
    return warnings


def off(name: str, loss: str) -> str:
    return f"PostgreSQL has {name}=off: {loss}."


def test_settings_of_postgres_that_risk_data_are_said(
    careful_postgres: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    url = careful_postgres.create_database()
    assert call_command("migrate", TASKRUNS_DATABASE_URL=url).returncode == 0
    assert warnings_of(url, tmp_path) == []
    asyncio.run(run_statement(url, f"ALTER DATABASE {database_name(url)} SET synchronous_commit = off"))
    lost = "a crash of the server can lose the last acknowledged writes"
    assert warnings_of(url, tmp_path) == [off("synchronous_commit", lost)]
    asyncio.run(run_statement(url, f"ALTER DATABASE {database_name(url)} SET synchronous_commit = local"))
    (tmp_path / "stderr").unlink()
    failed_over = "a fail-over can lose the last acknowledged writes"
    assert warnings_of(url, tmp_path) == [f"PostgreSQL has synchronous_commit=local: {failed_over}."]
    # The tests' own server is none to keep anything on.
    damaged = "a crash of its machine can damage the database"
    (tmp_path / "stderr").unlink()
    assert warnings_of(postgres_url, tmp_path) == [off("fsync", damaged), off("full_page_writes", damaged)]


def test_settings_of_standbys_that_risk_data_are_said(tmp_path: Path) -> None:
    with running_postgres(fsync="on", full_page_writes="on") as primary:
        url = primary.create_database()
        assert call_command("migrate", TASKRUNS_DATABASE_URL=url).returncode == 0
        with running_standby(primary, full_page_writes="on") as standby:
            standby_url = standby.url(database_name(url))
            sentence = "The standby has fsync=off: a crash of its machine can damage the database."
            assert warnings_of(url, tmp_path, read_database_url=standby_url) == [sentence]


async def run_statement(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def test_settings_of_sqlite_that_risk_data_are_said(sqlite_url: str, tmp_path: Path) -> None:
    sentence = "TASKRUNS_SYNCHRONOUS is NORMAL: a power failure can lose the last acknowledged writes."
    assert sentence in warnings_of(sqlite_url, tmp_path, synchronous="NORMAL")
    (tmp_path / "stderr").unlink()
    assert sentence not in (warnings := warnings_of(sqlite_url, tmp_path))
    assert any("WAL-reset" in one for one in warnings) == has_wal_reset_fault(sqlite3.sqlite_version_info)


@pytest.mark.parametrize(
    ("version", "expected"),
    {
        (3, 40, 1): True,
        (3, 44, 5): True,
        (3, 44, 6): False,
        (3, 45, 0): True,
        (3, 50, 6): True,
        (3, 50, 7): False,
        (3, 51, 2): True,
        (3, 51, 3): False,
        (3, 53, 0): False,
    }.items(),
)
def test_versions_of_sqlite_that_damage_files_are_known(version: tuple[int, ...], expected: bool) -> None:
    assert has_wal_reset_fault(version) is expected
