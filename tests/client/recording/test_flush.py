"""`taskruns flush`: files that processes left are sent to their services, and what is refused is kept."""

import threading
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from taskruns import Client
from taskruns.recording import outbox
from taskruns.recording.outbox import Outbox, flush
from tests.client.recording.reports import new_flow_run, new_report, new_reports, slugs
from tests.service import Served


def left_by(folder: Path, client: Client, *reports: Any) -> None:
    """Leaves a file as a process does that ends while the service is away."""
    box = Outbox(client, folder)
    box.close()
    box.put(*reports)


def test_flush_sends_files_to_the_services_they_were_meant_for(
    client: Client, away: Client, service: Served, tmp_path: Path
) -> None:
    first, second = new_flow_run(), new_flow_run()
    left_by(tmp_path, away, second)
    left_by(tmp_path, client, first)

    outcome = flush(tmp_path)
    assert (outcome.sent, outcome.refused, outcome.left) == (1, 0, 1)
    assert client.flow_runs.get(first.flow_run_id).flow_name == "etl"
    (path,) = tmp_path.iterdir()
    assert outcome.problems[0].startswith(f"{path.name}: No response from {away.options.url}/flow-runs: ")
    assert flush(tmp_path, client).sent == 1
    assert client.flow_runs.get(second.flow_run_id).flow_name == "etl"


def test_flush_goes_on_after_a_file_that_it_can_not_read(client: Client, tmp_path: Path) -> None:
    (tmp_path / "0.reports.jsonl").write_bytes(b"")
    left_by(tmp_path, client, new_flow_run())
    (tmp_path / "z.reports.jsonl").mkdir()

    outcome = flush(tmp_path)
    assert (outcome.sent, outcome.refused, outcome.left) == (1, 0, 2)
    assert [problem.split(":")[0] for problem in outcome.problems] == ["0.reports.jsonl", "z.reports.jsonl"]


def test_flush_counts_what_is_refused_and_keeps_it(client: Client, tmp_path: Path) -> None:
    created = new_flow_run()
    left_by(tmp_path, client, created, new_report(created.flow_run_id, "a\0"), new_report(created.flow_run_id, "inc-1"))

    outcome = flush(tmp_path)
    assert (outcome.sent, outcome.refused, outcome.left, len(outcome.problems)) == (2, 1, 0, 1)
    (path,) = tmp_path.iterdir()
    assert path.name.endswith(".refused.jsonl")
    assert slugs(client, created.flow_run_id) == ["inc-1"]


def test_flush_that_is_cut_short_keeps_the_file_and_refuses_nothing_twice(service: Served, tmp_path: Path) -> None:
    created = new_flow_run()
    reports = [new_report(uuid4(), "lost"), created, *new_reports(created.flow_run_id, 4000)]
    requests = Counter[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        requests[request.url.path] += 1
        if request.url.path.endswith("/task-runs") and requests.total() > 6 and not back.is_set():
            raise httpx.ConnectError("gone", request=request)
        return transport.handle_request(request)

    back = threading.Event()
    with httpx.HTTPTransport() as transport, httpx.Client(transport=httpx.MockTransport(answer)) as http_client:
        client = Client(service.url, http_client=http_client, max_retries=0)
        left_by(tmp_path, client, *reports)
        outcome = flush(tmp_path, client)
        assert (outcome.sent, outcome.refused, outcome.left) == (2999, 1, 1)
        back.set()
        # What was sent is not sent again.
        outcome = flush(tmp_path, client)
        assert (outcome.sent, outcome.refused, outcome.left) == (1002, 0, 0)
        (path,) = tmp_path.iterdir()
        assert len(path.read_bytes().splitlines()) == 1
        assert len(slugs(client, created.flow_run_id)) == 4000


def test_flush_of_a_folder_that_is_not_there_has_nothing_to_do(tmp_path: Path) -> None:
    assert flush(tmp_path / "outbox") == outbox.Flushed(sent=0, refused=0, unreadable=0, left=0, problems=[])
