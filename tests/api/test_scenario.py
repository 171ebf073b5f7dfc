"""Records runs of the hello-world and the mapped example over HTTP, and looks them up in every way there is."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import ANY
from uuid import UUID

import httpx
import pytest

from tests.postgres import PostgresServer
from tests.service import client_in_turn, served

HELLO = "8e445d74-9ca6-425b-98e5-72754b7ea174"
MAPPED = "01797b2c-3d00-7c44-9a26-72754b7ea175"
STARTS = {
    "name": "2021-05-12T17:59:58.338040Z",
    "capitalize-1": "2021-05-12T18:00:00.229202Z",
    "say_hello-1": "2021-05-12T18:00:01.696849Z",
}
VALUES = {"name": '"world"', "capitalize-1": '"World"', "say_hello-1": '"Hello, World!"'}


# A worker that has begun with one of them has its processes: it goes on with that.
SERVICES = [
    pytest.param((kind, processes), id=f"{kind}-{processes}", marks=pytest.mark.xdist_group(f"scenario-{number}"))
    for number, (kind, processes) in enumerate([("sqlite", 1), ("postgres", 1), ("postgres", 2)])
]


@pytest.fixture(scope="module", params=SERVICES)
def http(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of one served process or of two in turn, by which both flow runs have been recorded."""
    kind, processes = request.param
    folder = tmp_path_factory.mktemp("scenario")
    if kind == "sqlite":
        url = f"sqlite:///{folder / 'taskruns.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.create_database(request.getfixturevalue("postgres_template"))
    with ExitStack() as stack:
        services = [
            stack.enter_context(served(url, tmp_path_factory.mktemp(f"process-{number}")))
            for number in range(processes)
        ]
        http = stack.enter_context(client_in_turn(services))
        record_hello_world(http)
        record_example_mapped(http)
        yield http


def record_hello_world(http: httpx.Client) -> None:
    """Records the flow run as an agent would: the run, each task run's states one by one, the end of the run."""
    run = {"id": HELLO, "flow_name": "hello-world", "name": "robust-falcon", "parameters": {"name": "world"}}
    assert http.post("/flow-runs", json=run).status_code == 201
    at = f"/flow-runs/{HELLO}"
    moment = {"timestamp": "2021-05-12T17:59:57Z"}
    assert http.post(f"{at}/states", json={"type": "Running", "message": "Running flow.", **moment}).status_code == 201
    made = http.post(f"{at}/task-runs", json={"items": [{"task_slug": slug, "tags": ["hello"]} for slug in STARTS]})
    assert [item["outcome"] for item in made.json()["items"]] == ["created"] * 3
    for slug, item in zip(STARTS, made.json()["items"], strict=True):
        for state in states_of(STARTS[slug], VALUES[slug]):
            assert http.post(f"/task-runs/{item['task_run_id']}/states", json=state).status_code == 201
    end = {"type": "Success", "message": "All reference tasks succeeded.", "timestamp": "2021-05-12T18:00:03Z"}
    assert http.post(f"{at}/states", json=end).status_code == 201


def record_example_mapped(http: httpx.Client) -> None:
    """Records the mapped flow run in one request, the children in no order."""
    assert http.post("/flow-runs", json={"id": MAPPED, "flow_name": "example-mapped"}).status_code == 201
    mapped = {
        "type": "Mapped",
        "message": "Mapped tasks submitted for execution.",
        "timestamp": "2021-05-12T18:00:00Z",
        "details": {"n_map_states": 6},
    }
    items: list[dict[str, Any]] = [{"task_slug": "inc-1", "states": [mapped]}]
    for index in (3, 0, 5, 1, 4, 2):
        states = states_of(f"2021-05-12T18:00:0{index}Z", str(index + 1))
        items.append({"task_slug": "inc-1", "map_index": index, "states": states})
    answer = http.post(f"/flow-runs/{MAPPED}/task-runs", json={"items": items})
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "items": [
                {
                    "index": place,
                    "outcome": "created",
                    "task_run_id": ANY,
                    "version": len(item["states"]),
                    "state": item["states"][-1]["type"],
                    "problem": None,
                }
                for place, item in enumerate(items)
            ]
        },
    )


