"""Large flow runs: how long it takes to find and to measure some of the children of a map of 100,000."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.benchmarks import data, dataset, servers
from tests.benchmarks.limit import Timing
from tests.benchmarks.load import Ask, Rate, in_turn, rate
from tests.benchmarks.report import Row, Table

WIDTH = 100_000
"""The children of the map."""
_FIELDS = "id,map_index,state,start_time,duration"
_FLOW_RUN = f"/flow-runs/{data.MAP_FLOW_RUN_ID}"
_LIST = f"{_FLOW_RUN}/task-runs"
QUESTIONS: Mapping[str, tuple[list[Ask], float]] = {
    "one task run by its natural key": (
        [dataset.query(_LIST, task_slug="map-0", map_index=place) for place in range(0, WIDTH, WIDTH // 100)],
        5,
    ),
    "task runs that are not mapped (`map_index=-1`)": (
        [dataset.query(_LIST, map_index=-1, fields="id,task_slug,state")],
        10,
    ),
    "1,000 children by map index": (
        [dataset.query(_LIST, task_slug="map-0", is_mapped_child="true", sort="map_index", limit=1000, fields=_FIELDS)],
        80,
    ),
    "the 100 longest task runs": ([dataset.query(_LIST, sort="-duration", limit=100)], 300),
    "p50 and p95 of a task slug by hour": (
        [
            dataset.query(
                "/task-runs/aggregate", task_slug="map-0", group_by="hour", measure=["p50_duration", "p95_duration"]
            )
        ],
        300,
    ),
    "its tasks, one item each": ([Ask(f"{_FLOW_RUN}/tasks")], 150),
    "its timeline, in columns": ([Ask(f"{_FLOW_RUN}/timeline")], 500),
}
"""What is asked, and how many milliseconds it may take."""


def measure(url: str, path: Path, timing: Timing) -> Table:
    """The questions to a service on PostgreSQL and to one on a file, with the same rows."""
    with servers.service(url) as on_postgresql, servers.service(f"sqlite:///{path}") as on_sqlite:
        questions: dict[str, Callable[[], float]] = {}
        for name, (asks, _) in QUESTIONS.items():
            for kind, running in (("PostgreSQL", on_postgresql), ("SQLite", on_sqlite)):
                questions[f"{name} {kind}"] = partial(rate, running.url, asks, timing.seconds, connections=1)
        rates = in_turn(timing.rounds, questions)
    rows = []
    for name, (_, most) in QUESTIONS.items():
        figures = [
            Rate(1000 / per_second for per_second in rates[f"{name} {kind}"]) for kind in ("PostgreSQL", "SQLite")
        ]
        rows.append(Row(name, figures, max(figures, key=lambda figure: figure.median), most=most))
    return Table("A map of 100,000", INTRODUCTION, ["PostgreSQL", "SQLite"], rows)


INTRODUCTION = """\
Milliseconds per answer, over HTTP and one after another, for a flow run with 100,000 children of one map and 30 tasks
that are not mapped, beside 10,000 task runs of other flow runs. The target applies to the slower database."""
