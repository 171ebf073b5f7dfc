"""The two clients on the real service: the same operations and answers."""

import inspect
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from msgspec import Struct

from taskruns._generated.api.task_runs import get_task_run
from taskruns.client import AsyncClient, Client
from taskruns.errors import (
    FlowRunNotFound,
    InvalidArgument,
    InvalidRequest,
    NotFound,
    TaskRunNotFound,
    TerminalState,
    VersionConflict,
)
from taskruns.models import (
    FlowRun,
    FlowRunFields,
    FlowRunSummary,
    JSONSerializer,
    S3Result,
    StateCreate,
    StateType,
    TaskRun,
    TaskRunFields,
    TaskRunReport,
    TaskRunStateReport,
)
from tests.client.faults import Ask

ROOT = Path(__file__).parents[2]
GROUPS = ("task_runs", "flow_runs", "service")
NAIVE = datetime(2021, 5, 12, 18)  # noqa: DTZ001
RESULT: dict[str, Any] = {
    "type": "S3Result",
    "bucket": "flows",
    "location": "8e44/inc.json",
    "serializer": {"type": "JSONSerializer"},
}


def methods_of(client: Client | AsyncClient) -> dict[str, Any]:
    """All operations of a client, by how one writes them."""
    groups = {group: getattr(client, group) for group in GROUPS}
    return {f"{group}.{name}": method for group, of in groups.items() for name, method in vars(of).items()}


def test_every_operation_is_a_method() -> None:
    document = json.loads((ROOT / "openapi.json").read_bytes())
    operations = {operation["operationId"] for item in document["paths"].values() for operation in item.values()}
    for client in (Client(), AsyncClient()):
        assert {method.__name__ for method in methods_of(client).values()} == operations


def test_both_clients_have_the_same_methods() -> None:
    ours, theirs = methods_of(Client()), methods_of(AsyncClient())
    assert list(ours) == list(theirs)
    for name, method in ours.items():
        assert inspect.signature(method) == inspect.signature(theirs[name])
        assert method.__doc__ == theirs[name].__doc__
    for name in ("__init__", "with_options", "send_raw", "send", "close"):
        parameters = [inspect.signature(getattr(kind, name)).parameters for kind in (Client, AsyncClient)]
        assert list(parameters[0]) == list(parameters[1])


def test_method_shows_what_it_takes() -> None:
    method = Client().flow_runs.create
    assert list(inspect.signature(method).parameters)[:2] == ["flow_name", "context"]
    assert (method.__name__, str(method.__doc__).partition("\n")[0]) == ("create_flow_run", "Create a flow run.")


class Told(Struct):
    """A flow run that is told from its beginning to its end, and its task runs."""

    name: str
    flow_run_id: UUID
    parent_id: UUID
    child_id: UUID
    failed_id: UUID


@pytest.fixture
async def told(ask: Ask) -> Told:
    """Tells of a flow run with every operation that there is for it."""
    name = str(uuid4())
    made = await ask(lambda client: client.flow_runs.create(flow_name=name, parameters={"x": 1}, labels=["prod"]))
    assert isinstance(made, FlowRun)
    assert (made.flow_name, made.parameters, made.labels, made.state) == (name, {"x": 1}, ["prod"], "Pending")
    receipt = await ask(lambda client: client.flow_runs.set_state(made.id, type=StateType.RUNNING))
    assert (receipt.outcome, receipt.state) == ("recorded", StateType.RUNNING)

    success = StateCreate(type=StateType.SUCCESS, result=RESULT)
    reports = [
        TaskRunReport(task_slug="inc-1", states=[StateCreate(type=StateType.MAPPED)]),
        TaskRunReport(task_slug="inc-1", map_index=0, states=[success]),
        TaskRunReport(task_slug="inc-1", map_index=1),
    ]
    receipts = await ask(lambda client: client.flow_runs.report(made.id, items=reports))
    assert [one.outcome for one in receipts.items] == ["created"] * 3
    parent_id, child_id, failed_id = (one.task_run_id for one in receipts.items)

    assert (await ask(lambda client: client.task_runs.set_state(failed_id, type="Running"))).version == 1
    failed = TaskRunStateReport(task_run_id=failed_id, type=StateType.FAILED, message="No.")
    (one,) = (await ask(lambda client: client.task_runs.set_states(items=[failed]))).items
    assert (one.outcome, one.version) == ("recorded", 2)
    updated = await ask(lambda client: client.task_runs.update(failed_id, name="second", tags=["etl"]))
    assert (updated.name, updated.tags) == ("second", ["etl"])
    await ask(lambda client: client.flow_runs.set_state(made.id, type="Success"))
    return Told(name, made.id, parent_id, child_id, failed_id)


