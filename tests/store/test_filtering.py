"""Filters: each finds exactly the rows that a plain predicate finds, on both databases."""

from collections.abc import Callable, Sequence
from operator import ge, gt, le, lt
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import Row

from taskruns_service.domain.slugs import name_in_slug
from taskruns_service.domain.states import GROUPS, StateGroup, StateType
from taskruns_service.queries.filters import FLOW_RUN_FILTERS, TASK_RUN_FILTERS
from taskruns_service.queries.listings import FLOW_RUNS, TASK_RUNS, ListQuery
from taskruns_service.queries.pages import read_page
from taskruns_service.queries.paging import FLOW_RUN_KEYS, TASK_RUN_KEYS, Page, read_sort
from taskruns_service.storage import tables
from tests.store.dataset import Dataset
from tests.store.factories import at

Predicate = Callable[[Dataset, Row[Any], Any], bool]
TYPES, GROUP = StateType, StateGroup
COMPARISONS = {"gte": ge, "gt": gt, "lte": le, "lt": lt}


def compared(column: str, compare: Callable[[Any, Any], bool]) -> Predicate:
    return lambda _, row, value: getattr(row, column) is not None and compare(getattr(row, column), value)


COMPARED: dict[str, Predicate] = {
    f"{column}_{name}": compared(column, compare)
    for column in ("start_time", "end_time", "created", "updated", "duration", "run_time", "queue_time")
    for name, compare in COMPARISONS.items()
}
STATES: dict[str, Predicate] = {
    "state": lambda _, row, values: row.state in values,
    "state_not": lambda _, row, values: row.state not in values,
    "state_group": lambda _, row, values: any(row.state in GROUPS[group] for group in values),
    "start_time_is_null": lambda _, row, value: (row.start_time is None) == value,
    "end_time_is_null": lambda _, row, value: (row.end_time is None) == value,
    "flow_name": lambda dataset, row, values: dataset.flow_names[row.flow_id] in values,
    "name_contains": lambda _, row, value: row.name is not None and value.casefold() in row.name.casefold(),
    "message": lambda _, row, values: row.state_message in values,  # nothing in the dataset's has anything to fold
    "message_is_null": lambda _, row, value: (row.state_message is None) == value,
}
OF_TASK_RUNS: dict[str, Predicate] = {
    **STATES,
    **COMPARED,
    "task_slug": lambda _, row, values: row.task_slug in values,
    "task_name": lambda _, row, values: name_in_slug(row.task_slug) in values,
    "task_slug_prefix": lambda _, row, value: row.task_slug.startswith(value),
    "task_run_id": lambda _, row, values: row.id in values,
    "task_run_id_prefix": lambda _, row, value: str(row.id).startswith(value),
    "flow_run_id": lambda _, row, values: row.flow_run_id in values,
    "map_index": lambda _, row, values: row.map_index in values,
    "tag": lambda _, row, values: any(value in row.tags for value in values),
    "tag_all": lambda _, row, values: all(value in row.tags for value in values),
    "run_count_gte": lambda _, row, value: row.run_count >= value,
    "is_mapped_parent": lambda _, row, value: (row.state == "Mapped" and row.map_index == -1) == value,
    "is_mapped_child": lambda _, row, value: (row.map_index >= 0) == value,
    "has_result": lambda _, row, value: (bool(row.result) and "location" in row.result) == value,
    "after_sequence": lambda _, row, value: row.sequence > value,
}
OF_FLOW_RUNS: dict[str, Predicate] = {
    **STATES,
    **COMPARED,
    "flow_run_id": lambda _, row, values: row.id in values,
    "flow_run_id_prefix": lambda _, row, value: str(row.id).startswith(value),
    "parent_task_run_id": lambda _, row, values: row.parent_task_run_id in values,
    "parent_flow_run_id": lambda dataset, row, values: any(
        task_run.id == row.parent_task_run_id and task_run.flow_run_id in values for task_run in dataset.task_runs
    ),
    "label": lambda _, row, values: any(value in row.labels for value in values),
    "label_all": lambda _, row, values: all(value in row.labels for value in values),
    "is_stale": lambda _, row, value: (row.last_heartbeat is not None) == value,  # none has sent any
}


