"""Histograms: equal to plain Python over the rows, on both databases, with the filters of each kind of runs."""

import re
from bisect import bisect_right
from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest

from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.domain.states import StateType
from taskruns_service.queries import aggregates
from taskruns_service.queries.aggregations import FLOW_RUNS, TASK_RUNS, AggregateQuestion
from taskruns_service.queries.histograms import BOUNDS
from taskruns_service.queries.paging import SECONDS
from taskruns_service.schemas import Histogram
from taskruns_service.storage.database import Database
from taskruns_service.storage.lanes import QueryKind
from taskruns_service.storage.writer import Writer
from tests.store.dataset import Dataset
from tests.store.factories import create_flow_run, report_task_runs, state, statements_seen, task_run_item


def counted(rows: Any, column: str) -> Histogram:
    """The histogram of a column of some rows."""
    counts: dict[StateType, list[int]] = defaultdict(lambda: [0] * (len(BOUNDS) + 1))
    for row in rows:
        if (value := getattr(row, column)) is not None:
            counts[row.state][bisect_right(BOUNDS, value)] += 1
    return Histogram(measure=column, bounds=list(BOUNDS), counts=dict(counts))


@pytest.mark.parametrize("column", SECONDS)
@pytest.mark.parametrize("where", [{}, {"state": [StateType.Success]}, {"run_count_gte": 2}], ids=" ".join)
async def test_histogram_is_that_of_the_rows(dataset: Dataset, where: dict[str, Any], column: str) -> None:
    rows = [
        row
        for row in dataset.task_runs
        if row.state in where.get("state", list(StateType)) and row.run_count >= where.get("run_count_gte", 0)
    ]
    question = AggregateQuestion(where=where, histogram=column)
    answer = await dataset.database.read_snapshot(aggregates.aggregate, question)
    assert (answer.count, answer.histogram) == (len(rows), counted(rows, column))


async def test_histogram_of_flow_runs_comes_with_groups(dataset: Dataset) -> None:
    question = AggregateQuestion(aggregation=FLOW_RUNS, where={}, group_by=("state",), histogram="duration")
    answer = await dataset.database.read_snapshot(aggregates.aggregate, question)
    assert answer.histogram == counted(dataset.flow_runs, "duration")
    assert sum(group.count for group in answer.groups or []) == len(dataset.flow_runs)


async def test_value_on_a_bound_is_above_it(database: Database, writer: Writer) -> None:
    durations = [0, *BOUNDS[::4], BOUNDS[-1] * 2]
    flow_run_id = await create_flow_run(writer)
    items = [
        task_run_item(flow_run_id, f"task-{number}", state("Running", 0), state("Success", duration))
        for number, duration in enumerate(durations)
    ]
    await report_task_runs(writer, items)
    with statements_seen() as seen:
        question = AggregateQuestion(where={"flow_run_id": [flow_run_id]}, histogram="duration")
        answer = await database.read_snapshot(aggregates.aggregate, question)
    expected = [0] * (len(BOUNDS) + 1)
    for duration in durations:
        expected[sum(bound <= duration for bound in BOUNDS)] += 1
    assert answer.histogram == Histogram(measure="duration", bounds=list(BOUNDS), counts={StateType.Success: expected})
    assert sum(bool(re.search(r"\bFROM task_run\b", statement)) for statement in seen) == 1


def test_bounds_are_few_and_evenly_spaced() -> None:
    assert len(BOUNDS) <= 40
    assert all(1.7 < upper / lower < 1.9 for lower, upper in pairwise(BOUNDS))


def test_histogram_reads_rows_and_takes_no_limit_of_counts() -> None:
    assert AggregateQuestion(where={}, histogram="duration").kind is QueryKind.scan
    assert TASK_RUNS.question({"histogram": "duration", "limit": 1}).needs_snapshot
    with pytest.raises(InvalidRequest) as refused:
        AggregateQuestion(where={}, histogram="duration", count_limit=5)
    assert [fault.parameter for fault in refused.value.faults] == ["count_limit"]
