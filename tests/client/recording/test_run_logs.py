"""The log of a run: its bounds, odd lines, and how lines reach the service."""

import logging
import threading
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from taskruns import Client, StateType, flow_run, task
from taskruns.errors import InvalidSetting, NotFound
from taskruns.models import LogLineReport
from taskruns.recording import outbox
from taskruns.recording.ids import new_id_in
from taskruns.recording.outbox import Outbox
from taskruns.recording.reports import FlowRunCreated, FlowRunState, LogLineWritten, Report, TaskRunState
from taskruns.recording.sender import Sender
from taskruns.recording.tracebacks import MAX_TRACEBACK_BYTES
from tests.client.recording.recorded import Broken
from tests.client.recording.reports import new_flow_run, new_report
from tests.waiting import eventually

log = logging.getLogger("etl.load")


def new_line(flow_run_id: UUID, message: str, task_run_id: UUID | None = None) -> LogLineWritten:
    line = LogLineReport(id=uuid4(), message=message, task_run_id=task_run_id, timestamp=datetime.now(UTC))
    return LogLineWritten(flow_run_id=flow_run_id, line=line)


def messages(client: Client, flow_run_id: UUID) -> list[str | None]:
    return [line.message for line in client.flow_runs.logs(flow_run_id, limit=1000)]


@task(result=None)
def say(*texts: str) -> None:
    for text in texts:
        log.warning(text)


# Bounds


def test_lines_above_the_number_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch, client: Client) -> None:
    monkeypatch.setenv("TASKRUNS_MAX_LOG_LINES", "3")

    @task(result=None, max_retries=1)
    def fetch() -> None:
        for number in range(3):
            log.warning("%d", number)
        log.error("no")
        raise ValueError("no")

    with flow_run("etl") as run:
        say(*"abc")
        with pytest.raises(ValueError, match="no"):
            fetch()
        log.warning("flow run")
        say(*"abcd")
    bounds = "at most 3 lines and 1,000,000 bytes of a run are recorded."
    assert messages(client, run.id) == [
        *"abc",
        *("0", "1", "2"),
        f"5 further lines were left out (3 WARNING, 2 ERROR): {bounds}",
        "flow run",
        *"abc",
        f"1 further lines were left out (1 WARNING): {bounds}",
    ]
    (summary,) = [line for line in run.view().get_task_run("fetch-1").get_logs() if line.name == "taskruns"]
    assert summary.level == "WARNING"


