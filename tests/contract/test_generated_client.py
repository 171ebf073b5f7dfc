"""Holds the generated half of the client to openapi.json, and to the service that answers it."""

import importlib
import inspect
import pkgutil
import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import httpx
import pytest

from taskruns import _generated
from taskruns._generated import models
from taskruns._generated.api.flow_runs import (
    create_flow_run,
    get_flow_run,
    list_flow_run_fields,
    list_flow_run_task_run_fields,
    list_flow_run_task_runs,
    report_task_runs,
    set_flow_run_state,
)
from taskruns._generated.api.service import get_documentation, get_health, get_openapi
from taskruns._generated.api.task_runs import (
    aggregate_task_runs,
    get_task_run,
    get_task_run_result,
    list_task_run_fields,
    list_task_runs,
    set_task_run_state,
    set_task_run_states,
    update_task_run,
)
from taskruns._generated.types import UNSET, Call, Json, given, prepare
from tests.streams import is_stream

ROOT = Path(__file__).parents[2]
NAIVE = datetime(2021, 5, 12, 18)  # noqa: DTZ001


def modules() -> Iterator[ModuleType]:
    """The module of every operation."""
    for tag in pkgutil.iter_modules([f"{_generated.__path__[0]}/api"], "taskruns._generated.api."):
        for operation in pkgutil.iter_modules(importlib.import_module(tag.name).__path__, f"{tag.name}."):
            yield importlib.import_module(operation.name)


MODULES = {module.__name__.rpartition(".")[2]: module for module in modules()}
BUILDERS = {
    f"{operation}.{name}": getattr(module, name)
    for operation, module in MODULES.items()
    for name in ("build", "build_if_changed")
    if hasattr(module, name)
}
EXAMPLES = {"flow_name": "f", "q": "f", "type": "Running", "items": [], "fields": ["id"], "if_none_match": '"1"'}


def needed_by(build: Callable[..., Call[Any]]) -> dict[str, Any]:
    """The arguments that have to be given."""
    needed = [one.name for one in inspect.signature(build).parameters.values() if one.default is one.empty]
    return {name: UUID(int=1) if name.endswith("_id") else EXAMPLES[name] for name in needed}


def example_of(build: Callable[..., Call[Any]]) -> Call[Any]:
    """A call with no more than what has to be given."""
    return build(**needed_by(build))


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


def test_every_operation_but_streams_has_a_builder(document: dict[str, Any]) -> None:
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert MODULES.keys() == {operation["operationId"] for operation in operations if not is_stream(operation)}


def test_every_schema_has_a_model(document: dict[str, Any]) -> None:
    assert set(document["components"]["schemas"]) <= set(dir(models))


def test_every_model_has_a_name_of_its_own() -> None:
    assert [name for name in vars(models) if re.search(r"(Type|Item|Property)\d+$", name)] == []


