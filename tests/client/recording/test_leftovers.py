"""Reports that earlier processes left: the next flow run sends them, to the same service and with the same key."""

import os
import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from taskruns import Client, StateType
from taskruns.errors import FlowRunNotFound
from taskruns.models import StateCreate
from taskruns.recording import leftovers
from taskruns.recording.leftovers import LeftoverSender
from taskruns.recording.outbox_file import OutboxFile, sole_sender
from taskruns.recording.reports import FlowRunCreated, Report, TaskRunState
from tests.client.recording.scripts import Scripts
from tests.postgres import free_port
from tests.service import Served, served
from tests.waiting import eventually

FLOW = """
    from taskruns import flow_run, task

    @task(result=None)
    def inc(x):
        return x + 1

    with flow_run("etl") as run:
        inc(1)
    print(run.flow_run_id)
"""


def run_until(scripts: Scripts, waiting: list[Path], **environment: Any) -> tuple[str, str]:
    """Runs flows until only these files wait, as a slow machine may send no file before the first one has ended."""
    printed = scripts.run(FLOW, **environment)
    for _ in range(20):
        if scripts.waiting() == waiting:
            break
        scripts.run(FLOW, **environment)
    assert scripts.waiting() == waiting
    return printed


def left(folder: Path, url: str, *reports: Report, api_key: str | None = None) -> Path:
    """Leaves a file as a process does that could not send these reports."""
    spool = OutboxFile(folder, url, api_key)
    spool.add(reports)
    spool.close()
    return spool.path


def a_state(flow_run_id: UUID, task_slug: str) -> TaskRunState:
    state = StateCreate(id=uuid4(), type=StateType.SUCCESS, message="Done.")
    return TaskRunState(flow_run_id=flow_run_id, task_slug=task_slug, task_name="inc", state=state)


def a_flow_run() -> FlowRunCreated:
    return FlowRunCreated(flow_run_id=uuid4(), flow_name="left")


def slugs(client: Client, flow_run_id: UUID) -> list[str]:
    try:
        return sorted(one.task_slug for one in client.flow_runs.task_runs(flow_run_id, limit=1000))
    except FlowRunNotFound:
        return []


def test_next_flow_run_sends_what_an_outage_left(scripts: Scripts, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    ids = [scripts.run(FLOW, TASKRUNS_URL=url)[0].strip() for _ in range(2)]
    assert len(scripts.waiting()) == 2
    with served(f"sqlite:///{tmp_path / 'own.db'}", tmp_path, port=port, log_level="error"), Client(url) as client:
        out, err = run_until(scripts, [], TASKRUNS_URL=url)
        assert (scripts.refused(), err) == ([], "")
        for flow_run_id in (*ids, out.strip()):
            assert client.flow_runs.get(flow_run_id).state == "Success"
            assert client.flow_runs.get(flow_run_id).task_run_counts == {"Success": 1}


def test_nothing_goes_to_another_service_or_with_another_key(scripts: Scripts, service: Served) -> None:
    others = [
        left(scripts.outbox, f"http://127.0.0.1:{free_port()}", a_flow_run()),
        left(scripts.outbox, service.url, a_flow_run(), api_key="trk_other"),
        left(scripts.outbox, service.url, a_flow_run(), api_key=None),
    ]
    own = a_flow_run()
    left(scripts.outbox, service.url, own, api_key="trk_own")
    before = [path.read_bytes() for path in others]
    assert not any(b"trk_" in content for content in before)

    run_until(scripts, others, TASKRUNS_API_KEY="trk_own")

    assert [path.read_bytes() for path in others] == before
    with Client(service.url) as client:
        assert client.flow_runs.get(own.flow_run_id).flow_name == "left"


def test_many_processes_send_each_report_once_and_in_order(scripts: Scripts, service: Served) -> None:
    """A flow run that begins in one file goes on in the next: nobody may skip a file that somebody else sends."""
    flow_runs = [a_flow_run() for _ in range(5)]
    for flow_run in flow_runs:
        left(scripts.outbox, service.url, flow_run, *(a_state(flow_run.flow_run_id, f"a-{n}") for n in range(300)))
    for number in range(20):
        left(scripts.outbox, service.url, *(a_state(one.flow_run_id, f"b-{number}") for one in flow_runs))

    processes = [scripts.start(FLOW, name=f"flow_{number}.py") for number in range(4)]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, ""), out + err

    run_until(scripts, [])
    assert scripts.refused() == []
    expected = sorted([*(f"a-{n}" for n in range(300)), *(f"b-{n}" for n in range(20))])
    with Client(service.url) as client:
        for flow_run in flow_runs:
            assert slugs(client, flow_run.flow_run_id) == expected


