"""Rolling updates: a newer version of the service migrates the database while processes of this one go on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import taskruns_service
from taskruns_service.storage import migrations
from tests.service import call_command, environment_of, problem_of, served
from tests.waiting import eventually

ADDS = '''"""A column, an index and a table that this version does not know."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = depends_on = None
additive = {additive}


def upgrade() -> None:
    op.add_column("task_run", sa.Column("colour_{revision}", sa.Text(), nullable=True))
    op.create_index("ix_flow_run_{revision}", "flow_run", ["created", "flow_id"])
    op.create_table("palette_{revision}", sa.Column("id", sa.Integer(), primary_key=True))
'''


class Newer:
    """The next version of the service: this one with further migrations."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._package = folder / "taskruns_service"
        self.revision = migrations.head()
        shutil.copytree(Path(taskruns_service.__file__).parent, self._package)

    def add_migration(self, revision: str, *, additive: bool) -> None:
        versions = self._package / "storage" / "migrations" / "versions"
        text = ADDS.format(revision=revision, before=self.revision, additive=additive)
        (versions / f"{revision}_more.py").write_text(text)
        self.revision = revision

    def run(self, *arguments: str, url: str) -> str:
        environment = environment_of(TASKRUNS_DATABASE_URL=url) | {"PYTHONPATH": str(self._folder)}
        command = [sys.executable, "-m", "taskruns_service", *arguments]
        done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True, cwd=os.sep)
        return done.stdout


@pytest.fixture
def newer(tmp_path: Path) -> Newer:
    return Newer(tmp_path / "newer")


def write_and_read(http: httpx.Client) -> None:
    """Records a task run, and looks it up."""
    flow_run_id = http.post("/flow-runs", json={"flow_name": "f"}).json()["id"]
    report = {"items": [{"task_slug": "a", "states": [{"type": "Running"}, {"type": "Success"}]}]}
    response = http.post(f"/flow-runs/{flow_run_id}/task-runs", json=report)
    assert response.status_code == 200, response.text
    (task_run,) = http.get(f"/flow-runs/{flow_run_id}/task-runs").json()["items"]
    assert task_run["state"] == "Success"
    assert http.get(f"/flow-runs/{flow_run_id}").json()["task_run_counts"] == {"Success": 1}


def test_processes_go_on_with_a_schema_that_has_more_and_stop_with_another(
    postgres_url: str, newer: Newer, tmp_path: Path
) -> None:
    with served(postgres_url, tmp_path) as service, service.client() as http:
        write_and_read(http)
        newer.add_migration("9001", additive=True)
        assert newer.run("migrate", url=postgres_url) == "The database has the schema 9001.\n"
        for _ in range(3):
            assert http.get("/ready").status_code == 200
            write_and_read(http)

        again = call_command("migrate", TASKRUNS_DATABASE_URL=postgres_url)
        assert (again.returncode, again.stdout) == (0, "The database has the schema 9001.\n")
        with served(postgres_url, tmp_path) as second, second.client() as other:
            write_and_read(other)

        newer.add_migration("9002", additive=False)
        newer.run("migrate", url=postgres_url)
        detail = (
            f"The database has the schema 9002, which is newer than this service ({migrations.head()}), and only "
            "services from version 9002 on can use it. Update the service."
        )
        ready = http.get("/ready")
        assert (ready.status_code, problem_of(ready)) == (503, {"code": "not-ready", "detail": detail})
        eventually(lambda: http.post("/flow-runs", json={"flow_name": "f"}).status_code == 503)
        refused = http.post("/flow-runs", json={"flow_name": "f"})
        assert problem_of(refused) == {
            "code": "database-unavailable",
            "detail": f"{detail} Nothing was recorded; retry the request later.",
        }
        assert refused.headers["retry-after"]
        assert http.get("/health").status_code == 200
    start = call_command("serve", TASKRUNS_DATABASE_URL=postgres_url, TASKRUNS_PORT=4999)
    assert (start.returncode, start.stderr) == (2, f"taskruns-service: {detail}\n")


def test_file_that_a_newer_version_has_extended_is_served(sqlite_url: str, newer: Newer, tmp_path: Path) -> None:
    newer.add_migration("9001", additive=True)
    newer.run("migrate", url=sqlite_url)
    with served(sqlite_url, tmp_path) as service, service.client() as http:
        assert http.get("/ready").status_code == 200
        write_and_read(http)
    assert newer.run("check", url=sqlite_url).startswith("No problems")
    newer.add_migration("9002", additive=False)
    newer.run("migrate", url=sqlite_url)
    start = call_command("serve", TASKRUNS_DATABASE_URL=sqlite_url)
    assert start.returncode == 2
    assert "only services from version 9002 on can use it" in start.stderr
