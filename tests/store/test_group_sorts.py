"""Sorts of groups: by keys, counts and measures, of rows, tallies and a flow run's own counts alike."""

from typing import Any

import pytest

from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.domain.states import StateType
from taskruns_service.queries import aggregates
from taskruns_service.queries.aggregations import (
    FLOW_RUNS,
    MEASURES,
    TASK_RUNS,
    AggregateQuestion,
    GroupOrder,
    read_group_sort,
)
from taskruns_service.schemas import AggregateGroup
from tests.store.dataset import Dataset
from tests.store.test_aggregates import counted


def value_of(group: AggregateGroup, name: str) -> Any:
    """What a group is sorted by."""
    if name == "count":
        return group.count
    return getattr(group.measures if name in MEASURES else group.key, name)


def in_order(groups: list[AggregateGroup], sort: str) -> list[AggregateGroup]:
    """The groups, which are in the order of their keys, in that of a sort; those without a value come last."""
    for part in reversed(sort.split(",")):
        name, descending = part.removeprefix("-"), part.startswith("-")
        valued = [group for group in groups if value_of(group, name) is not None]
        valued.sort(key=lambda group: value_of(group, name), reverse=descending)
        groups = valued + [group for group in groups if value_of(group, name) is None]
    return groups


SORTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "-count": ({}, ("state",)),
    "count,-state": ({}, ("state",)),
    "-flow_name": ({}, ("flow_name", "state")),
    "-p95_duration": ({}, ("task_slug",)),
    "avg_queue_time,-count": ({"run_count_gte": 1}, ("task_slug", "state")),
    "-last_end_time": ({}, ("flow_name", "mapped_parent_id")),
    "-hour": ({}, ("hour",)),
    "-count,hour": ({}, ("hour", "state")),
}


@pytest.mark.parametrize("limit", [2, 1000])
@pytest.mark.parametrize("sort", SORTS)
async def test_groups_are_in_the_order_of_the_sort(dataset: Dataset, sort: str, limit: int) -> None:
    where, group_by = SORTS[sort]
    question = AggregateQuestion(where=where, group_by=group_by, sort=read_group_sort(sort, group_by), limit=limit)
    rows = [row for row in dataset.task_runs if row.run_count >= where.get("run_count_gte", 0)]
    measures = [name for name in (part.removeprefix("-") for part in sort.split(",")) if name in MEASURES]
    expected = counted(dataset, rows, group_by, measures)
    assert expected.groups is not None
    answer = await dataset.database.read_snapshot(aggregates.aggregate, question)
    assert answer.groups == in_order(expected.groups, sort)[:limit]
    assert (answer.count, answer.truncated) == (len(rows), len(expected.groups) > limit)


@pytest.mark.parametrize("sort", ["-count", "count", "-state"])
async def test_states_of_one_flow_run_are_in_the_order_of_the_sort(dataset: Dataset, sort: str) -> None:
    flow_run_id = dataset.flow_runs[0].id
    where = {"flow_run_id": [flow_run_id]}
    question = AggregateQuestion(where=where, group_by=("state",), sort=read_group_sort(sort, ("state",)))
    expected = counted(dataset, [row for row in dataset.task_runs if row.flow_run_id == flow_run_id], ("state",))
    answer = await dataset.database.read_snapshot(aggregates.aggregate, question)
    assert answer.groups == in_order(expected.groups or [], sort)


async def test_flow_runs_are_in_the_order_of_the_sort(dataset: Dataset) -> None:
    sort = (GroupOrder("max_duration", descending=True),)
    question = AggregateQuestion(aggregation=FLOW_RUNS, where={}, group_by=("flow_name",), sort=sort)
    answer = await dataset.database.read_snapshot(aggregates.aggregate, question)
    expected = counted(dataset, dataset.flow_runs, ("flow_name",), ("max_duration",))
    assert answer.groups == in_order(expected.groups or [], "-max_duration")


@pytest.mark.parametrize(
    ("sort", "group_by", "detail"),
    [
        ("flow_name", ("state",), "`flow_name` is not a sort key."),
        ("-cuont", ("state",), "`cuont` is not a sort key."),
        ("", ("state",), "`` is not a sort key."),
        ("count,-count", ("state",), "It contains a key twice."),
        ("count", (), "It applies only to groups: send `group_by`."),
    ],
)
def test_sort_that_is_none_is_refused(sort: str, group_by: tuple[str, ...], detail: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_group_sort(sort, group_by)
    (fault,) = refused.value.faults
    assert (fault.parameter, fault.detail.startswith(detail)) == ("sort", True)


def test_measure_that_sorts_is_returned() -> None:
    values = {"group_by": ["state"], "measure": ["count"], "sort": "-p95_duration", "limit": 20}
    assert TASK_RUNS.question(values).measured == ("p95_duration",)
    assert TASK_RUNS.question({**values, "state": [StateType.Success]}).where == {"state": [StateType.Success]}
