"""Against the limit: how much of what the machine allows the service leaves."""

import random
from typing import NamedTuple

import httpx

from tests.benchmarks import dataset, servers
from tests.benchmarks.dataset import Dataset
from tests.benchmarks.load import BULK_CONNECTIONS, BULK_TIMES, Ask, Rate, in_turn, rate
from tests.benchmarks.report import Row, Table
from tests.service import Served

SLUGS = [Ask("/slugs")]


class Timing(NamedTuple):
    """How often and how long everything is measured."""

    rounds: int
    seconds: int


def measure(url: str, known: Dataset, timing: Timing) -> list[Table]:
    """The service beside the same questions by hand, and beside itself with and without what costs."""
    with (
        servers.service(url) as ours,
        servers.other("bare", BARE_DSN=url.replace("+asyncpg", "")) as bare,
    ):
        check(ours.url, bare, known)
        asks = {
            "one": dataset.by_id(known),
            "list": dataset.of_flow_run(known),
            "count": [dataset.query("/task-runs/aggregate", state="Success")],
        }
        questions = {
            "no-op": lambda: rate(ours.url, [Ask("/health")], timing.seconds),
            "bare no-op": lambda: rate(bare, [Ask("/health")], timing.seconds),
            "one": lambda: rate(ours.url, asks["one"], timing.seconds),
            "bare one": lambda: rate(bare, asks["one"], timing.seconds),
            "list": lambda: rate(ours.url, asks["list"], timing.seconds),
            "bare list": lambda: rate(bare, asks["list"], timing.seconds),
            "count": lambda: rate(ours.url, asks["count"], timing.seconds),
            # One at a time: what wrk gives up at the end would still be running when the next figure is taken.
            "slugs": lambda: rate(ours.url, dataset.slow_slugs(), timing.seconds, connections=1),
            "bare slugs": lambda: rate(bare, SLUGS, timing.seconds, connections=1),
            "transition": lambda: rate(ours.url, dataset.transitions(known, 1), timing.seconds),
            "bulk": lambda: bulk(ours.url, known, timing.seconds),
        }
        rates = in_turn(timing.rounds, questions)
    return [reads(rates), writes(rates, url, known, timing)]


def bulk(url: str, known: Dataset, seconds: int) -> float:
    """Transitions per second, 1,000 in a request."""
    # The requests that are under way at the end do not count: of a few answers a second they are too many.
    return 1000 * rate(url, dataset.transitions(known, 1000), BULK_TIMES * seconds, connections=BULK_CONNECTIONS)


def check(ours: str, bare: str, known: Dataset) -> None:
    """Raises where the two do not answer the same."""
    for ask in (dataset.by_id(known)[0], dataset.of_flow_run(known)[0]):
        mine, theirs = httpx.get(ours + ask.path).json(), httpx.get(bare + ask.path).json()
        assert mine == theirs or mine["items"] == theirs, ask.path
    mine = httpx.get(ours + dataset.slow_slugs()[0].path, timeout=60).json()["groups"]
    groups = [[group["key"]["task_slug"], group["count"], group["measures"]["p95_duration"]] for group in mine]
    theirs = httpx.get(bare + "/slugs", timeout=60).json()
    assert [group[0] for group in groups] == [group[0] for group in theirs], "the slugs"


def reads(rates: dict[str, Rate]) -> Table:
    """The questions."""
    rows = [
        Row("no-op", [rates["no-op"], rates["bare no-op"]], rates["no-op"].over(rates["bare no-op"])),
        Row("one task run by id", [rates["one"], rates["bare one"]], rates["one"].over(rates["bare one"]), 0.85),
        Row(
            "the 100 task runs of a flow run",
            [rates["list"], rates["bare list"]],
            rates["list"].over(rates["bare list"]),
            0.85,
        ),
        Row("count by state, of one by id", [rates["count"], rates["one"]], rates["count"].over(rates["one"]), 0.7),
        Row(
            "p95 duration by slug over 24 h, time of the bare SQL's",
            [rates["slugs"], rates["bare slugs"]],
            rates["bare slugs"].over(rates["slugs"]),
            most=1.5,
        ),
        Row(
            "one transition a request, of one by id",
            [rates["transition"], rates["one"]],
            rates["transition"].over(rates["one"]),
            0.5,
        ),
        Row("1,000 transitions a request, transitions/s", [rates["bulk"], "–"], rates["bulk"], 12_000),
    ]
    return Table("Against the limit", LIMIT, ["the service", "compared with"], rows, "limit.svg")


