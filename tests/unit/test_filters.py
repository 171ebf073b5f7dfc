"""The filter language: which filters there are, that each has its documentation, and its clause on both databases."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Dialect, column, make_url, select

from taskruns_service.domain.log_levels import LogLevel
from taskruns_service.domain.states import StateGroup, StateType
from taskruns_service.prefect1.graph.conditions import COMPARISONS
from taskruns_service.queries import parameters
from taskruns_service.queries.filters import (
    FLOW_RUN_FILTERS,
    FLOW_RUN_LOG_FILTERS,
    TASK_RUN_FILTERS,
    TASK_RUN_LOG_FILTERS,
    Filter,
    clauses,
    filter_values,
)
from taskruns_service.queries.operators import OPERATORS

DIALECTS: dict[str, Dialect] = {
    "sqlite": make_url("sqlite://").get_dialect()(),
    "postgresql": make_url("postgresql+asyncpg://").get_dialect()(),
}
TIMES = [
    f"{field}_{operator}"
    for field in ("start_time", "end_time", "created", "updated")
    for operator in ("gte", "gt", "lte", "lt")
]
SECONDS = [f"{field}_{operator}" for field in ("duration", "run_time", "queue_time") for operator in ("gte", "lte")]
LANGUAGES = {
    "task run": TASK_RUN_FILTERS,
    "flow run": FLOW_RUN_FILTERS,
    "task run log": TASK_RUN_LOG_FILTERS,
    "flow run log": FLOW_RUN_LOG_FILTERS,
}
FILTERS = {f"{name} {one.name}": (language, one) for name, language in LANGUAGES.items() for one in language}
VALUES: dict[int, Any] = {
    id(parameters.TEXT): "a%_b",
    id(parameters.MESSAGE): "row 17",
    id(parameters.STATE): StateType.Success,
    id(parameters.GROUP): StateGroup.failed,
    id(parameters.IDENTIFIER): UUID(int=1),
    id(parameters.IDENTIFIER_PREFIX): "01a20552-ee",
    id(parameters.LOG_LEVEL): LogLevel.WARNING,
    id(parameters.MAP_INDEX): 0,
    id(parameters.COUNT): 1,
    id(parameters.SEQUENCE): 1,
    id(parameters.SECONDS): 1.5,
    id(parameters.MOMENT): datetime(2021, 5, 12, tzinfo=UTC),
    id(parameters.BOOLEAN): True,
}

SENTENCE_STARTS = (
    *("Runs ", "Only ", "Ran ", "Started ", "Ended ", "Created ", "Last changed ", "Took ", "Waited ", "Lines "),
)


def test_task_runs_have_these_filters() -> None:
    assert [one.name for one in TASK_RUN_FILTERS] == [
        *("state", "state_not", "state_group", "task_slug", "task_slug_prefix", "task_name", "name_contains"),
        *(
            "task_run_id",
            "task_run_id_prefix",
            "flow_run_id",
            "flow_name",
            "map_index",
            "tag",
            "tag_all",
            "run_count_gte",
        ),
        *(*TIMES, *SECONDS),
        *("start_time_is_null", "end_time_is_null", "is_mapped_parent", "is_mapped_child", "has_result"),
        *("after_sequence", "message", "message_is_null"),
    ]


def test_flow_runs_have_these_filters() -> None:
    assert [one.name for one in FLOW_RUN_FILTERS] == [
        *("state", "state_not", "state_group", "flow_run_id", "flow_run_id_prefix", "flow_name"),
        *("name_contains", "parent_task_run_id", "parent_flow_run_id", "label", "label_all", *TIMES, *SECONDS),
        *("start_time_is_null", "end_time_is_null", "is_stale"),
        *("message", "message_is_null"),
    ]


@pytest.mark.parametrize(("language", "one"), FILTERS.values(), ids=FILTERS)
def test_filter_has_a_sentence(language: tuple[Filter, ...], one: Filter) -> None:
    description = one.parameter.description
    assert description.startswith(SENTENCE_STARTS)
    assert description.endswith(".")
    assert "{" not in description
    assert one.parameter.document()["description"] == description


def test_sentence_names_the_bound() -> None:
    sentences = {one.name: one.parameter.description for one in TASK_RUN_FILTERS}
    assert sentences["start_time_gte"] == "Started at or after this time."
    assert sentences["end_time_gt"] == "Ended after this time."
    assert sentences["updated_lt"] == "Last changed before this time."
    assert sentences["duration_lte"] == "Took at most this many seconds."
    assert sentences["tag"] == "Runs with any of these tags."


@pytest.mark.parametrize(("language", "one"), FILTERS.values(), ids=FILTERS)
def test_example_of_a_filter_is_a_value_of_it(language: tuple[Filter, ...], one: Filter) -> None:
    if one.example is not None:
        assert parameters.convert(str(one.example), one.value) == one.example


def test_every_operator_is_used() -> None:
    of_lists = {one.operator for language in LANGUAGES.values() for one in language}
    of_expressions = {one.operator for comparisons in COMPARISONS.values() for one in comparisons.values()}
    assert of_lists | of_expressions == OPERATORS.keys()


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize(("language", "one"), FILTERS.values(), ids=FILTERS)
def test_filter_has_a_clause_on_every_database(language: tuple[Filter, ...], one: Filter, dialect: Dialect) -> None:
    value = VALUES[id(one.value)]
    (clause,) = clauses({one.name: [value] if one.parameter.many else value}, language)
    assert str(clause.compile(dialect=dialect))


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize(
    "one", [one for one in TASK_RUN_FILTERS if one.value is parameters.BOOLEAN], ids=lambda one: one.name
)
def test_true_and_false_ask_for_opposites(one: Filter, value: bool) -> None:
    (asked,) = clauses({one.name: value}, TASK_RUN_FILTERS)
    (opposite,) = clauses({one.name: not value}, TASK_RUN_FILTERS)
    assert str(asked) != str(opposite)


def test_filters_are_all_to_be_met() -> None:
    asked = {"state": [StateType.Failed], "run_count_gte": 2}
    assert len(clauses(asked, TASK_RUN_FILTERS)) == 2


def test_empty_filter_makes_no_clause() -> None:
    assert clauses({}, TASK_RUN_FILTERS) == []


def test_column_of_a_filter_may_be_replaced() -> None:
    for states, start in (([StateType.Failed], "tallied ="), ([StateType.Failed, StateType.Success], "tallied IN")):
        (clause,) = clauses({"state": states}, TASK_RUN_FILTERS, {"state": column("tallied")})
        assert "FROM" not in str(select(1).where(clause))
        assert str(clause).startswith(start)


def test_chosen_are_the_filters_among_the_parameters() -> None:
    asked = {"state": [StateType.Failed], "limit": 5, "sort": "created", "tag": ["etl"]}
    assert filter_values(asked, TASK_RUN_FILTERS) == {"state": [StateType.Failed], "tag": ["etl"]}


def test_group_is_its_states() -> None:
    (clause,) = clauses({"state_group": [StateGroup.running, StateGroup.failed]}, TASK_RUN_FILTERS)
    text = str(clause.compile(dialect=DIALECTS["sqlite"], compile_kwargs={"literal_binds": True}))
    names = ("Cancelling", "Crashed", "Failed", "Running", "TimedOut", "TriggerFailed", "ValidationFailed")
    assert text == f"task_run.state IN ({', '.join(map(repr, names))})"