async def test_task_run_is_read_as_it_was_told(ask: Ask, told: Told) -> None:
    task_run = await ask(lambda client: client.task_runs.get(told.failed_id))
    assert isinstance(task_run, TaskRun)
    assert (task_run.task_slug, task_run.map_index, task_run.name, task_run.tags) == ("inc-1", 1, "second", ["etl"])
    assert (task_run.state, task_run.state_message, task_run.run_count) == (StateType.FAILED, "No.", 1)
    states = await ask(lambda client: client.task_runs.states(told.failed_id))
    assert [(one.type, one.message) for one in states.items] == [("Running", None), ("Failed", "No.")]
    found = await ask(lambda client: client.flow_runs.task_runs(told.flow_run_id, task_slug=["inc-1"], map_index=[1]))
    assert (found.items, found.next_cursor) == ([task_run], None)
    found = await ask(lambda client: client.task_runs.list(flow_run_id=[told.flow_run_id], state=["Failed"]))
    assert (found.items, found.next_cursor) == ([task_run], None)


async def test_flow_run_is_read_as_it_was_told(ask: Ask, told: Told) -> None:
    ended = await ask(lambda client: client.flow_runs.get(told.flow_run_id))
    assert (ended.flow_name, ended.state, ended.parameters) == (told.name, StateType.SUCCESS, {"x": 1})
    assert ended.task_run_counts == {"Mapped": 1, "Success": 1, "Failed": 1}
    states = await ask(lambda client: client.flow_runs.states(told.flow_run_id))
    assert [one.type for one in states.items] == ["Running", "Success"]
    (summary,) = (await ask(lambda client: client.flow_runs.list(flow_name=[told.name]))).items
    assert isinstance(summary, FlowRunSummary)
    assert summary.id == told.flow_run_id


async def test_only_the_fields_that_were_asked_for_are_read(ask: Ask, told: Told) -> None:
    asked = {"state": ["Failed"], "fields": "task_slug,state"}
    for found in (
        await ask(lambda client: client.task_runs.list_fields(flow_run_id=[told.flow_run_id], **asked)),
        await ask(lambda client: client.flow_runs.task_runs_fields(told.flow_run_id, **asked)),
    ):
        assert found.items == [TaskRunFields(state=StateType.FAILED, task_slug="inc-1")]
    flow_runs = await ask(lambda client: client.flow_runs.list_fields(flow_name=[told.name], fields="id"))
    assert flow_runs.items == [FlowRunFields(id=told.flow_run_id)]


async def test_what_has_not_changed_is_none(ask: Ask, told: Told) -> None:
    task_run = await ask(lambda client: client.task_runs.get(told.failed_id))
    flow_run = await ask(lambda client: client.flow_runs.get(told.flow_run_id))
    task_runs = await ask(lambda client: client.flow_runs.task_runs(told.flow_run_id))

    async def items_if_changed(etag: str) -> Any:
        page = await ask(lambda client: client.flow_runs.task_runs_if_changed(flow_run.id, if_none_match=etag))
        return page and page.items

    async def task_run_if_changed(etag: str) -> Any:
        return await ask(lambda client: client.task_runs.get_if_changed(task_run.id, if_none_match=etag))

    async def flow_run_if_changed(etag: str) -> Any:
        return await ask(lambda client: client.flow_runs.get_if_changed(flow_run.id, if_none_match=etag))

    assert await task_run_if_changed('"0"') == task_run
    assert await task_run_if_changed(f'"{task_run.version}.{task_run.sequence}"') is None
    assert await flow_run_if_changed('"0"') == flow_run
    assert await flow_run_if_changed(f'"{flow_run.sequence}"') is None
    assert await items_if_changed('"0"') == task_runs.items
    assert await items_if_changed(f'"{flow_run.sequence}"') is None