def states_of(start: str, value: str) -> list[dict[str, Any]]:
    """The states of a task run that waits for 0.25 seconds, runs for half a second, and keeps its value as JSON."""
    begin, _, fraction = start.removesuffix("Z").partition(".")
    second, micros = int(begin[-2:]), int(fraction.ljust(6, "0"))

    def moment(offset: int) -> str:
        total = second * 1_000_000 + micros + offset
        return f"{begin[:-2]}{total // 1_000_000 % 60:02}.{total % 1_000_000:06}Z"

    return [
        {"type": "Pending", "timestamp": moment(0), "message": "Task run created."},
        {"type": "Running", "timestamp": moment(0), "message": "Starting task run."},
        {
            "type": "Success",
            "timestamp": moment(500_000),
            "message": "Task run succeeded.",
            "result": {
                "type": "PrefectResult",
                "location": value,
                "serializer": {"type": "JSONSerializer"},
            },
        },
    ]


def say_hello() -> dict[str, Any]:
    """The whole task run that the example shows."""
    return {
        "id": ANY,
        "flow_run_id": HELLO,
        "flow_run_name": "robust-falcon",
        "flow_id": ANY,
        "flow_name": "hello-world",
        "task_id": ANY,
        "task_slug": "say_hello-1",
        "task_name": "say_hello",
        "map_index": -1,
        "name": None,
        "tags": ["hello"],
        "state": "Success",
        "state_message": "Task run succeeded.",
        "state_timestamp": "2021-05-12T18:00:02.196849Z",
        "version": 3,
        "run_count": 1,
        "start_time": "2021-05-12T18:00:01.696849Z",
        "end_time": "2021-05-12T18:00:02.196849Z",
        "duration": 0.5,
        "run_time": 0.5,
        "queue_time": 0.0,
        "has_result": True,
        "sequence": ANY,
        "created": ANY,
        "updated": ANY,
    }


def reference(value: str) -> dict[str, Any]:
    """What is answered about a value that was sent on purpose."""
    return {
        "type": "PrefectResult",
        "location": value,
        "uri": None,
        "serializer": {"type": "JSONSerializer"},
        "size": None,
        "digest": None,
    }


def test_runs_are_looked_up_as_they_were_recorded(http: httpx.Client) -> None:
    at = f"/flow-runs/{HELLO}/task-runs"

    listed = http.get(at, params={"sort": "-start_time", "fields": "state,start_time,task_slug"}).json()
    assert listed == {
        "items": [
            {"state": "Success", "start_time": "2021-05-12T18:00:01.696849Z", "task_slug": "say_hello-1"},
            {"state": "Success", "start_time": "2021-05-12T18:00:00.229202Z", "task_slug": "capitalize-1"},
            {"state": "Success", "start_time": "2021-05-12T17:59:58.338040Z", "task_slug": "name"},
        ],
        "next_cursor": None,
    }

    by_slug = http.get(at, params={"task_slug": "say_hello-1"}).json()
    assert by_slug == {"items": [say_hello()], "next_cursor": None}
    (found,) = by_slug["items"]
    assert UUID(found["id"]).version == 7

    by_id = http.get(f"/task-runs/{found['id']}")
    assert (by_id.status_code, by_id.json(), by_id.headers["etag"]) == (200, found, f'"3.{found["sequence"]}"')

    history = http.get(f"/task-runs/{found['id']}/states").json()
    assert [(one["type"], one["version"], one["is_late"]) for one in history["items"]] == [
        ("Pending", 1, False),
        ("Running", 2, False),
        ("Success", 3, False),
    ]

    result = http.get(f"/task-runs/{found['id']}/result").json()
    assert result == {
        "task_run_id": found["id"],
        "state": "Success",
        "reference": reference('"Hello, World!"'),
        "children": None,
        "next_cursor": None,
    }

    flow_run = http.get(f"/flow-runs/{HELLO}").json()
    assert flow_run == {
        "id": HELLO,
        "flow_id": ANY,
        "flow_name": "hello-world",
        "name": "robust-falcon",
        "labels": [],
        "parent_task_run_id": None,
        "state": "Success",
        "state_message": "All reference tasks succeeded.",
        "state_timestamp": "2021-05-12T18:00:03.000000Z",
        "version": 2,
        "run_count": 1,
        "start_time": "2021-05-12T17:59:57.000000Z",
        "end_time": "2021-05-12T18:00:03.000000Z",
        "duration": 6.0,
        "run_time": 6.0,
        "queue_time": 0.0,
        "last_heartbeat": None,
        "sequence": 14,
        "task_run_counts": {"Success": 3},
        "created": ANY,
        "updated": ANY,
        "parameters": {"name": "world"},
        "context": {},
        "idempotency_key": None,
    }


