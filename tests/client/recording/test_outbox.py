"""The outbox: what becomes of reports while the service answers, refuses, is away, or comes and goes."""

import os
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from taskruns import Client, StateType, flow_run, task
from taskruns.errors import TaskRunsError
from taskruns.recording import outbox
from taskruns.recording.outbox import Outbox, flush
from taskruns.recording.sender import Sender
from tests.client.recording.reports import new_flow_run, new_report, new_reports, slugs
from tests.postgres import free_port
from tests.service import Served, call_command, served
from tests.waiting import eventually


@task(result=None)
def inc(x: int) -> int:
    return x + 1


@contextmanager
def opened(client: Client, folder: Path, *, persistent: bool = True) -> Iterator[Outbox]:
    """An outbox with a folder of its own."""
    own = Outbox(client, folder, persistent=persistent)
    yield own
    own.close(0)


class Fickle:
    """A service on a port of its own, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._running = ExitStack()
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self, **settings: Any) -> None:
        """Starts it again with what it had recorded."""
        database = f"sqlite:///{self._folder / 'taskruns.db'}"
        service = served(database, self._folder, port=self._port, synchronous="NORMAL", **settings)
        self._process = self._running.enter_context(service).process

    def kill(self) -> None:
        """Kills it where it stands, with the process that answers for it."""
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for process in (parent, *map(int, children)):
            os.kill(process, signal.SIGKILL)
        self._process.wait()
        with httpx.Client() as client:
            eventually(lambda: not answers(client, self.url))

    def stop(self) -> None:
        """Ends it for good."""
        self._running.close()


def answers(client: httpx.Client, url: str) -> bool:
    """Whether a service is there."""
    try:
        return client.get(f"{url}/health").is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def fickle(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fickle]:
    """A service that is away until it is started; recorders find it."""
    service = Fickle(tmp_path_factory.mktemp("fickle"))
    monkeypatch.setenv("TASKRUNS_URL", service.url)
    yield service
    service.stop()


# While the service answers


def test_reports_arrive_in_their_order_and_in_few_requests(service: Served, tmp_path: Path) -> None:
    asked: list[str] = []
    with httpx.Client(event_hooks={"request": [lambda request: asked.append(request.url.path)]}) as http_client:
        client = Client(service.url, http_client=http_client)
        created = new_flow_run()
        with opened(client, tmp_path) as box:
            box.put(created)
            box.put(*new_reports(created.flow_run_id, 2500))
            assert box.flush(20)

        assert len(asked) <= 6
        assert slugs(client, created.flow_run_id) == [f"inc-{index}" for index in range(2500)]


def test_many_threads_may_report_at_once(client: Client, tmp_path: Path) -> None:
    created = new_flow_run()
    with opened(client, tmp_path) as box:
        box.put(created)

        def work(number: int) -> None:
            for index in range(250):
                box.put(new_report(created.flow_run_id, f"inc-{number}-{index}"))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert box.flush(20)

    made = slugs(client, created.flow_run_id)
    assert Counter(made) == Counter(f"inc-{number}-{index}" for number in range(8) for index in range(250))
    for number in range(8):
        own = [slug for slug in made if slug.startswith(f"inc-{number}-")]
        assert own == [f"inc-{number}-{index}" for index in range(250)]


def test_client_may_be_closed_while_its_reports_are_on_their_way(
    client: Client, service: Served, tmp_path: Path
) -> None:
    created = new_flow_run()
    with opened(closed := Client(service.url), tmp_path) as box:
        box.put(created, new_report(created.flow_run_id, "inc-1"))
        closed.close()
        assert box.flush(20)

    assert slugs(client, created.flow_run_id) == ["inc-1"]


def test_flush_of_nothing_returns_at_once(away: Client, tmp_path: Path) -> None:
    with opened(away, tmp_path) as box:
        assert box.flush(20)


# What is refused


def test_one_report_that_is_refused_does_not_spoil_the_others(client: Client) -> None:
    created = new_flow_run()
    reports = new_reports(created.flow_run_id, 50)
    poison = [new_report(created.flow_run_id, "a\0b"), new_report(created.flow_run_id, "x" * 300)]
    refused = Sender(client).send([created, *reports[:20], poison[0], *reports[20:], poison[1]])

    assert [one.report for one in refused] == poison
    assert "U+0000" in refused[0].why or "0000" in refused[0].why
    assert slugs(client, created.flow_run_id) == [f"inc-{index}" for index in range(50)]


def test_reports_that_are_too_large_together_are_sent_in_parts(client: Client) -> None:
    created = new_flow_run()
    reports = [new_report(created.flow_run_id, f"inc-{index}", "x" * 60_000) for index in range(200)]

    assert Sender(client).send([created, *reports]) == []
    assert slugs(client, created.flow_run_id) == [f"inc-{index}" for index in range(200)]


def test_state_that_the_run_can_not_come_to_is_refused_alone(client: Client) -> None:
    created = new_flow_run()
    begin = new_report(created.flow_run_id, "inc-1")
    end = msgspec.structs.replace(begin, state=msgspec.structs.replace(begin.state, id=uuid4(), type=StateType.SUCCESS))
    Sender(client).send([created, begin, end])
    late, other = new_report(created.flow_run_id, "inc-1"), new_report(created.flow_run_id, "inc-2")

    assert [one.report for one in Sender(client).send([late, other])] == [late]
    assert slugs(client, created.flow_run_id) == ["inc-1", "inc-2"]


@pytest.mark.parametrize("code", ["internal-error", "database-unavailable", "outcome-unknown", "overloaded"])
def test_item_that_the_service_failed_at_is_sent_again(code: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        problem = {"code": code, "detail": "It failed."}
        item = {"index": 0, "outcome": "refused", "task_run_id": None, "version": None, "state": None}
        return httpx.Response(207, json={"items": [{**item, "problem": problem}]})

    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as http,
        Client("http://service", http_client=http) as client,
        pytest.raises(TaskRunsError, match="It failed"),
    ):
        Sender(client).send([new_report(uuid4(), "inc-1")])


def test_refused_reports_are_kept_in_a_file_of_their_own_and_said(
    client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    created = new_flow_run()
    with opened(client, tmp_path) as box:
        box.put(created, new_report(created.flow_run_id, "inc-1"))
        assert box.flush(20)
        client.flow_runs.delete(created.flow_run_id)
        box.put(new_report(created.flow_run_id, "inc-2"))
        assert box.flush(20)

    (path,) = tmp_path.iterdir()
    assert re.fullmatch(r".*\.refused\.jsonl", path.name)
    assert '"task_slug":"inc-2"' in path.read_text()
    (message,) = caplog.messages
    assert message.startswith("The service refused 1 reports: There is no flow run with this id.")
    assert message.endswith(f" They are in {path}.")


# While the service is away


def test_reports_are_kept_and_sent_when_the_service_comes(fickle: Fickle, tmp_path: Path) -> None:
    created = new_flow_run()
    with Client() as client, opened(client, tmp_path) as box:
        box.put(created, *new_reports(created.flow_run_id, 10))
        assert not box.flush(20)
        fickle.start()
        assert box.flush(20)
        assert slugs(client, created.flow_run_id) == [f"inc-{index}" for index in range(10)]
    assert list(tmp_path.iterdir()) == []


def test_every_absence_of_the_service_is_said_once(
    fickle: Fickle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    created = new_flow_run()
    with Client() as client, opened(client, tmp_path) as box:
        for part in range(2):
            box.put(created, new_report(created.flow_run_id, f"inc-{part}"))
            assert not box.flush(20)
            assert not box.flush(20)
            fickle.start()
            assert box.flush(20)
            fickle.kill()

    said = "Reports are kept for now, because they cannot be sent: No response from "
    assert [message[: len(said)] for message in caplog.messages] == [said, said]


def test_nothing_is_lost_and_nothing_twice_while_the_service_is_killed_again_and_again(fickle: Fickle) -> None:
    with flow_run("etl") as run:
        inc.map(range(2000))
        for _ in range(3):
            fickle.start()
            run.flush(0.2)
            inc.map(range(1000))
            fickle.kill()
            inc.map(range(1000))
        inc.map(range(2000))
        fickle.start()

    assert run.flush(30)
    views = run.view().get_all_task_runs()
    children = Counter((view.state.type, view.task_run.version) for view in views if view.map_index >= 0)
    assert children == {(StateType.SUCCESS, 3): 10_000}
    parents = [view.task_run.version for view in views if view.map_index < 0]
    assert parents == [2] * 8
    assert run.view().state == "Success"


def test_memory_is_bounded_and_a_file_takes_the_rest(fickle: Fickle, tmp_path: Path) -> None:
    created = new_flow_run()
    with Client() as client, opened(client, tmp_path) as box:
        box.put(created)
        box.flush(20)
        for report in new_reports(created.flow_run_id, 15_000):
            box.put(report)
        assert len(box._memory) <= outbox.MAX_IN_MEMORY
        (path,) = tmp_path.iterdir()
        assert path.name.endswith(".reports.jsonl")
        fickle.start()
        assert box.flush(60)
        assert slugs(client, created.flow_run_id) == [f"inc-{index}" for index in range(15_000)]
    assert list(tmp_path.iterdir()) == []


def test_what_is_left_at_the_end_is_in_one_file_in_its_order(
    client: Client, away: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    created = new_flow_run()
    with opened(away, tmp_path) as box:
        box.put(created)
        box.flush(20)
        for report in new_reports(created.flow_run_id, 12_000):
            box.put(report)
        began = time.monotonic()
        box.close()
        assert time.monotonic() - began < 5

    (path,) = tmp_path.iterdir()
    assert caplog.messages[-1] == f"12001 reports could not be sent. They are in {path}: `taskruns flush` sends them."
    assert flush(tmp_path, client) == outbox.Flushed(sent=12_001, refused=0, unreadable=0, left=0, problems=[])
    assert slugs(client, created.flow_run_id) == [f"inc-{index}" for index in range(12_000)]
    assert list(tmp_path.iterdir()) == []


def test_what_is_reported_after_the_end_is_left_in_a_file_too(client: Client, tmp_path: Path) -> None:
    created = new_flow_run()
    box = Outbox(client, tmp_path)
    box.close()
    box.put(created)
    box.put(new_report(created.flow_run_id, "inc-1"))

    assert flush(tmp_path, client) == outbox.Flushed(sent=2, refused=0, unreadable=0, left=0, problems=[])
    assert slugs(client, created.flow_run_id) == ["inc-1"]


def test_folder_that_can_not_be_written_keeps_reports_in_memory_and_says_so(
    fickle: Fickle, caplog: pytest.LogCaptureFixture
) -> None:
    created = new_flow_run()
    with Client() as client, opened(client, Path("/dev/null/outbox")) as box:
        box.put(created)
        box.flush(20)
        for report in new_reports(created.flow_run_id, 12_000):
            box.put(report)
        fickle.start()
        assert box.flush(60)
        assert len(slugs(client, created.flow_run_id)) == 12_000
        fickle.kill()
        box.put(new_report(created.flow_run_id, "inc-1"))

    messages = [message.split(":")[0] for message in caplog.messages]
    assert messages.count("10001 reports stay in memory, because /dev/null/outbox cannot be written") == 1
    assert messages[-1] == "1 reports are lost"


def test_service_that_never_answers_delays_nobody(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = Client(f"http://127.0.0.1:{listener.getsockname()[1]}")
        created = new_flow_run()
        began = time.monotonic()
        with client, opened(client, tmp_path) as box:
            box.put(created, *new_reports(created.flow_run_id, 1000))
            assert time.monotonic() - began < 0.2
            assert not box.flush(0.2)
            box.close(0.2)
            assert time.monotonic() - began < 2

    (path,) = tmp_path.iterdir()
    assert len(path.read_bytes().splitlines()) == 1002


def test_reports_that_a_key_is_missing_for_are_kept(
    fickle: Fickle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fickle.start(require_keys=True)
    created = new_flow_run()
    with Client() as client, opened(client, tmp_path) as box:
        box.put(created)
        assert not box.flush(20)
    (path,) = tmp_path.iterdir()
    outcome = flush(tmp_path)
    assert (outcome.sent, outcome.refused, outcome.left) == (0, 0, 1)
    assert outcome.problems[0].startswith(f"{path.name}: ")
    assert "(401 unauthenticated" in outcome.problems[0]

    database = f"sqlite:///{fickle._folder / 'taskruns.db'}"
    key = call_command("keys", "create", "--scope", "write", "--name", "recorder", TASKRUNS_DATABASE_URL=database)
    monkeypatch.setenv("TASKRUNS_API_KEY", key.stdout.split()[0])
    assert flush(tmp_path).sent == 1


# Reports that only hurry ahead, as those of workers


def test_report_that_is_quicker_than_its_flow_run_is_sent_once_more(client: Client, tmp_path: Path) -> None:
    created = new_flow_run()
    with opened(client, tmp_path, persistent=False) as box:
        box.put(new_report(created.flow_run_id, "inc-1"))
        threading.Timer(0.2, lambda: Sender(client).send([created])).start()
        eventually(lambda: slugs(client, created.flow_run_id) == ["inc-1"])


def test_reports_that_do_not_last_leave_nothing_behind(
    client: Client, away: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for unfit in (client, away):
        with opened(unfit, tmp_path, persistent=False) as box:
            for report in new_reports(uuid4(), 10_100):
                box.put(report)
            box.flush(0.5)
            began = time.monotonic()
        assert time.monotonic() - began < 0.5
    assert list(tmp_path.iterdir()) == []
    assert caplog.messages == []
