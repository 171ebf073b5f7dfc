"""The example program that sends changes to a webhook: run against a real receiver, and started again."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from taskruns import Client
from tests.client.live.watching import report
from tests.service import Served, environment_of
from tests.waiting import eventually

PROGRAM = Path(__file__).parents[3] / "client" / "examples" / "webhook_sender.py"


SLUGS = ("a-1", "b-1", "c-1")


class Receiver:
    """What has been sent to a webhook; it refuses every third request."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: list[str] = []
        self.states: dict[str, str] = {}
        self.requests = 0

    def has_states(self, states: dict[str, str]) -> bool:
        """Whether the task runs are in these states."""
        return self.states == states

    def receive(self, key: str, body: bytes) -> int:
        """Notes a change; the status of the response."""
        self.requests += 1
        if self.requests % 3 == 0:
            return 503
        self.keys.append(key)
        task_run = json.loads(body)
        self.states[task_run["task_slug"]] = task_run["state"]
        return 204


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook."""
    noted = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(noted.receive(self.headers["Idempotency-Key"], body))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        noted.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield noted
        server.shutdown()
        thread.join()


def test_every_change_is_sent_once_over_a_restart(sqlite_service: Served, receiver: Receiver, tmp_path: Path) -> None:
    with Client(sqlite_service.url) as client:
        flow_run = client.flow_runs.create(flow_name="f")
        command = [sys.executable, str(PROGRAM), str(flow_run.id), receiver.url, str(tmp_path / "position.db")]
        for state in ("Running", "Success"):
            with subprocess.Popen(command, env=environment_of(TASKRUNS_URL=sqlite_service.url)) as process:
                report(client, flow_run.id, state, *SLUGS)
                eventually(partial(receiver.has_states, dict.fromkeys(SLUGS, state)))
                process.terminate()
        sequences = {str(item.id): item.sequence for item in client.flow_runs.task_runs(flow_run.id)}
    last = dict(key.split(":") for key in receiver.keys)
    assert {identifier: int(sequence) for identifier, sequence in last.items()} == sequences


def test_program_is_short() -> None:
    assert len(PROGRAM.read_text().splitlines()) <= 60