def writes(rates: dict[str, Rate], url: str, known: Dataset, timing: Timing) -> Table:
    """What counting costs, what a second process gives, and how much memory it takes."""
    with (
        servers.service(url) as ours,
        servers.service(url, workers=2) as two,
        servers.other("uncounted", TASKRUNS_DATABASE_URL=url, TASKRUNS_LOG_LEVEL="warning") as uncounted,
    ):
        asks = dataset.transitions(known, 1)
        rates = in_turn(
            timing.rounds,
            {
                "counted": lambda: rate(ours.url, asks, timing.seconds),
                "uncounted": lambda: rate(uncounted, asks, timing.seconds),
                "counted bulk": lambda: bulk(ours.url, known, timing.seconds),
                "uncounted bulk": lambda: bulk(uncounted, known, timing.seconds),
                "one process": lambda: rate(ours.url, dataset.by_id(known), timing.seconds),
                "two processes": lambda: rate(two.url, dataset.by_id(known), timing.seconds),
            },
        )
        memory_rows = memory(ours, known)
    rows = [
        Row(
            "one transition a request, with and without the tally",
            [rates["counted"], rates["uncounted"]],
            rates["counted"].over(rates["uncounted"]),
            0.85,
        ),
        Row(
            "1,000 transitions a request, with and without the tally",
            [rates["counted bulk"], rates["uncounted bulk"]],
            rates["counted bulk"].over(rates["uncounted bulk"]),
            0.85,
        ),
        Row(
            "one by id, two processes beside one",
            [rates["two processes"], rates["one process"]],
            rates["two processes"].over(rates["one process"]),
            1.5,
        ),
        *memory_rows,
    ]
    return Table("What writing, a second process and memory cost", COSTS, ["the service", "compared with"], rows)


HOUR = 360_000
"""The requests of an hour at a hundred a second."""


def memory(ours: Served, known: Dataset) -> list[Row]:
    """What memory the service has taken after an hour's worth of requests, and whether long lists add to it."""
    page = [dataset.query("/task-runs", limit=1000)]
    counts = [dataset.query("/task-runs/aggregate", group_by="state")]
    mixed = [*dataset.by_id(known), *dataset.transitions(known, 1), *dataset.of_flow_run(known), *counts, *page]
    random.Random(1).shuffle(mixed)
    answered = 0.0
    while answered < HOUR:
        answered += rate(ours.url, mixed, 10) * 10
    hour = servers.memory_of(ours.process.pid)
    lists = []
    for _ in range(2):
        rate(ours.url, page, 10)
        lists.append(servers.memory_of(ours.process.pid))
    first, second = lists
    return [
        Row(
            f"memory after {HOUR:,} requests, MB", [single(hour.proportional), ""], single(hour.proportional), most=150
        ),
        Row("the same, with shared pages counted twice", [single(hour.resident), ""]),
        Row(
            "memory after lists of 1,000 for 20 s, and for 10 s, MB",
            [single(second.proportional), single(first.proportional)],
            single(second.proportional).over(single(first.proportional)),
        ),
    ]


def single(figure: float) -> Rate:
    """A figure that is taken once."""
    return Rate([figure])


LIMIT = """\
The bare handlers (`tests/benchmarks/bare.py`) run on the same server and send PostgreSQL the same queries as
hand-written SQL, through asyncpg's own pool; PostgreSQL produces the JSON. The no-op is a route that does nothing."""
COSTS = """\
"Without the tally" is the same service with the counts across flow runs switched off. The load generator and PostgreSQL
use the same two cores, so a second process finds little free CPU time. The memory is that of both processes of the
service, the one that serves and its supervisor; a page that both share counts once. The requests are look-ups and
transitions, with some lists and counts among them, sent as fast as they are answered."""
