"""Against growth: whether an answer costs the same however much there is."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks import dataset, servers
from tests.benchmarks.dataset import Dataset
from tests.benchmarks.limit import Timing, bulk
from tests.benchmarks.load import Ask, Rate, in_turn, rate
from tests.benchmarks.report import Row, Table

Questions = Mapping[str, Callable[[], float]]

MOST = {
    "one task run by id": 1.2,
    "the 100 task runs of a flow run": 1.2,
    "first page of those in a state": 1.3,
    "a deep page of those in a state": 1.3,
    "count by state": 1.2,
    "counts by state, all states": 1.2,
    "counts by task slug": 1.2,
    "counts by flow": 1.2,
    "counts of one flow run": 1.2,
    "first page of flow runs": 1.3,
    "first page of the flow runs of a flow": 1.3,
    "counts of flow runs by state": 1.2,
    "counts of flow runs by flow": 1.2,
    "the 100 task runs that ran longest": 1.3,
    "run times of an hour by task": 1.3,
    "durations of an hour as a histogram": 1.3,
    "the 20 slowest tasks of an hour, and of the hour before": 1.3,
    "failures of an hour by message": 1.3,
    "failures of a flow run by message": 1.3,
    "search by the first digits of an id": 1.3,
    "search by the beginning of a name": 1.3,
    "the neighbours of a task run": 1.5,  # in the smallest database, half of them have fewer earlier task runs
    "a heartbeat": 1.3,
    "register a task run": 1.3,
    "one transition a request": 1.3,
    "1,000 transitions a request, transitions/s": 1.3,
}


def measure(databases: Mapping[str, Dataset], timing: Timing) -> tuple[Table, dict[str, list[Rate]]]:
    """The same questions to one service for each size, in turn; and the figures for the chart."""
    with ExitStack() as stack:
        calls: dict[str, Callable[[], float]] = {}
        by_size = {}
        for url, known in databases.items():
            running = stack.enter_context(servers.service(url))
            by_size[known.task_runs] = questions(running.url, known, timing.seconds)
        # Size by size within a question, so that what is compared was measured side by side.
        for name in MOST:
            for size, own in by_size.items():
                calls[f"{name} {size}"] = own[name]
        for ask in calls.values():  # warm
            ask()
        rates = in_turn(timing.rounds, calls)
    figures = {name: [rates[f"{name} {size}"] for size in by_size] for name in MOST}
    rows = [
        Row(name, rates, rates[0].over(rates[-1]) if len(rates) > 1 else None, most=MOST[name])
        for name, rates in figures.items()
    ]
    deep = ", ".join(f"{known.deep:,}" for known in databases.values())
    text = INTRODUCTION.format(deep=deep)
    return Table("Against growth", text, [f"{size:,}" for size in by_size], rows, "growth.svg"), figures


def questions(url: str, known: Dataset, seconds: int) -> Questions:
    """What is asked at every size."""

    def ask(asks: list[Ask]) -> Callable[[], float]:
        return lambda: rate(url, asks, seconds)

    def count(path: str = "/task-runs/aggregate", **parameters: str) -> Callable[[], float]:
        return ask([dataset.query(path, **parameters)])

    return {
        "one task run by id": ask(dataset.by_id(known)),
        "the 100 task runs of a flow run": ask(dataset.of_flow_run(known)),
        "first page of those in a state": ask([dataset.query("/task-runs", state="Success")]),
        "a deep page of those in a state": ask(dataset.successful(known, known.deep_page)),
        "count by state": count(state="Success"),
        "counts by state, all states": count(group_by="state"),
        "counts by task slug": count(group_by="task_slug"),
        "counts by flow": count(group_by="flow_name"),
        "counts of one flow run": count(group_by="state", flow_run_id=known.flow_run_ids[0]),
        **questions_on_call(url, known, seconds),
        "register a task run": lambda: rate(url, known.new.take(int(8000 * (seconds + 1))), seconds, again=False),
        "one transition a request": ask(dataset.transitions(known, 1)),
        "1,000 transitions a request, transitions/s": lambda: bulk(url, known, seconds),
    }


def questions_on_call(url: str, known: Dataset, seconds: int) -> Questions:
    """What is asked when something has failed or is slow, and what says that a run is alive."""

    def ask(asks: list[Ask]) -> Callable[[], float]:
        return lambda: rate(url, asks, seconds)

    def measure(**parameters: str) -> Callable[[], float]:
        asks = [dataset.query("/task-runs/aggregate", start_time_gte=known.last_hour, **parameters)]
        # One at a time, since the service runs few that may read a table.
        return lambda: rate(url, asks, seconds, connections=1)

    def search(texts: Iterable[str]) -> Callable[[], float]:
        return ask([dataset.query("/search", q=text) for text in texts])

    failures = {"group_by": "message", "state_group": "failed"}
    return {
        "first page of flow runs": ask([dataset.query("/flow-runs")]),
        # As many as there are of a flow in the smallest database.
        "first page of the flow runs of a flow": ask([dataset.query("/flow-runs", flow_name="flow-3", limit=10)]),
        "counts of flow runs by state": ask([dataset.query("/flow-runs/aggregate", group_by="state")]),
        "counts of flow runs by flow": ask([dataset.query("/flow-runs/aggregate", group_by="flow_name")]),
        "the 100 task runs that ran longest": ask([dataset.query("/task-runs", sort="-run_time")]),
        "run times of an hour by task": measure(group_by="task_slug", measure="p95_run_time"),
        "durations of an hour as a histogram": measure(histogram="duration"),
        "the 20 slowest tasks of an hour, and of the hour before": measure(
            group_by="task_slug", sort="-p95_duration", limit="20", compare="PT1H"
        ),
        "failures of an hour by message": measure(**failures, sort="-count"),
        "failures of a flow run by message": ask(
            [dataset.query("/task-runs/aggregate", flow_run_id=id, **failures) for id in known.flow_run_ids]
        ),
        "search by the first digits of an id": search(id[:13] for id in known.task_run_ids),
        "search by the beginning of a name": search(("run-", "task-", "flow-")),
        "the neighbours of a task run": ask([Ask(f"/task-runs/{id}/neighbours") for id in known.task_run_ids]),
        "a heartbeat": ask([Ask(f"/flow-runs/{id}/heartbeats", {}) for id in known.flow_run_ids]),
    }


def on_sqlite(path: Path, small: Path, known: tuple[Dataset, Dataset], timing: Timing) -> Table:
    """SQLite at two sizes: of the no-op's rate, and how much it costs that there is more."""
    with (
        servers.service(f"sqlite:///{path}") as large,
        servers.service(f"sqlite:///{small}") as little,
    ):
        calls: dict[str, Callable[[], float]] = {"no-op": lambda: rate(large.url, [Ask("/health")], timing.seconds)}
        at = [
            questions(little.url, known[0], timing.seconds),
            questions(large.url, known[1], timing.seconds),
        ]
        for name in MOST:
            calls |= {f"{name} {place}": own[name] for place, own in enumerate(at)}
        rates = in_turn(timing.rounds, calls)
        memory = Rate([servers.memory_of(large.process.pid).proportional])
    no_op = rates["no-op"]
    rows = []
    for name, most in MOST.items():
        small_rate, large_rate = rates[f"{name} 0"], rates[f"{name} 1"]
        rows.append(Row(name, [small_rate, large_rate], small_rate.over(large_rate), most=most))
    by_id, page = rates["one task run by id 1"], rates["the 100 task runs of a flow run 1"]
    rows += [
        Row("one task run by id, of the no-op", [by_id, no_op], by_id.over(no_op), 0.15),
        Row("the 100 task runs of a flow run, of the no-op", [page, no_op], page.over(no_op), 0.05),
        Row(
            "one transition a request",
            ["", rates["one transition a request 1"]],
            rates["one transition a request 1"],
            2000,
        ),
        Row("memory after all of this, MB", ["", memory]),
    ]
    sizes = [f"{database.task_runs:,}" for database in known]
    return Table("SQLite, synchronous=FULL", SQLITE, sizes, rows)


INTRODUCTION = """\
Requests per second with the given number of task runs in the database, each with three states. The ratio is how many
times longer a request takes with the largest number than with the smallest.
The deep pages are pages {deep}."""
SQLITE = """\
The same requests to a service on a file. In the upper rows, the ratio is how many times longer a request takes with the
larger number. In the rows that end in "of the no-op", it is the rate as a share of the rate of the no-op (second
column)."""