def test_mapped_runs_are_looked_up_by_map_index(http: httpx.Client) -> None:
    at = f"/flow-runs/{MAPPED}/task-runs"

    (child,) = http.get(at, params={"task_slug": "inc-1", "map_index": 2}).json()["items"]
    assert (child["map_index"], child["state"], child["start_time"]) == (2, "Success", "2021-05-12T18:00:02.000000Z")
    assert http.get(f"/task-runs/{child['id']}/result").json() == {
        "task_run_id": child["id"],
        "state": "Success",
        "reference": reference("3"),
        "children": None,
        "next_cursor": None,
    }

    (parent,) = http.get(at, params={"task_slug": "inc-1", "map_index": -1}).json()["items"]
    assert parent == {
        **say_hello(),
        "id": parent["id"],
        "flow_run_id": MAPPED,
        "flow_run_name": ANY,
        "flow_name": "example-mapped",
        "task_slug": "inc-1",
        "task_name": "inc",
        "tags": [],
        "state": "Mapped",
        "state_message": "Mapped tasks submitted for execution.",
        "state_timestamp": "2021-05-12T18:00:00.000000Z",
        "version": 1,
        "run_count": 0,
        # Those of its children: it never runs itself.
        "start_time": "2021-05-12T18:00:00.000000Z",
        "end_time": "2021-05-12T18:00:05.500000Z",
        "duration": 5.5,
        "run_time": 3.0,
        "has_result": False,
    }
    assert http.get(f"/task-runs/{parent['id']}/result").json() == {
        "task_run_id": parent["id"],
        "state": "Mapped",
        "reference": None,
        "children": [
            {"task_run_id": ANY, "map_index": index, "state": "Success", "reference": reference(str(index + 1))}
            for index in range(6)
        ],
        "next_cursor": None,
    }
    assert http.get(f"/flow-runs/{MAPPED}").json()["task_run_counts"] == {"Success": 6, "Mapped": 1}


def test_children_come_a_page_at_a_time(http: httpx.Client) -> None:
    (parent,) = http.get(f"/flow-runs/{MAPPED}/task-runs", params={"map_index": -1}).json()["items"]
    pages: list[list[int]] = []
    question: dict[str, Any] = {"limit": 4}
    while True:
        page = http.get(f"/task-runs/{parent['id']}/result", params=question).json()
        pages.append([child["map_index"] for child in page["children"]])
        if page["next_cursor"] is None:
            break
        question["cursor"] = page["next_cursor"]
    assert pages == [[0, 1, 2, 3], [4, 5]]


def test_successes_are_counted(http: httpx.Client) -> None:
    assert http.get("/task-runs/aggregate", params={"state": "Success"}).json() == {
        "count": 9,
        "is_exact": True,
        "measures": {},
        "groups": None,
        "truncated": False,
        "histogram": None,
        "previous": None,
    }
    without_extras = {"sample_ids": None, "previous": None}
    assert http.get("/task-runs/aggregate", params={"group_by": ["flow_name", "state"]}).json() == {
        "count": 10,
        "is_exact": True,
        "measures": {},
        "groups": [
            {"key": {"flow_name": flow, "state": state}, "count": count, "measures": {}} | without_extras
            for flow, state, count in (
                ("example-mapped", "Mapped", 1),
                ("example-mapped", "Success", 6),
                ("hello-world", "Success", 3),
            )
        ],
        "truncated": False,
        "histogram": None,
        "previous": None,
    }


def test_runs_are_found_across_flow_runs(http: httpx.Client) -> None:
    found = http.get("/task-runs", params={"flow_name": "hello-world", "sort": "start_time", "fields": "task_slug"})
    assert found.json() == {"items": [{"task_slug": slug} for slug in STARTS], "next_cursor": None}
    running = http.get("/task-runs", params={"state_group": "running"})
    assert running.json() == {"items": [], "next_cursor": None}


def test_deleted_flow_run_takes_its_task_runs_along(http: httpx.Client) -> None:
    flow_run = http.post("/flow-runs", json={"flow_name": "to-be-deleted"}).json()
    at = f"/flow-runs/{flow_run['id']}"
    report = {"items": [{"task_slug": "name", "states": [{"type": "Failed"}]}]}
    (item,) = http.post(f"{at}/task-runs", json=report).json()["items"]
    counted = {"state": "Failed"}
    assert http.get("/task-runs/aggregate", params=counted).json()["count"] == 1
    assert http.delete(at).status_code == 204
    assert http.get(at).json()["code"] == "flow-run-not-found"
    assert http.get(f"/task-runs/{item['task_run_id']}").json()["code"] == "task-run-not-found"
    assert http.get("/task-runs/aggregate", params=counted).json()["count"] == 0
