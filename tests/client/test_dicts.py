"""Dicts in the place of Structs: in what is sent, and made of what is answered."""

import json
import math
from collections import UserDict
from collections.abc import Callable
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from taskruns.errors import InvalidArgument, InvalidRequest, Unavailable
from taskruns.models import (
    FlowRun,
    StateCreate,
    StateCreateDict,
    StateType,
    TaskRun,
    TaskRunPage,
    TaskRunReport,
    TaskRunReportDict,
)
from tests.client.faults import Ask

ID = UUID(int=1)


async def test_dicts_are_reported_as_structs_are(ask: Ask) -> None:
    moment = "2021-05-12T18:00:00Z"
    state: StateCreateDict = {"type": "Success", "message": "Loaded.", "timestamp": moment, "result": {"type": "Own"}}
    reports: list[Any] = [
        {"task_slug": "a", "tags": ["etl"], "states": [{"type": "Running", "timestamp": moment}, state]},
        {"task_slug": "b", "map_index": 3, "name": None},
        {"task_slug": "c", "states": (StateCreate(type=StateType.FAILED),)},
        TaskRunReport(task_slug="d", states=[{"type": "Pending", "id": str(uuid4())}]),  # type: ignore[list-item]
        UserDict(task_slug="e", states=[MappingProxyType({"type": "Running"})]),
    ]
    flow_run = await ask(lambda client: client.flow_runs.create(flow_name="dicts"))
    receipts = await ask(lambda client: client.flow_runs.report(flow_run.id, items=reports))
    assert [(item.outcome, item.state, item.problem) for item in receipts.items] == [
        *(("created", state, None) for state in ("Success", "Pending", "Failed", "Pending", "Running")),
    ]
    page = await ask(lambda client: client.flow_runs.task_runs(flow_run.id))
    assert [(item.task_slug, item.map_index, item.tags) for item in page.items] == [
        *(("a", -1, ["etl"]), ("b", 3, []), ("c", -1, []), ("d", -1, []), ("e", -1, [])),
    ]
    items = [{"task_run_id": item.id, "type": "Cancelled", "message": None} for item in page.items[1:3]]
    moved = await ask(lambda client: client.task_runs.set_states(items=items))
    assert [item.state for item in moved.items] == ["Cancelled", "Cancelled"]


@pytest.mark.parametrize(
    "use",
    [
        lambda client: client.flow_runs.report(ID, items=[{"task_slug": "a", "states": [{"type": "Running"}]}]),
        lambda client: client.task_runs.set_states(items=[{"task_run_id": ID, "type": "Running"}]),
    ],
    ids=["report", "set_states"],
)
async def test_states_of_dicts_are_repeated_with_the_same_ids(connect: Callable[..., Ask], use: Any) -> None:
    bodies: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return httpx.Response(503, json={}, headers={"Retry-After": "0"})

    with pytest.raises(Unavailable):
        await connect(answer)(use)
    assert len(bodies) == 3
    assert len(set(bodies)) == 1
    assert b'"id":"' in bodies[0]


async def test_dicts_of_the_caller_stay_as_they_were(connect: Callable[..., Ask]) -> None:
    report: TaskRunReportDict = {"task_slug": "a", "states": [{"type": "Running"}]}
    own_id: TaskRunReportDict = {"task_slug": "b", "states": [{"type": "Running", "id": ID}]}
    bodies: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(200, json={"items": []})

    await connect(answer)(lambda client: client.flow_runs.report(ID, items=[report, own_id]))
    assert report == {"task_slug": "a", "states": [{"type": "Running"}]}
    assert bodies[0]["items"][1] == {"task_slug": "b", "states": [{"type": "Running", "id": str(ID)}]}


