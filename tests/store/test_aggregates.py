"""Aggregates: equal to plain Python over the rows, the same on both databases, and read from where it is cheap."""

import math
import re
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import Row

from taskruns_service import schemas
from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.domain.states import GROUPS, StateGroup, StateType
from taskruns_service.queries import aggregates
from taskruns_service.queries.aggregations import MEASURES, TASK_RUNS, AggregateQuestion
from taskruns_service.schemas import Aggregate, AggregateGroup, GroupKey, Measures
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Writer
from tests.store.dataset import Dataset
from tests.store.factories import (
    at,
    create_flow_run,
    report_task_run,
    report_task_runs,
    state,
    statements_seen,
    task_run_item,
)

T = StateType
BUCKET = timedelta(minutes=5)
EPOCH = datetime.fromtimestamp(0, UTC)
Where = dict[str, Any]


async def ask(database: Database, **question: Any) -> Aggregate:
    if "bucket" in question.get("group_by", ()):
        question["bucket"] = BUCKET
    return await database.read_snapshot(aggregates.aggregate, AggregateQuestion(**{"where": {}, **question}))


# Plain Python

STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "sum": math.fsum,
    "avg": lambda values: math.fsum(values) / len(values),
    "min": min,
    "max": max,
    "p50": lambda values: percentile(values, 0.5),
    "p95": lambda values: percentile(values, 0.95),
    "p99": lambda values: percentile(values, 0.99),
}


def percentile(values: list[float], fraction: float) -> float:
    """The continuous percentile, as the SQL standard has it."""
    ordered, position = sorted(values), fraction * (len(values) - 1)
    below, above = ordered[math.floor(position)], ordered[math.ceil(position)]
    return below + (position - math.floor(position)) * (above - below)


def measure(rows: list[Row[Any]], name: str) -> Any:
    if name == "first_start_time":
        return min((row.start_time for row in rows if row.start_time), default=None)
    if name == "first_end_time":
        return min((row.end_time for row in rows if row.end_time), default=None)
    if name == "last_end_time":
        return max((row.end_time for row in rows if row.end_time), default=None)
    statistic, _, column = name.partition("_")
    values = [value for row in rows if (value := getattr(row, column)) is not None]
    return STATISTICS[statistic](values) if values else None


def measured(rows: list[Row[Any]], names: Any) -> Measures:
    return Measures(**{name: measure(rows, name) for name in names})


def key_of(dataset: Dataset, row: Row[Any], name: str) -> Any:
    if name == "flow_name":
        return dataset.flow_names[row.flow_id]
    if name == "mapped_parent_id":
        parents = {(one.flow_run_id, one.task_slug): one.id for one in dataset.task_runs if one.map_index == -1}
        return parents.get((row.flow_run_id, row.task_slug)) if row.map_index >= 0 else None
    if name == "message":
        return row.state_message  # no message of the dataset has anything to fold
    if name in ("hour", "day", "week"):
        cleared = {"minute": 0, "second": 0, "microsecond": 0} | ({} if name == "hour" else {"hour": 0})
        days = timedelta(days=row.start_time.weekday() if row.start_time and name == "week" else 0)
        return row.start_time and row.start_time.replace(**cleared) - days
    if name == "bucket":
        return row.start_time and row.start_time - (row.start_time - EPOCH) % BUCKET
    return getattr(row, name)


def answered(**members: Any) -> Aggregate:
    """An answer without what is seldom asked for."""
    return Aggregate(**{"truncated": False, "histogram": None, "previous": None, **members})


