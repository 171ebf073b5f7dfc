"""Kinds of questions: what may read a whole table is told from what is found by a key or an index."""

from typing import Any

import pytest

from taskruns_service.prefect1.graph.choices import Aggregated, Choice, Count, Many, Measured, One, Selected
from taskruns_service.prefect1.graph.entities import ENTITIES
from taskruns_service.prefect1.graphql.costs import kind_of_aggregate, kind_of_list
from taskruns_service.queries import aggregates, paging, plans
from taskruns_service.queries.aggregates import AggregateQuestion
from taskruns_service.storage import tables
from taskruns_service.storage.lanes import QueryKind

NAME = Selected({"name": "name"})
TASK_RUNS = Selected({"task_runs": Many("task_runs", Choice(), NAME)})
STATES = Selected({"states": Many("states", Choice(), Selected({"state": "state"}))})
COUNT = {"aggregate": Measured({"count": Count()})}


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
    orders = paging.read_sort(sort, paging.TASK_RUN_KEYS, tables.task_run.c.id, everywhere=True)
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
    assert aggregates.may_scan(AggregateQuestion(**{"where": {}, **question})) is scans


@pytest.mark.parametrize(
    ("where", "selected", "kind"),
    [
        ({"id": {"_eq": "1"}}, NAME, "look_up"),
        ({"id": {"_in": ["1"]}, "_or": []}, Selected({"flow_run": One("flow_run", NAME)}), "look_up"),
        ({"id": {"_eq": "1"}}, STATES, "read"),
        ({"id": {"_eq": "1"}}, Selected({"flow_run": One("flow_run", TASK_RUNS)}), "read"),
        ({"flow_run_id": {"_eq": "1"}}, NAME, "read"),
        ({"cache_key": {"_eq": "1"}, "state": {"_eq": "Cached"}}, NAME, "read"),
        ({"id": {"_neq": "1"}}, NAME, "scan"),
        ({"state": {"_eq": "Cached"}}, NAME, "scan"),
        ({}, NAME, "scan"),
    ],
)
def test_list_of_graphql_is_a_look_up_by_id_only(where: dict[str, Any], selected: Selected, kind: str) -> None:
    assert kind_of_list(ENTITIES["task_run"], Choice(where=where), selected) is QueryKind[kind]


@pytest.mark.parametrize(
    ("where", "kind"),
    [({}, "read"), ({"flow_run_id": {"_eq": "019064f2-5a3c-7e1d-9a26-72754b7ea174"}}, "read"), ({"name": {}}, "scan")],
)
def test_aggregate_of_graphql_scans_where_no_counts_are_kept(where: dict[str, Any], kind: str) -> None:
    assert kind_of_aggregate(ENTITIES["task_run"], Aggregated(Choice(where=where), COUNT)) is QueryKind[kind]


BY_ID: dict[str, Any] = {"id": {"_eq": "1"}}


@pytest.mark.parametrize(
    ("entity", "choice", "selected"),
    [
        ("agent", Choice(where=BY_ID), Selected({"runs": Many("flow_runs", Choice(), NAME)})),
        ("agent", Choice(where=BY_ID), Selected({"count": Aggregated(Choice(), COUNT, "flow_runs")})),
        ("agent", Choice(where={**BY_ID, "_or": [{"flow_runs": {"name": {"_eq": "a"}}}]}), NAME),
        ("agent", Choice(where=BY_ID, order_by=[{"flow_runs_aggregate": {"count": "asc"}}]), NAME),
        ("flow_run", Choice(where={**BY_ID, "agent": {"flow_runs": {}}}), NAME),
    ],
)
def test_relation_without_an_index_is_scanned(entity: str, choice: Choice, selected: Selected) -> None:
    assert kind_of_list(ENTITIES[entity], choice, selected) is QueryKind.scan
    assert kind_of_aggregate(ENTITIES[entity], Aggregated(choice, {"nodes": selected})) is QueryKind.scan
