"""What waits to be sent: how reports are put together, and the files that keep them."""

import stat
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from taskruns import StateType
from taskruns.models import LogLineReport, StateCreate
from taskruns.recording.outbox_file import OutboxFile, Refused, claimed, keep_refused, leftovers
from taskruns.recording.reports import (
    FlowRunCreated,
    FlowRunState,
    LogLines,
    LogLineWritten,
    Report,
    TaskRunState,
    in_turns,
    merged,
)
from tests.client.recording.scripts import Scripts

URL = "http://127.0.0.1:4200"
NOW = datetime(2021, 5, 12, tzinfo=UTC)
_numbers = count(1)


def a_state() -> StateCreate:
    return StateCreate(id=UUID(int=next(_numbers)), type=StateType.RUNNING, message="Starting.", timestamp=NOW)


def a_line() -> LogLineReport:
    return LogLineReport(id=UUID(int=next(_numbers)), message="line")


def a_report(task_slug: str = "inc-1", map_index: int = -1, flow_run: int = 1) -> TaskRunState:
    return TaskRunState(
        flow_run_id=UUID(int=flow_run), task_slug=task_slug, map_index=map_index, task_name="inc", state=a_state()
    )


TASK_RUN_STATES = st.builds(a_report, st.sampled_from(["a", "b"]), st.integers(-1, 1), st.integers(1, 3))
REPORTS = st.lists(
    st.one_of(
        TASK_RUN_STATES,
        st.builds(lambda flow_run: FlowRunState(flow_run_id=UUID(int=flow_run), state=a_state()), st.integers(1, 3)),
        st.builds(lambda flow_run: FlowRunCreated(flow_run_id=UUID(int=flow_run), flow_name="e"), st.integers(1, 3)),
        st.builds(lambda flow_run: LogLineWritten(flow_run_id=UUID(int=flow_run), line=a_line()), st.integers(1, 3)),
    )
)


@given(st.lists(TASK_RUN_STATES))
def test_merged_reports_have_one_item_for_each_task_run_with_its_states_in_order(reports: list[TaskRunState]) -> None:
    expected: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for report in reports:
        expected[report.task_slug, report.map_index].append(report.state)
    items = merged(reports)
    assert [(item.task_slug, item.map_index) for item in items] == list(expected)
    assert [item.states for item in items] == list(expected.values())


@given(REPORTS)
def test_turns_have_every_report_once_and_keep_the_order_of_each_flow_run(reports: list[Report]) -> None:
    sent: dict[UUID, list[Report]] = defaultdict(list)
    for flow_run_id, turn in in_turns(reports):
        match turn:
            case list():
                sent[flow_run_id] += turn
            case LogLines(lines):
                sent[flow_run_id] += lines
            case _:
                sent[flow_run_id].append(turn)
    expected: dict[UUID, list[Report]] = defaultdict(list)
    for report in reports:
        expected[report.flow_run_id].append(report)
    assert sent == {id: list(lines_last(own)) for id, own in expected.items()}


def lines_last(reports: list[Report]) -> Iterator[Report]:
    """Yields reports of one flow run in the order in which they are sent: lines only after states of task runs."""
    waiting: list[Report] = []
    for report in [*reports, None]:
        if isinstance(report, TaskRunState | LogLineWritten):
            waiting.append(report)
            continue
        yield from sorted(waiting, key=lambda waiter: isinstance(waiter, LogLineWritten))
        waiting = []
        if report is not None:
            yield report


@given(st.lists(TASK_RUN_STATES, min_size=1))
def test_task_runs_of_a_flow_run_go_together(reports: list[TaskRunState]) -> None:
    assert len(list(in_turns(reports))) == len({report.flow_run_id for report in reports})


def test_reports_are_taken_in_the_order_in_which_they_were_added(tmp_path: Path) -> None:
    spool = OutboxFile(tmp_path, URL)
    reports = [a_report() for _ in range(10)]
    spool.add(reports[:6])
    assert spool.take(4) == reports[:4]
    spool.add(reports[6:])
    assert len(spool) == 6
    assert spool.take(100) == reports[4:]
    assert len(spool) == 0
    assert spool.take(100) == []
    spool.close()