@pytest.mark.parametrize(
    ("report", "pointer"),
    [
        ({"task_slg": "a"}, "/items/0"),
        ({"task_slug": "a", "states": [{"typ": "Running"}]}, "/items/0/states/0"),
        ({"task_slug": "a", "states": "Running"}, "/items/0/states"),
    ],
)
async def test_misspelt_members_of_dicts_are_named(ask: Ask, report: dict[str, Any], pointer: str) -> None:
    flow_run = await ask(lambda client: client.flow_runs.create(flow_name="dicts"))
    with pytest.raises(InvalidRequest) as raised:
        await ask(lambda client: client.flow_runs.report(flow_run.id, items=[report]))
    assert [str(fault.pointer).startswith(pointer) for fault in raised.value.problem.errors or []] == [True]


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (
            lambda client: client.flow_runs.report(ID, items=[StateCreate(type=StateType.RUNNING)]),
            r"items\[0\] is of type StateCreate: pass a TaskRunReport or a dict of its members\.",
        ),
        (
            lambda client: client.flow_runs.report(ID, items=[{"task_slug": "a"}, "b"]),
            r"items\[1\] is of type str: pass a TaskRunReport or a dict of its members\.",
        ),
        (
            lambda client: client.flow_runs.report(ID, items=[{"task_slug": "a", "states": ["Running"]}]),
            r"items\[0\]\.states\[0\] is of type str: pass a StateCreate or a dict of its members\.",
        ),
        (lambda client: client.flow_runs.report(ID, items=5), r"items is of type int: pass a list\."),
        (lambda client: client.task_runs.set_states(items=None), r"items is of type NoneType: pass a list\."),
        (lambda client: client.task_runs.list_fields(fields=5), "'int' object is not iterable"),
        (
            lambda client: client.task_runs.set_states(items=[None]),
            r"items\[0\] is of type NoneType: pass a TaskRunStateReport or a dict of its members\.",
        ),
        (
            lambda client: client.flow_runs.report(
                ID, items=[{"task_slug": "a", "states": [{"type": "Running", "details": {"b": math.nan}}]}]
            ),
            r"items\[0\]\.states\[0\]\.details\.b is nan, which JSON cannot represent",
        ),
    ],
)
async def test_items_that_cannot_be_sent_are_named(connect: Callable[..., Ask], use: Any, message: str) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"{request.url} was sent")

    with pytest.raises(InvalidArgument, match=f"^{message}"):
        await connect(refuse)(use)


async def test_answers_are_dicts_and_json_as_the_service_wrote_them(ask: Ask) -> None:
    name = str(uuid4())
    flow_run = await ask(lambda client: client.flow_runs.create(flow_name=name, parameters={"größe": [1.5, None]}))
    again = await ask(lambda client: client.flow_runs.get(flow_run.id))
    assert isinstance(again, FlowRun)
    raw = flow_run.to_dict()
    assert (raw["id"], raw["parameters"], raw["state"]) == (str(flow_run.id), {"größe": [1.5, None]}, "Pending")
    assert type(raw["state"]) is str
    assert raw["created"] == flow_run.created.isoformat().replace("+00:00", "Z")
    assert json.loads(flow_run.to_json()) == raw
    assert "\n" not in flow_run.to_json()
    assert flow_run.to_json(indent=2) == json.dumps(raw, indent=2, ensure_ascii=False)


async def test_pages_are_dicts_and_json_of_their_own_items(ask: Ask) -> None:
    flow_run = await ask(lambda client: client.flow_runs.create(flow_name="dicts"))
    items = [{"task_slug": slug} for slug in "ab"]
    await ask(lambda client: client.flow_runs.report(flow_run.id, items=items))
    page = await ask(lambda client: client.flow_runs.task_runs(flow_run.id, limit=1))
    assert page.to_dict() == {"items": [page.items[0].to_dict()], "next_cursor": page.next_cursor}
    assert json.loads(page.to_json()) == json.loads(page.to_json(indent=4)) == page.to_dict()
    assert isinstance(page.items[0], TaskRun)
    assert json.loads(TaskRunPage(items=page.items, next_cursor=None).to_json())["next_cursor"] is None
    fields = await ask(lambda client: client.flow_runs.task_runs_fields(flow_run.id, fields=["task_slug"]))
    assert fields.to_dict() == {"items": [{"task_slug": "a"}, {"task_slug": "b"}], "next_cursor": None}


async def test_a_reference_has_its_type_as_a_dict(ask: Ask) -> None:
    flow_run = await ask(lambda client: client.flow_runs.create(flow_name="dicts"))
    state = {"type": "Success", "result": {"type": "S3Result", "bucket": "b", "location": "c"}}
    items = [{"task_slug": "a", "states": [state]}]
    (receipt,) = (await ask(lambda client: client.flow_runs.report(flow_run.id, items=items))).items
    answer = await ask(lambda client: client.task_runs.result(receipt.task_run_id))
    assert answer.reference.to_dict()["type"] == answer.to_dict()["reference"]["type"] == "S3Result"
