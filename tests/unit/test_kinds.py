"""Kinds of questions: what may read a whole table is told from what is found by a key or an index."""

from typing import Any

import pytest

from taskruns_service.prefect1.graph.entities import ENTITIES
from taskruns_service.prefect1.graph.selections import (
    Aggregates,
    AggregateSelection,
    Count,
    RowQuery,
    Selection,
    ToMany,
    ToOne,
)
from taskruns_service.prefect1.graph.tallied import count_question
from taskruns_service.prefect1.graphql.costs import kind_of_aggregate, kind_of_list
from taskruns_service.queries import paging, plans
from taskruns_service.queries.aggregations import AggregateQuestion
from taskruns_service.storage import tables
from taskruns_service.storage.lanes import QueryKind

NAME = Selection({"name": "name"})
TASK_RUNS = Selection({"task_runs": ToMany("task_runs", RowQuery(), NAME)})
STATES = Selection({"states": ToMany("states", RowQuery(), Selection({"state": "state"}))})
COUNT = {"aggregate": Aggregates({"count": Count()})}


@pytest.mark.parametrize(
    ("where", "sort", "scans"),
    [
        ({}, "-created", False),
        ({"state": ["Failed"], "flow_name": ["etl"]}, "-created", False),
        ({"flow_run_id": ["1"], "name_contains": "a"}, "-created", False),
        ({"start_time_gte": "1"}, "-start_time", False),
        ({"start_time_gte": "1"}, "-end_time", True),
        ({"name_contains": "a"}, "-created", True),
        ({"state": ["Failed"], "tag": ["etl"]}, "-created", True),
        ({"state_not": ["Success"]}, "-created", True),
    ],
)
def test_page_scans_where_no_index_has_it(where: dict[str, Any], sort: str, scans: bool) -> None:
    orders = paging.read_sort(sort, paging.TASK_RUN_KEYS, tables.task_run.c.id, across_flow_runs=True)
    assert plans.may_scan(where, orders) is scans


@pytest.mark.parametrize(
    ("question", "scans"),
    [
        ({"group_by": ["state"]}, False),
        ({"where": {"flow_name": ["etl"]}, "group_by": ["task_slug"]}, False),
        ({"where": {"flow_run_id": ["1"]}, "measures": ["max_duration"]}, False),
        ({"where": {"task_slug": ["a"]}, "measures": ["max_duration"]}, True),
        ({"group_by": ["day"]}, True),
    ],
)
def test_aggregate_scans_where_no_counts_are_kept(question: dict[str, Any], scans: bool) -> None:
    assert (AggregateQuestion(**{"where": {}, **question}).kind is QueryKind.scan) is scans


@pytest.mark.parametrize(
    ("where", "selection", "kind"),
    [
        ({"id": {"_eq": "1"}}, NAME, "look_up"),
        ({"id": {"_in": ["1"]}, "_or": []}, Selection({"flow_run": ToOne("flow_run", NAME)}), "look_up"),
        ({"id": {"_eq": "1"}}, STATES, "read"),
        ({"id": {"_eq": "1"}}, Selection({"flow_run": ToOne("flow_run", TASK_RUNS)}), "read"),
        ({"flow_run_id": {"_eq": "1"}}, NAME, "read"),
        ({"cache_key": {"_eq": "1"}, "state": {"_eq": "Cached"}}, NAME, "read"),
        ({"id": {"_neq": "1"}}, NAME, "scan"),
        ({"state": {"_eq": "Cached"}}, NAME, "scan"),
        ({}, NAME, "scan"),
    ],
)
def test_list_of_graphql_is_a_look_up_by_id_only(where: dict[str, Any], selection: Selection, kind: str) -> None:
    assert kind_of_list(ENTITIES["task_run"], RowQuery(where=where), selection) is QueryKind[kind]


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ({}, "read"),
        ({"flow_run_id": {"_eq": "019064f2-5a3c-7e1d-9a26-72754b7ea174"}}, "read"),
        ({"name": {}}, "scan"),
        ({"start_time": {"_gte": "2026-01-01"}}, "scan"),
    ],
)
def test_aggregate_of_graphql_scans_where_no_counts_are_kept(where: dict[str, Any], kind: str) -> None:
    assert kind_of_aggregate(ENTITIES["task_run"], AggregateSelection(RowQuery(where=where), COUNT)) is QueryKind[kind]


BY_ID: dict[str, Any] = {"id": {"_eq": "1"}}


def test_tally_answers_conditions_on_one_field_only_once() -> None:
    slug, other = {"_eq": "a"}, {"_eq": "b"}
    both = AggregateSelection(RowQuery(where={"task_slug": slug, "task": {"slug": other}}), COUNT)
    assert count_question(both) is None
    by_task = AggregateSelection(RowQuery(where={"task": {"slug": slug}}), COUNT)
    assert count_question(by_task) == AggregateQuestion(where={"task_slug": ["a"]})


@pytest.mark.parametrize(
    "comparisons", [{}, {"_gte": None}, {"_eq": "2026-01-01"}, {"_gte": "2026-01-01", "_is_null": False}]
)
def test_window_of_graphql_has_nothing_but_bounds(comparisons: dict[str, Any]) -> None:
    assert count_question(AggregateSelection(RowQuery(where={"start_time": comparisons}), COUNT)) is None


@pytest.mark.parametrize(
    ("entity", "row_query", "selection"),
    [
        ("agent", RowQuery(where=BY_ID), Selection({"runs": ToMany("flow_runs", RowQuery(), NAME)})),
        ("agent", RowQuery(where=BY_ID), Selection({"count": AggregateSelection(RowQuery(), COUNT, "flow_runs")})),
        ("agent", RowQuery(where={**BY_ID, "_or": [{"flow_runs": {"name": {"_eq": "a"}}}]}), NAME),
        ("agent", RowQuery(where=BY_ID, order_by=[{"flow_runs_aggregate": {"count": "asc"}}]), NAME),
        ("flow_run", RowQuery(where={**BY_ID, "agent": {"flow_runs": {}}}), NAME),
    ],
)
def test_relation_without_an_index_is_scanned(entity: str, row_query: RowQuery, selection: Selection) -> None:
    assert kind_of_list(ENTITIES[entity], row_query, selection) is QueryKind.scan
    assert kind_of_aggregate(ENTITIES[entity], AggregateSelection(row_query, {"nodes": selection})) is QueryKind.scan