def test_file_goes_when_it_is_removed_and_not_when_its_reports_are_taken(tmp_path: Path) -> None:
    spool = OutboxFile(tmp_path, URL)
    spool.add([a_report()])
    spool.take(1)
    assert leftovers(tmp_path) == [spool.path]
    spool.remove()
    assert list(tmp_path.iterdir()) == []


def test_spool_makes_a_new_file_after_it_was_removed(tmp_path: Path) -> None:
    spool = OutboxFile(tmp_path, URL)
    for report in (a_report(), a_report()):
        spool.add([report])
        assert spool.take(1) == [report]
        spool.remove()


def test_nothing_is_made_before_there_is_something_to_keep(tmp_path: Path) -> None:
    OutboxFile(tmp_path / "outbox", URL).close()
    assert list(tmp_path.iterdir()) == []


def test_files_are_for_their_user_alone(tmp_path: Path) -> None:
    spool = OutboxFile(tmp_path / "outbox", URL)
    spool.add([a_report()])
    refused = keep_refused(tmp_path / "outbox", [Refused(report=a_report(), why="no")])
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "outbox", spool.path, refused)]
    assert modes == [0o700, 0o600, 0o600]
    spool.close()


def test_file_in_use_is_not_claimed_and_one_that_was_left_is(tmp_path: Path) -> None:
    spool = OutboxFile(tmp_path, URL)
    reports = [a_report() for _ in range(5)]
    spool.add(reports)
    with claimed(spool.path) as leftover:
        assert leftover is None
    spool.close()
    with claimed(spool.path) as leftover:
        assert leftover is not None
        with claimed(spool.path) as second:
            assert second is None
        assert leftover.url == URL
        assert list(leftover.batches(2)) == [reports[:2], reports[2:4], reports[4:]]
        leftover.remove()
    assert list(tmp_path.iterdir()) == []
    with claimed(spool.path) as leftover:
        assert leftover is None


def test_line_that_was_cut_is_left_out(tmp_path: Path) -> None:
    spool = OutboxFile(tmp_path, URL)
    reports = [a_report() for _ in range(3)]
    spool.add(reports)
    spool.close()
    spool.path.write_bytes(spool.path.read_bytes()[:-20])
    with claimed(spool.path) as leftover:
        assert leftover is not None
        assert list(leftover.batches(10)) == [reports[:2]]


def test_files_are_sent_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    spools = [OutboxFile(tmp_path, URL) for _ in range(5)]
    for spool in reversed(spools):
        spool.add([a_report()])
    assert leftovers(tmp_path) == [spool.path for spool in reversed(spools)]
    for spool in spools:
        spool.close()


def test_refused_reports_are_kept_with_the_reason(tmp_path: Path) -> None:
    refused = [Refused(report=a_report(), why="no"), Refused(report=a_report(), why="never")]
    path = keep_refused(tmp_path, refused[:1])
    assert keep_refused(tmp_path, refused[1:]) == path
    assert [msgspec.json.decode(line, type=Refused) for line in lines(path)] == refused
    assert leftovers(tmp_path) == []


def lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def test_disk_that_is_full_takes_all_reports_of_a_call_or_none(scripts: Scripts) -> None:
    out, _ = scripts.run("""
        import resource, signal
        from pathlib import Path
        from uuid import UUID
        from taskruns.models import StateCreate, StateType
        from taskruns.recording.reports import TaskRunState
        from taskruns.recording.outbox_file import OutboxFile, claimed

        def report(n):
            state = StateCreate(id=UUID(int=n), type=StateType.RUNNING)
            return TaskRunState(flow_run_id=UUID(int=1), task_slug=f"inc-{n}", task_name="inc", state=state)

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        spool = OutboxFile(Path("outbox"), "http://127.0.0.1:4200")
        spool.add([report(0)])
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        try:
            spool.add([report(n) for n in range(1, 1000)])
        except OSError as error:
            print(error.strerror)
        spool.add([report(1)])
        print([one.task_slug for one in spool.take(10)])
        spool.close()
        with claimed(spool.path) as leftover:
            print([one.task_slug for one in sum(leftover.batches(10), [])])
    """)
    assert out.splitlines() == ["File too large", "['inc-0', 'inc-1']", "['inc-0', 'inc-1']"]