def values_of(name: str, rows: Sequence[Row[Any]]) -> list[Any]:
    """Values to ask a filter for: for most the same, for ids and times those of some rows."""
    column = name.rpartition("_")[0]
    if name in COMPARED:
        found = sorted({getattr(row, column) for row in rows if getattr(row, column) is not None})
        return [found[0], found[len(found) // 2], found[-1]]
    some = rows[:: len(rows) // 3]
    # Those that were made one after another have most of their id in common.
    prefixes = [str(rows[0].id)[:length] for length in (4, 8, 9, 14, 19, 24, 30)]
    prefixes += ["ffff", *(str(row.id) for row in some)]
    values: dict[str, list[Any]] = {
        "task_run_id_prefix": prefixes,
        "flow_run_id_prefix": prefixes,
        "state": [[TYPES.Success], [TYPES.Success, TYPES.Failed], [TYPES.Submitted], list(TYPES)],
        "state_not": [[TYPES.Success], [TYPES.Success, TYPES.Failed], [TYPES.Submitted], list(TYPES)],
        "state_group": [*([group] for group in GROUP), [GROUP.pending, GROUP.failed]],
        "task_slug": [["extract-1"], ["extract-1", "z"], ["größe-1"], ["nothing"]],
        "task_name": [["extract"], ["extract", "z"], ["größe"], ["nothing"]],
        "task_slug_prefix": ["extract-1", "e", "E", "load_", "load%", "größ", "map-", "extract-1\U0010ffff"],
        "name_contains": ["extract", "100%", "%", "_", "größe", "GRÖSSE", "\\", "/", "run-"],
        "task_run_id": [[row.id for row in some], [UUID(int=1)]],
        "flow_run_id": [[getattr(row, "flow_run_id", row.id) for row in some], [UUID(int=1)]],
        "parent_task_run_id": [[getattr(row, "parent_task_run_id", None) or UUID(int=1)] for row in rows],
        "parent_flow_run_id": [[row.id] for row in rows] + [[row.id for row in some]],
        "flow_name": [["etl"], ["etl", "größe"], ["et"]],
        "map_index": [[-1], [0, 20], [11], [2**31 - 1]],
        "tag": [["etl"], ["daily", "Etl"], ["größe"], ["100%"], ["e"]],
        "tag_all": [["etl"], ["etl", "daily"], ["etl", "etl"], ["etl", "Etl"]],
        "label": [["prod"], ["eu", "Prod"], ["pro"]],
        "label_all": [["prod"], ["prod", "eu"], ["prod", "Prod"]],
        "run_count_gte": [0, 1, 2, 3, 2**31 - 1],
        "message": [["Done."], ["Done.", "It failed."], ["done."]],
        "after_sequence": [0, 50, 2**63 - 1],
    }
    return values.get(name, [True, False])


async def found(dataset: Dataset, name: str, where: dict[str, Any]) -> list[UUID]:
    """The ids of what is found, in the order of creation."""
    if name == "task run":
        orders = read_sort("created", TASK_RUN_KEYS, tables.task_run.c.id, across_flow_runs=True)
        page = await dataset.database.read(
            read_page, ListQuery(TASK_RUNS, where, Page(orders=orders, limit=1000), ("id",))
        )
    else:
        orders = read_sort("created", FLOW_RUN_KEYS, tables.flow_run.c.id, across_flow_runs=True)
        page = await dataset.database.read(
            read_page, ListQuery(FLOW_RUNS, where, Page(orders=orders, limit=1000), ("id",))
        )
    assert page.next_cursor is None
    return [UUID(item["id"]) for item in msgspec.json.decode(page.items)]


@pytest.mark.parametrize("name", [one.name for one in TASK_RUN_FILTERS])
async def test_filter_finds_the_task_runs_that_meet_it(dataset: Dataset, name: str) -> None:
    await check(dataset, "task run", name, OF_TASK_RUNS[name], dataset.task_runs)


@pytest.mark.parametrize("name", [one.name for one in FLOW_RUN_FILTERS])
async def test_filter_finds_the_flow_runs_that_meet_it(dataset: Dataset, name: str) -> None:
    await check(dataset, "flow run", name, OF_FLOW_RUNS[name], dataset.flow_runs)


async def check(dataset: Dataset, of: str, name: str, predicate: Predicate, rows: list[Row[Any]]) -> None:
    sizes = set()
    for value in values_of(name, rows):
        expected = [row.id for row in rows if predicate(dataset, row, value)]
        assert sorted(await found(dataset, of, {name: value})) == expected, value
        sizes.add(len(expected))
    assert len(sizes) > 1, "each filter is to find more for one value than for another"


COMBINED: list[dict[str, Any]] = [
    {"state": [TYPES.Success], "state_group": [GROUP.failed]},
    {"state_group": [GROUP.finished], "task_slug_prefix": "extract", "tag": ["etl"]},
    {"flow_name": ["etl"], "is_mapped_child": True, "duration_gte": 10.0},
    {"start_time_gte": at(0), "start_time_lt": at(50_000), "state_not": [TYPES.Success]},
    {"start_time_is_null": True, "end_time_is_null": False},
    {"name_contains": "a", "tag_all": ["etl", "daily"], "map_index": [-1, 0]},
]


@pytest.mark.parametrize("where", COMBINED, ids=" ".join)
async def test_filters_combine_with_and(dataset: Dataset, where: dict[str, Any]) -> None:
    expected = [
        row.id
        for row in dataset.task_runs
        if all(OF_TASK_RUNS[name](dataset, row, value) for name, value in where.items())
    ]
    assert sorted(await found(dataset, "task run", where)) == expected
