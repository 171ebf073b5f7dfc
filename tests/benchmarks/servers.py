"""The servers that are measured, each in a process of its own: the service, what it is compared with, PostgreSQL."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.postgres import PostgresServer, free_port, running_postgres
from tests.service import Served, served

START_SECONDS = 90
DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
}
ROOT = Path(__file__).parents[2]


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """A server that keeps what it has confirmed, with memory for what is asked often."""
    with running_postgres(**DURABLE) as server:
        yield server


def migrated(url: str) -> str:
    """Brings a new database up to date as an operator would."""
    environment = {**os.environ, "TASKRUNS_DATABASE_URL": url}
    subprocess.run(
        [sys.executable, "-m", "taskruns_service", "migrate"], check=True, env=environment, stdout=subprocess.DEVNULL
    )
    return url


@contextmanager
def service(url: str, **settings: Any) -> Iterator[Served]:
    """The service as an operator starts it, in one process unless told otherwise."""
    with tempfile.TemporaryDirectory() as folder, served(url, Path(folder), log_level="warning", **settings) as running:
        yield running


@contextmanager
def other(application: str, **environment: str) -> Iterator[str]:
    """An application of `bare` on the server that the service runs on, started in the same way; gives its URL."""
    port = free_port()
    options = [
        "--interface=asgi",
        "--host=127.0.0.1",
        f"--port={port}",
        "--factory",
        "--loop=auto",
        "--log-level=error",
    ]
    command = [sys.executable, "-m", "granian", *options, f"tests.benchmarks.bare:{application}"]
    with process(command, f"http://127.0.0.1:{port}/health", environment):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def process(command: list[str], ready: str, environment: Mapping[str, str]) -> Iterator[int]:
    """A server's process for the time of a `with` block, once the URL `ready` answers; gives its id."""
    with tempfile.TemporaryFile() as log:
        started = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _answers(ready):
                if started.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RuntimeError(f"{command[0]} did not start:\n{log.read().decode(errors='replace')}")
                time.sleep(0.2)
            yield started.pid
        finally:
            started.terminate()
            started.wait(60)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


class Memory(NamedTuple):
    """What a process and its children take, in MB."""

    proportional: float
    """A page that several processes have is shared out among them (PSS)."""
    resident: float
    """A page that several processes have counts for each (RSS)."""


def memory_of(pid: int) -> Memory:
    """The memory of a process and its children at the moment (Linux only)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = Path(f"/proc/{pid}/smaps_rollup").read_text()
    parts = [Memory(*(int(own.partition(f"\n{name}:")[2].split()[0]) / 1000 for name in ("Pss", "Rss")))]
    parts += [memory_of(int(child)) for child in children]
    return Memory(*map(sum, zip(*parts, strict=True)))
