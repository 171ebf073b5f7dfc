"""`taskruns flow-run logs` and `taskruns task-run logs`."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from taskruns import Client
from taskruns.cli.log_lines import FIELDS, LEVELS, MAX_MERGED
from taskruns.models import LogLevel, LogLine, LogLineReport, StateCreate, StateType, TaskRunReport
from tests.client.cli.running import on_terminal, run

BEGIN = datetime(2021, 5, 12, 18, 0, tzinfo=UTC)
LINES = {"Begin.": "INFO", "Row 7 is empty.\nIt is left out.": "WARNING", "\x1b[2J gone\r": "ERROR", "Done.": "DEBUG"}


@pytest.fixture
def flow_run_id(scratch: Client) -> UUID:
    """A flow run whose first line is its own, and whose others are those of a task run."""
    flow_run = scratch.flow_runs.create(flow_name="etl")
    running = StateCreate(type=StateType.RUNNING)
    scratch.flow_runs.report(flow_run.id, items=[TaskRunReport(task_slug="load-1", states=[running])])
    task_run = scratch.flow_runs.task_runs(flow_run.id).items[0]
    lines = [
        LogLineReport(
            id=uuid4(),
            message=message,
            level=LogLevel(level),
            timestamp=BEGIN + timedelta(seconds=number),
            task_run_id=task_run.id if number else None,
        )
        for number, (message, level) in enumerate(LINES.items())
    ]
    scratch.flow_runs.report_logs(flow_run.id, items=lines)
    return flow_run.id


def test_lines_are_shown_oldest_first(url: str, flow_run_id: UUID) -> None:
    lines = [
        "2021-05-12T18:00:00.000Z  INFO      Begin.",
        "2021-05-12T18:00:01.000Z  WARNING   Row 7 is empty.",
        "                                    It is left out.",
        r"2021-05-12T18:00:02.000Z  ERROR     \x1b[2J gone\r",
        "2021-05-12T18:00:03.000Z  DEBUG     Done.",
    ]
    assert run("flow-run", "logs", str(flow_run_id), TASKRUNS_URL=url).out.splitlines() == lines
    assert run("task-run", "logs", "load-1", TASKRUNS_URL=url).out.splitlines() == lines[1:]


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (("--level", "warning"), [1, 2]),
        (("--contains", "ROW"), [1]),
        (("--since", "2021-05-12T18:00:01Z"), [2, 3]),
        (("--head", "2"), [0, 1]),
        (("--tail", "2"), [2, 3]),
        (("--tail", "1", "--level", "WARNING"), [2]),
        (("--tail", "9"), [0, 1, 2, 3]),
    ],
)
def test_options_choose_lines(url: str, flow_run_id: UUID, options: tuple[str, ...], numbers: list[int]) -> None:
    shown = json.loads(run("flow-run", "logs", str(flow_run_id), "--json", *options, TASKRUNS_URL=url).out)
    assert [line["message"] for line in shown] == [list(LINES)[number] for number in numbers]


def test_csv_has_all_members(url: str, flow_run_id: UUID) -> None:
    done = run("flow-run", "logs", str(flow_run_id), "--csv", TASKRUNS_URL=url)
    assert done.out.splitlines()[0] == ",".join(FIELDS)
    assert set(FIELDS) == set(LogLine.__struct_fields__)


def test_levels_are_those_of_the_service() -> None:
    assert set(LEVELS) == {level.value for level in LogLevel}


def test_terminal_gets_no_commands(url: str, flow_run_id: UUID) -> None:
    assert "\x1b[2J" not in on_terminal("flow-run", "logs", str(flow_run_id), TASKRUNS_URL=url).out


def test_head_and_tail_exclude_each_other(url: str, flow_run_id: UUID) -> None:
    done = run("flow-run", "logs", str(flow_run_id), "--head", "1", "--tail", "1", TASKRUNS_URL=url)
    assert done.code == 2
    assert "--head and --tail cannot be used together." in done.err


# The lines of failed task runs


def report_failures(client: Client, count: int) -> UUID:
    """Reports a flow run with failed task runs, each with a line of its own between those of others."""
    flow_run = client.flow_runs.create(flow_name="etl")
    for state, name in ((StateType.FAILED, "fail"), (StateType.SUCCESS, "load")):
        items = [
            TaskRunReport(task_slug=f"{name}-{number}", states=[StateCreate(type=state)]) for number in range(count)
        ]
        client.flow_runs.report(flow_run.id, items=items)
    task_runs = list(client.flow_runs.task_runs(flow_run.id, limit=1000))
    lines = [
        LogLineReport(
            id=uuid4(), message=task_run.task_slug, timestamp=BEGIN + timedelta(seconds=number), task_run_id=task_run.id
        )
        for number, task_run in enumerate(sorted(task_runs, key=lambda task_run: task_run.task_slug.partition("-")[2]))
    ]
    client.flow_runs.report_logs(flow_run.id, items=[*lines, LogLineReport(id=uuid4(), message="of the flow run")])
    return flow_run.id


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["fail-0", "fail-1", "fail-2"]),
        (("--tail", "2"), ["fail-1", "fail-2"]),
        (("--head", "1"), ["fail-0"]),
        (("--contains", "2"), ["fail-2"]),
        (("--level", "ERROR"), []),
        (("--since", "2021-05-12T18:00:01Z"), ["fail-1", "fail-2"]),
    ],
)
def test_lines_of_failed_task_runs_are_shown_in_their_order(
    url: str, scratch: Client, options: tuple[str, ...], expected: list[str]
) -> None:
    flow_run_id = report_failures(scratch, 3)
    done = run("flow-run", "logs", str(flow_run_id), "--failed", "--json", *options, TASKRUNS_URL=url)
    assert [line["message"] for line in json.loads(done.out)] == expected
    assert done.err == ""


@pytest.mark.parametrize(
    ("options", "expected"),
    [((), range(MAX_MERGED + 1)), (("--tail", "2"), [98, 99]), (("--contains", "-100"), [100])],
)
def test_lines_of_many_failed_task_runs_are_all_shown(
    url: str, scratch: Client, options: tuple[str, ...], expected: Iterable[int]
) -> None:
    flow_run_id = report_failures(scratch, MAX_MERGED + 1)
    done = run("flow-run", "logs", str(flow_run_id), "--failed", "--json", *options, TASKRUNS_URL=url)
    assert done.err == ""
    messages = [line["message"] for line in json.loads(done.out)]
    assert sorted(messages) == sorted(f"fail-{number}" for number in expected)


@pytest.mark.parametrize("others", [("--head", "1"), ("--failed",)])
def test_follow_and_what_ends_before_exclude_each_other(url: str, flow_run_id: UUID, others: tuple[str, ...]) -> None:
    done = run("flow-run", "logs", str(flow_run_id), "--follow", *others, TASKRUNS_URL=url)
    assert done.code == 2
    assert f"{others[0]} and --follow cannot be used together" in done.err
