# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""What people write with the client: type checkers have to know every type here, and find every mistake."""

import asyncio
from concurrent.futures import Future
from datetime import datetime
from typing import Any, assert_type
from uuid import UUID

import httpx

from taskruns import task
from taskruns.client import AsyncClient, Client
from taskruns.errors import TaskRunNotFound, VersionConflict
from taskruns.live import FlowRunChanged, FlowRunEvent, NowChanged
from taskruns.live.streams import EventStream
from taskruns.models import (
    Aggregate,
    CurrentRun,
    FlowRun,
    FlowRunFields,
    FlowRunStateReceipt,
    FlowRunSummary,
    Health,
    Problem,
    ResultReference,
    S3Result,
    State,
    StateCreate,
    StateCreateDict,
    StateType,
    TaskRun,
    TaskRunFields,
    TaskRunPage,
    TaskRunReceipts,
    TaskRunReport,
    TaskRunReportDict,
    TaskRunResult,
    TaskRunStateReceipt,
    TaskRunStateReportDict,
)
from taskruns.pages import AsyncListing, AsyncPage, Page
from taskruns.responses import RawResponse

TEXT = "8e445d74-9ca6-425b-98e5-72754b7ea174"


def read(client: Client, id: UUID) -> None:
    """Reads with the client that blocks."""
    assert_type(client.task_runs.get(id), TaskRun)
    assert_type(client.task_runs.get(TEXT).state, StateType)
    assert_type(client.task_runs.get_if_changed(id, if_none_match='"3"'), TaskRun | None)
    assert_type(client.flow_runs.get(id), FlowRun)
    assert_type(client.flow_runs.get_if_changed(id, if_none_match='"3"'), FlowRun | None)
    assert_type(client.flow_runs.task_runs_if_changed(id, if_none_match='"3"'), TaskRunPage | None)
    assert_type(client.task_runs.aggregate(group_by=["state"]), Aggregate)
    assert_type(client.service.health(), Health)
    assert_type(client.service.openapi(), dict[str, Any])
    assert_type(client.service.documentation(), str)
    assert_type(client.flow_runs.events(id, after_sequence=3), EventStream[FlowRunEvent])
    assert_type(next(client.service.events(flow_run_id=[id], now=True)), FlowRunChanged | NowChanged)


def read_lists(client: Client, id: UUID) -> None:
    """Reads lists with the client that blocks."""
    page = client.task_runs.list(state=[StateType.FAILED, "TimedOut"], flow_run_id=[id, TEXT], limit=5)
    assert_type(page, Page[TaskRun])
    assert_type(page.items, list[TaskRun])
    assert_type(page.next_cursor, str | None)
    assert_type(page.next_page(), Page[TaskRun] | None)
    for task_run in page:
        assert_type(task_run, TaskRun)
    for further in page.pages():
        assert_type(further, Page[TaskRun])
    assert_type(client.task_runs.list(state="Failed", flow_run_id=id, map_index=3), Page[TaskRun])
    assert_type(client.task_runs.list_fields(fields=["state"]).items, list[TaskRunFields])
    assert_type(client.task_runs.list_fields(fields="state").items[0].state, StateType)
    assert_type(client.task_runs.states(id).items, list[State])
    assert_type(client.flow_runs.list().items, list[FlowRunSummary])
    assert_type(client.flow_runs.list_fields(fields=["state"]).items, list[FlowRunFields])
    assert_type(client.flow_runs.states(id).items, list[State])
    assert_type(client.flow_runs.task_runs(id).items, list[TaskRun])
    assert_type(client.flow_runs.task_runs_fields(id, fields=["state"]).items, list[TaskRunFields])


def report(client: Client, id: UUID) -> None:
    """Reports with the client that blocks."""
    assert_type(client.flow_runs.create(flow_name="etl", id=TEXT, parameters={"x": 1}), FlowRun)
    assert_type(client.flow_runs.set_state(id, type="Running"), FlowRunStateReceipt)
    assert_type(client.task_runs.set_state(id, type=StateType.RUNNING, message=None), TaskRunStateReceipt)
    states = [StateCreate(type=StateType.SUCCESS)]
    receipts = client.flow_runs.report(id, items=(TaskRunReport(task_slug="inc-1", states=states),))
    assert_type(receipts, TaskRunReceipts)
    assert_type(receipts.items[0].task_run_id, UUID | None)
    assert_type(client.task_runs.update(id, name=None, tags=["etl"]), TaskRun)
    client.flow_runs.delete(id)


