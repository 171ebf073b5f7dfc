"""Lists say when reports on this machine wait to be sent to the service."""

from pathlib import Path
from uuid import uuid4

import pytest

from taskruns import Client
from taskruns.recording.outbox_file import OutboxFile
from taskruns.recording.reports import FlowRunCreated
from tests.client.cli.running import run

LISTS = [
    ["flow-run", "ls", "-n", "1"],
    ["flow-run", "ls", "-q", "-n", "1"],
    ["task-run", "ls", "--json", "-n", "1"],
    ["task-run", "count"],
    ["task-run", "aggregate", "-b", "state"],
]


def leave(home: Path, url: str) -> None:
    spool = OutboxFile(home / "outbox", url)
    spool.add([FlowRunCreated(flow_run_id=uuid4(), flow_name="left")])
    spool.close()


@pytest.mark.parametrize("command", LISTS, ids=" ".join)
def test_lists_say_that_reports_wait(command: list[str], url: str, tmp_path: Path) -> None:
    with Client(url) as client:
        for _ in range(2):  # so that a list of one says the same after another one has come
            client.flow_runs.create(flow_name="waits")

    def said() -> str:
        return run(*command, TASKRUNS_URL=url, TASKRUNS_HOME=tmp_path).err

    before = said()
    leave(tmp_path, "http://127.0.0.1:1")
    (tmp_path / "outbox" / "junk.reports.jsonl").write_bytes(b"junk")
    assert said() == before
    leave(tmp_path, url)
    sends = "The next flow run or `taskruns flush` sends them."
    assert said() == f"{before}1 file waits with reports to this service. {sends}\n"
    leave(tmp_path, url)
    assert said() == f"{before}2 files wait with reports to this service. {sends}\n"
    run("flush", "--folder", str(tmp_path / "outbox"), TASKRUNS_HOME=tmp_path, TASKRUNS_MAX_RETRIES=0)
    assert said() == before


def test_task_runs_of_a_flow_run_are_listed_with_it(url: str, tmp_path: Path) -> None:
    with Client(url) as client:
        flow_run = client.flow_runs.create(flow_name="waits")
    leave(tmp_path, url)
    done = run("flow-run", "tasks", str(flow_run.id), TASKRUNS_URL=url, TASKRUNS_HOME=tmp_path)
    assert "1 file waits with reports to this service" in done.err
