"""`result prune` and `flow-run rm --results`: what is deleted of the results on this machine, and what never is."""

import os
import time
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from taskruns import flow_run, task
from taskruns.client import Client
from taskruns.recording.outbox_file import OutboxFile
from taskruns.recording.reports import FlowRunCreated
from taskruns.results import LocalResult
from tests.client.cli.running import COMMAND, CTRL_C, Ran, opened_terminal, run
from tests.client.cli.world import task as reported

DAY = 86400
NOBODY = "0190aaaa-0000-7000-8000-000000000000"


@task
def double(x: int) -> int:
    return 2 * x


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of results of this test's home."""
    monkeypatch.setenv("TASKRUNS_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "results"


def recorded(client: Client, results: Path, *, days: float = 0, result: LocalResult | None = None) -> UUID:
    """A flow run with three results, which were written so many days ago."""
    with flow_run("kept", client=client, result=result or LocalResult()) as recorder:
        double(1)
        double.map([1, 2])
    assert recorder.flush(20)
    age(results / str(recorder.id), days)
    return recorder.id


def age(folder: Path, days: float) -> None:
    """Makes all files of a folder, and itself, so many days older."""
    moment = time.time() - days * DAY
    for path in [*folder.rglob("*"), folder]:
        if path.exists() and not path.is_symlink():
            os.utime(path, (moment, moment))


def prune(url: str, tmp_path: Path, *options: str) -> Ran:
    return run("result", "prune", *options, TASKRUNS_URL=url, TASKRUNS_HOME=tmp_path / "home")


def test_results_of_flow_runs_that_are_gone_are_deleted(
    scratch: Client, url: str, tmp_path: Path, results: Path
) -> None:
    gone, young, present = (recorded(scratch, results, days=days) for days in (40, 20, 40))
    for flow_run_id in (gone, young):
        scratch.flow_runs.delete(flow_run_id)
    size = sum(path.stat().st_size for path in (results / str(gone)).rglob("*.pickle"))

    dry = prune(url, tmp_path, "--older-than", "30d", "--dry-run")
    first, last = dry.out.splitlines()
    assert (dry.code, dry.err) == (0, "")
    assert first.startswith(f"{gone}  3 results, {size} bytes  written 20")
    assert last == f"Would delete the results of 1 flow run: {size} bytes."
    assert {path.name for path in results.iterdir()} == {str(gone), str(young), str(present)}

    done = prune(url, tmp_path, "--yes")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [first, f"Deleted the results of 1 flow run: {size} bytes."]
    assert {path.name for path in results.iterdir()} == {str(young), str(present)}
    assert prune(url, tmp_path, "--yes") == (0, "There is nothing to delete.\n", "")
    assert prune(url, tmp_path, "--yes", "--older-than", "10d").out.startswith(f"{young}  3 results, ")
    assert {path.name for path in results.iterdir()} == {str(present)}


def test_flow_runs_of_another_service_are_kept(scratch: Client, url: str, tmp_path: Path, results: Path) -> None:
    other, unmarked = (recorded(scratch, results, days=40) for _ in range(2))
    (results / str(other) / "=service.json").write_text('{"url": "http://127.0.0.1:1"}')
    (results / str(unmarked) / "=service.json").unlink()
    for flow_run_id in (other, unmarked):
        scratch.flow_runs.delete(flow_run_id)
        age(results / str(flow_run_id), 40)
    done = prune(url, tmp_path, "--yes")
    kept = "Kept: 2 flow runs that were not recorded for this service.\n"
    assert done == (0, "There is nothing to delete.\n", kept)
    assert len(list(results.iterdir())) == 2


def test_many_flow_runs_are_looked_up(scratch: Client, url: str, tmp_path: Path, results: Path) -> None:
    present = recorded(scratch, results, days=40)
    mark = (results / str(present) / "=service.json").read_bytes()
    for _ in range(250):
        folder = results / str(uuid4())
        folder.mkdir()
        (folder / "=service.json").write_bytes(mark)
        age(folder, 40)
    done = prune(url, tmp_path, "--yes")
    assert done.out.splitlines()[-1] == "Deleted the results of 250 flow runs: 0 bytes."
    assert [path.name for path in results.iterdir()] == [str(present)]


def test_nothing_outside_is_deleted(scratch: Client, url: str, tmp_path: Path, results: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (outside / "=service.json").write_text(f'{{"url": "{url}"}}')
    gone = recorded(scratch, results, days=40)
    scratch.flow_runs.delete(gone)
    (results / str(gone) / "link").symlink_to(outside)
    (results / str(gone) / "file").symlink_to(outside / "precious")
    age(results / str(gone), 40)
    (results / str(uuid4())).symlink_to(outside)
    for name in ("etl", str(uuid4()).upper(), f"{uuid4()}.bak"):
        (results / name).mkdir()
        (results / name / "=service.json").write_text(f'{{"url": "{url}"}}')
        age(results / name, 40)
    age(outside, 40)

    # The links themselves were made now.
    done = prune(url, tmp_path, "--yes", "--older-than", "0")
    assert done.code == 0
    assert not (results / str(gone)).exists()
    assert {path.name for path in outside.iterdir()} == {"precious", "=service.json"}
    assert len(list(results.iterdir())) == 4


def test_nothing_is_deleted_without_a_yes(scratch: Client, url: str, tmp_path: Path, results: Path) -> None:
    gone = recorded(scratch, results, days=40)
    scratch.flow_runs.delete(gone)
    done = prune(url, tmp_path)
    assert done.code == 2
    assert done.err.startswith("taskruns result prune: There is no terminal to ask for confirmation")
    with opened_terminal([*COMMAND, "result", "prune"], TASKRUNS_URL=url, TASKRUNS_HOME=tmp_path / "home") as terminal:
        terminal.read_until(lambda seen: "[y/N]: " in seen)
        assert terminal.end(typing="n\n").code == 1
    with opened_terminal([*COMMAND, "result", "prune"], TASKRUNS_URL=url, TASKRUNS_HOME=tmp_path / "home") as terminal:
        terminal.read_until(lambda seen: "[y/N]: " in seen)
        assert terminal.end(typing=CTRL_C).code == 130
    assert (results / str(gone)).exists()


def test_reports_that_wait_come_first(url: str, tmp_path: Path) -> None:
    """The service may not have heard yet of a flow run whose results are there."""
    spool = OutboxFile(tmp_path / "home" / "outbox", url)
    spool.add([FlowRunCreated(flow_run_id=uuid4(), flow_name="left")])
    spool.close()
    done = prune(url, tmp_path, "--yes")
    assert (done.code, done.out) == (1, "")
    assert done.err.endswith("so it may not know their flow runs yet. Send them with `taskruns flush`.\n")


def test_nothing_is_deleted_while_the_service_is_away(scratch: Client, tmp_path: Path, results: Path) -> None:
    flow_run_id = recorded(scratch, results, days=40)
    away = "http://127.0.0.1:1"
    (results / str(flow_run_id) / "=service.json").write_text(f'{{"url": "{away}"}}')
    age(results / str(flow_run_id), 40)
    done = run(
        *("result", "prune", "--yes"), TASKRUNS_URL=away, TASKRUNS_HOME=tmp_path / "home", TASKRUNS_MAX_RETRIES=0
    )
    assert done.code == 1
    assert (results / str(flow_run_id)).exists()


def remove(url: str, tmp_path: Path, *arguments: str) -> Ran:
    return run("flow-run", "rm", "--yes", *arguments, TASKRUNS_URL=url, TASKRUNS_HOME=tmp_path / "home")


def test_results_go_with_their_flow_run_if_asked_for(scratch: Client, url: str, tmp_path: Path, results: Path) -> None:
    first, second, other = (recorded(scratch, results) for _ in range(3))
    assert remove(url, tmp_path, str(first)).code == 0
    assert (results / str(first)).exists()

    size = sum(path.stat().st_size for path in (results / str(second)).rglob("*.pickle"))
    done = remove(url, tmp_path, "--results", str(second))
    assert done.err.endswith(f"  {second}  4 task runs  3 results, {size} bytes\n")
    assert done.out.splitlines()[1:] == [f"Deleted 3 results, {size} bytes."]
    assert {path.name for path in results.iterdir()} == {str(first), str(other)}


def test_results_elsewhere_stay(scratch: Client, url: str, tmp_path: Path, results: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    flow_run_id = recorded(scratch, results, result=LocalResult(elsewhere))
    kept = tmp_path / "kept"
    kept.write_text("x")
    reference = {"type": "LocalResult", "dir": str(results), "location": "../../kept"}
    scratch.flow_runs.report(flow_run_id, items=[reported("hostile", ("Success", 1.0), result=reference)])
    done = remove(url, tmp_path, "--results", str(flow_run_id))
    assert (done.code, done.out.count("\n")) == (0, 1)
    assert len(list(elsewhere.rglob("*.pickle"))) == 3
    assert kept.exists()
    assert not results.exists()


def test_folder_that_is_a_symlink_stays(scratch: Client, url: str, tmp_path: Path, results: Path) -> None:
    flow_run_id = recorded(scratch, results)
    (results / str(flow_run_id)).rename(tmp_path / "moved")
    (results / str(flow_run_id)).symlink_to(tmp_path / "moved")
    assert remove(url, tmp_path, "--results", str(flow_run_id)).code == 0
    assert len(list((tmp_path / "moved").rglob("*.pickle"))) == 3


def test_nothing_is_deleted_if_the_flow_run_is_not_there(url: str, tmp_path: Path, results: Path) -> None:
    (results / NOBODY).mkdir(parents=True)
    assert remove(url, tmp_path, "--results", NOBODY).code == 1
    assert (results / NOBODY).exists()
