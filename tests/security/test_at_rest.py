"""At rest: what the service makes on disk is its user's alone, and what it prints of a URL holds no secret."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.service import call_command, served

SECRET = "s3cr3t"
NOWHERE = "127.0.0.1:1"


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode_of(path: Path) -> str:
    return f"{path.stat().st_mode & 0o777:o}"


def modes_of(folder: Path) -> dict[str, str]:
    return {path.name: mode_of(path) for path in folder.iterdir()}


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_files_of_a_service_are_private(tmp_path: Path, mask: int) -> None:
    folder = tmp_path / "first" / "second"
    with umask(mask), served(f"sqlite:///{folder / 'taskruns.db'}", tmp_path) as service, service.client() as http:
        assert http.post("/flow-runs", json={"flow_name": "f"}).status_code == 201
        modes = modes_of(folder)
    assert modes == dict.fromkeys(("taskruns.db", "taskruns.db-wal", "taskruns.db-shm", "taskruns.db.lock"), "600")
    assert [mode_of(one) for one in (folder, folder.parent)] == ["700", "700"]


@pytest.mark.parametrize(
    "command", [["migrate"], ["keys", "list"], ["check"], ["prune", "--older-than", "1d"]], ids=" ".join
)
def test_files_of_a_command_are_private(tmp_path: Path, command: list[str]) -> None:
    folder = tmp_path if command[0] == "check" else tmp_path / "new"
    with umask(0):
        call_command(*command, TASKRUNS_DATABASE_URL=f"sqlite:///{folder / 'taskruns.db'}")
    modes = modes_of(folder)
    assert modes.keys() >= {"taskruns.db"}
    assert set(modes.values()) == {"600"}


def test_file_behind_a_link_is_private(tmp_path: Path) -> None:
    (tmp_path / "taskruns.db").symlink_to(tmp_path / "elsewhere.db")
    with umask(0):
        assert call_command("migrate", TASKRUNS_DATABASE_URL=f"sqlite:///{tmp_path / 'taskruns.db'}").returncode == 0
    assert mode_of(tmp_path / "elsewhere.db") == "600"


def test_file_that_exists_stays_as_it_is(tmp_path: Path) -> None:
    """A user may share a folder and a file with a group."""
    folder = tmp_path / "shared"
    folder.mkdir(0o770)
    folder.chmod(0o770)
    path = folder / "taskruns.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA user_version = 0")
    path.touch()
    path.chmod(0o660)
    assert call_command("migrate", TASKRUNS_DATABASE_URL=f"sqlite:///{path}").returncode == 0
    assert (mode_of(folder), mode_of(path)) == ("770", "660")


URLS = {
    "a parameter": f"postgresql://user@{NOWHERE}/runs?password={SECRET}",
    "a parameter, twice": f"postgresql://user@{NOWHERE}/runs?password={SECRET}&password={SECRET}",
    "a parameter, encoded": f"postgresql://user@{NOWHERE}/runs?%70assword={SECRET}",
    "several hosts": f"postgresql://user@{NOWHERE},127.0.0.1:2/runs?password={SECRET}",
    "several hosts, before them": f"postgresql://user:{SECRET}@{NOWHERE},127.0.0.1:2/runs",
    "a parameter that is none": f"postgresql://user@{NOWHERE}/runs?sslpassword={SECRET}",
    "a password with a sign in it": f"postgresql://user@{NOWHERE}/runs?password=a&{SECRET}=b",
    "a slash in the password": f"postgresql://user:{SECRET}/x@{NOWHERE}/runs",
    "a port that is none": f"postgresql://user:x@127.0.0.1:{SECRET}/runs",
    "a host that is none": f"postgresql://user:{SECRET}@first:1,second:x/runs",
    "a file with a password": f"sqlite://user:{SECRET}@host/taskruns.db",
    "another driver": f"mysql://user:{SECRET}@{NOWHERE}/runs?password={SECRET}",
}
FAILING = [
    *((["serve"], url) for url in URLS.values()),
    *(([*command], URLS["a parameter"]) for command in (["migrate"], ["check"], ["keys", "list"])),
]


@pytest.mark.parametrize(("command", "url"), FAILING, ids=[f"{command[0]} {url}" for command, url in FAILING])
def test_secret_of_a_url_is_not_printed_when_a_command_fails(command: list[str], url: str) -> None:
    done = call_command(*command, TASKRUNS_DATABASE_URL=url)
    assert done.returncode == 2
    assert done.stderr.startswith("taskruns-service: ")
    assert done.stderr.count("\n") == 1
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("source", ["a parameter", "a parameter that is none", "several hosts"])
def test_secret_of_a_source_is_not_printed(source: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'taskruns.db'}"
    done = call_command("import-prefect1", URLS[source], TASKRUNS_DATABASE_URL=url)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert SECRET not in done.stdout + done.stderr


def test_secret_of_a_url_is_not_printed_by_a_service(postgres_url: str, tmp_path: Path) -> None:
    password = postgres_url.partition("//postgres:")[2].partition("@")[0]
    url = postgres_url.replace(f":{password}@", "@") + f"?password={password}&ssl=disable"
    assert call_command("migrate", TASKRUNS_DATABASE_URL=url).returncode == 0
    with served(url, tmp_path, read_database_url=url) as service, service.client() as http:
        assert http.get("/task-runs").status_code == 200
        service.stop()
    assert "ssl=disable" in service.output()
    assert password not in service.output()
