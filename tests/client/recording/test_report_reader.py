"""Lines of a recorder's file that hold no report: they are kept and reported, and all others are sent."""

import logging
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from taskruns import Client, StateType
from taskruns.models import StateCreate
from taskruns.recording import report_reader
from taskruns.recording.outbox import Flushed, Outbox, flush
from taskruns.recording.outbox_file import OutboxFile
from taskruns.recording.reports import FlowRunCreated, Report, TaskRunState

OTHERS = 3_001
"""Reports of task runs beside the line; with that of the flow run they are more than one batch."""

UNREADABLE = {
    "cut": b'{"type":"task_run_state","flow_run_id":"8e44\n',
    "two in one": b'{"type":"task_run_state","flow_run_id":"8e44{"type":"flow_run"}\n',
    "not JSON": b"junk\n",
    "not UTF-8": b'{"type":"\xff\xfe"}\n',
    "not a report": b'{"type":"greeting"}\n',
    "another member": b'{"type":"flow_run","flow_run_id":1}\n',
    "NULs": b"\x00" * 4096 + b"\n",
    "empty": b"\n",
    "nested": b"[" * 100_000 + b"\n",
    "huge": b'{"type":"' + b"x" * (report_reader.LINE_BYTES + 5_000) + b'"}\n',
}


def reports_of(flow_run_id: UUID, count: int) -> list[Report]:
    created = FlowRunCreated(flow_run_id=flow_run_id, flow_name="lines")
    return [created, *(report_of(flow_run_id, f"inc-{number}") for number in range(count))]


def report_of(flow_run_id: UUID, task_slug: str) -> TaskRunState:
    state = StateCreate(id=uuid4(), type=StateType.RUNNING)
    return TaskRunState(flow_run_id=flow_run_id, task_slug=task_slug, task_name="inc", state=state)


def file_of(folder: Path, url: str, *reports: Report) -> Path:
    """A file as a recorder leaves it."""
    spool = OutboxFile(folder, url)
    spool.add(reports)
    path = spool.path
    spool.close()
    return path


def count_of(client: Client, flow_run_id: UUID) -> int:
    return sum(client.flow_runs.get(flow_run_id).task_run_counts.values())


