"""Streams: how soon changes arrive, what a delivery costs the service, and what watchers cost those who report."""

import asyncio
import os
import re
import selectors
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg
import httpx

from tests.benchmarks import servers
from tests.benchmarks.dataset import Dataset
from tests.benchmarks.limit import Timing, bulk
from tests.benchmarks.load import Rate, in_turn
from tests.benchmarks.report import Row, Table
from tests.processes import workers_of
from tests.service import Served
from tests.sockets import begin_flow_run

FEW, MANY = 50, 1_000
COMMITS_PER_SECOND = 20
MICROSECONDS = 1e6
FLUSH_SECONDS = 2
"""Within this time, PostgreSQL's connections report what they have done."""
_EVENT = b"event: task_runs"
_UPDATED = re.compile(rb'"updated":"([^"]+)"')
_TICKS = os.sysconf("SC_CLK_TCK")


class Arrivals(NamedTuple):
    """What came to the watchers of one flow run."""

    seconds: list[float]
    """From each change until it was received."""
    deliveries: int
    cpu: float
    """The seconds of the service for each delivery, without those of the reports."""
    memory: float
    """The MiB that the service took for the watchers."""


class Watchers(threading.Thread):
    """Open streams that are read with as little work as can be."""

    def __init__(self, service: Served, paths: Sequence[str]) -> None:
        super().__init__(daemon=True)
        self.seconds: list[float] = []
        self.deliveries = 0
        self.begun = 0
        self._is_over = False
        self._selector = selectors.DefaultSelector()
        url = urlsplit(service.url)
        for path in paths:
            connection = socket.create_connection((url.hostname, url.port))
            connection.sendall(f"GET {path}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            self._selector.register(connection, selectors.EVENT_READ)
        self._count = len(paths)

    def run(self) -> None:
        """Reads what comes."""
        while not self._is_over:
            for key, _ in self._selector.select(0.1):
                received = key.fileobj.recv(262_144)  # type: ignore[union-attr]
                now = time.time()
                self.begun += b"event: flow_run" in received
                if events := received.count(_EVENT):
                    self.deliveries += events
                    changes = received.partition(_EVENT)[2].partition(b"event: flow_run")[0]
                    for updated in _UPDATED.findall(changes):
                        self.seconds.append(now - datetime.fromisoformat(updated.decode()).timestamp())

    def wait(self) -> None:
        """Waits until all have their first event."""
        while self.begun < self._count:
            time.sleep(0.05)

    def close(self) -> None:
        """Closes all streams."""
        self._is_over = True
        self.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]


@contextmanager
def watched(service: Served, paths: Sequence[str]) -> Iterator[Watchers]:
    """Watchers of flow runs, for the time of a `with` block."""
    watchers = Watchers(service, paths)
    watchers.start()
    watchers.wait()
    try:
        yield watchers
    finally:
        watchers.close()


def measure(url: str, known: Dataset, timing: Timing) -> Table:
    """Watchers of one flow run on both databases, and reports with watchers beside them."""
    figures: dict[str, list[Arrivals]] = {}
    with tempfile.TemporaryDirectory() as folder:
        urls = {"PostgreSQL": url, "SQLite": servers.migrated(f"sqlite:///{Path(folder) / 'streams.db'}")}
        for _ in range(timing.rounds):
            for database, database_url in urls.items():
                for count in (FEW, MANY):
                    arrivals = watch_one(database_url, count, timing.seconds)
                    figures.setdefault(f"{count} {database}", []).append(arrivals)
        idle = {
            database: Rate(idle_percent(database_url, 4 * timing.seconds) for _ in range(timing.rounds))
            for database, database_url in urls.items()
        }
    rows = []
    for count, most, worst in ((FEW, 100, 300), (MANY, 200, 1000)):
        both = [figures[f"{count} {database}"] for database in ("PostgreSQL", "SQLite")]
        rows.append(_row(f"{count:,} watchers: median ms", both, median_ms, most))
        rows.append(_row(f"{count:,} watchers: p99 ms", both, p99_ms, worst))
    both = [figures[f"{MANY} {database}"] for database in ("PostgreSQL", "SQLite")]
    rows += [
        _row(f"{MANY:,} watchers: CPU of a delivery, µs", both, lambda arrivals: MICROSECONDS * arrivals.cpu, 40),
        _row(f"{MANY:,} watchers: memory, MiB", both, lambda arrivals: arrivals.memory, 60),
    ]
    rows.append(
        Row(
            f"{MANY:,} watchers of {MANY:,} idle flow runs: CPU, % of a core",
            [*idle.values()],
            max(idle.values(), key=lambda rate: rate.median),
            most=5,
        )
    )
    statements = idle_statements(url, timing)
    pairs = zip(statements["with"], statements["without"], strict=True)
    rows.append(
        Row(
            f"{MANY:,} watchers of {MANY:,} idle flow runs: statements/s on PostgreSQL",
            [*statements.values()],
            Rate(watched_rate - rate for watched_rate, rate in pairs),
            most=5,
        )
    )
    rates = reports_beside_watchers(url, known, timing)
    ratio = rates["with"].over(rates["without"])
    rows.append(
        Row(f"1,000 transitions a request beside {MANY:,} watchers, transitions/s", [*rates.values()], ratio, 0.9)
    )
    return Table("Streams", STREAMS, ["PostgreSQL", "SQLite"], rows)


