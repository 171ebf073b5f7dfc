"""Holds the generated half of the client to openapi.json, and to the service that answers it."""

import importlib
import pkgutil
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from taskruns import _generated
from taskruns._generated import models
from taskruns._generated.api.flow_runs import create_flow_run, get_flow_run, list_flow_run_task_runs, report_task_runs
from taskruns._generated.api.service import get_health, get_openapi
from taskruns._generated.api.task_runs import (
    aggregate_task_runs,
    get_task_run,
    get_task_run_result,
    list_task_runs,
    set_task_run_state,
    update_task_run,
)
from taskruns._generated.types import Call, Json

ROOT = Path(__file__).parents[2]


def builders() -> Iterator[ModuleType]:
    """The module of every operation."""
    for tag in pkgutil.iter_modules([f"{_generated.__path__[0]}/api"], "taskruns._generated.api."):
        for operation in pkgutil.iter_modules(importlib.import_module(tag.name).__path__, f"{tag.name}."):
            yield importlib.import_module(operation.name)


BUILDERS = list(builders())


def files_in(folder: Path) -> dict[str, bytes]:
    """The files of a package, by their path in it."""
    paths = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_generator_writes_what_is_committed(tmp_path: Path) -> None:
    output = tmp_path / "_generated"
    done = subprocess.run(["make", "client", f"OUTPUT={output}"], check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "--fail-on-warning" in done.stdout
    committed, written = files_in(ROOT / "client/taskruns/_generated"), files_in(output)
    assert committed.keys() == written.keys()
    assert [path for path in written if committed[path] != written[path]] == []


def test_every_operation_has_a_builder(document: dict[str, Any]) -> None:
    operations = {operation["operationId"] for item in document["paths"].values() for operation in item.values()}
    assert {builder.__name__.rpartition(".")[2] for builder in BUILDERS} == operations


def test_every_schema_has_a_model(document: dict[str, Any]) -> None:
    assert set(document["components"]["schemas"]) <= set(dir(models))


def test_every_model_has_a_name_of_its_own() -> None:
    assert [name for name in vars(models) if re.search(r"(Type|Item|Property)\d+$", name)] == []


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.__name__.rpartition(".")[2])
def test_every_answer_can_be_read(builder: ModuleType, document: dict[str, Any]) -> None:
    operations = {one["operationId"]: one for item in document["paths"].values() for one in item.values()}
    declared = operations[builder.__name__.rpartition(".")[2]]["responses"]
    assert set(builder.ANSWERS) == {int(status) for status in declared if int(status) < 400}
    for reader in builder.ANSWERS.values():
        assert not isinstance(reader, Json) or len(reader.decoders) == len(reader.kinds)


async def send(client: httpx.AsyncClient, call: Call[Any]) -> Any:
    """Sends a call as the transport does, and reads its answer."""
    response = await client.request(
        call.method, call.path, params=list(call.params), headers=list(call.headers), content=call.body
    )
    assert response.status_code < 400, response.text
    return call.decode(response.status_code, response.content)


