"""The only place that runs the service for the tests: inside of the test, or in a process of its own."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, redirect_stderr, redirect_stdout, suppress
from itertools import cycle
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from litestar.types import ASGIApp

from taskruns_service.cli import main
from taskruns_service.settings import Settings
from tests.pgbouncer import default_url, is_pooled
from tests.postgres import free_port

PROGRAM = Path(sys.executable).with_name("taskruns-service")
START_SECONDS = 180
STOP_SECONDS = 40


def settings_of(database_url: str, **others: Any) -> Settings:
    """Settings for one database that wait for no disk."""
    return Settings(**{"database_url": database_url, "synchronous": "NORMAL", "log_level": "error", **others})


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """Starts an application as a server does, gives a client that asks it without a network, and stops it."""
    to_app: asyncio.Queue[Any] = asyncio.Queue()
    from_app: asyncio.Queue[Any] = asyncio.Queue()
    scope: Any = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    asgi: Any = app
    lifespan = asyncio.create_task(asgi(scope, to_app.get, from_app.put))

    async def tell(word: str) -> None:
        await to_app.put({"type": f"lifespan.{word}"})
        answer = await from_app.get()
        assert answer == {"type": f"lifespan.{word}.complete"}, answer

    await tell("startup")
    try:
        # What the server would answer with 500 must not end in the test as the exception itself.
        transport = httpx.ASGITransport(asgi, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client
    finally:
        await tell("shutdown")
        await lifespan


class Served:
    """The service in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, folder: Path, database_url: str) -> None:
        self.process = process
        self.url = url
        self.database_url = database_url
        self._folder = folder

    def client(self, **options: Any) -> httpx.Client:
        """A client of it, to be closed by whoever asked for it."""
        # There is no TLS, and reading the certificates of authorities for it takes longer than most tests.
        return httpx.Client(base_url=self.url, timeout=START_SECONDS, verify=False, **options)

    def output(self) -> str:
        """All that it has printed so far, on standard output and on standard error."""
        return "".join(path.read_text(errors="replace") for path in (self._folder / "stdout", self._folder / "stderr"))

    def ask_to_stop(self) -> None:
        """Sends SIGTERM and does not wait."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Sends SIGTERM, waits for the end, and returns the exit code."""
        self.ask_to_stop()
        return self.process.wait(STOP_SECONDS)


@contextmanager
def served(
    database_url: str, folder: Path, *arguments: str, port: int | None = None, **settings: Any
) -> Iterator[Served]:
    """Runs `taskruns-service serve` on a free port of 127.0.0.1 until the block ends.

    `settings` go into the environment; what it prints goes into files in `folder`.
    """
    with starting(database_url, folder, *arguments, port=port, **settings) as service:
        _wait_for_health(service)
        yield service


@contextmanager
def starting(
    database_url: str, folder: Path, *arguments: str, port: int | None = None, **settings: Any
) -> Iterator[Served]:
    """Does what `served` does, but does not wait until the service answers."""
    port = port or free_port()
    environment = environment_of(TASKRUNS_DATABASE_URL=default_url(database_url), TASKRUNS_PORT=port)
    if is_pooled(database_url):
        environment["TASKRUNS_POOLER"] = "transaction"
    environment |= {f"TASKRUNS_{name.upper()}": str(value) for name, value in settings.items()}
    with (folder / "stdout").open("ab") as out, (folder / "stderr").open("ab") as err:
        command = [str(PROGRAM), "serve", *arguments]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
    service = Served(process, f"http://127.0.0.1:{port}", folder, database_url)
    try:
        yield service
    finally:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            process.kill()
            process.wait()


def client_in_turn(services: Sequence[Served]) -> httpx.Client:
    """A client whose requests go to one process after another, to be closed by whoever asked for it."""
    ports = cycle([httpx.URL(service.url).port for service in services])

    def send_to_next(request: httpx.Request) -> None:
        request.url = request.url.copy_with(port=next(ports))

    return services[0].client(event_hooks={"request": [send_to_next]})


def _wait_for_health(service: Served) -> None:
    deadline = time.monotonic() + START_SECONDS
    with service.client() as client:
        while True:
            with suppress(httpx.TransportError):
                if client.get("/health").status_code == 200:
                    return
            if service.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The service did not start:\n{service.output()}")
            time.sleep(0.05)


def run_command(*arguments: str, **environment: Any) -> subprocess.CompletedProcess[str]:
    """Runs `taskruns-service` with these arguments to its end."""
    return subprocess.run(
        [PROGRAM, *arguments],
        check=False,
        env=environment_of(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )


def call_command(*arguments: str, **environment: Any) -> subprocess.CompletedProcess[str]:
    """Does what `run_command` does in a thread of the test's own process, which is quicker; a loop may be running."""
    out, err = io.StringIO(), io.StringIO()
    own = patch.dict(os.environ, environment_of(**environment), clear=True)
    command_line = patch.object(sys, "argv", [PROGRAM.name, *arguments])
    code = 0
    with own, command_line, redirect_stdout(out), redirect_stderr(err), ThreadPoolExecutor(1) as thread:
        try:
            thread.submit(main).result()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else bool(end.code)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def environment_of(**settings: Any) -> dict[str, str]:
    """The environment of the tests, with these settings of the service and no others."""
    own: Mapping[str, str] = {name: value for name, value in os.environ.items() if not name.startswith("TASKRUNS_")}
    return {**own, **{name: str(value) for name, value in settings.items()}}


def problem_of(response: httpx.Response) -> dict[str, Any]:
    """The problem in a response, after what is the same for all of them has been checked and taken out."""
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    code = problem["code"]
    assert problem.pop("request_id") == response.headers["x-request-id"]
    assert problem.pop("status") == response.status_code
    assert problem.pop("type") == f"urn:taskruns:problem:{code}"
    assert problem.pop("title") == code.replace("-", " ").capitalize()
    assert problem.pop("instance") == response.request.url.path
    return problem