def watch_one(url: str, count: int, seconds: int) -> Arrivals:
    """Watchers of one flow run that changes 20 times a second."""
    with servers.service(url) as service, httpx.Client(base_url=service.url) as client:
        path = begin_flow_run(client)
        (worker,) = workers_of(service)
        before = cpu_of(worker)
        commit(client, path, seconds)
        without = cpu_of(worker) - before
        memory = memory_of(worker)
        with watched(service, [path] * count) as watchers:
            growth = memory_of(worker) - memory
            before = cpu_of(worker)
            commit(client, path, seconds)
            time.sleep(1)
            cpu = cpu_of(worker) - before - without
            return Arrivals(watchers.seconds, watchers.deliveries, cpu / watchers.deliveries, growth)


def commit(client: httpx.Client, path: str, seconds: int) -> None:
    """Reports a state 20 times a second."""
    began = time.monotonic()
    for number in range(COMMITS_PER_SECOND * seconds):
        item = {"task_slug": f"t-{number % 50}", "states": [{"type": "Running" if number % 2 else "Retrying"}]}
        client.post(f"{path}/task-runs", json={"items": [item]}).raise_for_status()
        time.sleep(max(0, began + (number + 1) / COMMITS_PER_SECOND - time.monotonic()))


def idle_percent(url: str, seconds: int) -> float:
    """The CPU of the service, in percent of a core, while flow runs are watched that do not change."""
    with servers.service(url) as service, httpx.Client(base_url=service.url) as client:
        (worker,) = workers_of(service)
        with watched(service, [begin_flow_run(client) for _ in range(MANY)]):
            before = cpu_of(worker)
            time.sleep(seconds)
            return 100 * (cpu_of(worker) - before) / seconds


def idle_statements(url: str, timing: Timing) -> dict[str, Rate]:
    """The statements a second of a service to which nobody reports, with watchers and without any."""
    with servers.service(url) as service, httpx.Client(base_url=service.url) as client:
        paths = [begin_flow_run(client) for _ in range(MANY)]

        def with_watchers() -> float:
            with watched(service, paths):
                return statements_per_second(url, 4 * timing.seconds)

        return in_turn(
            timing.rounds,
            {"with": with_watchers, "without": lambda: statements_per_second(url, 4 * timing.seconds)},
        )


def statements_per_second(url: str, seconds: int) -> float:
    """The transactions of a database, which are of one statement each while nobody reports."""
    time.sleep(FLUSH_SECONDS)
    before, began = asyncio.run(transactions_of(url)), time.monotonic()
    time.sleep(seconds)
    return (asyncio.run(transactions_of(url)) - before) / (time.monotonic() - began)


async def transactions_of(url: str) -> int:
    """How many transactions a database has had, without those of this question."""
    place, _, name = url.replace("+asyncpg", "").rpartition("/")
    connection = await asyncpg.connect(f"{place}/postgres")
    try:
        count: int = await connection.fetchval(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = $1", name
        )
        return count
    finally:
        await connection.close()


def reports_beside_watchers(url: str, known: Dataset, timing: Timing) -> dict[str, Rate]:
    """Bulk reports, with watchers of flow runs and without any."""
    with servers.service(url) as service, httpx.Client(base_url=service.url) as client:
        paths = [begin_flow_run(client) for _ in range(MANY)]

        def with_watchers() -> float:
            with watched(service, paths):
                return bulk(service.url, known, timing.seconds)

        return in_turn(
            timing.rounds,
            {"with": with_watchers, "without": lambda: bulk(service.url, known, timing.seconds)},
        )


def _row(question: str, both: list[list[Arrivals]], figure: Callable[[Arrivals], float], most: float) -> Row:
    rates = [Rate(map(figure, rounds)) for rounds in both]
    return Row(question, rates, max(rates, key=lambda rate: rate.median), most=most)


def median_ms(arrivals: Arrivals) -> float:
    """How soon half of the changes arrived, in milliseconds."""
    return 1000 * statistics.median(arrivals.seconds)


def p99_ms(arrivals: Arrivals) -> float:
    """How soon 99 of 100 changes arrived, in milliseconds."""
    return 1000 * quantile(arrivals.seconds, 0.99)


def quantile(values: Sequence[float], part: float) -> float:
    """The value that this part of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def cpu_of(pid: int) -> float:
    """The seconds of CPU that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_of(pid: int) -> float:
    """The memory of a process in MiB."""
    match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert match is not None
    return int(match[1]) / 1024


STREAMS = f"""\
Watchers of one flow run that changes {COMMITS_PER_SECOND} times a second, by a client on the same machine: from the
moment of the change until its event is received. The CPU is that of the service, less that of the same reports without
watchers. Reports are those of other flow runs. The second figures of the last two rows are without watchers; of the
statements, which include those by which a service looks after its counts, the difference is judged."""
