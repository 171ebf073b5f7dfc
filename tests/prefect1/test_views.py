"""Every public method of prefect's own views of what its engine reported, and the errors that they end in."""

import re
from typing import Any

import pytest

from tests.prefect1.programs import NO_LOCATION, NO_RESULT, Prefect1

WIDTH = 12
BAD_ID = 'ClientError: data-exception: invalid input syntax for type uuid: "not-a-uuid"'


@pytest.fixture(scope="module")
def seen(prefect1: Prefect1, runs: dict[str, str]) -> dict[str, Any]:
    """What `TaskRunView` says of the main flow."""
    told: dict[str, Any] = prefect1.see("viewing.task_runs", **runs)
    return told


def test_parent_and_child_are_looked_up_by_slug_and_by_id(seen: dict[str, Any], runs: dict[str, str]) -> None:
    parent, child = seen["parent"], seen["child"]
    assert parent.pop("task_run_id") != child.pop("task_run_id")
    shared = {"flow_run_id": runs["first"], "task_slug": "inc-1", "name": None}
    assert parent == {**shared, "map_index": -1, "state": ["Mapped", "Ready to proceed with mapping."]}
    assert child == {**shared, "map_index": 2, "state": ["Success", "Task run succeeded."]}
    assert [seen[name] for name in ("by id", "latest", "of another", "task_id")] == [True, True, False, True]
    assert seen["shown"].endswith("task_slug='inc-1', state=<Success: \"Task run succeeded.\">, result=3)")


def test_results_are_loaded(seen: dict[str, Any], runs: dict[str, str]) -> None:
    assert seen["of all children"] == list(range(1, WIDTH + 1))
    assert seen["of one child"] == 3
    assert seen["one by one"] == [[index, index + 1] for index in range(WIDTH)]
    assert seen["results"] == {
        "n": WIDTH,
        "numbers-1": list(range(WIDTH)),
        "total-1": 78,
        "flaky-1": "try 2",
        "climb-1": 3,
        "small-1": {"a": [1, 2]},
        "named-1": WIDTH,
        "noted-1": "noted",
    }
    assert seen["remembered"] == {"remembered-1": runs["first"], "shared-1": runs["first"]}


def test_task_run_without_a_result_says_so(seen: dict[str, Any]) -> None:
    assert seen["unloadable"] == {
        "nothing-1": NO_LOCATION,  # prefect keeps no None
        "skipped-1": NO_LOCATION,
        "after_skipped-1": NO_RESULT,
        "boom-1": NO_LOCATION,
        "after_boom-1": NO_LOCATION,
    }


def test_unknown_task_run_is_not_found(seen: dict[str, Any], runs: dict[str, str]) -> None:
    not_found = "ValueError: No task runs found while querying for task runs where "
    first, second = runs["first"], runs["second"]

    def where(slug: str, flow_run_id: str, index: int) -> str:
        of = {"task": {"slug": {"_eq": slug}}, "flow_run_id": {"_eq": flow_run_id}, "map_index": {"_eq": index}}
        return f"{not_found}{of}"

    assert seen["unknown id"] == f"{not_found}{ {'id': {'_eq': second}} }"
    assert seen["unknown slug"] == where("no-1", first, -1)
    assert seen["unknown index"] == where("inc-1", second, 3)
    assert seen["bad id"] == BAD_ID
    assert seen["no id"] == "TypeError: Unexpected type <class 'int'> for `task_run_id`, expected 'str'."
    assert seen["not mapped"].endswith("(inc-1) is not a mapped task.")


def test_task_runs_that_have_not_ended_have_no_results(prefect1: Prefect1) -> None:
    told = prefect1.see("viewing.unfinished", folder=str(prefect1.home / "kept"))
    flow_run, flow_run_id = told.pop("flow_run"), told.pop("flow_run_id")
    assert flow_run["name"].count("-") == 1
    assert flow_run["states"] == [["Scheduled", "Flow run scheduled."]]
    assert flow_run["updated last"]
    assert told == {
        "pending": "ValueError: The task result cannot be loaded if it is not finished.",
        "no children": (
            f"ValueError: No child task runs were found for task 'inc-1' in flow run {flow_run_id}. "
            "Is the flow run finished?"
        ),
        "new children": (
            'ValueError: Child task run inc-1[0] is in state <Pending: "Task run created">. The result cannot be '
            "retrieved. Loading results for mapped tasks in running flows is not supported."
        ),
        "no results": NO_RESULT,
        "view of before": ["Pending", "Task run created"],
    }