def test_lines_above_the_size_are_left_out_and_no_line_after_them_is_recorded(
    monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    monkeypatch.setenv("TASKRUNS_MAX_LOG_BYTES", "10")
    with flow_run("etl") as run:
        for text in ("12345", "ää", "ä", "1"):
            log.warning(text)
    assert messages(client, run.id) == [
        "12345",
        "ää",
        "2 further lines were left out (2 WARNING): at most 10,000 lines and 10 bytes of a run are recorded.",
    ]


def test_bounds_hold_for_many_threads(monkeypatch: pytest.MonkeyPatch, client: Client) -> None:
    monkeypatch.setenv("TASKRUNS_MAX_LOG_LINES", "150")
    with flow_run("etl") as run:

        def work() -> None:
            with run.active():
                for _ in range(100):
                    log.warning("line")

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert messages(client, run.id) == [
        *["line"] * 150,
        "250 further lines were left out (250 WARNING): at most 150 lines and 1,000,000 bytes of a run are recorded.",
    ]


def test_bound_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKRUNS_MAX_LOG_LINES", "many")
    with pytest.raises(InvalidSetting, match="TASKRUNS_MAX_LOG_LINES is 'many'"):
        flow_run("etl")


# Odd lines


def test_odd_lines_are_recorded_as_well_as_may_be(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "propagate", False)  # pytest cannot write what some of them say
    monkeypatch.setattr(log, "handlers", [logging.NullHandler()])
    with flow_run("etl") as run:
        log.warning("%d rows", "no")
        log.warning(Broken())
        log.warning("a\0b \ud800")
        log.warning("")
        log.warning("x" * 30_000 + "y" * 30_000)
        logging.getLogger("n\0" + "x" * 300).warning("name")
        logging.getLogger().handle(logging.makeLogRecord({"msg": "no name", "levelno": 30, "name": ""}))
        log.callHandlers(logging.makeLogRecord({"msg": "no time", "levelno": 30, "name": "etl", "created": "never"}))
        log.warning("with a stack", stack_info=True)
    lines = list(run.view().get_logs())
    texts = [line.message or "" for line in lines]
    assert texts[:4] == ["'%d rows' ('no',)", "Broken (its repr raised an error) ()", "a\\x00b \\ud800", ""]
    assert texts[4] == f"{'x' * 10_000}… [40,000 characters left out] …{'y' * 10_000}"[: len(texts[4])]
    assert len(texts[4]) > 19_000
    assert texts[5:7] == ["name", "no name"]
    assert [len(lines[5].name or ""), lines[6].name] == [255, None]
    assert texts[7].startswith("A line cannot be recorded: TypeError(")
    assert texts[8].startswith("with a stack\nStack (most recent call last):\n")


def test_line_of_an_error_has_its_traceback_within_bounds() -> None:
    @task(result=None)
    def fail() -> None:
        try:
            raise ExceptionGroup("all", [ValueError("z" * 3000) for _ in range(20)])
        except* ValueError:
            log.exception("It failed.")

    with flow_run("etl") as run:
        fail()
    (line,) = run.view().get_task_run("fail-1").get_logs()
    assert (line.message or "").startswith("It failed.\n[")
    assert MAX_TRACEBACK_BYTES // 2 < len((line.message or "").encode()) <= MAX_TRACEBACK_BYTES + 20
    assert (line.message or "").endswith("-------")


# On the way to the service


def test_lines_are_sent_together_after_the_task_runs_that_wrote_them(client: Client) -> None:
    created = new_flow_run()
    flow_run_id, task_run_id = created.flow_run_id, new_id_in(created.flow_run_id)
    state = new_report(flow_run_id, "say-1")
    begin = TaskRunState(
        flow_run_id=flow_run_id, task_run_id=task_run_id, task_slug="say-1", task_name="say", state=state.state
    )
    ids = [new_line(flow_run_id, str(number), task_run_id) for number in range(2500)]
    asked: list[str] = []
    with httpx.Client(event_hooks={"request": [lambda request: asked.append(request.url.path)]}) as http_client:
        own = Client(client.options.url, http_client=http_client)
        reports: list[Report] = [created, *ids[:2000], begin, *ids[2000:], *ids[:10]]
        assert Sender(own).send(reports) == []
    assert [path.rpartition("/")[2] for path in asked] == ["flow-runs", "task-runs", *["logs"] * 4]
    assert [line.message for line in client.task_runs.logs(task_run_id, limit=1000)] == [
        str(number) for number in range(2500)
    ]


def test_lines_come_before_the_end_of_the_flow_run(client: Client) -> None:
    created = new_flow_run()
    end = FlowRunState(flow_run_id=created.flow_run_id, state=new_report(created.flow_run_id, "x").state)
    asked: list[str] = []
    with httpx.Client(event_hooks={"request": [lambda request: asked.append(request.url.path)]}) as http_client:
        own = Client(client.options.url, http_client=http_client)
        assert Sender(own).send([created, new_line(created.flow_run_id, "last"), end]) == []
    assert [path.rpartition("/")[2] for path in asked] == ["flow-runs", "logs", "states"]


def test_lines_of_an_unknown_task_run_are_refused_alone(client: Client) -> None:
    created = new_flow_run()
    lines = [new_line(created.flow_run_id, str(number), uuid4() if number % 3 == 0 else None) for number in range(999)]
    refused = Sender(client).send([created, *lines])
    assert [refusal.report for refusal in refused] == lines[::3]
    assert "The flow run has no task run" in refused[0].why or "invalid-request" in refused[0].why
    assert messages(client, created.flow_run_id) == [str(number) for number in range(999) if number % 3]


def test_lines_of_a_flow_run_that_was_deleted_are_refused(client: Client) -> None:
    created = new_flow_run()
    line = new_line(created.flow_run_id, "late")
    assert [refusal.report for refusal in Sender(client).send([line])] == [line]


def test_lines_that_are_too_large_together_are_sent_in_parts(client: Client) -> None:
    created = new_flow_run()
    lines = [new_line(created.flow_run_id, f"{number} " + "ü" * 20_000) for number in range(400)]
    assert Sender(client).send([created, *lines]) == []
    assert len(messages(client, created.flow_run_id)) == 400


@pytest.mark.parametrize("code", ["not-found", "not-a-problem"])
def test_older_service_refuses_lines_and_a_proxy_does_not(code: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if code == "not-a-problem":
            return httpx.Response(404, text="default backend")
        problem = {"code": code, "detail": "No such path.", "instance": "/", "request_id": "1", "title": "", "type": ""}
        return httpx.Response(404, json=problem | {"status": 404})

    line = new_line(uuid4(), "one")
    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as http,
        Client("http://service", http_client=http) as client,
    ):
        if code == "not-found":
            assert [refusal.report for refusal in Sender(client).send([line])] == [line]
        else:
            with pytest.raises(NotFound):
                Sender(client).send([line])


def test_lines_wait_in_a_file_and_are_sent_once_each(
    away: Client, client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    created = new_flow_run()
    flow_run_id, task_run_id = created.flow_run_id, new_id_in(created.flow_run_id)
    state = new_report(flow_run_id, "say-1").state
    begin = TaskRunState(
        flow_run_id=flow_run_id, task_run_id=task_run_id, task_slug="say-1", task_name="say", state=state
    )
    lines = [new_line(flow_run_id, str(number), task_run_id) for number in range(outbox.MAX_IN_MEMORY + 10)]
    box = Outbox(away, tmp_path)
    box.put(created, begin)
    for line in lines:
        box.put(line)
    box.close(0)
    for flushed in (outbox.flush(tmp_path, client), outbox.flush(tmp_path, client)):
        assert (flushed.refused, flushed.unreadable, flushed.left) == (0, 0, 0)
    assert len(list(client.task_runs.logs(task_run_id, limit=1000))) == len(lines)
    assert Sender(client).send([created, *lines]) == []
    assert len(list(client.task_runs.logs(task_run_id, limit=1000))) == len(lines)


def test_report_that_was_withdrawn_is_not_sent(client: Client, tmp_path: Path) -> None:
    created = new_flow_run()
    own, other = new_line(created.flow_run_id, "own"), new_line(created.flow_run_id, "other")
    box = Outbox(client, tmp_path, persistent=False)
    box.put(created, own, other)
    box.withdraw([own])
    assert box.flush(20)
    eventually(lambda: messages(client, created.flow_run_id) == ["other"])
    box.close(0)


def test_lines_are_not_counted_as_states() -> None:
    with flow_run("etl") as run:
        say("one")
    assert run.view().state.message == "All tasks ended as the flow wanted."
    assert [(view.state.type, view.task_run.version) for view in run.view().get_all_task_runs()] == [
        (StateType.SUCCESS, 3)
    ]


def test_flow_run_that_was_created_is_known_before_its_lines() -> None:
    created = FlowRunCreated(flow_run_id=uuid4(), flow_name="etl")
    with Client() as client:
        assert Sender(client).send([created, new_line(created.flow_run_id, "first")]) == []
        assert messages(client, created.flow_run_id) == ["first"]
