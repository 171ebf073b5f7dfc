"""Flows that the real engine of prefect 1.4.1 runs, as prefect itself and as everybody else sees them."""

import re
import socket
from pathlib import Path
from typing import Any

import pytest

from taskruns import Client, TaskRunView
from taskruns.errors import ResultError
from tests.examples import examples
from tests.prefect1.programs import Prefect1
from tests.service import Served

PAGE = Path(__file__).parents[2] / "docs" / "prefect-1.md"
WIDTH = 12
FAILED = {"after_boom-1": "TriggerFailed", "boom-1": "Failed"}
SKIPPED = {"after_skipped-1": "Skipped", "skipped-1": "Skipped"}
CACHED = {"remembered-1": "Cached", "shared-1": "Cached"}
SUCCESS = dict.fromkeys(
    ["climb-1", "flaky-1", "n", "named-1", "noted-1", "nothing-1", "numbers-1", "small-1", "total-1"], "Success"
)
ENDED = [
    ["Scheduled", "Flow run scheduled."],
    ["Running", "Running flow."],
    ["Success", "All reference tasks succeeded."],
]


def data(service: Served, query: str) -> dict[str, Any]:
    """What the service answers to a GraphQL query."""
    with service.client() as http:
        answered: dict[str, Any] = http.post("/", json={"query": query}).json()["data"]
    return answered


def states(children: int) -> dict[str, str]:
    """The states of the task runs of the main flow, by slug and index, when it has ended."""
    mapped = {"inc-1": "Mapped", **{f"inc-1[{index}]": "Success" for index in range(children)}}
    return {**FAILED, **SKIPPED, **CACHED, **SUCCESS, **mapped}


def test_engine_runs_the_flow_to_its_end(main_flow: dict[str, Any]) -> None:
    first, second = main_flow["first"], main_flow["second"]
    assert first["states"] == states(WIDTH)
    assert second["states"] == states(3)
    assert first["flow_run"] == {
        "name": "first",
        "state": ENDED[-1],
        "states": ENDED,
        "labels": ["a", "b"],
        "parameters": {},
        "context": {"why": "a test"},
        "run_config": "LocalRun",
        "updated last": True,
    }
    assert second["flow_run"] == {
        "name": "second",
        "state": ENDED[-1],
        "states": ENDED,
        "labels": [socket.gethostname()],
        "parameters": {"n": 3},
        "context": {},
        "run_config": "UniversalRun",
        "updated last": True,
    }


def test_rest_has_what_the_engine_reported(main_flow: dict[str, Any], runs: dict[str, str], client: Client) -> None:
    flow_run = client.flow_runs.get(runs["first"])
    assert (flow_run.name, flow_run.flow_name, str(flow_run.flow_id)) == ("first", "everything", main_flow["flow_id"])
    assert (flow_run.state, flow_run.state_message) == ("Success", "All reference tasks succeeded.")
    assert (flow_run.labels, flow_run.parameters, flow_run.context) == (["a", "b"], {}, {"why": "a test"})
    assert {name: count for name, count in flow_run.task_run_counts.items() if count} == {
        "Success": len(SUCCESS) + WIDTH,
        "Cached": 2,
        "Failed": 1,
        "Mapped": 1,
        "Skipped": 2,
        "TriggerFailed": 1,
    }
    task_runs = list(client.task_runs.list(flow_run_id=runs["first"]))
    assert {
        one.task_slug if one.map_index < 0 else f"{one.task_slug}[{one.map_index}]": one.state for one in task_runs
    } == states(WIDTH)
    assert {one.task_slug: one.run_count for one in task_runs if one.run_count != 1} == {
        "flaky-1": 2,
        "climb-1": 3,
        "after_boom-1": 0,
        "after_skipped-1": 0,
        "inc-1": 0,
    }
    assert {one.task_slug: one.name for one in task_runs if one.name} == {"named-1": f"from {WIDTH} on"}
    loop = client.task_runs.states(next(one.id for one in task_runs if one.task_slug == "climb-1"))
    assert [(one.type, one.message) for one in loop][-6:] == [
        ("Running", "Starting task run."),
        ("Looped", "reached 1"),
        ("Running", "Starting task run."),
        ("Looped", "reached 2"),
        ("Running", "Starting task run."),
        ("Success", "Task run succeeded."),
    ]


