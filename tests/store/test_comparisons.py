"""Comparisons: each group beside what the same window some time before has."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.queries import aggregates, comparisons
from taskruns_service.queries.aggregations import FLOW_RUNS, AggregateQuestion, read_group_sort
from taskruns_service.schemas import Measures, Previous
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import BEGIN, at, create_flow_run, report_flow_run, report_task_runs, state, task_run_item

BERLIN, HAVANA = ZoneInfo("Europe/Berlin"), ZoneInfo("America/Havana")
WEEK = timedelta(days=7)
HOUR = 3600.0
BEFORE = -WEEK.total_seconds()


async def record(writer: Writer, runs: dict[str, list[tuple[float, float]]]) -> None:
    """Task runs by slug, each with its start in seconds and its duration."""
    flow_run_id = await create_flow_run(writer)
    items = [
        task_run_item(flow_run_id, slug, state("Running", start), state("Success", start + duration), map_index=index)
        for slug, times in runs.items()
        for index, (start, duration) in enumerate(times)
    ]
    await report_task_runs(writer, items)


async def test_groups_stand_beside_those_of_the_week_before(database: Database, writer: Writer) -> None:
    await record(
        writer,
        {
            "slower": [(0, 40), (60, 60), (BEFORE, 10), (BEFORE + HOUR - 1, 20), (BEFORE + HOUR, 99), (BEFORE - 1, 99)],
            "new": [(0, 5)],
            "gone": [(BEFORE, 5)],
        },
    )
    question = AggregateQuestion(
        where={"start_time_gte": at(0), "start_time_lt": at(HOUR)},
        group_by=("task_slug",),
        sort=read_group_sort("-max_duration", ("task_slug",)),
        compare=WEEK,
    )
    answer = await database.read_snapshot(aggregates.aggregate, question)
    shown = [(group.key.task_slug, group.count, group.measures, group.previous) for group in answer.groups or []]
    assert shown == [
        ("slower", 2, Measures(max_duration=60), Previous(count=2, measures=Measures(max_duration=20))),
        ("new", 1, Measures(max_duration=5), Previous(count=0, measures=Measures(max_duration=None))),
    ]
    assert (answer.count, answer.previous) == (3, Previous(count=3, measures=Measures(max_duration=20)))


async def test_limit_of_groups_does_not_limit_what_they_are_compared_with(database: Database, writer: Writer) -> None:
    await record(writer, {f"task-{number}": [(0, number), (BEFORE, 9 - number)] for number in range(9)})
    question = AggregateQuestion(
        where={"start_time_gte": at(0), "start_time_lt": at(HOUR)},
        group_by=("task_slug",),
        sort=read_group_sort("-max_duration", ("task_slug",)),
        limit=1,
        compare=WEEK,
    )
    answer = await database.read_snapshot(aggregates.aggregate, question)
    (group,) = answer.groups or []
    assert (group.key.task_slug, group.previous) == ("task-8", Previous(count=1, measures=Measures(max_duration=1)))
    assert answer.truncated


@pytest.mark.parametrize(
    ("name", "zone"), [*product(("hour", "day", "week"), (None, BERLIN, HAVANA)), ("bucket", None)], ids=str
)
async def test_times_stand_beside_those_of_the_week_before(
    database: Database, writer: Writer, name: str, zone: ZoneInfo | None
) -> None:
    # Between the two weeks the clocks of both zones change.
    here = zone or UTC
    starts = [datetime(2025, 11, 5, hour, 30, tzinfo=here) for hour in (0, 12)]
    starts += [datetime(2025, 10, 29, hour, 30, tzinfo=here) for hour in (0, 12)]
    starts = [start if zone != BERLIN else start - timedelta(days=7) for start in starts]
    await record(writer, {"task": [((start - BEGIN).total_seconds(), 1) for start in starts]})
    window = {"start_time_gte": starts[0] - timedelta(hours=1), "start_time_lt": starts[0] + timedelta(hours=20)}
    bucket = timedelta(minutes=5) if name == "bucket" else None
    question = AggregateQuestion(where=window, group_by=(name,), bucket=bucket, zone=zone, compare=WEEK)
    answer = await database.read_snapshot(aggregates.aggregate, question)
    size = 1 if name in ("hour", "bucket") else 2
    previous = [(group.count, group.previous) for group in answer.groups or []]
    assert previous == [(size, Previous(count=size, measures=Measures()))] * (2 // size)


async def test_window_without_an_end_ends_now(database: Database, writer: Writer) -> None:
    now = datetime.now(UTC)
    for days in (0.5, 7.5, 6.5, 1.5):
        flow_run_id = await create_flow_run(writer)
        seconds = (now - timedelta(days=days) - BEGIN).total_seconds()
        await report_flow_run(writer, flow_run_id, state("Running", seconds))
    question = AggregateQuestion(
        aggregation=FLOW_RUNS, where={"start_time_gte": now - timedelta(days=1)}, group_by=("state",), compare=WEEK
    )
    answer = await database.read_snapshot(aggregates.aggregate, question)
    assert (answer.count, answer.previous) == (1, Previous(count=1, measures=Measures()))


REFUSED: dict[str, dict[str, Any]] = {
    "no window": {"where": {}},
    "no beginning": {"where": {"start_time_lt": at(0)}},
    "part of an hour": {"group_by": ("hour",), "compare": timedelta(minutes=90)},
    "part of a week": {"group_by": ("week",), "compare": timedelta(days=10)},
    "part of a bucket": {"group_by": ("bucket",), "bucket": timedelta(minutes=7), "compare": timedelta(hours=1)},
}


@pytest.mark.parametrize("name", REFUSED)
def test_windows_that_can_not_be_compared_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        AggregateQuestion(**{"where": {"start_time_gte": at(0)}, "compare": WEEK, **REFUSED[name]})
    assert [fault.parameter for fault in refused.value.faults] == ["compare"]


def test_window_before_all_time_is_refused() -> None:
    window = {"start_time_gte": datetime(2, 1, 1, tzinfo=UTC)}
    question = AggregateQuestion(where=window, compare=timedelta(days=366))
    with pytest.raises(InvalidRequest):
        comparisons.earlier_question(question, timedelta(days=366))
