"""Measures the running service and writes docs/benchmarks.md: `make bench ARGS=--help`."""

import argparse
import asyncio
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from tests.benchmarks import client, data, load
from tests.benchmarks.load import Rate
from tests.postgres import running_postgres
from tests.service import served

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
NO_OP = "/health"
DURABLE = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "512MB", "max_wal_size": "4GB"}
IDS = 20_000


def main() -> None:
    """Runs everything, once for each size, and writes the page."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--sizes", default="10000,1000000", help="task runs in the database (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each figure, taken in turn (%(default)s)")
    parser.add_argument("--seconds", type=float, default=3, help="length of a run (%(default)s)")
    parser.add_argument("--output", type=Path, default=PAGE, help="the page to write")
    arguments = parser.parse_args()
    load.require_wrk()
    tables = []
    with running_postgres(**DURABLE) as server:
        for size in map(int, arguments.sizes.split(",")):
            url = server.create_database()
            migrate(url)
            asyncio.run(data.fill(url, size))
            tables.append((f"PostgreSQL, {size:,} task runs", measure(url, arguments.rounds, arguments.seconds)))
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/taskruns.db"
        migrate(url)
        tables.append(("SQLite, synchronous=FULL, 20,000 task runs", measure(url, arguments.rounds, arguments.seconds)))
    arguments.output.write_text(page(tables, client.measure(arguments.rounds)))
    sys.stdout.write(f"Wrote {arguments.output}.\n")


def migrate(url: str) -> None:
    """Brings a new database up to date as an operator would."""
    environment = {**os.environ, "TASKRUNS_DATABASE_URL": url}
    subprocess.run([sys.executable, "-m", "taskruns_service", "migrate"], check=True, env=environment)


def measure(url: str, rounds: int, seconds: float) -> dict[str, Rate]:
    """The figures of one database. They are taken in turn, so that all meet the same weather on the machine."""
    with tempfile.TemporaryDirectory() as folder, served(url, Path(folder), log_level="warning") as service:
        base = service.url
        with service.client() as http:
            ids, flow_run_id = known_ids(http)
        questions: dict[str, Callable[[], float]] = {
            "no-op": lambda: load.read(base + NO_OP, seconds),
            "one task run by id": lambda: load.read(f"{base}/task-runs/{ids[0]}", seconds),
            "100 task runs of a flow run": lambda: load.read(f"{base}/flow-runs/{flow_run_id}/task-runs", seconds),
            "100 task runs, newest first": lambda: load.read(f"{base}/task-runs", seconds),
            "count by state": lambda: load.read(f"{base}/task-runs/aggregate?state=Success", seconds),
            "one transition a request": lambda: load.report(base, ids, 1, seconds),
            "1,000 transitions a request": lambda: load.report(base, ids, 1000, seconds),
        }
        rates = {name: Rate() for name in questions}
        for _ in range(rounds):
            for name, ask in questions.items():
                rates[name].append(ask())
        return rates


def known_ids(client: httpx.Client) -> tuple[list[str], str]:
    """Ids of task runs, those of a flow run together, and of one flow run; they are recorded where there are none."""
    if not client.get("/flow-runs").json()["items"]:
        record(client)
    flow_runs = client.get("/flow-runs", params={"limit": IDS // data.TASK_RUNS_OF_A_FLOW_RUN}).json()["items"]
    ids = [
        one["id"]
        for flow_run in flow_runs
        for one in client.get(f"/flow-runs/{flow_run['id']}/task-runs", params={"fields": "id"}).json()["items"]
    ]
    return ids, flow_runs[0]["id"]


def record(client: httpx.Client) -> None:
    """Records as many task runs as there are to be ids."""
    items = [{"task_slug": "inc-1", "map_index": n, "states": [{"type": "Success"}]} for n in range(100)]
    for _ in range(IDS // data.TASK_RUNS_OF_A_FLOW_RUN):
        flow_run_id = client.post("/flow-runs", json={"flow_name": "bench"}).raise_for_status().json()["id"]
        client.post(f"/flow-runs/{flow_run_id}/task-runs", json={"items": items}).raise_for_status()


def page(tables: list[tuple[str, dict[str, Rate]]], of_client: dict[str, Rate]) -> str:
    """The page, in Markdown."""
    return "".join(lines(tables, of_client))


def lines(tables: list[tuple[str, dict[str, Rate]]], of_client: dict[str, Rate]) -> Iterator[str]:
    """The lines of the page."""
    arguments = f' ARGS="{" ".join(sys.argv[1:])}"' if sys.argv[1:] else ""
    yield HEADER.format(cores=os.cpu_count(), python=platform.python_version(), command=f"make bench{arguments}")
    for title, rates in tables:
        yield f"\n## {title}\n\n| question | per second: median (least to most) | of the no-op |\n|---|---|---|\n"
        no_op = rates["no-op"].median
        for name, rate in rates.items():
            yield f"| {name} | {rate} | {rate.median / no_op:.3f} |\n"
    yield "\n## The Python client, on SQLite\n\n| what | median (least to most) |\n|---|---|\n"
    for name, rate in of_client.items():
        yield f"| {name} | {rate} |\n"


HEADER = """\
# Benchmarks

Written by `{command}`: wrk with 16 connections (4 for bulk requests), the service in one process and the
database all on one machine with {cores} cores, Python {python}. The figures of a table are taken in turn, several
times over; compare the ratios, since a shared machine's speed changes from minute to minute. The no-op is
`GET /health`, which does nothing: it is what the server and the framework cost. Every write is on the disk when it is
answered (PostgreSQL with `fsync`, SQLite with `synchronous=FULL`).
"""


if __name__ == "__main__":
    main()
