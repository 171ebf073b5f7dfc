"""`taskruns-service backup`: a whole copy beside a service that writes, or none."""

import sqlite3
import stat
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from taskruns_service.domain.errors import ConfigurationError
from taskruns_service.storage.dialects.files import _give_name
from tests.service import PROGRAM, call_command, environment_of, served
from tests.waiting import eventually


def backup(url: str, target: Path) -> Any:
    return call_command("backup", str(target), TASKRUNS_DATABASE_URL=url)


def record(http: httpx.Client, name: str) -> str:
    """Records a flow run with 20 task runs; its id."""
    flow_run_id: str = http.post("/flow-runs", json={"flow_name": "f", "name": name}).json()["id"]
    items = [{"task_slug": f"t-{n}", "states": [{"type": "Running"}, {"type": "Success"}]} for n in range(20)]
    assert http.post(f"/flow-runs/{flow_run_id}/task-runs", json={"items": items}).status_code == 200
    return flow_run_id


def test_copies_beside_writes_have_all_that_was_answered_before(sqlite_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    answered: list[str] = []
    is_over = threading.Event()

    with served(sqlite_url, tmp_path) as service:

        def write() -> None:
            with service.client() as http:
                while not is_over.is_set():
                    answered.append(record(http, f"run-{len(answered)}"))

        writers = [threading.Thread(target=write) for _ in range(2)]
        for writer in writers:
            writer.start()
        try:
            for number in range(3):
                eventually(lambda: len(answered) > 5 * number)  # noqa: B023
                before, target = list(answered), folder / f"{number}.db"
                done = backup(sqlite_url, target)
                assert (done.returncode, done.stderr) == (0, "")
                assert done.stdout.startswith(f"Copied {tmp_path / 'taskruns.db'} to {target} (")
                with closing(sqlite3.connect(f"file:{target}?mode=ro", uri=True)) as copy:
                    ids = {row[0] for row in copy.execute("SELECT id FROM flow_run")}
                    assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                assert set(before) <= ids
                assert stat.S_IMODE(target.stat().st_mode) == 0o600
        finally:
            is_over.set()
            for writer in writers:
                writer.join()
    assert sorted(path.name for path in folder.iterdir()) == ["0.db", "1.db", "2.db"]
    for target in folder.iterdir():
        check = call_command("check", TASKRUNS_DATABASE_URL=f"sqlite:///{target}")
        assert check.returncode == 0, check.stdout


def test_backup_is_restored_as_the_documentation_says(sqlite_file: Path, sqlite_url: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with served(sqlite_url, tmp_path) as service, service.client() as http:
        kept = record(http, "kept")
        assert backup(sqlite_url, copy).returncode == 0
        lost = record(http, "lost")
    (tmp_path / "damaged").mkdir()
    for path in tmp_path.glob(f"{sqlite_file.name}*"):
        path.rename(tmp_path / "damaged" / path.name)
    subprocess.run(["cp", copy, sqlite_file], check=True)
    assert call_command("check", TASKRUNS_DATABASE_URL=sqlite_url).returncode == 0
    with served(sqlite_url, tmp_path) as service, service.client() as http:
        assert http.get(f"/flow-runs/{kept}").json()["task_run_counts"] == {"Success": 20}
        assert http.get(f"/flow-runs/{lost}").status_code == 404


def test_schema_is_copied_and_not_migrated(tmp_path: Path) -> None:
    source, target = tmp_path / "old.db", tmp_path / "copy.db"
    with closing(sqlite3.connect(source)) as old, old:
        old.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        old.execute("INSERT INTO alembic_version VALUES ('0001')")
    assert backup(f"sqlite:///{source}", target).returncode == 0
    for path in (source, target):
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "folder", "itself"])
def test_backup_overwrites_no_file(sqlite_file: Path, sqlite_url: str, tmp_path: Path, kind: str) -> None:
    target = sqlite_file if kind == "itself" else tmp_path / "there"
    if kind == "file":
        target.write_text("precious")
    elif kind == "folder":
        target.mkdir()
    elif kind != "itself":
        target.symlink_to(sqlite_file if kind == "link" else tmp_path / "nowhere")
    before = sorted(tmp_path.iterdir()), sqlite_file.read_bytes()
    done = backup(sqlite_url, target)
    expected = f"taskruns-service: {target} exists, and a backup never overwrites a file. Choose another name.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)
    assert (sorted(tmp_path.iterdir()), sqlite_file.read_bytes()) == before


def test_file_that_appears_while_it_is_copied_is_kept(tmp_path: Path) -> None:
    part, target = tmp_path / ".part", tmp_path / "copy.db"
    part.write_text("copy")
    target.write_text("another")
    with pytest.raises(ConfigurationError, match="exists by now"):
        _give_name(part, target)
    assert target.read_text() == "another"


def test_backup_that_fails_says_why(sqlite_url: str, postgres_url: str, tmp_path: Path) -> None:
    nowhere = f"sqlite:///{tmp_path / 'none.db'}"
    said = {
        backup(nowhere, tmp_path / "a").stderr: f"There is no database at {tmp_path / 'none.db'} to copy.",
        backup(
            sqlite_url, tmp_path / "no" / "a"
        ).stderr: f"The folder {tmp_path / 'no'} for the backup does not exist.",
        backup(postgres_url, tmp_path / "a").stderr: (
            "This command copies SQLite files, but the database is PostgreSQL. Use its own pg_dump, for example "
            "`pg_dump --format=custom --file=taskruns.dump`."
        ),
    }
    assert list(said) == [f"taskruns-service: {sentence}\n" for sentence in said.values()]
    assert not (tmp_path / "none.db").exists()
    assert not (tmp_path / "a").exists()


def test_copy_that_is_damaged_gets_no_name(tmp_path: Path) -> None:
    """A value that its table does not allow is copied as it is: only the check of the copy sees it."""
    folder = tmp_path / "backups"
    folder.mkdir()
    source = tmp_path / "source.db"
    with closing(sqlite3.connect(source)) as database, database:
        database.execute("CREATE TABLE positive (number INTEGER CHECK (number > 0))")
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute("INSERT INTO positive VALUES (-1)")
    done = backup(f"sqlite:///{source}", folder / "copy.db")
    assert done.returncode == 2
    damage = "CHECK constraint failed in positive"
    assert f"{source} was not copied: the copy would be damaged: {damage}" in done.stderr
    assert list(folder.iterdir()) == []


def test_disk_that_is_full_leaves_no_part(sqlite_url: str, tmp_path: Path) -> None:
    with served(sqlite_url, tmp_path) as service, service.client() as http:
        for number in range(5):
            record(http, str(number))
    folder = tmp_path / "backups"
    folder.mkdir()
    limited = f"ulimit -f 200; trap '' XFSZ; exec {PROGRAM} backup {folder / 'copy.db'}"
    done = subprocess.run(
        ["bash", "-c", limited],
        env=environment_of(TASKRUNS_DATABASE_URL=sqlite_url),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert f" was not copied to {folder / 'copy.db'}: " in done.stderr
    assert list(folder.iterdir()) == []