def report_dicts(client: Client, id: UUID, moment: datetime) -> None:
    """Reports dicts in the place of Structs."""
    receipts = client.flow_runs.report(id, items=[{"task_slug": "inc-1", "states": [{"type": "Success"}]}])
    assert_type(receipts, TaskRunReceipts)
    state: StateCreateDict = {"type": StateType.RUNNING, "timestamp": moment, "id": TEXT, "details": {"a": [1]}}
    items: list[TaskRunReportDict] = [{"task_slug": "inc-1", "states": [state], "tags": ("a",)}]
    client.flow_runs.report(id, items=items)
    client.flow_runs.report(id, items=[TaskRunReport(task_slug="a"), {"task_slug": "b", "map_index": 3}])
    moved: TaskRunStateReportDict = {"task_run_id": id, "type": "Failed", "timestamp": "2021-05-12T18:00:00Z"}
    client.task_runs.set_states(items=[moved, {"task_run_id": TEXT, "type": "Running", "message": None}])


def read_raw(client: Client, id: UUID) -> None:
    """Reads answers with their status and headers."""
    raw = client.task_runs.get.with_raw_response(id)
    assert_type(raw, RawResponse[TaskRun])
    assert_type((raw.status_code, raw.headers["ETag"], raw.request_id, raw.content), tuple[int, str, str, bytes])
    assert_type(raw.http_response, httpx.Response)
    assert_type(raw.parse(), TaskRun)
    assert_type(client.task_runs.get_if_changed.with_raw_response(id, if_none_match='"3"').parse(), TaskRun | None)
    assert_type(client.task_runs.list.with_raw_response(state="Failed"), RawResponse[Page[TaskRun]])
    assert_type(client.service.openapi.with_raw_response().parse(), dict[str, Any])


def write(client: Client, id: UUID) -> None:
    """Writes what was answered as dicts and JSON."""
    assert_type(client.task_runs.get(id).to_dict(), dict[str, Any])
    assert_type(client.task_runs.get(id).to_json(), str)
    assert_type(client.task_runs.aggregate().to_json(indent=2), str)
    assert_type(client.task_runs.list().to_dict(), dict[str, Any])
    assert_type(client.task_runs.list().items[0].to_dict(), dict[str, Any])


def read_results(client: Client, id: UUID) -> str | None:
    """Takes a reference apart."""
    result = client.task_runs.result(id)
    assert_type(result, TaskRunResult)
    assert_type(result.reference, ResultReference | None)
    match result.reference:
        case S3Result(bucket=bucket):
            assert_type(bucket, str | None)
            return bucket
        case _:
            return None


def make(http_client: httpx.Client) -> None:
    """Makes clients and copes with what goes wrong."""
    with Client("http://127.0.0.1:4200", timeout=5, max_retries=0, http_client=http_client) as client:
        assert_type(client, Client)
        assert_type(client.with_options(deadline=1.5), Client)
        try:
            client.task_runs.get(TEXT)
        except VersionConflict as error:
            assert_type(error.problem, Problem)
            assert_type(error.problem.current_run, CurrentRun | None)
            assert_type(error.raw, bytes)
        except TaskRunNotFound as error:
            assert_type((error.status, error.code, error.request_id), tuple[int, str, str])


