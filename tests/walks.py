"""Walks: which functions and modules of the service a request passes. `python -m tests.walks` prints a table.

A move is an entered function whose module is not that of the function entered before it. The table has the whole
request, and what lies between its handler and its last statement: without what admits requests and sends answers.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Mapping
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import taskruns_service
from taskruns_service.app import create_app
from taskruns_service.logs import configure_logs
from taskruns_service.settings import read_settings

ROOT = str(Path(taskruns_service.__file__).parent)
HANDLERS = f"{ROOT}/api/task_runs.py"
DRIVER = f"{ROOT}/storage/dialects/driver.py"
CLIENT = ("127.0.0.1", 50_000)
SERVER = ("127.0.0.1", 4200)

App = Callable[..., Awaitable[None]]


class Walk(NamedTuple):
    """The functions that one request entered, each as its file and its name."""

    functions: list[tuple[str, str]]

    @property
    def modules(self) -> int:
        """How many modules they are in."""
        return len({file for file, _ in self.functions})

    @property
    def moves(self) -> int:
        """How often the next function is in another module."""
        files = [file for file, _ in self.functions]
        return sum(file != following for file, following in pairwise(files))

    @property
    def to_the_statement(self) -> "Walk":
        """From the handler to its last statement."""
        files = [file for file, _ in self.functions]
        return Walk(self.functions[files.index(HANDLERS) : len(files) - files[::-1].index(DRIVER)])


async def call(app: App, method: str, path: str, body: Any = None) -> Any:
    """Sends a request to an application and returns the JSON that it answers."""
    content = b"" if body is None else json.dumps(body).encode()
    messages = [{"type": "http.request", "body": content, "more_body": False}]
    answer: list[Mapping[str, Any]] = []
    headers = [(b"host", b"127.0.0.1:4200")]
    if content:
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]

    async def receive() -> Mapping[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Mapping[str, Any]) -> None:
        answer.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": CLIENT,
        "server": SERVER,
        "extensions": {},
        "state": {},
    }
    await app(scope, receive, send)
    assert answer[0]["status"] < 300, answer
    return json.loads(answer[-1]["body"])


class Recorder:
    """Records the functions of the service that are entered, in all threads that start after it was made."""

    def __init__(self) -> None:
        self._functions: list[tuple[str, str]] | None = None
        self._frames: dict[int, FrameType] = {}
        threading.setprofile(self._record)
        sys.setprofile(self._record)

    async def walk(self, app: App, method: str, path: str, body: Any = None) -> Walk:
        """Sends a request and records what it enters."""
        self._functions = []
        try:
            await call(app, method, path, body)
            return Walk(self._functions)
        finally:
            self._functions = None
            self._frames.clear()

    def _record(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if self._functions is None or event != "call" or not code.co_filename.startswith(ROOT):
            return
        # A coroutine is called each time it resumes. To a reader, comprehensions and lambdas are no functions.
        if id(frame) not in self._frames and not code.co_name.startswith("<"):
            self._frames[id(frame)] = frame
            self._functions.append((code.co_filename, code.co_name))


async def run(url: str) -> None:
    """Walks a read and a write on a new database, and prints what they passed."""
    recorder = Recorder()
    app = create_app(read_settings({"TASKRUNS_DATABASE_URL": url}))
    started, stop = asyncio.Event(), asyncio.Event()
    messages = [{"type": "lifespan.startup"}]

    async def receive() -> Mapping[str, Any]:
        if not messages:
            await stop.wait()
            return {"type": "lifespan.shutdown"}
        return messages.pop()

    async def send(message: Mapping[str, Any]) -> None:
        assert "failed" not in message["type"], message
        started.set()

    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    lifespan = asyncio.create_task(app(scope, receive, send))  # type: ignore[arg-type]
    await started.wait()
    flow_run = (await call(app, "POST", "/flow-runs", {"flow_name": "walk"}))["id"]
    report = {"items": [{"task_slug": slug, "states": [{"type": "Pending"}]} for slug in ("warm-up", "measured")]}
    receipts = (await call(app, "POST", f"/flow-runs/{flow_run}/task-runs", report))["items"]
    lines = ["| request | functions | modules | moves | to the statement | modules | moves |", "|---" * 7 + "|"]
    for method, template, body in (
        ("GET", "/task-runs/{task_run_id}", None),
        ("POST", "/task-runs/{task_run_id}/states", {"type": "Running"}),
    ):
        # The first request compiles its statements.
        for receipt in receipts:
            path = template.format(task_run_id=receipt["task_run_id"])
            walked = await recorder.walk(app, method, path, body)
        counts = (
            count
            for walk in (walked, walked.to_the_statement)
            for count in (len(walk.functions), walk.modules, walk.moves)
        )
        lines.append(f"| {method} {template} | {' | '.join(map(str, counts))} |")
        if "--list" in sys.argv:
            lines += [f"  {file.removeprefix(ROOT)} {name}" for file, name in walked.functions]
    sys.stdout.write("\n".join(lines) + "\n")
    stop.set()
    await lifespan


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/walk.db"
        migrate = [sys.executable, "-m", "taskruns_service", "migrate"]
        subprocess.run(migrate, check=True, env=os.environ | {"TASKRUNS_DATABASE_URL": url}, stdout=subprocess.DEVNULL)
        configure_logs("warning", "json")
        asyncio.run(run(url))