def counted(dataset: Dataset, rows: list[Row[Any]], group_by: tuple[str, ...], measures: Any = ()) -> Aggregate:
    """What the answer should be; groups are in the order of their keys, those without one last."""
    has_samples = "message" in group_by
    if has_samples:
        measures = [*measures, "first_end_time", "last_end_time"]
    groups: dict[tuple[Any, ...], list[Row[Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(key_of(dataset, row, name) for name in group_by)].append(row)
    ordered = sorted(groups, key=lambda key: [(one is None, one or 0) for one in key])
    return answered(
        count=len(rows),
        is_exact=True,
        measures=measured(rows, measures),
        groups=[
            AggregateGroup(
                key=msgspec.convert(dict(zip(group_by, key, strict=True)), GroupKey),
                count=len(groups[key]),
                measures=measured(groups[key], measures),
                sample_ids=sorted(row.id for row in groups[key])[:3] if has_samples else None,
                previous=None,
            )
            for key in ordered
        ]
        if group_by
        else None,
    )


PREDICATES: dict[str, Callable[[Dataset, Row[Any], Any], bool]] = {
    "state": lambda _, row, values: row.state in values,
    "state_not": lambda _, row, values: row.state not in values,
    "state_group": lambda _, row, values: any(row.state in GROUPS[group] for group in values),
    "task_slug": lambda _, row, values: row.task_slug in values,
    "task_name": lambda _, row, values: row.task_name in values,
    "task_slug_prefix": lambda _, row, value: row.task_slug.startswith(value),
    "flow_name": lambda dataset, row, values: dataset.flow_names[row.flow_id] in values,
    "flow_run_id": lambda _, row, values: row.flow_run_id in values,
    "run_count_gte": lambda _, row, value: row.run_count >= value,
}


def met(dataset: Dataset, where: Where) -> list[Row[Any]]:
    return [row for row in dataset.task_runs if all(PREDICATES[name](dataset, row, one) for name, one in where.items())]


# Counting

TALLIED: dict[str, Where] = {
    "all": {},
    "successes": {"state": [T.Success]},
    "successes and failures without failures": {"state": [T.Success, T.Failed], "state_not": [T.Failed]},
    "groups of two flows": {
        "state_group": [StateGroup.finished, StateGroup.running],
        "flow_name": ["etl", "größe"],
    },
    "two tasks": {"task_slug": ["extract-1", "z"]},
    "successes of some tasks": {"task_slug_prefix": "extract", "state": [T.Success]},
    "tasks of two names": {"task_name": ["extract", "z"]},
    "another flow": {"flow_name": ["nothing"]},
    "a state that nothing is in": {"state": [T.Submitted]},
}
TALLIED_GROUPS: list[tuple[str, ...]] = [
    (),
    ("state",),
    ("task_slug",),
    ("task_name",),
    ("task_name", "task_slug"),
    ("flow_name",),
    ("flow_name", "task_slug", "state"),
]
ALL_GROUPS: list[tuple[str, ...]] = [
    *((name,) for name in TASK_RUNS.keys),
    ("state", "flow_name"),
    ("flow_run_id", "state"),
    ("mapped_parent_id", "state"),
    ("day", "hour"),
    ("hour", "state", "task_slug"),
]


@pytest.mark.parametrize("group_by", TALLIED_GROUPS, ids=" ".join)
@pytest.mark.parametrize("where", TALLIED.values(), ids=TALLIED)
async def test_tally_counts_what_the_rows_are_and_does_not_read_them(
    dataset: Dataset, where: Where, group_by: tuple[str, ...]
) -> None:
    with statements_seen() as seen:
        found = await ask(dataset.database, where=where, group_by=group_by)
    assert found == counted(dataset, met(dataset, where), group_by)
    assert not [statement for statement in seen if re.search(r"\btask_run\b", statement)]


@pytest.mark.parametrize("group_by", [(), ("state",), ("flow_run_id",), ("state", "flow_run_id")], ids=" ".join)
@pytest.mark.parametrize(
    "where", [{}, {"state": [T.Success]}, {"state_not": [T.Success], "state_group": [StateGroup.failed]}], ids=" ".join
)
async def test_one_flow_run_is_counted_by_its_own_row(
    dataset: Dataset, where: Where, group_by: tuple[str, ...]
) -> None:
    for flow_run in dataset.flow_runs:
        asked = {**where, "flow_run_id": [flow_run.id]}
        with statements_seen() as seen:
            found = await ask(dataset.database, where=asked, group_by=group_by)
        assert found == counted(dataset, met(dataset, asked), group_by)
        assert not [statement for statement in seen if re.search(r"\btask_run(_tally\w*)?\b", statement)]


async def test_flow_run_that_is_not_there_has_no_task_runs(dataset: Dataset) -> None:
    found = await ask(dataset.database, where={"flow_run_id": [UUID(int=1)]}, group_by=("state",))
    assert found == answered(
        count=0, is_exact=True, measures=Measures(), groups=[], truncated=False, histogram=None, previous=None
    )


@pytest.mark.parametrize("where", [{}, {"run_count_gte": 1}, {"flow_name": ["etl"]}], ids=" ".join)
@pytest.mark.parametrize("group_by", ALL_GROUPS, ids=" ".join)
async def test_rows_are_counted_in_every_group(dataset: Dataset, where: Where, group_by: tuple[str, ...]) -> None:
    assert await ask(dataset.database, where=where, group_by=group_by) == counted(
        dataset, met(dataset, where), group_by
    )


@pytest.mark.parametrize("group_by", [(), *ALL_GROUPS], ids=" ".join)
async def test_every_measure_is_that_of_the_rows_in_every_group(dataset: Dataset, group_by: tuple[str, ...]) -> None:
    found = await ask(dataset.database, group_by=group_by, measures=tuple(MEASURES))
    assert found == counted(dataset, dataset.task_runs, group_by, MEASURES)


@pytest.mark.parametrize("name", MEASURES)
async def test_measure_may_be_asked_for_alone(dataset: Dataset, name: str) -> None:
    where = {"state_group": [StateGroup.finished]}
    found = await ask(dataset.database, where=where, measures=(name,))
    assert found == counted(dataset, met(dataset, where), (), (name,))


async def test_measures_of_nothing_are_null(dataset: Dataset) -> None:
    found = await ask(dataset.database, where={"state": [T.Submitted]}, measures=tuple(MEASURES))
    nothing = Measures(**dict.fromkeys(MEASURES))
    assert found == answered(
        count=0, is_exact=True, measures=nothing, groups=None, truncated=False, histogram=None, previous=None
    )


def test_every_measure_and_key_has_its_member() -> None:
    assert set(MEASURES) == set(Measures.__struct_fields__)
    assert set(TASK_RUNS.keys_by("start_time", has_zone=False)) == set(schemas.GroupKey.__struct_fields__)


async def test_numbers_are_the_same_on_both_databases(database: Database, writer: Writer) -> None:
    # Microseconds that are not exact as floating-point numbers.
    durations = [(number * 7919 % 1_000_003) / 10**6 for number in range(101)]
    flow_run_id = await create_flow_run(writer)
    await report_task_runs(
        writer,
        [
            task_run_item(flow_run_id, f"task-{number}", state("Running", 0), state("Success", seconds))
            for number, seconds in enumerate(durations)
        ],
    )
    names = [name for name in MEASURES if name.endswith("_duration")]
    found = await ask(database, measures=names)
    for name in names:
        expected = STATISTICS[name.partition("_")[0]](durations)
        assert getattr(found.measures, name) == pytest.approx(expected, rel=1e-14, abs=0), name


# Bounds


async def test_groups_beyond_the_limit_are_left_out(dataset: Dataset) -> None:
    for where, group_by in (({}, ("task_slug",)), ({"run_count_gte": 0}, ("task_slug",))):
        whole = await ask(dataset.database, where=where, group_by=group_by)
        assert whole.groups is not None
        size = len(whole.groups)
        for limit, truncated in ((1, True), (size - 1, True), (size, False)):
            found = await ask(dataset.database, where=where, group_by=group_by, limit=limit)
            expected = answered(
                count=whole.count,
                is_exact=True,
                measures=Measures(),
                groups=whole.groups[:limit],
                truncated=truncated,
            )
            assert found == expected


async def test_groups_of_one_flow_run_beyond_the_limit_are_left_out(dataset: Dataset) -> None:
    where = {"flow_run_id": [dataset.flow_runs[0].id]}
    whole = counted(dataset, met(dataset, where), ("state",))
    found = await ask(dataset.database, where=where, group_by=("state",), limit=2)
    assert whole.groups is not None
    assert (found.count, found.groups, found.truncated) == (whole.count, whole.groups[:2], True)


async def test_bounded_count_stops_and_says_so(dataset: Dataset) -> None:
    where = {"run_count_gte": 1}
    size = len(met(dataset, where))
    for limit, count, is_exact in ((1, 1, False), (size - 1, size - 1, False), (size + 1, size, True)):
        found = await ask(dataset.database, where=where, count_limit=limit)
        assert found == answered(
            count=count,
            is_exact=is_exact,
            measures=Measures(),
            groups=None,
        )


async def test_count_that_is_kept_is_exact_whatever_its_bound(dataset: Dataset) -> None:
    found = await ask(dataset.database, count_limit=1)
    assert (found.count, found.is_exact) == (len(dataset.task_runs), True)


REFUSED: dict[str, dict[str, Any]] = {
    "count_limit": {"group_by": ("state",), "count_limit": 5},
    "count_limit of measures": {"measures": ("sum_duration",), "count_limit": 5},
}


@pytest.mark.parametrize("name", REFUSED)
def test_question_that_can_not_be_answered_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        AggregateQuestion(where={}, **REFUSED[name])
    assert [fault.parameter for fault in refused.value.faults] == [name.partition(" ")[0]]


# As it changes


async def test_hours_and_days_are_those_of_utc(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    # An hour around midnight in UTC, which in no half-hour zone falls on the hour.
    for seconds in (6 * 3600 - 0.000_001, 6 * 3600):
        await report_task_run(writer, flow_run_id, f"task-{seconds}", state("Running", seconds))
    hours = await ask(database, group_by=("hour",))
    assert [group.key.hour for group in hours.groups or []] == [at(5 * 3600), at(6 * 3600)]
    days = await ask(database, group_by=("day",))
    assert [group.key.day for group in days.groups or []] == [at(-18 * 3600), at(6 * 3600)]


async def test_state_that_nothing_is_in_any_more_has_no_group(database: Database, writer: Writer) -> None:
    flow_run_id = await create_flow_run(writer)
    for type_ in ("Running", "Success"):
        await report_task_run(writer, flow_run_id, "extract-1", state(type_))
        for where in ({}, {"flow_run_id": [flow_run_id]}):
            found = await ask(database, where=where, group_by=("state",))
            assert [(group.key.state, group.count) for group in found.groups or []] == [(type_, 1)]