async def test_task_runs_are_counted(ask: Ask, told: Told) -> None:
    asked = {"flow_run_id": [told.flow_run_id], "group_by": ["state"], "measure": ["count", "max_duration"]}
    counted = await ask(lambda client: client.task_runs.aggregate(**asked))
    assert {group.key.state: group.count for group in counted.groups} == {"Mapped": 1, "Success": 1, "Failed": 1}
    assert counted.measures.max_duration is not None


async def test_results_are_found(ask: Ask, told: Told) -> None:
    reference = S3Result(
        bucket="flows",
        digest=None,
        location="8e44/inc.json",
        serializer=JSONSerializer(),
        size=None,
        uri="s3://flows/8e44/inc.json",
    )
    assert (await ask(lambda client: client.task_runs.result(told.child_id))).reference == reference
    children = (await ask(lambda client: client.task_runs.result(told.parent_id))).children
    assert [(one.map_index, one.reference) for one in children] == [(0, reference), (1, None)]


async def test_deleted_flow_run_takes_its_task_runs_with_it(ask: Ask, told: Told) -> None:
    assert await ask(lambda client: client.flow_runs.delete(told.flow_run_id)) is None
    with pytest.raises(FlowRunNotFound):
        await ask(lambda client: client.flow_runs.get(told.flow_run_id))
    with pytest.raises(TaskRunNotFound):
        await ask(lambda client: client.task_runs.get(told.child_id))


async def test_service_tells_about_itself(ask: Ask) -> None:
    assert (await ask(lambda client: client.service.health())).status == "ok"
    assert (await ask(lambda client: client.service.readiness())).status == "ok"
    assert await ask(lambda client: client.service.openapi()) == json.loads((ROOT / "openapi.json").read_bytes())
    assert "<html" in await ask(lambda client: client.service.documentation())


async def test_problems_of_the_service_are_raised_as_classes(ask: Ask) -> None:
    unknown = uuid4()
    with pytest.raises(TaskRunNotFound) as raised:
        await ask(lambda client: client.task_runs.get(unknown))
    error = raised.value
    assert isinstance(error, NotFound)
    assert (error.status, error.code, error.problem.instance) == (404, "task-run-not-found", f"/task-runs/{unknown}")
    assert error.request_id
    with pytest.raises(InvalidRequest) as invalid:
        await ask(lambda client: client.task_runs.list(limit=0))
    assert [fault.parameter for fault in invalid.value.problem.errors or []] == ["limit"]


async def test_lost_race_says_what_the_run_is_now(ask: Ask) -> None:
    made = await ask(lambda client: client.flow_runs.create(flow_name="f"))
    items = [TaskRunReport(task_slug="extract-1", states=[StateCreate(type=StateType.SUCCESS)])]
    (receipt,) = (await ask(lambda client: client.flow_runs.report(made.id, items=items))).items
    with pytest.raises(VersionConflict) as raised:
        await ask(lambda client: client.task_runs.update(receipt.task_run_id, name="a", expected_version=0))
    assert raised.value.problem.current_run
    assert (raised.value.problem.current_run.version, raised.value.problem.current_run.state) == (1, StateType.SUCCESS)
    with pytest.raises(TerminalState):
        await ask(lambda client: client.task_runs.set_state(receipt.task_run_id, type="Running"))
    forced = await ask(lambda client: client.task_runs.set_state(receipt.task_run_id, type="Running", force=True))
    assert forced.outcome == "recorded"


async def test_ids_may_be_text(ask: Ask) -> None:
    id = uuid4()
    made = await ask(lambda client: client.flow_runs.create(flow_name="f", id=str(id)))
    assert made.id == id
    assert await ask(lambda client: client.flow_runs.get(str(id))) == await ask(lambda client: client.flow_runs.get(id))
    with pytest.raises(InvalidRequest, match="It must be a UUID"):
        await ask(lambda client: client.task_runs.get("no id"))


