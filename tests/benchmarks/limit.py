"""Against the limit: how much of what the machine allows the service leaves."""

import random
from typing import NamedTuple

import httpx

from tests.benchmarks import servers, world
from tests.benchmarks.load import BULK_CONNECTIONS, BULK_TIMES, Ask, Rate, in_turn, rate
from tests.benchmarks.report import Row, Table
from tests.benchmarks.world import World
from tests.service import Served

SLUGS = [Ask("/slugs")]


class Timing(NamedTuple):
    """How often and how long everything is measured."""

    rounds: int
    seconds: int


def measure(url: str, known: World, timing: Timing) -> list[Table]:
    """The service beside the same questions by hand, and beside itself with and without what costs."""
    with (
        servers.service(url) as ours,
        servers.other("bare", BARE_DSN=url.replace("+asyncpg", "")) as bare,
    ):
        check(ours.url, bare, known)
        asks = {
            "one": world.one(known),
            "list": world.of_flow_run(known),
            "count": [world.query("/task-runs/aggregate", state="Success")],
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
            "slugs": lambda: rate(ours.url, world.slow_slugs(), timing.seconds, connections=1),
            "bare slugs": lambda: rate(bare, SLUGS, timing.seconds, connections=1),
            "transition": lambda: rate(ours.url, world.transitions(known, 1), timing.seconds),
            "bulk": lambda: bulk(ours.url, known, timing.seconds),
        }
        found = in_turn(timing.rounds, questions)
    return [reads(found), writes(found, url, known, timing)]


def bulk(url: str, known: World, seconds: int) -> float:
    """Transitions per second, 1,000 in a request."""
    # The requests that are under way at the end do not count: of a few answers a second they are too many.
    return 1000 * rate(url, world.transitions(known, 1000), BULK_TIMES * seconds, connections=BULK_CONNECTIONS)


def check(ours: str, bare: str, known: World) -> None:
    """Raises where the two do not answer the same."""
    for ask in (world.one(known)[0], world.of_flow_run(known)[0]):
        mine, theirs = httpx.get(ours + ask.path).json(), httpx.get(bare + ask.path).json()
        assert mine == theirs or mine["items"] == theirs, ask.path
    mine = httpx.get(ours + world.slow_slugs()[0].path, timeout=60).json()["groups"]
    groups = [[one["key"]["task_slug"], one["count"], one["measures"]["p95_duration"]] for one in mine]
    theirs = httpx.get(bare + "/slugs", timeout=60).json()
    assert [one[0] for one in groups] == [one[0] for one in theirs], "the slugs"


def reads(found: dict[str, Rate]) -> Table:
    """The questions."""
    rows = [
        Row("no-op", [found["no-op"], found["bare no-op"]], found["no-op"].over(found["bare no-op"])),
        Row("one task run by id", [found["one"], found["bare one"]], found["one"].over(found["bare one"]), 0.85),
        Row(
            "the 100 task runs of a flow run",
            [found["list"], found["bare list"]],
            found["list"].over(found["bare list"]),
            0.85,
        ),
        Row("count by state, of one by id", [found["count"], found["one"]], found["count"].over(found["one"]), 0.7),
        Row(
            "p95 duration by slug over 24 h, time of the bare SQL's",
            [found["slugs"], found["bare slugs"]],
            found["bare slugs"].over(found["slugs"]),
            most=1.5,
        ),
        Row(
            "one transition a request, of one by id",
            [found["transition"], found["one"]],
            found["transition"].over(found["one"]),
            0.5,
        ),
        Row("1,000 transitions a request, transitions/s", [found["bulk"], "–"], found["bulk"], 12_000),
    ]
    return Table("Against the limit", LIMIT, ["the service", "compared with"], rows, "limit.svg")


def writes(found: dict[str, Rate], url: str, known: World, timing: Timing) -> Table:
    """What counting costs, what a second process gives, and how much memory it takes."""
    with (
        servers.service(url) as ours,
        servers.service(url, workers=2) as two,
        servers.other("uncounted", TASKRUNS_DATABASE_URL=url, TASKRUNS_LOG_LEVEL="warning") as uncounted,
    ):
        asks = world.transitions(known, 1)
        found = in_turn(
            timing.rounds,
            {
                "counted": lambda: rate(ours.url, asks, timing.seconds),
                "uncounted": lambda: rate(uncounted, asks, timing.seconds),
                "counted bulk": lambda: bulk(ours.url, known, timing.seconds),
                "uncounted bulk": lambda: bulk(uncounted, known, timing.seconds),
                "one process": lambda: rate(ours.url, world.one(known), timing.seconds),
                "two processes": lambda: rate(two.url, world.one(known), timing.seconds),
            },
        )
        memory_rows = memory(ours, known)
    rows = [
        Row(
            "one transition a request, with and without the tally",
            [found["counted"], found["uncounted"]],
            found["counted"].over(found["uncounted"]),
            0.85,
        ),
        Row(
            "1,000 transitions a request, with and without the tally",
            [found["counted bulk"], found["uncounted bulk"]],
            found["counted bulk"].over(found["uncounted bulk"]),
            0.85,
        ),
        Row(
            "one by id, two processes beside one",
            [found["two processes"], found["one process"]],
            found["two processes"].over(found["one process"]),
            1.5,
        ),
        *memory_rows,
    ]
    return Table("What writing, a second process and memory cost", COSTS, ["the service", "compared with"], rows)


HOUR = 360_000
"""The requests of an hour at a hundred a second."""


def memory(ours: Served, known: World) -> list[Row]:
    """What memory the service has taken after an hour's worth of requests, and whether long lists add to it."""
    page = [world.query("/task-runs", limit=1000)]
    counts = [world.query("/task-runs/aggregate", group_by="state")]
    mixed = [*world.one(known), *world.transitions(known, 1), *world.of_flow_run(known), *counts, *page]
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