def operation_of(document: dict[str, Any], name: str) -> tuple[str, str, dict[str, Any]]:
    """The path, the method and the declaration of the operation of a builder."""
    (found,) = (
        (path, method.upper(), operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if operation["operationId"] == name.partition(".")[0]
    )
    return found


@pytest.mark.parametrize("name", BUILDERS)
def test_call_is_what_the_document_says(name: str, document: dict[str, Any]) -> None:
    path, method, operation = operation_of(document, name)
    call = example_of(BUILDERS[name])
    assert (call.operation, call.method) == (operation["operationId"], method)
    assert call.path == re.sub(r"{\w+}", str(UUID(int=1)), path)
    assert (
        (call.body is not None)
        == ("requestBody" in operation)
        == (("Content-Type", "application/json") in call.headers)
    )


@pytest.mark.parametrize("name", BUILDERS)
def test_every_argument_is_in_the_document(name: str, document: dict[str, Any]) -> None:
    _, _, operation = operation_of(document, name)
    arguments = {one["name"].lower().replace("-", "_") for one in operation.get("parameters", [])}
    if "requestBody" in operation:
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        arguments |= document["components"]["schemas"][reference.rpartition("/")[2]]["properties"].keys()
    elsewhere = set() if name.endswith(".build_if_changed") else {"if_none_match"}
    assert inspect.signature(BUILDERS[name]).parameters.keys() == arguments - elsewhere


@pytest.mark.parametrize("name", BUILDERS)
def test_every_answer_can_be_read(name: str, document: dict[str, Any]) -> None:
    """Each builder has one type of answer; that nothing has changed is only for the one that asks for it."""
    _, _, operation = operation_of(document, name)
    declared = {int(status): answer for status, answer in operation["responses"].items() if int(status) < 400}
    if not name.endswith("_if_changed"):
        declared.pop(304, None)
    readers = example_of(BUILDERS[name]).answers
    assert readers.keys() == declared.keys()
    schemas = {
        status: schema
        for status, answer in declared.items()
        if (schema := answer.get("content", {}).get("application/json", {}).get("schema"))
    }
    read = {status: reader for status, reader in readers.items() if isinstance(reader, Json)}
    assert read.keys() == schemas.keys()
    for status, reader in read.items():
        assert callable(reader.decode)
        schema = schemas[status]
        assert reader.kind == (
            getattr(models, schema["$ref"].rpartition("/")[2]) if "$ref" in schema else dict[str, Any]
        )


@pytest.mark.parametrize("name", BUILDERS)
def test_lists_are_written_as_the_document_says(name: str, document: dict[str, Any]) -> None:
    """A list that does not explode is one text."""
    _, _, operation = operation_of(document, name)
    build, values = BUILDERS[name], ["2", "3"]
    for one in operation.get("parameters", []):
        if one["schema"].get("type") == "array":
            call = build(**needed_by(build) | {one["name"]: values})
            texts = [text for parameter, text in call.params if parameter == one["name"]]
            assert texts == (["2,3"] if one.get("explode") is False else values), one["name"]


async def send(client: httpx.AsyncClient, call: Call[Any]) -> Any:
    """Sends a call as the transport does, and reads its answer."""
    response = await client.request(
        call.method, call.path, params=list(call.params), headers=list(call.headers), content=call.body
    )
    assert response.status_code < 400, response.text
    return call.decode(response.status_code, response.content)


async def test_calls_are_answered_with_models(client: httpx.AsyncClient) -> None:
    flow_run = await send(client, create_flow_run.build(flow_name="example-mapped", parameters={"x": 1}))
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
    receipts = await send(client, report_task_runs.build(flow_run.id, items=reports))
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

    receipt = await send(client, set_task_run_state.build(waiting_id, type=models.StateType.RUNNING))
    assert (receipt.outcome, receipt.version, receipt.state) == ("recorded", 1, models.StateType("Running"))
    failed = models.TaskRunStateReport(task_run_id=waiting_id, type=models.StateType.FAILED, message=None)
    (one,) = (await send(client, set_task_run_states.build(items=[failed]))).items
    assert (one.outcome, one.version, one.state) == ("recorded", 2, models.StateType("Failed"))

    assert (await send(client, update_task_run.build(waiting_id, name=None, tags=["etl"]))).tags == ["etl"]

    counted = await send(
        client,
        aggregate_task_runs.build(
            state=[models.StateType("Success")], group_by=[models.AggregateTaskRunsGroupByItem("task_slug")]
        ),
    )
    assert counted.count == 1
    assert [(group.key.task_slug, group.count) for group in counted.groups] == [("inc-1", 1)]

    summary = await send(client, get_flow_run.build(flow_run.id))
    assert summary.task_run_counts == {"Mapped": 1, "Success": 1, "Failed": 1}


async def test_ids_and_enums_may_be_text(client: httpx.AsyncClient) -> None:
    flow_run = await send(client, create_flow_run.build(flow_name="f", id=str(UUID(int=7))))
    assert flow_run.id == UUID(int=7)
    receipt = await send(client, set_flow_run_state.build(str(flow_run.id), type="Running", id=str(UUID(int=8))))
    assert (receipt.id, receipt.state) == (UUID(int=8), models.StateType.RUNNING)
    report = models.TaskRunReport(task_slug="extract-1")
    await send(client, report_task_runs.build(str(flow_run.id), items=(report,)))
    text = list_task_runs.build(flow_run_id=[str(flow_run.id)], state=["Pending"], state_group=("pending",))
    typed = list_task_runs.build(
        flow_run_id=[flow_run.id], state=[models.StateType.PENDING], state_group=[models.StateGroup.PENDING]
    )
    assert text.params == typed.params
    assert [item.task_slug for item in (await send(client, text)).items] == ["extract-1"]
    assert (await send(client, aggregate_task_runs.build(group_by=["state"], measure=["count"]))).count == 1


async def test_null_in_a_body_is_not_the_same_as_nothing(client: httpx.AsyncClient) -> None:
    flow_run = await send(client, create_flow_run.build(flow_name="f"))
    report = models.TaskRunReport(task_slug="extract-1", name="first", tags=["etl"])
    (receipt,) = (await send(client, report_task_runs.build(flow_run.id, items=[report]))).items
    assert update_task_run.build(receipt.task_run_id).body == b"{}"
    assert (await send(client, update_task_run.build(receipt.task_run_id, name=UNSET, tags=[]))).name == "first"
    assert update_task_run.build(receipt.task_run_id, name=None).body == b'{"name":null}'
    assert (await send(client, update_task_run.build(receipt.task_run_id, name=None))).name is None


def test_none_as_a_parameter_is_the_same_as_nothing() -> None:
    assert list_task_runs.build(limit=None, state=None).params == list_task_runs.build(limit=UNSET).params == ()


async def test_chosen_fields_are_read_as_such(client: httpx.AsyncClient) -> None:
    flow_run = await send(client, create_flow_run.build(flow_name="f"))
    report = models.TaskRunReport(task_slug="name")
    await send(client, report_task_runs.build(flow_run.id, items=[report]))
    for call in (
        list_task_run_fields.build(fields=["state", models.TaskRunField.TASK_SLUG]),
        list_task_run_fields.build(fields="state,task_slug"),
        list_flow_run_task_run_fields.build(flow_run.id, fields=("state", "task_slug")),
        list_flow_run_task_run_fields.build_if_changed(
            flow_run.id, fields=["state", "task_slug"], if_none_match='"99"'
        ),
    ):
        page = await send(client, call)
        assert page == models.TaskRunFieldsPage(
            items=[models.TaskRunFields(task_slug="name", state=models.StateType("Pending"))], next_cursor=None
        )
    # Fields that make up a whole item are read as fields all the same: a builder has one type of answer.
    (whole,) = (await send(client, list_task_run_fields.build(fields=list(models.TaskRunField)))).items
    assert isinstance(whole, models.TaskRunFields)
    assert whole.id != UNSET
    flow_runs = await send(client, list_flow_run_fields.build(fields=["id"]))
    assert flow_runs == models.FlowRunFieldsPage(items=[models.FlowRunFields(id=flow_run.id)], next_cursor=None)


async def test_unchanged_run_is_read_as_none(client: httpx.AsyncClient) -> None:
    flow_run = await send(client, create_flow_run.build(flow_name="f"))
    report = models.TaskRunReport(task_slug="extract-1")
    (receipt,) = (await send(client, report_task_runs.build(flow_run.id, items=[report]))).items
    task_run = await send(client, get_task_run.build(receipt.task_run_id))
    same, older = f'"{task_run.version}.{task_run.sequence}"', '"99"'
    assert await send(client, get_task_run.build_if_changed(task_run.id, if_none_match=same)) is None
    assert await send(client, get_task_run.build_if_changed(task_run.id, if_none_match=older)) == task_run

    flow_run = await send(client, get_flow_run.build(flow_run.id))
    same = f'"{flow_run.sequence}"'
    assert await send(client, get_flow_run.build_if_changed(flow_run.id, if_none_match=same)) is None
    assert await send(client, get_flow_run.build_if_changed(flow_run.id, if_none_match=older)) == flow_run
    assert await send(client, list_flow_run_task_runs.build_if_changed(flow_run.id, if_none_match=same)) is None
    page = await send(client, list_flow_run_task_runs.build_if_changed(flow_run.id, if_none_match=older))
    assert page == models.TaskRunPage(items=[task_run], next_cursor=None)


async def test_service_tells_about_itself(client: httpx.AsyncClient, document: dict[str, Any]) -> None:
    assert (await send(client, get_health.build())).status == "ok"
    assert await send(client, get_openapi.build()) == document
    assert "<html" in await send(client, get_documentation.build())


def test_datetime_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^start_time_gte is 2021-05-12T18:00:00, without a time zone: pass an aware"):
        list_task_runs.build(start_time_gte=NAIVE)
    with pytest.raises(ValueError, match=r"^timestamp is 2021-05-12T18:00:00, without a time zone: pass an aware"):
        set_task_run_state.build(UUID(int=1), type="Running", timestamp=NAIVE)


def test_datetime_is_sent_with_its_time_zone() -> None:
    eastern = datetime(2021, 5, 12, 14, tzinfo=timezone(timedelta(hours=-4)))
    assert list_task_runs.build(start_time_gte=eastern).params == (("start_time_gte", "2021-05-12T18:00:00Z"),)
    body = set_task_run_state.build(UUID(int=1), type="Running", timestamp=eastern).body
    assert body == b'{"type":"Running","timestamp":"2021-05-12T14:00:00-04:00"}'


def test_given_leaves_out_what_is_unset() -> None:
    assert given(name=None, tags=UNSET, force=False, details={}) == {"name": None, "force": False, "details": {}}
    assert given() == {}


def test_path_is_escaped() -> None:
    assert get_task_run.build("../flow-runs?x=1#é").path == "/task-runs/..%2Fflow-runs%3Fx%3D1%23%C3%A9"


@pytest.mark.parametrize("given", ["", ".", ".."])
def test_path_does_not_lead_elsewhere(given: str) -> None:
    """Without its id, the task runs of a flow run would be those of all flow runs."""
    with pytest.raises(ValueError, match=f"^flow_run_id is '{re.escape(given)}', which cannot be a part of a path"):
        list_flow_run_task_runs.build(given)


def test_arguments_become_text() -> None:
    pairs = [
        ("yes", True),
        ("no", False),
        ("day", date(2021, 5, 12)),
        ("many", [1, None, 2]),
        ("none", None),
        ("word", "é&"),
    ]
    call: Call[int] = prepare("any", "GET", "/any", {200: Json(int)}, params=pairs)
    assert call.params == (
        *(("yes", "true"), ("no", "false"), ("day", "2021-05-12")),
        *(("many", "1"), ("many", "2"), ("word", "é&")),
    )


def test_status_that_is_not_declared_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^The response to get_health has the status 204, which openapi\.json does not have\."
    ):
        get_health.build().decode(204, b"")