async def test_datetime_without_a_time_zone_is_refused_before_anything_is_sent(connect: Callable[..., Ask]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"{request.url} was asked")

    ask = connect(answer)
    with pytest.raises(InvalidArgument, match=r"^start_time_gte is 2021-05-12T18:00:00, without a time zone"):
        await ask(lambda client: client.task_runs.list(start_time_gte=NAIVE))
    with pytest.raises(InvalidArgument, match=r"^timestamp is 2021-05-12T18:00:00, without a time zone"):
        await ask(lambda client: client.task_runs.set_state(UUID(int=1), type="Running", timestamp=NAIVE))
    with pytest.raises(InvalidArgument, match=r"^flow_run_id is '', which cannot be a part of a path"):
        await ask(lambda client: client.flow_runs.get(""))


async def test_datetime_without_a_time_zone_in_a_report_is_refused_by_the_service(ask: Ask) -> None:
    made = await ask(lambda client: client.flow_runs.create(flow_name="f"))
    items = [TaskRunReport(task_slug="a", states=[StateCreate(type=StateType.RUNNING, timestamp=NAIVE)])]
    with pytest.raises(InvalidRequest) as raised:
        await ask(lambda client: client.flow_runs.report(made.id, items=items))
    assert [fault.pointer for fault in raised.value.problem.errors or []] == ["/items/0/states/0/timestamp"]


async def test_argument_that_is_missing_is_named(ask: Ask) -> None:
    for use, operation, name in (
        (lambda client: client.task_runs.get(), r"get_task_run\(\)", "task_run_id"),
        (lambda client: client.task_runs.set_states(), r"set_task_run_states\(\)", "items"),
        (lambda client: client.flow_runs.report(uuid4()), r"report_task_runs\(\)", "items"),
        (lambda client: client.flow_runs.create(), r"create_flow_run\(\)", "flow_name"),
        (lambda client: client.task_runs.list_fields(), r"list_task_run_fields\(\)", "fields"),
    ):
        with pytest.raises(TypeError, match=f"^{operation} missing 1 required .* argument: '{name}'$"):
            await ask(use)


def test_client_may_be_shared_by_threads(client: Client) -> None:
    made = client.flow_runs.create(flow_name="f")
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: client.flow_runs.get(made.id), range(40))) == [made] * 40


async def test_raw_response_has_status_headers_and_body(ask: Ask) -> None:
    created = await ask(lambda client: client.flow_runs.create.with_raw_response(flow_name="f", id=str(uuid4())))
    flow_run = created.parse()
    assert (created.status_code, isinstance(flow_run, FlowRun)) == (201, True)
    assert created.headers["location"] == f"/flow-runs/{flow_run.id}"
    assert json.loads(created.content) == json.loads(created.text) == flow_run.to_dict()
    assert created.request_id == created.http_response.headers["X-Request-Id"] != ""
    assert repr(created) == f"<RawResponse 201, {len(created.content)} bytes>"
    etag = f'"{flow_run.sequence}"'
    same = await ask(lambda client: client.flow_runs.get_if_changed.with_raw_response(flow_run.id, if_none_match=etag))
    assert (same.status_code, same.headers["ETag"], same.parse()) == (304, etag, None)


async def test_raw_response_of_a_problem_is_raised(ask: Ask) -> None:
    with pytest.raises(FlowRunNotFound):
        await ask(lambda client: client.flow_runs.get.with_raw_response(uuid4()))


def test_raw_form_of_a_method_shows_what_it_takes() -> None:
    for client in (Client(), AsyncClient()):
        # A stream has no response that is complete.
        methods = (method for name, method in methods_of(client).items() if not name.endswith(".events"))
        for method in methods:
            assert inspect.signature(method.with_raw_response) == inspect.signature(method)


def test_raw_answer_of_a_call_has_its_headers(client: Client) -> None:
    made = client.flow_runs.create(flow_name="f")
    items = [TaskRunReport(task_slug="extract-1")]
    (receipt,) = client.flow_runs.report(made.id, items=items).items
    assert receipt.task_run_id
    response = client.send_raw(get_task_run.build(receipt.task_run_id))
    assert (response.status_code, response.headers["etag"]) == (200, '"0.1"')
