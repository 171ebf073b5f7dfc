"""The lock of a SQLite file: one service writes it at a time, by whatever name, and others do not migrate it."""

import shutil
import signal
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from taskruns_service.storage import migrations
from tests.processes import kill, runs, workers_of
from tests.service import Served, call_command, run_command, served
from tests.waiting import eventually


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A SQLite file that does not exist yet, in a folder of its own."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder / "taskruns.db"


@pytest.fixture
def url(file: Path) -> str:
    """The URL of the file."""
    return f"sqlite:///{file}"


def symbolic_link(file: Path, other: Path) -> Path:
    other.symlink_to(file)
    return other


def hard_link(file: Path, other: Path) -> Path:
    other.hardlink_to(file)
    return other


def hard_link_in_another_folder(file: Path, other: Path) -> Path:
    other.mkdir()
    return hard_link(file, other / "other.db")


def linked_folder(file: Path, other: Path) -> Path:
    other.symlink_to(file.parent)
    return other / file.name


def removed_lock_file(file: Path, _: Path) -> Path:
    file.with_name(f"{file.name}.lock").unlink()
    return file


def replaced_file(file: Path, other: Path) -> Path:
    shutil.copy(file, other)
    other.rename(file)
    return file


@pytest.mark.parametrize(
    "lead_to",
    [symbolic_link, hard_link, hard_link_in_another_folder, linked_folder, removed_lock_file, replaced_file],
    ids=lambda function: function.__name__,
)
def test_no_name_leads_round_the_lock(
    url: str, file: Path, tmp_path: Path, lead_to: Callable[[Path, Path], Path]
) -> None:
    with served(url, tmp_path) as service, service.client() as http:
        path = lead_to(file, tmp_path / "other")
        for command in (
            ["serve"],
            ["migrate"],
            ["prune", "--older-than", "1d"],
            ["prune", "--older-than=1d", "--dry-run"],
        ):
            done = call_command(*command, TASKRUNS_DATABASE_URL=f"sqlite:///{path}")
            message = f"Another taskruns-service is using {path}. Stop it, or use another file."
            assert (done.returncode, done.stdout, done.stderr) == (2, "", f"taskruns-service: {message}\n")
        assert http.post("/flow-runs", json={"flow_name": "f"}).status_code == 201


def test_lock_is_free_after_the_end(url: str, tmp_path: Path) -> None:
    with served(url, tmp_path) as service:
        assert service.stop() == 0
    assert call_command("migrate", TASKRUNS_DATABASE_URL=url).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT])
def test_worker_has_the_lock_for_as_long_as_it_lives(url: str, file: Path, tmp_path: Path, number: int) -> None:
    def migrate() -> int:
        return run_command("migrate", TASKRUNS_DATABASE_URL=url).returncode

    with served(url, tmp_path) as service, service.client() as http, ThreadPoolExecutor(1) as aside:
        (worker,) = workers_of(service)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answer = aside.submit(http.post, "/flow-runs", json={"flow_name": "f"})
            eventually(lambda: has_connection(worker, service))
            service.process.send_signal(number)
            service.process.wait()
            try:
                assert migrate() == 2
                assert runs(worker)
                other.execute("ROLLBACK")
                assert answer.result(30).status_code == 201
                eventually(lambda: not runs(worker))
            finally:
                kill(worker)
    assert migrate() == 0


def has_connection(pid: int, service: Served) -> bool:
    """Whether a client is connected to a process, which has taken its request then or is about to."""
    port = httpx.URL(service.url).port
    table = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    established = "01"
    return any(int(row[1].partition(":")[2], 16) == port and row[3] == established for row in table)


def revision(file: Path) -> str:
    with closing(sqlite3.connect(file)) as other:
        (found,) = other.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(found)


def age(file: Path) -> str:
    """Gives a file the schema's revision before the last, as that of a running service of an older version."""
    older = migrations._REVISIONS[-2]
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("UPDATE alembic_version SET version_num = ?", [older])
    return older


@pytest.mark.parametrize(
    "command",
    [["keys", "list"], ["keys", "create", "--scope=read", "--name=x"], ["keys", "revoke", "000000000000"], ["check"]],
    ids=" ".join,
)
def test_open_file_is_not_migrated_by_others(url: str, file: Path, tmp_path: Path, command: list[str]) -> None:
    with served(url, tmp_path):
        older = age(file)
        done = call_command(*command, TASKRUNS_DATABASE_URL=url)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"The database has the schema {older}, which is older" in done.stderr
        assert revision(file) == older


def test_keys_and_check_work_beside_the_service(url: str, tmp_path: Path) -> None:
    with served(url, tmp_path) as service, service.client() as http:
        http.post("/flow-runs", json={"flow_name": "f"})
        assert call_command("check", TASKRUNS_DATABASE_URL=url).returncode == 0
        created = call_command("keys", "create", "--scope", "read", "--name", "x", TASKRUNS_DATABASE_URL=url)
        assert created.returncode == 0
        assert http.post("/flow-runs", json={"flow_name": "f"}).status_code == 201


@pytest.mark.parametrize(
    "path", ["new/taskruns.db?mode=memory", "file::memory:?uri=true", "file:x?mode=memory&uri=true"]
)
def test_database_that_is_no_file_is_refused(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = call_command("migrate", TASKRUNS_DATABASE_URL=f"sqlite:///{path}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("taskruns-service: TASKRUNS_DATABASE_URL is invalid: ")
    assert list(tmp_path.iterdir()) == []