def test_file_of_a_process_that_runs_is_left_to_it(scripts: Scripts, service: Served) -> None:
    spool = OutboxFile(scripts.outbox, service.url)
    spool.add([a_flow_run()])
    scripts.run(FLOW)
    assert scripts.waiting() == [spool.path]
    spool.close()
    run_until(scripts, [])


def test_what_cannot_be_sent_does_not_disturb_the_flow_run(scripts: Scripts, service: Served) -> None:
    scripts.outbox.mkdir(parents=True)
    (scripts.outbox / "0.reports.jsonl").write_bytes(b"junk\n")
    (scripts.outbox / "1.reports.jsonl").mkdir()
    left(scripts.outbox, service.url, a_state(uuid4(), "of nobody"))
    own = left(scripts.outbox, service.url, a_flow_run())
    own.write_bytes(own.read_bytes() + b"junk\n")

    out, _ = run_until(scripts, [scripts.outbox / "0.reports.jsonl", scripts.outbox / "1.reports.jsonl"])

    with Client(service.url) as client:
        assert client.flow_runs.get(out.strip()).state == "Success"
    assert len(scripts.refused()) == 1
    assert [path.read_bytes() for path in scripts.outbox.glob("*.unreadable.jsonl")] == [b"junk\n"]


def test_rest_is_sent_by_the_next_one(
    service: Served, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "MAX_REPORTS", 4)
    monkeypatch.setattr(leftovers, "BATCH_SIZE", 2)
    flow_run = a_flow_run()
    path = left(tmp_path, service.url, flow_run, *(a_state(flow_run.flow_run_id, f"a-{n}") for n in range(6)))
    size = path.stat().st_size

    LeftoverSender(client, tmp_path).start()
    eventually(lambda: slugs(client, flow_run.flow_run_id) == ["a-0", "a-1", "a-2"])
    with sole_sender(tmp_path, 20) as is_sole:
        assert is_sole
    assert path.stat().st_size == size
    # What is behind the mark is all that is sent: what is before it may be gone.
    content = path.read_bytes()
    mark = content.index(b'"a-3"')
    start = content.rindex(b"\n", 0, mark) + 1
    heading = content.index(b"\n") + 1
    path.write_bytes(content[:heading] + b"x" * (start - heading) + content[start:])

    LeftoverSender(client, tmp_path).start()
    eventually(lambda: not path.exists())
    assert slugs(client, flow_run.flow_run_id) == [f"a-{n}" for n in range(6)]
    assert list(tmp_path.iterdir()) == []


def test_claim_to_be_the_sole_sender_ends_where_a_child_was_forked(tmp_path: Path) -> None:
    with sole_sender(tmp_path) as is_sole:
        assert is_sole
        with sole_sender(tmp_path) as other:
            assert not other
        reading, writing = os.pipe()
        if not (pid := os.fork()):
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
    try:
        with sole_sender(tmp_path) as is_sole:
            assert is_sole
    finally:
        os.close(writing)
        os.waitpid(pid, 0)
        os.close(reading)


def test_process_that_ends_waits_for_a_bounded_time(client: Client, tmp_path: Path) -> None:
    flow_run = a_flow_run()
    left(tmp_path, client.options.url, flow_run)
    sender = LeftoverSender(client, tmp_path)
    with sole_sender(tmp_path):  # somebody else sends
        sender.start()
        sender.stop(time.monotonic() + 20)
    sender.start()
    assert slugs(client, flow_run.flow_run_id) == []
    assert len(list(tmp_path.iterdir())) == 1
