"""`flow-run rm`, `flush` and `demo`: the commands that change something, other than states."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from taskruns.cli.demo import FLOW_RUNS
from taskruns.client import Client
from taskruns.errors import FlowRunNotFound
from taskruns.models import StateCreate, StateType
from taskruns.recording.outbox import Outbox
from taskruns.recording.reports import FlowRunCreated, FlowRunState, Report
from tests.client.cli.running import COMMAND, Ran, opened_terminal, run
from tests.client.cli.world import HOSTILE, HOSTILE_SHOWN, task
from tests.service import Served, environment_of, served


def test_flow_runs_are_deleted_without_being_asked(scratch: Client, url: str) -> None:
    first, second = (scratch.flow_runs.create(flow_name="gone", name=name) for name in ("gone-1", "gone-2"))
    scratch.flow_runs.report(first.id, items=[task("a", ("Success", 1.0))])
    done = run("flow-run", "rm", "--yes", str(first.id), "gone-2", str(first.id), TASKRUNS_URL=url)
    assert done.code == 0
    assert done.out == f"Deleted gone-1 ({first.id}).\nDeleted gone-2 ({second.id}).\n"
    assert done.err.splitlines() == [
        f"gone-1 (gone)  {first.id}  1 task run",
        f"gone-2 (gone)  {second.id}  0 task runs",
    ]
    for flow_run in (first, second):
        with pytest.raises(FlowRunNotFound):
            scratch.flow_runs.get(flow_run.id)


def test_nothing_is_deleted_if_one_is_not_there(scratch: Client, url: str) -> None:
    kept = scratch.flow_runs.create(flow_name="kept", name="kept")
    done = run("flow-run", "rm", "-y", str(kept.id), "not there", TASKRUNS_URL=url)
    assert (done.code, done.out) == (1, "")
    assert scratch.flow_runs.get(kept.id).id == kept.id


def test_name_of_several_is_not_deleted(scratch: Client, url: str) -> None:
    for _ in range(2):
        scratch.flow_runs.create(flow_name="double", name="double")
    done = run("flow-run", "rm", "-y", "double", TASKRUNS_URL=url)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("taskruns: More than one flow run has the name 'double': use the id")


def test_nobody_there_to_be_asked_is_wrong_usage(scratch: Client, url: str) -> None:
    kept = scratch.flow_runs.create(flow_name="kept", name="kept")
    done = run("flow-run", "rm", str(kept.id), TASKRUNS_URL=url)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].startswith("taskruns flow-run rm: There is no terminal to ask for confirmation")
    assert scratch.flow_runs.get(kept.id).id == kept.id


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("\x04", 1), ("\x03", 130)], ids=ascii)
def test_person_is_asked(answer: str, code: int, scratch: Client, url: str) -> None:
    flow_run = scratch.flow_runs.create(flow_name="asked", name=HOSTILE)
    with opened_terminal([*COMMAND, "flow-run", "rm", str(flow_run.id)], TASKRUNS_URL=url) as terminal:
        terminal.read_until(lambda seen: "Delete it? [y/N]: " in seen)
        # Again and again, since Python misses a Ctrl-C in the moment before it reads.
        done = terminal.end(typing=answer)
    assert done.code == code
    assert HOSTILE_SHOWN in done.out
    assert "Traceback" not in done.out
    left = [one.id for one in scratch.flow_runs.list(flow_run_id=[flow_run.id])]
    assert left == ([] if code == 0 else [flow_run.id])


AWAY = "http://127.0.0.1:1"


def leave(folder: Path, *reports: Report) -> None:
    """Leaves reports as a recorder does whose service is away."""
    with Client(AWAY) as client:
        outbox = Outbox(client, folder)
        outbox.put(*reports)
        outbox.close(0)


def flushed(folder: Path, url: str, *options: str) -> Ran:
    return run("flush", "--folder", str(folder), "--url", url, *options, TASKRUNS_MAX_RETRIES=0)


def test_reports_that_were_left_are_sent(scratch: Client, url: str, tmp_path: Path) -> None:
    id = uuid4()
    running = StateCreate(type=StateType.RUNNING, id=uuid4())
    leave(tmp_path, FlowRunCreated(flow_run_id=id, flow_name="left"), FlowRunState(flow_run_id=id, state=running))
    done = flushed(tmp_path, AWAY)
    assert (done.code, done.out) == (1, "Reports: 0 sent, 0 refused. Files left: 1.\n")
    assert re.fullmatch(r"taskruns flush: .*No response from http://127.0.0.1:1/.*\n", done.err)
    assert flushed(tmp_path, url) == (0, "Reports: 2 sent, 0 refused. Files left: 0.\n", "")
    assert scratch.flow_runs.get(id).state == "Running"
    assert flushed(tmp_path, url) == (0, "There is nothing to send.\n", "")


def without_extra(*arguments: str) -> Ran:
    """Runs `taskruns` where what the extra `cli` installs is missing."""
    program = "import sys; sys.modules.update(click=None, platformdirs=None, rich=None)\n"
    program += "from taskruns.cli import main; main()"
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=environment_of(TASKRUNS_MAX_RETRIES=0)
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def test_reports_that_were_left_are_sent_without_the_extra(scratch: Client, url: str, tmp_path: Path) -> None:
    id = uuid4()
    leave(tmp_path, FlowRunCreated(flow_run_id=id, flow_name="left"))
    plain = ["flush", "--folder", str(tmp_path)]
    assert without_extra(*plain, "--url", AWAY) == flushed(tmp_path, AWAY)
    assert without_extra(*plain, "--url", url) == (0, "Reports: 1 sent, 0 refused. Files left: 0.\n", "")
    assert scratch.flow_runs.get(id).flow_name == "left"
    assert without_extra(*plain) == (0, "There is nothing to send.\n", "")
    wrong = without_extra(*plain, "--url", "no URL")
    assert (wrong.code, wrong.out, wrong.err.count("\n")) == (1, "", 1)
    assert wrong.err.startswith("taskruns flush: ")


def test_reports_that_are_refused_are_a_failure(url: str, tmp_path: Path) -> None:
    leave(tmp_path, FlowRunState(flow_run_id=uuid4(), state=StateCreate(type=StateType.RUNNING, id=uuid4())))
    done = flushed(tmp_path, url, "--json")
    assert done.code == 1
    told = json.loads(done.out)
    assert (told["sent"], told["refused"], told["left"]) == (0, 1, 0)
    assert done.err.startswith("taskruns flush: There is no flow run with this id.")


def test_nothing_to_flush_is_said(tmp_path: Path) -> None:
    for arguments in (["flush"], ["flush", "--folder", str(tmp_path / "none")]):
        assert run(*arguments, TASKRUNS_HOME=tmp_path) == (0, "There is nothing to send.\n", "")
    done = run("flush", "--json", TASKRUNS_HOME=tmp_path)
    assert json.loads(done.out) == {"sent": 0, "refused": 0, "unreadable": 0, "left": 0, "problems": []}


RECORDED = """\
brave-otter (etl) is recorded with 6 task runs.
calm-heron (etl) is recorded with 5 task runs.
night-1 (nightly) is recorded with 2 task runs.
"""


@pytest.fixture
def new_service(tmp_path: Path) -> Iterator[Served]:
    """A service that has recorded nothing."""
    with served(f"sqlite:///{tmp_path / 'taskruns.db'}", tmp_path, log_level="error") as service:
        yield service


@pytest.mark.slow
def test_demo_is_recorded_once(new_service: Served, tmp_path: Path) -> None:
    environment = {"TASKRUNS_URL": new_service.url, "TASKRUNS_HOME": tmp_path}
    (tmp_path / "file").touch()
    unwritable = run("demo", **environment | {"TASKRUNS_HOME": tmp_path / "file"})
    assert (unwritable.code, unwritable.out, unwritable.err.count("\n")) == (1, "", 1)
    assert run("demo", **environment) == (0, RECORDED, "")
    with Client(new_service.url) as client:
        before = {flow_run.name: (flow_run.state, flow_run.sequence) for flow_run in client.flow_runs.list()}
        assert {name: state for name, (state, _) in before.items()} == {
            "brave-otter": "Success",
            "calm-heron": "Failed",
            "night-1": "Running",
        }
        assert run("demo", **environment) == (0, re.sub("recorded with .*", "already recorded.", RECORDED), "")
        assert {run.name: (run.state, run.sequence) for run in client.flow_runs.list()} == before
        client.flow_runs.delete(FLOW_RUNS[1].id)
    assert run("demo", **environment).out.splitlines()[1] == RECORDED.splitlines()[1]
    result = run("task-run", "result", "inc-1", "--flow-run-name", "brave-otter", **environment)
    assert result == (0, "[{'value': 2}, {'value': 3}, {'value': 4}]\n", "")


def test_demo_without_a_service_says_where_it_looked(tmp_path: Path) -> None:
    away = run("demo", TASKRUNS_URL=AWAY, TASKRUNS_HOME=tmp_path, TASKRUNS_MAX_RETRIES=0)
    assert (away.code, away.out) == (1, "")
    assert re.fullmatch(r"taskruns: No response from http://127.0.0.1:1/.*\n", away.err)