def test_taskruns_loads_what_the_engine_kept(runs: dict[str, str], client: Client) -> None:
    def load(slug: str, run: str = "first", index: int = -1) -> Any:
        view = TaskRunView.from_task_slug(slug, flow_run_id=runs[run], map_index=index, client=client)
        return view.get_result(trust=True)

    assert load("inc-1") == list(range(1, WIDTH + 1))
    assert load("inc-1", index=2) == 3
    assert load("inc-1", "second") == [1, 2, 3]
    assert [load(slug) for slug in ("n", "total-1", "flaky-1", "climb-1", "small-1", "noted-1")] == [
        WIDTH,
        78,
        "try 2",
        3,
        {"a": [1, 2]},
        "noted",
    ]
    assert [load(slug, "second") for slug in CACHED] == [runs["first"]] * 2
    for slug in ("nothing-1", *SKIPPED, *FAILED):
        with pytest.raises(ResultError):
            load(slug)


def test_times_are_as_the_original_keeps_them(runs: dict[str, str], service: Served) -> None:
    where = f'{{flow_run_id: {{_eq: "{runs["first"]}"}}, map_index: {{_eq: -1}}}}'
    told = data(service, f"{{ task_run(where: {where}) {{ task {{ slug }} start_time end_time state_start_time }} }}")
    task_runs = {one.pop("task")["slug"]: one for one in told["task_run"]}
    # The original kept no times of `inc-1`, a mapped parent, which has those of its children here.
    never_began = {"after_boom-1", "after_skipped-1"}
    assert {slug for slug, one in task_runs.items() if one["start_time"] is None} == never_began
    assert {slug for slug, one in task_runs.items() if one["end_time"] is None} == never_began | {"skipped-1"}
    assert {one["state_start_time"] for one in task_runs.values()} == {None}


def test_children_of_a_mapped_task_run_are_summed_up(runs: dict[str, str], service: Served) -> None:
    where = f'{{flow_run_id: {{_eq: "{runs["first"]}"}}, task: {{slug: {{_eq: "inc-1"}}}}}}'
    times = "aggregate { min { start_time } max { end_time } }"
    told = data(
        service,
        f"{{ task_run(where: {where}, order_by: {{map_index: asc}}, limit: 1) {{ id }} "
        f"task_run_aggregate(where: {where}) {{ {times} }} }}",
    )
    parent = told["task_run"][0]["id"]
    fields = "{ min_start_time max_end_time state_counts }"
    assert data(service, f'{{ mapped_children(task_run_id: "{parent}") {fields} }}')["mapped_children"] == {
        "min_start_time": told["task_run_aggregate"]["aggregate"]["min"]["start_time"],
        "max_end_time": told["task_run_aggregate"]["aggregate"]["max"]["end_time"],
        "state_counts": {"Success": WIDTH},
    }


def test_a_thousand_children_are_loaded_end_to_end(prefect1: Prefect1, record_property: Any) -> None:
    quiet = {"PREFECT__LOGGING__LEVEL": "CRITICAL"}
    told = prefect1.see("running.run_wide", quiet, folder=str(prefect1.home / "wide"), width=1000)
    for name, seconds in told.pop("seconds").items():
        record_property(f"seconds {name}", seconds)
    assert told == {
        "state": ENDED[-1],
        "values": list(range(1, 1001)),
        "task_run_ids": 1002,  # the parent, and the task that prefect makes of the list
        "all": (
            "ValueError: Refusing to `get_all_task_runs` for a flow with more than 1000 tasks. "
            "Please load the tasks you are interested in individually."
        ),
    }


def test_example_of_the_page_runs_and_shows_what_stands_there(prefect1: Prefect1) -> None:
    (example,) = examples(PAGE)
    (shown,) = re.findall(r"^print\(.*\)  # (.*)$", example.text, re.MULTILINE)
    assert prefect1.run(["-c", example.text]).splitlines()[-1] == shown