async def read_async(client: AsyncClient, id: UUID) -> None:
    """Reads with the client for asyncio."""
    assert_type((await client.task_runs.get(id)).to_dict(), dict[str, Any])
    assert_type(await client.task_runs.get.with_raw_response(id), RawResponse[TaskRun])
    assert_type(await client.task_runs.list.with_raw_response(limit=5), RawResponse[AsyncPage[TaskRun]])
    assert_type((await client.task_runs.list()).to_json(), str)
    await client.flow_runs.report(id, items=[{"task_slug": "inc-1"}])
    assert_type(await client.task_runs.get(id), TaskRun)
    assert_type(await client.task_runs.get_if_changed(id, if_none_match='"3"'), TaskRun | None)
    listing = client.task_runs.list(state=["Failed"])
    _ = assert_type(listing, AsyncListing[TaskRun])
    assert_type(await listing, AsyncPage[TaskRun])
    async for task_run in listing:
        assert_type(task_run, TaskRun)
    async for page in listing.pages():
        assert_type(page.items, list[TaskRun])
    async for item in await client.flow_runs.task_runs_fields(id, fields=["state"]):
        assert_type(item, TaskRunFields)
    async with client.with_options(timeout=5) as other:
        assert_type(other, AsyncClient)


@task
def inc(x: int) -> int:
    """A task."""
    return x + 1


@task(max_retries=1)
async def fetch(url: str) -> bytes:
    """A task that is awaited."""
    return url.encode()


@task
def load(url: str) -> Any:
    """A task of which nobody says what it returns."""
    return url


async def run_tasks() -> None:
    """Calls, maps and submits tasks of both kinds."""
    assert_type(inc(1), int)
    assert_type(inc.map([1, 2]), list[int])
    assert_type(inc.submit(1), Future[int])
    assert_type(await fetch("a"), bytes)
    assert_type(await fetch.map(["a"]), list[bytes])
    _ = assert_type(fetch.submit("a"), asyncio.Task[bytes])
    assert_type(await fetch.submit("a"), bytes)
    load.map(["a"])
    load.submit("a")


def make_mistakes(client: Client, id: UUID) -> None:
    """Each line has a mistake; a checker that finds none says that its comment is not needed."""
    client.task_runs.list(stat=["Failed"])  # type: ignore[call-arg]
    client.task_runs.list(limit="5")  # type: ignore[arg-type]
    client.task_runs.list(start_time_gte="2021-05-12")  # type: ignore[arg-type]
    client.task_runs.list(fields=["state"])  # type: ignore[call-arg]
    client.task_runs.list_fields(fields=[5])  # type: ignore[list-item]
    client.task_runs.list_fields()  # type: ignore[call-arg]
    client.task_runs.get()  # type: ignore[call-arg]
    client.task_runs.get(5)  # type: ignore[arg-type]
    str(client.task_runs.get(id).slug)  # type: ignore[attr-defined]
    client.task_runs.get(id).state = StateType.FAILED  # type: ignore[misc]
    client.task_runs.set_state(id)  # type: ignore[call-arg]
    client.task_runs.update(id, tags=None)  # type: ignore[arg-type]
    client.flow_runs.create("etl")  # type: ignore[call-arg]
    client.flow_runs.create(flow_name=None)  # type: ignore[arg-type]
    client.flow_runs.report(id, items=[StateCreate(type=StateType.RUNNING)])  # type: ignore[list-item]
    client.flow_runs.report(id, items=[{"task_slg": "inc-1"}])  # type: ignore[list-item]
    client.flow_runs.report(id, items=[{"task_slug": 1}])  # type: ignore[list-item]
    client.flow_runs.report(id, items=[{}])  # type: ignore[list-item]
    client.task_runs.set_states(items=[{"type": "Running"}])  # type: ignore[list-item]
    client.task_runs.get.with_raw_response()  # type: ignore[call-arg]
    client.task_runs.list.with_raw_response(stat="Failed")  # type: ignore[call-arg]
    client.with_options(url="http://127.0.0.1:4200")  # type: ignore[call-arg]
    client.with_options(default_headers={"X-Team": 1})  # type: ignore[dict-item]
    inc("1")  # type: ignore[arg-type]
    inc.submit("1")  # type: ignore[arg-type]
    Client(http_client=httpx.AsyncClient())  # type: ignore[arg-type]


async def make_mistakes_async(client: AsyncClient, id: UUID) -> None:
    """The same for asyncio."""
    str(client.task_runs.get(id).name)  # type: ignore[attr-defined]
    for _ in client.task_runs.list():  # type: ignore[attr-defined]
        pass
    async for _ in client.task_runs.get(id):  # type: ignore[attr-defined]
        pass
    await client.task_runs.list(stat=["Failed"])  # type: ignore[call-arg]
