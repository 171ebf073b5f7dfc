"""Texts of a service or a proxy that means harm: no control character of theirs reaches a terminal or a log."""

import json
import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from taskruns import models, results
from taskruns.client import Client
from taskruns.errors import ChildError, TaskRunsError
from taskruns.recording.outbox import outbox_of
from taskruns.recording.reports import FlowRunCreated
from taskruns.results import JSONSerializer
from taskruns.task_run_views import TaskRunView
from tests.client.cli.running import on_terminal, run
from tests.security.hostile import Answer, Connection, answering, every_request, response

ID = UUID(int=1)
EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\x7f\u202e\u2066\r\b\x00"
IN_HEADER = "\x1b[2J\x1b]0;owned\x07\x9b31m\x7f\b"


def is_clean(text: str) -> bool:
    """Whether a text has nothing but lines of printable characters."""
    return all(line.isprintable() for line in text.split("\n"))


def json_response(value: Any, status: str = "200 OK", **headers: Any) -> bytes:
    """Returns an answer in JSON."""
    return response(json.dumps(value).encode(), status, X_Request_Id=IN_HEADER, **headers)


def problem(status: int, code: str = EVIL) -> bytes:
    """Returns a problem whose every text is hostile."""
    fault = {"detail": EVIL, "pointer": EVIL, "parameter": EVIL}
    texts = dict.fromkeys(("type", "title", "detail", "instance", "request_id"), EVIL)
    return json_response({**texts, "status": status, "code": code, "errors": [fault]}, f"{status} {EVIL[:4]}")


