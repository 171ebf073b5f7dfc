"""Logs: how fast lines are recorded and found, and what they cost the reports of the runs that wrote them."""

from datetime import UTC, datetime

from taskruns_service.domain.ids import new_id
from tests.benchmarks import dataset, servers
from tests.benchmarks.dataset import PAGE, Dataset
from tests.benchmarks.limit import Timing, bulk
from tests.benchmarks.load import BULK_CONNECTIONS, BULK_TIMES, Ask, Batches, in_turn, rate
from tests.benchmarks.report import Row, Table

LINES = 1000
"""How many lines a request has."""
MOST = 120
"""How many requests a second there are to send at most."""


def measure(url: str, known: Dataset, timing: Timing) -> Table:
    """Lines beside transitions, and transitions of flow runs with and without lines."""
    half = len(known.task_run_ids) // PAGE // 2 * PAGE
    with_lines = known._replace(task_run_ids=known.task_run_ids[:half])
    without_lines = known._replace(task_run_ids=known.task_run_ids[half : 2 * half])
    batches = Batches(lambda number: report(with_lines, number))
    logs = [dataset.query(f"/task-runs/{identifier}/logs", limit=PAGE) for identifier in with_lines.task_run_ids]

    def report_lines() -> float:
        seconds = BULK_TIMES * timing.seconds
        asks = batches.take(MOST * seconds)
        return LINES * rate(ours.url, asks, seconds, connections=BULK_CONNECTIONS, again=False)

    with servers.service(url) as ours:
        questions = {"lines": report_lines, "transitions": lambda: bulk(ours.url, without_lines, timing.seconds)}
        writes = in_turn(timing.rounds, questions)
        # After all lines are there: PostgreSQL goes on to tidy up while others are measured.
        rates = in_turn(
            timing.rounds,
            {
                "with lines": lambda: bulk(ours.url, with_lines, timing.seconds),
                "without lines": lambda: bulk(ours.url, without_lines, timing.seconds),
                "log": lambda: rate(ours.url, logs, timing.seconds),
                "one": lambda: rate(ours.url, dataset.by_id(with_lines), timing.seconds),
            },
        )
    rows = [
        Row("1,000 log lines a request, lines/s", [writes["lines"], "–"], writes["lines"], 20_000),
        Row(
            "1,000 log lines a request, of 1,000 transitions a request",
            [writes["lines"], writes["transitions"]],
            writes["lines"].over(writes["transitions"]),
        ),
        Row(
            "1,000 transitions a request, of flow runs with and without log lines",
            [rates["with lines"], rates["without lines"]],
            rates["with lines"].over(rates["without lines"]),
            0.9,
        ),
        Row("the log of a task run, of one by id", [rates["log"], rates["one"]], rates["log"].over(rates["one"])),
    ]
    return Table("Logs", LOGS, ["the service", "compared with"], rows)


def report(known: Dataset, number: int) -> Ask:
    """A request that reports lines of the task runs of one flow run, as these write them in turn."""
    flow_run = number % (len(known.task_run_ids) // PAGE)
    task_run_ids = known.task_run_ids[flow_run * PAGE : (flow_run + 1) * PAGE]
    now = datetime.now(UTC).isoformat()
    items = [
        {
            "id": str(new_id()),
            "task_run_id": task_run_ids[line % PAGE],
            "timestamp": now,
            "name": "etl.load",
            "message": f"Loaded {line} rows of orders from the warehouse.",
        }
        for line in range(LINES)
    ]
    return Ask(f"/flow-runs/{sorted(known.flow_run_ids)[flow_run]}/logs", {"items": items})


LOGS = """\
Each line is of one of the 100 task runs of its flow run. Lines are recorded for one half of the flow runs; transitions
are those of both halves."""
