"""`taskruns flow-run logs --follow` and `task-run logs --follow`."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO
from uuid import UUID, uuid4

import pytest

from taskruns import Client
from taskruns.models import FlowRun, LogLineReport, StateCreate, StateType, TaskRunReport
from tests.client.cli.running import COMMAND, run
from tests.postgres import free_port
from tests.service import environment_of, served

SUCCESS = StateCreate(type=StateType.SUCCESS)


@contextmanager
def following(url: str, *arguments: str) -> Iterator[tuple["subprocess.Popen[str]", IO[str]]]:
    """Follows a log in a process of its own."""
    command = [*COMMAND, *arguments, "--follow"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment_of(TASKRUNS_URL=url),
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


def new_line(message: str, seconds: float = 0, task_run_id: UUID | None = None) -> LogLineReport:
    """A line of so many seconds from now."""
    timestamp = datetime.now(UTC) + timedelta(seconds=seconds)
    return LogLineReport(id=uuid4(), message=message, timestamp=timestamp, task_run_id=task_run_id)


def message_of(stream: IO[str]) -> str:
    """What the next line says."""
    return stream.readline().rstrip("\n").rpartition("  ")[2].strip()


@pytest.fixture
def flow_run(scratch: Client) -> FlowRun:
    """A flow run that is Running."""
    created = scratch.flow_runs.create(flow_name="etl")
    scratch.flow_runs.set_state(created.id, type="Running")
    return created


def test_lines_of_a_flow_run_are_shown_as_they_come_until_it_is_finished(
    scratch: Client, url: str, flow_run: FlowRun
) -> None:
    report = scratch.flow_runs.report_logs
    report(flow_run.id, items=[new_line("old", -3600), new_line("first")])
    with following(url, "flow-run", "logs", str(flow_run.id)) as (process, out):
        assert [message_of(out), message_of(out)] == ["old", "first"]
        report(flow_run.id, items=[new_line("second")])
        assert message_of(out) == "second"
        # From a worker whose clock is behind, and from one whose clock is ahead.
        report(flow_run.id, items=[new_line("late", -5)])
        assert message_of(out) == "late"
        report(flow_run.id, items=[new_line("early", 3600)])
        assert message_of(out) == "early"
        report(flow_run.id, items=[new_line("third")])
        assert message_of(out) == "third"
        report(flow_run.id, items=[new_line("last")])
        scratch.flow_runs.set_state(flow_run.id, type="Failed")
        assert message_of(out) == "last"
        assert process.wait(20) == 0
        assert process.communicate() == ("", "")


def test_lines_of_a_task_run_are_followed(scratch: Client, url: str, flow_run: FlowRun) -> None:
    running = TaskRunReport(task_slug="load-1", states=[StateCreate(type=StateType.RUNNING)])
    scratch.flow_runs.report(flow_run.id, items=[running])
    task_run = scratch.flow_runs.task_runs(flow_run.id).items[0]
    report = scratch.flow_runs.report_logs
    report(flow_run.id, items=[new_line(str(number), -number, task_run.id) for number in (3, 2, 1)])
    with following(url, "task-run", "logs", str(task_run.id), "--tail", "2") as (process, out):
        assert [message_of(out), message_of(out)] == ["2", "1"]
        report(flow_run.id, items=[new_line("other"), new_line("own", task_run_id=task_run.id)])
        assert message_of(out) == "own"
        scratch.flow_runs.report(flow_run.id, items=[TaskRunReport(task_slug="load-1", states=[SUCCESS])])
        assert process.wait(20) == 0
        assert process.communicate() == ("", "")


@pytest.mark.parametrize("options", [(), ("--tail", "5"), ("--json",)])
def test_run_that_is_finished_is_not_waited_for(
    scratch: Client, url: str, flow_run: FlowRun, options: tuple[str, ...]
) -> None:
    scratch.flow_runs.report_logs(flow_run.id, items=[new_line("one"), new_line("two")])
    scratch.flow_runs.set_state(flow_run.id, type="Success")
    done = run("flow-run", "logs", str(flow_run.id), "--follow", *options, TASKRUNS_URL=url)
    assert (done.code, done.err) == (0, "")
    assert [done.out.count(text) for text in ("one", "two")] == [1, 1]


def test_filters_hold_for_further_lines(scratch: Client, url: str, flow_run: FlowRun) -> None:
    with following(url, "flow-run", "logs", str(flow_run.id), "--contains", "good") as (process, out):
        scratch.flow_runs.report_logs(flow_run.id, items=[new_line("bad"), new_line("good 1")])
        assert message_of(out) == "good 1"
        scratch.flow_runs.report_logs(flow_run.id, items=[new_line("bad"), new_line("good 2")])
        assert message_of(out) == "good 2"
        scratch.flow_runs.set_state(flow_run.id, type="Success")
        assert process.wait(20) == 0


def test_service_may_come_and_go(tmp_path: Path) -> None:
    database, port = f"sqlite:///{tmp_path / 'taskruns.db'}", free_port()
    with ExitStack() as stack:
        with served(database, tmp_path, port=port) as service, Client(service.url) as client:
            flow_run = client.flow_runs.create(flow_name="etl")
            client.flow_runs.report_logs(flow_run.id, items=[new_line("before")])
            process, out = stack.enter_context(following(service.url, "flow-run", "logs", str(flow_run.id)))
            assert message_of(out) == "before"
        with served(database, tmp_path, port=port) as service, Client(service.url) as client:
            client.flow_runs.report_logs(flow_run.id, items=[new_line("after")])
            assert message_of(out) == "after"
            client.flow_runs.set_state(flow_run.id, type="Success")
            assert process.wait(30) == 0


def test_run_that_is_deleted_ends_it(scratch: Client, url: str, flow_run: FlowRun) -> None:
    scratch.flow_runs.report_logs(flow_run.id, items=[new_line("before")])
    with following(url, "flow-run", "logs", str(flow_run.id)) as (process, out):
        assert message_of(out) == "before"
        scratch.flow_runs.delete(flow_run.id)
        assert process.wait(20) == 1
        assert re.search("There is no flow run with this id|The flow run was deleted", process.communicate()[1])