TASK_RUN: dict[str, Any] = {
    **dict.fromkeys(("duration", "end_time", "name", "queue_time", "run_time", "start_time", "state_timestamp")),
    **dict.fromkeys(("id", "flow_run_id", "flow_id", "task_id"), str(ID)),
    **dict.fromkeys(("created", "updated"), "2021-05-12T18:00:00Z"),
    **dict.fromkeys(("run_count", "sequence", "version"), 0),
    **dict.fromkeys(("flow_name", "flow_run_name", "state", "state_message", "task_name", "task_slug"), EVIL),
    "has_result": False,
    "map_index": -1,
    "tags": [EVIL],
}
ANSWERS: dict[str, Answer] = {
    "problem": every_request(problem(400)),
    "problem of a known code": every_request(problem(400, "invalid-request")),
    "problem that passes": every_request(problem(503)),
    "page of a proxy": every_request(response(EVIL.encode(), "502 Bad Gateway", X_Request_Id=IN_HEADER)),
    "something else": every_request(json_response({"items": EVIL, "next_cursor": 1})),
    "unknown type": every_request(
        json_response(
            {"reference": {"type": EVIL}, "children": 5, "next_cursor": None, "task_run_id": str(ID), "state": EVIL}
        )
    ),
    "not JSON": every_request(response(EVIL.encode(), X_Request_Id=IN_HEADER)),
    "redirect": every_request(response(b"", "302 Found", Location=f"/{IN_HEADER}")),
    "status line": every_request(f"HTTP/1.1 {EVIL}\r\n\r\n".encode()),
    "header": every_request(f"HTTP/1.1 200 OK\r\n{EVIL}: {EVIL}\r\n\r\n".encode()),
    "chunk": every_request(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{EVIL}\r\n".encode()),
    "coding": every_request(json_response({}, Content_Encoding=IN_HEADER)),
}
CALLS: dict[str, Callable[[Client], Any]] = {
    "get": lambda client: client.task_runs.get(ID),
    "list": lambda client: client.task_runs.list(),
    "result": lambda client: client.task_runs.result(ID),
    "create": lambda client: client.flow_runs.create(flow_name="etl"),
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("call", CALLS)
def test_error_and_its_causes_and_the_log_are_clean(answer: str, call: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "taskruns")
    with (
        answering(ANSWERS[answer]) as url,
        Client(url, max_retries=1, timeout=1) as client,
        pytest.raises(TaskRunsError) as raised,
    ):
        CALLS[call](client)
    shown = [str(raised.value), repr(raised.value), *traceback.format_exception(raised.value)]
    shown += [record.getMessage() for record in caplog.records if record.name == "taskruns"]
    assert [text for text in shown if not is_clean(text)] == []


@pytest.mark.parametrize("status", ["400 No", "502 Bad Gateway"])
def test_error_text_is_no_longer_than_anybody_reads(status: str) -> None:
    texts = dict.fromkeys(("type", "title", "detail", "instance", "request_id", "code"), EVIL * 100_000)
    for body in (json.dumps({**texts, "status": 400}).encode(), b"x" * 1_000_000):
        with (
            answering(every_request(response(body, status))) as url,
            Client(url, max_retries=0) as client,
            pytest.raises(TaskRunsError) as raised,
        ):
            client.service.health()
        assert len(str(raised.value)) < 50_000


def test_repr_of_what_was_looked_up_is_clean() -> None:
    with answering(every_request(json_response(TASK_RUN))) as url, Client(url) as client:
        view = TaskRunView.from_task_run_id(ID, client=client)
        page = {"items": [TASK_RUN], "next_cursor": EVIL}
    with answering(every_request(json_response(page))) as url, Client(url) as client:
        listed = client.task_runs.list()
    texts = [view, view.state, view.task_run, view.task_run.state, listed, listed.items, models.StateType(EVIL)]
    assert [text for text in map(repr, texts) if not is_clean(text)] == []
    assert is_clean(str(view.state))
    assert view.task_run.state == EVIL
    assert repr(models.StateType.SUCCESS) == "<StateType.SUCCESS: 'Success'>"


def test_error_about_a_child_is_clean() -> None:
    children = [{"map_index": 0, "reference": None, "state": EVIL, "task_run_id": str(ID)}]
    result = {"children": children, "next_cursor": None, "reference": None, "task_run_id": str(ID), "state": EVIL}

    def answer(connection: Connection) -> None:
        while request := connection.read_request():
            connection.send(json_response(result if b"/result" in request else TASK_RUN))

    with answering(answer) as url, Client(url) as client, pytest.raises(ChildError) as raised:
        TaskRunView.from_task_run_id(ID, client=client).get_result()
    assert is_clean(str(raised.value))


REFERENCES: dict[str, dict[str, Any]] = {
    "secret": {"type": "SecretResult", "location": EVIL},
    "type": {"type": EVIL, "location": "x"},
    "folder": {"type": "LocalResult", "dir": f"/{EVIL}", "location": "x"},
    "folder that no C0 is in": {"type": "LocalResult", "dir": "/\x9b31m\u202e", "location": "x"},
    "location": {"type": "LocalResult", "location": f"/{EVIL}"},
    "key": {"type": "S3Result", "bucket": "flows", "location": "\x9b31m\u202e"},
    "bucket": {"type": "S3Result", "bucket": EVIL, "location": "x"},
    "digest": {"type": "LocalResult", "location": "{file}", "digest": f"sha256:{EVIL}"},
    "algorithm": {"type": "LocalResult", "location": "{file}", "digest": f"{EVIL}:00"},
    "serializer": {"type": "LocalResult", "location": "{file}", "serializer": {"type": EVIL}},
    "format": {
        "type": "LocalResult",
        "location": "{file}",
        "serializer": {"type": "CompressedSerializer", "format": EVIL, "serializer": {"type": "JSONSerializer"}},
    },
    "file type": {
        "type": "LocalResult",
        "location": "{file}",
        "serializer": {"type": "PandasSerializer", "file_type": EVIL},
    },
    "inline": {"type": "PrefectResult", "location": EVIL},
    "contents": {"type": "LocalResult", "location": "{file}", "serializer": {"type": "DateTimeSerializer"}},
    "frame": {
        "type": "LocalResult",
        "location": "{file}",
        "serializer": {"type": "PandasSerializer", "file_type": "json"},
    },
}


@pytest.mark.parametrize("name", REFERENCES)
def test_error_about_a_reference_is_clean(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(EVIL)
    given = {member: _filled(value, tmp_path) for member, value in REFERENCES[name].items()}
    answer = {"children": None, "next_cursor": None, "reference": given, "task_run_id": str(ID), "state": EVIL}
    with answering(every_request(json_response(answer))) as url, Client(url) as client:
        try:
            reference = client.task_runs.result(ID).reference
            assert reference is not None
            with pytest.raises(TaskRunsError) as raised:
                results.load(reference)
            error: TaskRunsError = raised.value
        except TaskRunsError as unread:
            error = unread
    assert is_clean(str(error))
    assert is_clean("".join(traceback.format_exception(error)))


def _filled(value: Any, folder: Path) -> Any:
    return value.replace("{file}", str(folder / "file")) if isinstance(value, str) else value


def test_log_of_the_recorder_and_its_file_are_clean(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKRUNS_HOME", str(tmp_path))
    for answer in (problem(503), problem(400)):
        with answering(every_request(answer)) as url, Client(url) as client:
            outbox = outbox_of(client)
            outbox.put(FlowRunCreated(flow_run_id=ID, flow_name="etl"))
            outbox.flush(20)
            outbox.close(5)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) >= 2
    assert [message for message in messages if not is_clean(message)] == []
    assert all(is_clean(path.read_text()) for path in tmp_path.rglob("*.jsonl"))


# The command line

COMMANDS = (
    ["flow-run", "ls"],
    ["flow-run", "info", str(ID)],
    ["flow-run", "tasks", str(ID), "--csv"],
    ["flow-run", "rm", "--yes", str(ID)],
    ["task-run", "ls", "--json"],
    ["task-run", "info", str(ID)],
    ["task-run", "result", str(ID)],
    ["task-run", "result", str(ID), "--location"],
    ["task-run", "states", str(ID)],
    ["task-run", "count"],
    ["task-run", "aggregate", "--group-by", "state"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("answer", ["problem of a known code", "page of a proxy", "something else", "status line"])
def test_command_that_fails_writes_nothing_but_text(answer: str, command: list[str]) -> None:
    with answering(ANSWERS[answer]) as url:
        done = run(*command, "--verbose", "--timeout", "5", TASKRUNS_URL=url, TASKRUNS_MAX_RETRIES=0)
    assert done.code != 0
    assert is_clean(done.out + done.err)


def test_watch_that_fails_writes_nothing_but_text() -> None:
    with answering(ANSWERS["problem of a known code"]) as url:
        done = run("flow-run", "watch", str(ID), "--verbose", TASKRUNS_URL=url)
    assert done.code != 0
    assert is_clean(done.out + done.err)


FORMULAS = ("=1+1", "+1", "-1+1|cmd", "@SUM(A1)", "\t=1", "\r=1", " =1")


def test_csv_on_a_terminal_has_no_control_characters_and_no_formulas() -> None:
    items = [{"id": str(ID), "task_slug": text, "tags": [text], "map_index": -1} for text in (EVIL, *FORMULAS)]
    # In an order of its own it is one list; by default those that have not started are another.
    asked = ("task-run", "ls", "--csv", "--fields", "task_slug,tags,map_index", "--sort", "created")
    with answering(every_request(json_response({"items": items, "next_cursor": None}))) as url:
        piped = run(*asked, TASKRUNS_URL=url)
        shown = on_terminal(*asked, TASKRUNS_URL=url)
    assert (piped.code, shown.code) == (0, 0)
    assert all(text in piped.out for text in (EVIL, *FORMULAS))
    lines = shown.out.replace("\r\n", "\n")
    assert is_clean(lines)
    rows = lines.splitlines()[1:]
    assert len(rows) == len(items)
    assert all(row.lstrip('"')[0] in "'\\" for row in rows)
    # A number is one, however it begins.
    assert all(row.endswith(",-1") for row in rows)


def test_result_is_shown_clean(tmp_path: Path) -> None:
    reference = results.wire(results.LocalResult(tmp_path, serializer=JSONSerializer()).write({EVIL: [EVIL]}))
    full = {"digest": None, "size": None, "uri": None, **reference}
    result = {"children": None, "next_cursor": None, "reference": full, "task_run_id": str(ID), "state": EVIL}

    def answer(connection: Connection) -> None:
        while request := connection.read_request():
            connection.send(json_response(result if b"/result" in request else TASK_RUN))

    with answering(answer) as url:
        for options in ([], ["--json"], ["--location"]):
            done = run("task-run", "result", str(ID), *options, TASKRUNS_URL=url)
            assert done.code == 0
            assert is_clean(done.out + done.err)


def test_state_that_is_known_is_shown_as_it_is() -> None:
    state = msgspec.convert("Success", models.StateType)
    assert (repr(state), str(state)) == ("<StateType.SUCCESS: 'Success'>", "Success")
