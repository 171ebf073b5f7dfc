"""Cursors: a damaged one never answers another page, and one that somebody made up is no error of the service."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import pytest

from taskruns_service.queries import paging
from tests.service import Served, problem_of

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ODD: dict[type, list[Any]] = {
    int: [0, -1, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, 1.5, "1", None],
    float: [0.0, -0.0, 1e308, -1e308, float("inf"), float("-inf"), float("nan"), 2**64 - 1, "x", None],
    str: ["", "a" * 1000, "\0", "\ud7ff\uffff", "%'\\", 5, None],
    datetime: [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2021, 5, 12, tzinfo=timezone(timedelta(hours=14))),
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59.999999-23:59",
        "2021-05-12T18:00:00",
        1620842400,
        None,
    ],
    UUID: [UUID(int=0), UUID(int=2**128 - 1), "x", b"\0" * 16, None],
}


class List(NamedTuple):
    """A list that has several pages: its path, its parameters, and what its cursors are bound to."""

    path: str
    parameters: dict[str, str]
    question: tuple[Any, ...]

    def page(self, http: httpx.Client, cursor: str | None = None) -> httpx.Response:
        parameters = {**self.parameters, "limit": "1"}
        return http.get(self.path, params=parameters if cursor is None else {**parameters, "cursor": cursor})


def record(http: httpx.Client) -> list[List]:
    """Records flow runs and task runs; the lists that show them."""
    flow_runs = [http.post("/flow-runs", json={"flow_name": "f"}).json()["id"] for _ in range(3)]
    reference = {"type": "S3Result", "bucket": "b", "location": "k"}
    states = [{"type": "Running"}, {"type": "Retrying"}, {"type": "Success", "result": reference}]
    items = [{"task_slug": "a", "map_index": index, "name": "ä", "states": states} for index in range(3)]
    items.append({"task_slug": "a", "states": [{"type": "Mapped"}]})
    run = flow_runs[0]
    receipts = http.post(f"/flow-runs/{run}/task-runs", json={"items": items}).json()["items"]
    child, parent = receipts[0]["task_run_id"], receipts[-1]["task_run_id"]
    for _ in range(3):
        http.post(f"/flow-runs/{run}/states", json={"type": "Running"})
    history = "timestamp,sequence"
    several = "state,duration,-map_index,name"
    return [
        List("/flow-runs", {}, ("flow runs", {}, "-created")),
        List("/task-runs", {"sort": "-start_time"}, ("task runs", {}, "-start_time")),
        List(f"/flow-runs/{run}/task-runs", {}, ("task runs", run, {}, "created")),
        List(f"/flow-runs/{run}/task-runs", {"sort": several}, ("task runs", run, {}, several)),
        List(f"/task-runs/{child}/states", {}, ("task_run_state", child, history)),
        List(f"/flow-runs/{run}/states", {}, ("flow_run_state", run, history)),
        List(f"/task-runs/{parent}/result", {}, ("result", parent)),
    ]


def test_no_flip_of_a_cursor_answers_a_page(service: Served) -> None:
    with service.client() as http:
        for one in record(http):
            cursor = one.page(http).json()["next_cursor"]
            assert one.page(http, cursor).status_code == 200
            for place, sign in enumerate(cursor):
                for bit in range(6):
                    flipped = ALPHABET[ALPHABET.index(sign) ^ (1 << bit)]
                    response = one.page(http, cursor[:place] + flipped + cursor[place + 1 :])
                    assert response.status_code == 400, (one, cursor, place, flipped)
                    assert problem_of(response)["code"] == "invalid-cursor"


def test_cursor_of_one_process_is_taken_by_the_next(service: Served) -> None:
    """There is no secret in it that a process would have to itself."""
    cursor = paging.write_cursor(paging.question_of("a"), (1,))
    assert cursor == "rPdmBOboEMORAQ"
    with service.client() as http:
        flow_runs = record(http)[0]
        first = flow_runs.page(http).json()
        values = (datetime.fromisoformat(first["items"][0]["created"]), UUID(first["items"][0]["id"]))
        assert first["next_cursor"] == paging.write_cursor(paging.question_of(*flow_runs.question), values)


def test_cursor_that_is_made_up_is_no_error_of_the_service(service: Served) -> None:
    """Of each key of each sort, every odd value; the digest is right, since it is no secret."""
    with service.client() as http:
        lists = record(http)
        run = lists[2].path.split("/")[2]
        forms: list[tuple[List, list[type]]] = [
            *((lists[number], [datetime, int]) for number in (4, 5)),
            (lists[6], [int]),
            *(
                (List("/flow-runs", {"sort": name}, ("flow runs", {}, name)), [key.type, UUID])
                for name, key in paging.FLOW_RUN_KEYS.items()
            ),
            *(
                (
                    List(f"/flow-runs/{run}/task-runs", {"sort": name}, ("task runs", run, {}, name)),
                    [key.type] if name == "created" else [key.type, UUID],
                )
                for name, key in paging.TASK_RUN_KEYS.items()
            ),
        ]
        statuses = set()
        for one, types in forms:
            plain = [ODD[type_][0] for type_ in types]
            for place, type_ in enumerate(types):
                for odd in ODD[type_]:
                    values = (*plain[:place], odd, *plain[place + 1 :])
                    response = one.page(http, paging.write_cursor(paging.question_of(*one.question), values))
                    statuses.add(response.status_code)
                    assert response.status_code < 500, (one, values, response.text)
        assert statuses >= {200, 400}  # so the questions are the right ones


@pytest.mark.parametrize("name", ["\U0001d11e" * 255, "\x01" * 255])
def test_longest_cursor_is_taken(service: Served, name: str) -> None:
    with service.client() as http:
        flow_run = f"/flow-runs/{http.post('/flow-runs', json={'flow_name': 'f'}).json()['id']}"
        items = [{"task_slug": name, "name": name, "map_index": index} for index in range(3)]
        assert http.post(f"{flow_run}/task-runs", json={"items": items}).status_code == 200
        sort = "task_slug,name,state,start_time,end_time,updated,duration,queue_time,run_count,sequence,map_index"
        page = http.get(f"{flow_run}/task-runs", params={"sort": sort, "limit": 1}).json()
        following = http.get(f"{flow_run}/task-runs", params={"sort": sort, "limit": 1, "cursor": page["next_cursor"]})
        assert following.status_code == 200, following.text
