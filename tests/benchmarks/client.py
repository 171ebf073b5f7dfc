"""What the Python client costs: decoding, iterating, loading results and recording, on a service of this machine."""

import logging
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from taskruns import Client, flow_run, task
from taskruns._generated.api.task_runs import list_task_runs
from taskruns.models import StateCreate, StateType, TaskRunReport
from taskruns.recording.heartbeats import HEARTBEAT_SECONDS
from taskruns.results import JSONSerializer, LocalResult
from tests.benchmarks.load import Rate
from tests.service import served

ITEMS = 100_000
CHILDREN = 1000
RECORDED = 10_000
PAGE_SIZE = 1000
BEAT_SECONDS = 0.1
"""Much more often than they come by default, so that there are some in so short a run."""
WITH_LOGS = "record and send a map of 10,000 that log a line each, with heartbeats, seconds"
WITHOUT_LOGS = "the same without its log and heartbeats, seconds"
MOST = {WITH_LOGS: 1.1}
"""How many times the figure without them may be."""
_log = logging.getLogger("tests.benchmarks")
_log.setLevel(logging.INFO)
_log.propagate = False
_log.addHandler(logging.NullHandler())


def measure(rounds: int) -> dict[str, Rate]:
    """The figures of the client, on SQLite, taken in turn."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TASKRUNS_HOME"] = folder
        database = f"sqlite:///{folder}/taskruns.db"
        with served(database, Path(folder), log_level="warning") as service, Client(service.url) as client:
            fill(client)
            mapped = record_results(client)
            page = client.send_raw(call := list_task_runs.build(flow_name=["bench"], limit=PAGE_SIZE)).content
            growth = Rate()

            def iterate() -> float:
                before = peak_memory()
                spent = seconds(lambda: exhaust(client.task_runs.list(flow_name=["bench"], limit=PAGE_SIZE)))
                growth.append(peak_memory() - before)
                return ITEMS / spent

            questions: dict[str, Callable[[], float]] = {
                "decode a page of 1,000 task runs, milliseconds": lambda: 1e3 * seconds(lambda: call.decode(200, page)),
                "iterate over 100,000 task runs, per second": iterate,
                "load the results of 1,000 children (JSON files), seconds": lambda: seconds(mapped),
                "record a child of a map of 10,000, microseconds": lambda: 1e6 * recording(client) / RECORDED,
                "the same without its log, microseconds": lambda: (
                    1e6 * recording(client, capture_logs=False) / RECORDED
                ),
                WITH_LOGS: lambda: seconds(lambda: recording(client, lines=1, heartbeat=BEAT_SECONDS)),
                WITHOUT_LOGS: lambda: seconds(lambda: recording(client, lines=1, capture_logs=False, heartbeat=None)),
                "log a line in a task, microseconds": lambda: 1e6 * logging_lines(client) / RECORDED,
                "the same outside of a flow run, microseconds": lambda: 1e6 * seconds(log_lines) / RECORDED,
            }
            rates = {name: Rate() for name in questions}
            for _ in range(rounds):
                for name, ask in questions.items():
                    rates[name].append(ask())
            rates["growth of memory while iterating, MB"] = growth
            return rates


def fill(client: Client) -> None:
    """Records the task runs to iterate over."""
    flow_run_id = client.flow_runs.create(flow_name="bench").id
    success = [StateCreate(type=StateType.SUCCESS)]
    for slug in range(ITEMS // PAGE_SIZE):
        items = [TaskRunReport(task_slug=f"t-{slug}", map_index=n, states=success) for n in range(PAGE_SIZE)]
        client.flow_runs.report(flow_run_id, items=items)


def record_results(client: Client) -> Callable[[], object]:
    """Records a map of which each child keeps a result, and gives what loads them all."""

    @task(result=LocalResult(serializer=JSONSerializer()))
    def double(x: int) -> int:
        return 2 * x

    with flow_run("results", client=client) as run:
        double.map(range(CHILDREN))
    parent = run.view().get_task_run("double-1")
    return lambda: parent.get_latest().get_result()


def recording(
    client: Client, *, lines: int = 0, capture_logs: bool = True, heartbeat: float | None = HEARTBEAT_SECONDS
) -> float:
    """Seconds that the caller waits for a map of tasks that only log so many lines each and keep nothing."""

    @task(result=None, capture_logs=capture_logs)
    def nothing(x: int) -> None:
        for number in range(lines):
            _log.info("Loaded %d rows of %s.", number, "orders")

    with flow_run("recording", client=client, heartbeat=heartbeat) as run:
        spent = seconds(lambda: nothing.map(range(RECORDED)))
    run.flush(60)
    return spent


def logging_lines(client: Client) -> float:
    """Seconds that a task takes to log as many lines as are recorded of it."""
    with flow_run("logging", client=client) as run:
        spent = seconds(task(result=None)(log_lines))
    run.flush(60)
    return spent


def log_lines() -> None:
    """Logs lines, for no handler."""
    for number in range(RECORDED):
        _log.info("Loaded %d rows of %s.", number, "orders")


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def exhaust(items: Iterable[object]) -> None:
    """Takes all items, and keeps none."""
    for _ in items:
        pass


def peak_memory() -> float:
    """The most memory that this process ever had, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
