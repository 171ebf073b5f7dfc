"""Groups by time: hours, days and weeks of a time zone, through changes of its clock, and buckets of any length."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.domain.runs import Report
from taskruns_service.queries import aggregates
from taskruns_service.queries.aggregations import FLOW_RUNS, TASK_RUNS, AggregateQuestion
from taskruns_service.queries.parameters import Parameter, Parameters, duration, read_query
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.factories import BEGIN, create_flow_run, report_flow_run, report_task_runs, state, task_run_item

# What changes its clock, and when: at night, at midnight (forwards and backwards), by half an hour, and never.
CHANGES = {
    "Europe/Berlin in spring": ("Europe/Berlin", "2026-03-29T01:00:00+00:00"),
    "Europe/Berlin in autumn": ("Europe/Berlin", "2026-10-25T01:00:00+00:00"),
    "America/Sao_Paulo at midnight": ("America/Sao_Paulo", "2018-11-04T03:00:00+00:00"),
    "America/Havana back to midnight": ("America/Havana", "2025-11-02T05:00:00+00:00"),
    "Australia/Lord_Howe by half an hour": ("Australia/Lord_Howe", "2026-04-04T15:00:00+00:00"),
    "Asia/Kolkata": ("Asia/Kolkata", "2026-01-04T18:30:00+00:00"),
    "Asia/Kathmandu": ("Asia/Kathmandu", "2026-01-04T18:15:00+00:00"),
    "UTC": ("UTC", "2026-01-05T00:00:00+00:00"),
}


def running(moment: datetime) -> Report:
    """What makes a run start at a moment."""
    return state("Running", (moment - BEGIN).total_seconds())


def beginning(moment: datetime, name: str, zone: ZoneInfo) -> datetime:
    """Where an hour, a day or a week begins, found by going back minute by minute."""
    local = moment.astimezone(zone)
    if name == "hour":
        return moment - timedelta(minutes=local.minute, seconds=local.second)
    date = local.date() - timedelta(days=local.weekday() if name == "week" else 0)
    begin = datetime(date.year, date.month, date.day, tzinfo=zone).astimezone(UTC) - timedelta(hours=3)
    while begin.astimezone(zone).date() < date:
        begin += timedelta(minutes=1)
    return begin


def moments_around(change: str) -> list[datetime]:
    """Moments from three hours before a change to three hours after it, and some days away."""
    moment = datetime.fromisoformat(change)
    near = [moment + timedelta(minutes=minutes, seconds=1) for minutes in range(-180, 181, 10)]
    return [*near, *(moment + timedelta(days=days) for days in (-9, -1, 1, 8))]


@pytest.mark.parametrize("name", ["hour", "day", "week"])
@pytest.mark.parametrize("change", CHANGES)
async def test_hours_days_and_weeks_are_those_of_the_zone(
    database: Database, writer: Writer, change: str, name: str
) -> None:
    zone, moments = ZoneInfo(CHANGES[change][0]), moments_around(CHANGES[change][1])
    flow_run_id = await create_flow_run(writer)
    items = [task_run_item(flow_run_id, f"task-{number}", running(moment)) for number, moment in enumerate(moments)]
    await report_task_runs(writer, [*items, task_run_item(flow_run_id, "waiting", state("Pending", 0))])
    question = AggregateQuestion(where={}, group_by=(name,), zone=zone, measures=("first_start_time",))
    answer = await database.read_snapshot(aggregates.aggregate, question)
    *groups, waiting = answer.groups or []
    begins = [getattr(group.key, name) for group in groups]
    # In UTC, since Python says that a time which comes twice is none of any other zone.
    instants = [begin.astimezone(UTC) for begin in begins]
    counts = Counter(beginning(moment, name, zone) for moment in moments)
    assert dict(zip(instants, (group.count for group in groups), strict=True)) == counts
    assert instants == sorted(instants)
    assert [begin.utcoffset() for begin in begins] == [instant.astimezone(zone).utcoffset() for instant in instants]
    assert (getattr(waiting.key, name), waiting.count) == (None, 1)


@pytest.mark.parametrize("minutes", [1, 5, 7, 60, 1440])
async def test_buckets_are_counted_from_midnight_in_utc(database: Database, writer: Writer, minutes: int) -> None:
    bucket, moments = timedelta(minutes=minutes), moments_around(CHANGES["UTC"][1])
    moments.append(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
    flow_run_ids = [await create_flow_run(writer) for _ in moments]
    for flow_run_id, moment in zip(flow_run_ids, moments, strict=True):
        await report_flow_run(writer, flow_run_id, running(moment))
    question = AggregateQuestion(aggregation=FLOW_RUNS, where={}, group_by=("bucket",), bucket=bucket)
    answer = await database.read_snapshot(aggregates.aggregate, question)
    start = datetime(1, 1, 1, tzinfo=UTC)
    counts = Counter(moment - (moment - start) % bucket for moment in moments)
    assert {group.key.bucket: group.count for group in answer.groups or []} == counts


def test_bucket_is_the_last_key_and_may_sort() -> None:
    values = {"group_by": ["state"], "bucket": timedelta(minutes=5), "sort": "-bucket", "limit": 10}
    question = TASK_RUNS.question(values)
    assert question.group_by == ("state", "bucket")
    assert [order.name for order in question.sort] == ["bucket"]


@pytest.mark.parametrize(
    ("name", "zone"), [("bucket", None), *product(("hour", "day", "week"), (None, ZoneInfo("Asia/Kathmandu")))], ids=str
)
async def test_times_of_groups_are_those_of_the_end_if_that_is_asked_for(
    database: Database, writer: Writer, name: str, zone: ZoneInfo | None
) -> None:
    start = datetime(2026, 1, 1, 12, tzinfo=UTC)
    ends = [start + timedelta(days=days, minutes=minutes) for days in (0, 6, 7) for minutes in (1, 2, 90)]
    flow_run_id = await create_flow_run(writer)
    items = [
        task_run_item(flow_run_id, f"task-{number}", running(start), state("Failed", (end - BEGIN).total_seconds()))
        for number, end in enumerate(ends)
    ]
    never_started = task_run_item(flow_run_id, "after", state("TriggerFailed", (ends[0] - BEGIN).total_seconds()))
    await report_task_runs(writer, [*items, never_started, task_run_item(flow_run_id, "open", running(start))])
    bucket = timedelta(hours=1) if name == "bucket" else None
    question = AggregateQuestion(where={}, group_by=(name,), bucket=bucket, bucket_time="end_time", zone=zone)
    answer = await database.read_snapshot(aggregates.aggregate, question)
    kind = "hour" if name == "bucket" else name
    expected = Counter(beginning(end, kind, zone or ZoneInfo("UTC")) for end in [*ends, ends[0]])
    *groups, unfinished = answer.groups or []
    assert {getattr(group.key, name).astimezone(UTC): group.count for group in groups} == expected
    assert (getattr(unfinished.key, name), unfinished.count) == (None, 1)


def test_time_without_a_key_that_it_applies_to_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        AggregateQuestion(where={}, group_by=("state",), bucket_time="end_time")
    assert [fault.parameter for fault in refused.value.faults] == ["bucket_time"]


def test_zone_without_a_key_that_it_applies_to_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        AggregateQuestion(where={}, group_by=("state",), zone=ZoneInfo("Europe/Berlin"))
    assert [fault.parameter for fault in refused.value.faults] == ["timezone"]


READ: dict[str, Any] = {
    "bucket=PT1M": timedelta(minutes=1),
    "bucket=P1D": timedelta(days=1),
    "bucket=PT1H30M": timedelta(minutes=90),
    "timezone=America/Argentina/Buenos_Aires": ZoneInfo("America/Argentina/Buenos_Aires"),
    "timezone=Etc/GMT%2B5": ZoneInfo("Etc/GMT+5"),
}
REFUSED = [
    *("bucket=PT59S", "bucket=P1DT1S", "bucket=PT60.5S", "bucket=-PT5M", "bucket=5", "bucket=", "bucket=P1Y"),
    *("timezone=Mars/Olympus", "timezone=America", "timezone=../etc/passwd", "timezone=/etc/localtime", "timezone="),
    *("timezone=posix/UTC", "timezone=right/UTC", "timezone=localtime", "timezone=Factory", "timezone=UTC%00"),
]


@pytest.mark.parametrize("query", READ)
def test_lengths_and_zones_are_read(query: str) -> None:
    (value,) = {
        value
        for name, value in read_query(query.encode(), Parameters(TASK_RUNS.parameters)).items()
        if query.startswith(f"{name}=")
    }
    assert value == READ[query]


@pytest.mark.parametrize("query", REFUSED)
def test_other_lengths_and_zones_are_refused(query: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_query(query.encode(), Parameters(TASK_RUNS.parameters))
    assert [fault.parameter for fault in refused.value.faults] == [query.partition("=")[0]]


def test_weeks_are_durations() -> None:
    parameter = Parameter(name="span", value=duration("PT1M", "P366D"), description="A span.")
    assert read_query(b"span=P1W", Parameters([parameter])) == {"span": timedelta(days=7)}