@pytest.mark.slow
@pytest.mark.parametrize("line", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("place", [1, 1500, -1], ids=["first", "middle", "last"])
def test_one_line_holds_no_other_up(client: Client, tmp_path: Path, line: bytes, place: int) -> None:
    flow_run_id = uuid4()
    path = file_of(tmp_path, client.options.url, *reports_of(flow_run_id, OTHERS))
    kept = path.read_bytes().splitlines(keepends=True)
    kept.insert(place if place > 0 else len(kept), line)
    path.write_bytes(b"".join(kept))

    flushed = flush(tmp_path)

    (aside,) = tmp_path.iterdir()
    assert flushed == Flushed(
        sent=OTHERS + 1, refused=0, unreadable=1, left=0, problems=[flushed.problems[0] if flushed.problems else ""]
    )
    assert flushed.problems[0].startswith(f"{path.name}: unreadable lines: 1 (the first: at byte ")
    assert flushed.problems[0].endswith(f"They are in {aside}.")
    assert aside.read_bytes() == line
    assert aside.stat().st_mode & 0o777 == 0o600
    assert count_of(client, flow_run_id) == OTHERS
    assert flush(tmp_path) == Flushed(sent=0, refused=0, unreadable=0, left=0, problems=[])


def test_last_line_that_was_cut_is_kept(client: Client, tmp_path: Path) -> None:
    path = file_of(tmp_path, client.options.url, *reports_of(uuid4(), 2))
    content = path.read_bytes()
    path.write_bytes(content[:-20])

    flushed = flush(tmp_path)

    assert (flushed.sent, flushed.unreadable, flushed.left) == (2, 1, 0)
    assert "it was not written completely" in flushed.problems[0]
    (aside,) = tmp_path.iterdir()
    assert aside.read_bytes() == content.splitlines(keepends=True)[-1][:-20] + b"\n"


def test_refused_report_and_unreadable_lines_are_kept_apart(client: Client, tmp_path: Path) -> None:
    flow_run_id = uuid4()
    reports = [*reports_of(flow_run_id, 10), report_of(uuid4(), "of-no-flow-run")]
    path = file_of(tmp_path, client.options.url, *reports)
    path.write_bytes(path.read_bytes() + b"junk\n\n")

    flushed = flush(tmp_path)

    assert (flushed.sent, flushed.refused, flushed.unreadable, flushed.left) == (11, 1, 2, 0)
    assert [one.suffixes[-2] for one in sorted(tmp_path.iterdir())] == [".unreadable", ".refused"]
    assert count_of(client, flow_run_id) == 10


def test_unreadable_lines_are_kept_once_however_often_sending_fails(
    client: Client, away: Client, tmp_path: Path
) -> None:
    path = file_of(tmp_path, client.options.url, *reports_of(uuid4(), 3))
    path.write_bytes(path.read_bytes() + b"junk\n")
    for _ in range(2):
        assert flush(tmp_path, away).left == 1
    assert flush(tmp_path).unreadable == 1
    (aside,) = tmp_path.iterdir()
    assert aside.read_bytes() == b"junk\n"


def test_file_stays_where_its_unreadable_lines_can_not_be_copied(client: Client, tmp_path: Path) -> None:
    flow_run_id = uuid4()
    path = file_of(tmp_path, client.options.url, *reports_of(flow_run_id, 3))
    path.write_bytes(path.read_bytes() + b"junk\n")
    with path.open("rb") as file:
        report_reader.ReportReader(file, path).unreadable_path.mkdir()

    flushed = flush(tmp_path)

    assert (flushed.sent, flushed.unreadable, flushed.left) == (4, 1, 1)
    assert "They are left there, because they could not be copied: " in flushed.problems[0]
    assert path.exists()
    assert count_of(client, flow_run_id) == 3


@pytest.mark.parametrize("heading", [b"", b"junk\n", b'{"url": 1}\n', b"\xff\n"])
def test_file_that_does_not_name_its_service_waits_for_somebody_who_does(
    client: Client, tmp_path: Path, heading: bytes
) -> None:
    flow_run_id = uuid4()
    path = file_of(tmp_path, client.options.url, *reports_of(flow_run_id, 3))
    path.write_bytes(heading + path.read_bytes().partition(b"\n")[2])

    flushed = flush(tmp_path)
    assert (flushed.sent, flushed.left) == (0, 1)
    assert flushed.problems == [
        f"{path.name}: its first line does not name the service of its reports. Pass the URL of the service."
    ]
    flushed = flush(tmp_path, client)
    assert (flushed.sent, flushed.unreadable, flushed.left) == (4, bool(heading), 0)
    assert count_of(client, flow_run_id) == 3


def test_process_goes_on_after_a_line_of_its_own_file(
    client: Client, away: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    flow_run_id = uuid4()
    monkeypatch.setattr("taskruns.recording.outbox.MAX_IN_MEMORY", 5)
    with caplog.at_level(logging.ERROR, "taskruns"):
        box = Outbox(away, tmp_path)
        box.put(*reports_of(flow_run_id, 20))
        (path,) = tmp_path.glob("*.reports.jsonl")
        content = path.read_bytes().splitlines(keepends=True)
        content[7] = b"x" * (len(content[7]) - 1) + b"\n"
        path.write_bytes(b"".join(content))
        box.close(0)
    assert f"{path.name}: unreadable lines: 1 " in "\n".join(caplog.messages)
    flushed = flush(tmp_path, client)
    assert (flushed.sent, flushed.unreadable, flushed.left) == (20, 0, 0)
    assert count_of(client, flow_run_id) == 19
