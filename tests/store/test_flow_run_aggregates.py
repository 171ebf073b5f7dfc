"""Aggregates of flow runs: equal to plain Python over the rows, and counts by state and flow from their own tally."""

import re
from typing import Any

import pytest
from sqlalchemy import Row

from taskruns_service.domain.states import GROUPS, StateGroup, StateType
from taskruns_service.queries import aggregates
from taskruns_service.queries.aggregations import FLOW_RUNS, MEASURES, AggregateQuestion
from taskruns_service.schemas import Aggregate, GroupKey
from taskruns_service.storage.database import Database
from tests.store.dataset import Dataset
from tests.store.factories import statements_seen
from tests.store.test_aggregates import BUCKET, counted

T = StateType
Where = dict[str, Any]


async def ask(database: Database, **question: Any) -> Aggregate:
    if "bucket" in question.get("group_by", ()):
        question["bucket"] = BUCKET
    return await database.read_snapshot(
        aggregates.aggregate, AggregateQuestion(**{"aggregation": FLOW_RUNS, "where": {}, **question})
    )


def met(dataset: Dataset, where: Where) -> list[Row[Any]]:
    """The flow runs that meet the filters."""
    return [
        row
        for row in dataset.flow_runs
        if row.state in where.get("state", list(T))
        and row.state not in where.get("state_not", ())
        and any(row.state in GROUPS[group] for group in where.get("state_group", StateGroup))
        and dataset.flow_names[row.flow_id] in where.get("flow_name", dataset.flow_names.values())
        and set(row.labels) >= set(where.get("label_all", ()))
    ]


TALLIED: dict[str, Where] = {
    "all": {},
    "a state": {"state": [T.Success]},
    "all but a state": {"state_not": [T.Success]},
    "groups of two flows": {"state_group": [StateGroup.finished, StateGroup.running], "flow_name": ["etl", "größe"]},
    "another flow": {"flow_name": ["nothing"]},
}
TALLIED_GROUPS: list[tuple[str, ...]] = [(), ("state",), ("flow_name",), ("flow_name", "state")]
ALL_GROUPS: list[tuple[str, ...]] = [
    *((name,) for name in FLOW_RUNS.keys),
    ("day", "hour"),
    ("hour", "state", "flow_name"),
]


@pytest.mark.parametrize("group_by", TALLIED_GROUPS, ids=" ".join)
@pytest.mark.parametrize("where", TALLIED.values(), ids=TALLIED)
async def test_tally_counts_flow_runs_and_does_not_read_them(
    dataset: Dataset, where: Where, group_by: tuple[str, ...]
) -> None:
    with statements_seen() as seen:
        answer = await ask(dataset.database, where=where, group_by=group_by)
    assert answer == counted(dataset, met(dataset, where), group_by)
    assert not [statement for statement in seen if re.search(r"\bflow_run\b", statement)]


@pytest.mark.parametrize("where", [{}, {"label_all": ["prod"]}, {"flow_name": ["etl"]}], ids=" ".join)
@pytest.mark.parametrize("group_by", [(), *ALL_GROUPS], ids=" ".join)
async def test_every_measure_is_that_of_the_flow_runs_in_every_group(
    dataset: Dataset, where: Where, group_by: tuple[str, ...]
) -> None:
    answer = await ask(dataset.database, where=where, group_by=group_by, measures=tuple(MEASURES))
    assert answer == counted(dataset, met(dataset, where), group_by, MEASURES)


async def test_bounds_are_those_of_task_runs(dataset: Dataset) -> None:
    whole = await ask(dataset.database, group_by=("state",))
    assert whole.groups is not None
    bounded = await ask(dataset.database, group_by=("state",), limit=1)
    assert (bounded.groups, bounded.truncated) == (whole.groups[:1], True)
    prod = len(met(dataset, {"label_all": ["prod"]}))
    bounded = await ask(dataset.database, where={"label_all": ["prod"]}, count_limit=prod - 1)
    assert (bounded.count, bounded.is_exact) == (prod - 1, False)


def test_every_key_has_its_member() -> None:
    assert set(FLOW_RUNS.keys) <= set(GroupKey.__struct_fields__)