def test_flow_run_view(prefect1: Prefect1, runs: dict[str, str]) -> None:
    told = prefect1.see("viewing.flow_runs", **runs)
    child = told["unknown id"].rpartition("'_eq': '")[2].partition("'")[0]
    assert told["task run"].pop("task_run_id") != child
    finished, static = WIDTH + 16, 16
    shown = (
        f"FlowRunView(flow_run_id='{runs['first']}', name='first', "
        "state=<Success: \"All reference tasks succeeded.\">, labels=BoxList(['a', 'b']), cached_task_runs="
    )
    assert told == {
        "shown": [f"{shown}{finished})", f"{shown}{static})", f"{shown}{finished})"],
        "task run": {
            "flow_run_id": runs["first"],
            "task_slug": "inc-1",
            "map_index": -1,
            "name": None,
            "state": ["Mapped", "Ready to proceed with mapping."],
        },
        "by slug": ["inc-1", 2],
        "by id": True,
        "by both": True,
        "all": True,
        "distinct": [finished, finished],
        "again": True,
        "latest": True,
        "in order": True,
        "flow": True,
        "watched": ["INFO Your flow run finished AGE"],
        "watched quietly": [],
        "other slug": (
            "ValueError: Both `task_slug` and `task_run_id` were provided but the task found using `task_run_id` has "
            "a different slug! `task_slug == 'n'` and `result.task_slug == 'inc-1'`"
        ),
        "other index": (
            "ValueError: Both `map_index` and `task_run_id` were provided but the task found using `task_run_id` has "
            "a different map index! `map_index == 1` and `result.map_index == 2`"
        ),
        "nothing": "ValueError: One of `task_run_id`, `task`, or `task_slug` must be provided!",
        "bad id": BAD_ID,
        "unknown id": f"ValueError: No flow runs found while querying for flow runs where { {'id': {'_eq': child}} }",
        "unknown to watch": (
            f"ValueError: No flow runs found while querying for flow runs where { {'id': {'_eq': child}} }"
        ),
    }


def test_logs_of_a_flow_run(prefect1: Prefect1, runs: dict[str, str]) -> None:
    told = prefect1.see("viewing.logs", **runs)
    streamed = told.pop("streamed")
    assert told == {
        "count": 62,
        "in order": True,
        "halves": True,
        "levels": ["ERROR", "INFO", "WARNING"],
        "warnings": ["nothing to do, ünï ☃"],
        "end": "Flow run SUCCESS: all reference tasks succeeded",
        "of the other": 44,
    }
    assert re.search(r"\| INFO    \| Your flow run finished (a few seconds|\d+ (second|minute)s?) ago", streamed)


def test_flow_view_and_tenant_view(prefect1: Prefect1, main_flow: dict[str, Any]) -> None:
    told = prefect1.see("viewing.flow", flow_id=main_flow["flow_id"])
    unknown = told["unknown"]
    settings = told.pop("settings")
    assert settings["heartbeat_enabled"] is True
    assert settings["version_locking_enabled"] is False
    assert told == {
        "name": "everything",
        "project_name": "prefect-1",
        "archived": False,
        "core_version": "1.4.1",
        "storage": "Local",
        "run_config": "UniversalRun",
        "labels": None,
        "flow": "short",
        "parameters": ["n"],
        "same": [main_flow["flow_id"]] * 5,
        "tenant": ["default", "default", True],
        "unknown": unknown,
        "unknown id": f"ValueError: Given id '{unknown}' is not an existing flow or flow group id.",
        "unknown name": (
            "ValueError: No results found while querying for flows where "
            "{'name': {'_eq': 'no'}, 'archived': {'_eq': False}}"
        ),
    }