async def test_calls_are_answered_with_models(client: httpx.AsyncClient) -> None:
    request = models.FlowRunCreate(flow_name="example-mapped", parameters={"x": 1})
    flow_run = await send(client, create_flow_run.build(body=request))
    assert isinstance(flow_run, models.FlowRun)
    assert (flow_run.flow_name, flow_run.parameters, flow_run.state) == ("example-mapped", {"x": 1}, "Pending")

    result: dict[str, Any] = {
        "type": "S3Result",
        "bucket": "flows",
        "location": "8e44/inc.json",
        "serializer": {"type": "JSONSerializer"},
    }
    success = models.StateCreate(type=models.StateType("Success"), result=result)
    reports = [
        models.TaskRunReport(task_slug="inc-1", states=[models.StateCreate(type=models.StateType("Mapped"))]),
        models.TaskRunReport(task_slug="inc-1", map_index=0, states=[success]),
        models.TaskRunReport(task_slug="inc-1", map_index=1),
    ]
    receipts = await send(client, report_task_runs.build(flow_run.id, body=models.TaskRunReports(items=reports)))
    assert [receipt.outcome for receipt in receipts.items] == ["created", "created", "created"]
    parent_id, child_id, waiting_id = (receipt.task_run_id for receipt in receipts.items)

    page = await send(
        client, list_flow_run_task_runs.build(flow_run.id, task_slug=["inc-1"], map_index=[0, 1], sort="-map_index")
    )
    assert isinstance(page, models.TaskRunPage)
    assert [(item.id, item.map_index) for item in page.items] == [(waiting_id, 1), (child_id, 0)]

    child = await send(client, get_task_run.build(child_id))
    assert isinstance(child, models.TaskRun)
    assert child == page.items[1]
    assert await send(client, get_task_run.build(child_id, if_none_match=f'"{child.version}"')) is None

    serializer = models.JSONSerializer()
    expected = models.S3Result(
        location="8e44/inc.json",
        uri="s3://flows/8e44/inc.json",
        serializer=serializer,
        size=None,
        digest=None,
        bucket="flows",
    )
    assert (await send(client, get_task_run_result.build(child_id))).reference == expected
    children = (await send(client, get_task_run_result.build(parent_id))).children
    assert [(one.map_index, one.reference) for one in children] == [(0, expected), (1, None)]

    running = models.StateCreate(type=models.StateType("Running"))
    receipt = await send(client, set_task_run_state.build(waiting_id, body=running))
    assert (receipt.outcome, receipt.version, receipt.state) == ("recorded", 1, models.StateType("Running"))

    update = models.TaskRunUpdate(name=None, tags=["etl"])
    assert (await send(client, update_task_run.build(waiting_id, body=update))).tags == ["etl"]

    counted = await send(
        client,
        aggregate_task_runs.build(
            state=[models.StateType("Success")], group_by=[models.AggregateTaskRunsGroupByItem("task_slug")]
        ),
    )
    assert counted.count == 1
    assert [(group.key.task_slug, group.count) for group in counted.groups] == [("inc-1", 1)]

    summary = await send(client, get_flow_run.build(flow_run.id))
    assert summary.task_run_counts == {"Mapped": 1, "Success": 1, "Running": 1}


async def test_chosen_fields_are_read_as_such(client: httpx.AsyncClient) -> None:
    flow_run = await send(client, create_flow_run.build(body=models.FlowRunCreate(flow_name="f")))
    report = models.TaskRunReports(items=[models.TaskRunReport(task_slug="name")])
    await send(client, report_task_runs.build(flow_run.id, body=report))
    page = await send(client, list_task_runs.build(fields="state,task_slug"))
    assert isinstance(page, models.TaskRunFieldsPage)
    (item,) = page.items
    assert (item.task_slug, item.state, item.id) == ("name", models.StateType("Pending"), msgspec.UNSET)


async def test_service_tells_about_itself(client: httpx.AsyncClient, document: dict[str, Any]) -> None:
    assert (await send(client, get_health.build())).status == "ok"
    assert await send(client, get_openapi.build()) == document


def test_problem_is_read(document: dict[str, Any]) -> None:
    body = {
        "type": "urn:taskruns:problem:version-conflict",
        "title": "Version conflict",
        "status": 412,
        "detail": "The run has changed.",
        "instance": "/task-runs/1/states",
        "code": "version-conflict",
        "request_id": "1",
        "current": {"version": 2, "state": "Running", "state_timestamp": "2021-05-12T18:00:01Z"},
        "a member of the future": True,
    }
    problem = msgspec.json.decode(msgspec.json.encode(body), type=models.Problem)
    assert problem.current == models.CurrentState(
        version=2,
        state=models.StateType("Running"),
        state_timestamp=datetime(2021, 5, 12, 18, 0, 1, tzinfo=UTC),
    )


def test_state_of_the_future_is_read() -> None:
    assert msgspec.json.decode(b'"Sleeping"', type=models.StateType) == "Sleeping"


def test_path_is_escaped() -> None:
    call = get_task_run.build(UUID(int=1))
    assert (call.method, call.path) == ("GET", "/task-runs/00000000-0000-0000-0000-000000000001")
