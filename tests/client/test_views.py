"""Views of task runs and flow runs on the real service: what they show, what they ask for, what they keep."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from taskruns import (
    AsyncClient,
    AsyncFlowRunView,
    AsyncTaskRunView,
    Client,
    FlowRunView,
    NoSuchTaskRun,
    ResultError,
    TaskRunView,
)
from taskruns._generated.api.task_runs import get_task_run_result
from taskruns.errors import (
    ChildMissing,
    ChildNotReady,
    ChildWithoutResult,
    FlowRunNotFound,
    NoResultType,
    ResultNotPersisted,
    ResultNotReady,
    TaskRunNotFound,
)
from taskruns.models import StateCreate, StateType, TaskRunReport
from taskruns.results import JSONSerializer, LocalResult, PickleSerializer, UnsupportedResult, UntrustedResult, wire
from tests.service import Served


class Counting:
    """A client and the requests that it has made."""

    def __init__(self, url: str) -> None:
        self.paths: list[str] = []
        self.http = httpx.Client(event_hooks={"request": [lambda request: self.paths.append(request.url.path)]})
        self.client = Client(url, http_client=self.http)


@pytest.fixture
def counting(service: Served) -> Iterator[Counting]:
    counting = Counting(service.url)
    with counting.http:
        yield counting


@pytest.fixture
async def async_client(service: Served) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(service.url) as client:
        yield client


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, in which results are trusted."""
    monkeypatch.setenv("TASKRUNS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def succeeded(value: Any, storage: LocalResult | None = None) -> StateCreate:
    """The state of a task run that returned a value, which is kept as JSON."""
    written = (storage or LocalResult(serializer=JSONSerializer())).write(value)
    return StateCreate(type=StateType.SUCCESS, message="Task run succeeded.", result=wire(written))


def record(client: Client, *items: TaskRunReport) -> UUID:
    """Records a flow run with these task runs."""
    flow_run = client.flow_runs.create(flow_name="views", labels=["test"])
    if items:
        receipts = client.flow_runs.report(flow_run.id, items=items)
        assert [item.problem for item in receipts.items] == [None] * len(items)
    return flow_run.id


def run_of(task_slug: str, *states: StateCreate, map_index: int = -1) -> TaskRunReport:
    return TaskRunReport(task_slug=task_slug, map_index=map_index, states=list(states))


def mapped(*children: StateCreate) -> list[TaskRunReport]:
    """A parent and its children, reported in an order that is not that of their indexes."""
    parent = run_of("inc-1", StateCreate(type=StateType.MAPPED))
    runs = [run_of("inc-1", state, map_index=index) for index, state in enumerate(children)]
    return [parent, *reversed(runs)]


# What a view shows.


def test_prints_as_the_page_shows_it(client: Client) -> None:
    flow_run_id = record(client, run_of("say_hello-1", succeeded("Hello")))
    view = TaskRunView.from_task_slug("say_hello-1", flow_run_id=flow_run_id, client=client)
    assert repr(view) == (
        f"TaskRunView(task_run_id='{view.task_run_id}', task_id='{view.task_id}', task_slug='say_hello-1', "
        'state=<Success: "Task run succeeded.">, result=<not loaded>)'
    )
    view.get_result()
    assert repr(view).endswith("result='Hello')")


def test_has_what_the_service_says(client: Client) -> None:
    flow_run_id = record(client, run_of("a-1", succeeded(1)))
    view = TaskRunView.from_task_slug("a-1", flow_run_id, client=client)
    (run,) = client.flow_runs.task_runs(flow_run_id)
    assert view.task_run == run
    assert (view.task_run_id, view.task_id, view.flow_run_id) == (str(run.id), str(run.task_id), str(flow_run_id))
    assert (view.name, view.map_index, view.task_slug) == (None, -1, "a-1")
    assert (view.start_time, view.end_time, view.duration) == (run.start_time, run.end_time, run.duration)


def test_is_found_by_its_id_as_by_its_slug(client: Client) -> None:
    flow_run_id = record(client, run_of("a-1", succeeded(1)))
    view = TaskRunView.from_task_slug("a-1", str(flow_run_id), client=client)
    for task_run_id in (view.task_run_id, UUID(view.task_run_id)):
        assert TaskRunView.from_task_run_id(task_run_id, client=client) == view


def test_finds_the_service_by_the_environment(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKRUNS_URL", service.url)
    with Client() as client:
        flow_run_id = record(client, run_of("a-1", succeeded(1)))
    assert TaskRunView.from_task_slug("a-1", flow_run_id).get_result() == 1
    assert FlowRunView.from_flow_run_id(flow_run_id).get_task_run("a-1").state == "Success"


def test_can_not_be_changed(client: Client) -> None:
    flow_run_id = record(client, run_of("a-1", succeeded(1)))
    for view in (
        TaskRunView.from_task_slug("a-1", flow_run_id, client=client),
        FlowRunView.from_flow_run_id(flow_run_id, client=client),
    ):
        for name in ("state", "flow_run_id", "anything"):
            with pytest.raises(AttributeError):
                setattr(view, name, "x")


def test_equals_the_same_run_in_the_same_state(client: Client) -> None:
    flow_run_id = record(client, run_of("a-1", StateCreate(type=StateType.RUNNING)), run_of("b-1"))
    before = TaskRunView.from_task_slug("a-1", flow_run_id, client=client)
    assert before == before.get_latest()
    assert hash(before) == hash(before.get_latest())
    assert before != TaskRunView.from_task_slug("b-1", flow_run_id, client=client)
    client.task_runs.set_state(before.task_run_id, type="Success")
    assert before.state == "Running"
    assert before.get_latest().state == "Success"
    assert before != before.get_latest()


def test_unknown_ids_and_slugs_have_errors_of_their_own(client: Client) -> None:
    flow_run_id = record(client, run_of("a-1", succeeded(1)))
    with pytest.raises(TaskRunNotFound):
        TaskRunView.from_task_run_id(uuid4(), client=client)
    with pytest.raises(FlowRunNotFound):
        TaskRunView.from_task_slug("a-1", uuid4(), client=client)
    with pytest.raises(FlowRunNotFound):
        FlowRunView.from_flow_run_id(uuid4(), client=client)
    with pytest.raises(NoSuchTaskRun, match=rf"{flow_run_id} has no task run with the slug 'b-1' and the map index 3"):
        TaskRunView.from_task_slug("b-1", flow_run_id, 3, client=client)


# Results.


def test_a_result_is_loaded_once(counting: Counting) -> None:
    flow_run_id = record(counting.client, run_of("a-1", succeeded({"x": [1]})))
    view = TaskRunView.from_task_slug("a-1", flow_run_id, client=counting.client)
    del counting.paths[:]
    assert view.get_result() == {"x": [1]}
    assert view.get_result() is view.get_result()
    assert counting.paths == [f"/task-runs/{view.task_run_id}/result"]


def test_none_is_a_result_that_is_loaded_once(counting: Counting) -> None:
    flow_run_id = record(counting.client, run_of("a-1", succeeded(None)))
    view = TaskRunView.from_task_slug("a-1", flow_run_id, client=counting.client)
    del counting.paths[:]
    assert [view.get_result(), view.get_result()] == [None, None]
    assert len(counting.paths) == 1
    assert repr(view).endswith("result=None)")


def test_a_mapped_parent_has_all_results_in_one_request(counting: Counting) -> None:
    flow_run_id = record(counting.client, *mapped(*map(succeeded, range(12))))
    view = TaskRunView.from_task_slug("inc-1", flow_run_id, client=counting.client)
    del counting.paths[:]
    assert view.get_result() == list(range(12))
    assert view.get_result() == list(range(12))
    assert counting.paths == [f"/task-runs/{view.task_run_id}/result"]
    assert TaskRunView.from_task_slug("inc-1", flow_run_id, 7, client=counting.client).get_result() == 7


def test_a_map_that_is_wider_than_a_page_takes_a_request_a_page(counting: Counting) -> None:
    flow_run_id = record(counting.client)
    value = succeeded(5)
    for start in (0, 900):
        items = [
            run_of("inc-1", StateCreate(type=value.type, result=value.result), map_index=n)
            for n in range(start, start + 900)
        ]
        counting.client.flow_runs.report(
            flow_run_id, items=[run_of("inc-1", StateCreate(type=StateType.MAPPED)), *items][:1000]
        )
    view = TaskRunView.from_task_slug("inc-1", flow_run_id, client=counting.client)
    del counting.paths[:]
    assert view.get_result() == [5] * 1800
    assert len(counting.paths) == 2


def test_a_map_over_nothing_is_an_empty_list(client: Client) -> None:
    flow_run_id = record(client, *mapped())
    assert TaskRunView.from_task_slug("inc-1", flow_run_id, client=client).get_result() == []


def test_children_can_be_walked_through(counting: Counting) -> None:
    flow_run_id = record(counting.client, *mapped(*map(succeeded, range(12))))
    view = TaskRunView.from_task_slug("inc-1", flow_run_id, client=counting.client)
    del counting.paths[:]
    children = list(view.iter_mapped())
    assert [child.map_index for child in children] == list(range(12))
    assert counting.paths == [f"/flow-runs/{flow_run_id}/task-runs"]
    assert [child.get_result() for child in children] == list(range(12))
    assert list(children[0].iter_mapped()) == []


def test_what_is_not_there_says_what_to_do(client: Client) -> None:
    custom = {"type": "MyResult", "location": "x", "serializer": {"type": "JSONSerializer"}}
    flow_run_id = record(
        client,
        run_of("running-1", StateCreate(type=StateType.RUNNING)),
        run_of("none-1", StateCreate(type=StateType.SUCCESS)),
        run_of("kept_none-1", StateCreate(type=StateType.SUCCESS, result={"type": "NoResultType"})),
        run_of("failed-1", StateCreate(type=StateType.FAILED, message="Unexpected error: ValueError()")),
        run_of("lost-1", StateCreate(type=StateType.SUCCESS, message=f"Its result could not be kept: {'x' * 5000}")),
        run_of("unwritten-1", StateCreate(type=StateType.SUCCESS, result={"type": "S3Result", "bucket": "b"})),
        run_of("custom-1", StateCreate(type=StateType.SUCCESS, result=custom)),
    )

    def error_of(task_slug: str, kind: type[Exception]) -> str:
        view = TaskRunView.from_task_slug(task_slug, flow_run_id, client=client)
        with pytest.raises(kind) as caught:
            view.get_result()
        assert isinstance(caught.value, ResultError)
        return " ".join([str(caught.value), *getattr(caught.value, "__notes__", [])])

    assert "Try again when it is finished" in error_of("running-1", ResultNotReady)
    without = "and was reported without a result."
    assert error_of("none-1", NoResultType).startswith(f"The task run is Success {without} (404 ")
    assert error_of("kept_none-1", NoResultType).startswith("The task run is Success, and its task stores no result. (")
    failed = error_of("failed-1", NoResultType)
    assert failed.startswith(f"The task run is Failed {without} Its message: Unexpected error: ValueError() (404 ")
    lost = error_of("lost-1", NoResultType)
    assert lost.startswith(f"The task run is Success {without} Its message: Its result could not be kept: xxx")
    assert len(lost) < 700
    assert "was not stored" in error_of("unwritten-1", ResultNotPersisted)
    assert "MyResult" in error_of("custom-1", UnsupportedResult)


def test_results_of_types_of_the_future_leave_the_others_readable(client: Client) -> None:
    flow_run_id = record(client, *mapped(succeeded("a"), succeeded("b")))
    view = TaskRunView.from_task_slug("inc-1", flow_run_id, client=client)
    real = client.send_raw(get_task_run_result.build(view.task_run_id)).content

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/result"):
            return httpx.Response(200, content=real.replace(b'"LocalResult"', b'"FutureResult"', 1))
        return httpx.Response(404)

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        newer = TaskRunView(view.task_run, Client("http://service", http_client=http))
        with pytest.raises(UnsupportedResult, match="FutureResult is not a result type of this package"):
            newer.get_result()


@pytest.mark.parametrize(
    ("state", "error", "told"),
    [
        (StateType.RUNNING, ChildNotReady, "inc-1 has no result for the item 1, which is Running: try again"),
        (StateType.FAILED, ChildWithoutResult, r'which is Failed; get_result\(missing="none"\) returns the others'),
        (StateType.SUCCESS, ChildWithoutResult, "which is Success"),
    ],
)
def test_a_child_without_a_result_hides_the_others_only_if_asked_to(
    client: Client, state: StateType, error: type[Exception], told: str
) -> None:
    flow_run_id = record(client, *mapped(succeeded("a"), StateCreate(type=state), succeeded(None), succeeded("d")))
    view = TaskRunView.from_task_slug("inc-1", flow_run_id, client=client)
    with pytest.raises(error, match=told):
        view.get_result()
    assert view.get_result(missing="none") == ["a", None, None, "d"]
    with pytest.raises(error):
        view.get_result()


def constant(value: Any) -> StateCreate:
    """The state of a task run that returned what is the same in every run."""
    return StateCreate(type=StateType.SUCCESS, result={"type": "ConstantResult", "value": value})


@pytest.mark.parametrize("indexes", [(0, 1, 3), (3, 1), (1, 2)])
def test_results_are_at_the_map_indexes_of_their_children(client: Client, indexes: tuple[int, ...]) -> None:
    children = [run_of("inc-1", constant(index * 10), map_index=index) for index in indexes]
    flow_run_id = record(client, run_of("inc-1", StateCreate(type=StateType.MAPPED)), *children)
    view = TaskRunView.from_task_slug("inc-1", flow_run_id, client=client)
    lowest = min(set(range(max(indexes))) - set(indexes))
    with pytest.raises(ChildMissing, match=f"no child with the map index {lowest}, but has children with higher ones"):
        view.get_result()
    expected = [index * 10 if index in indexes else None for index in range(max(indexes) + 1)]
    assert view.get_result(missing="none") == expected
    missing = [run_of("inc-1", constant(index * 10), map_index=index) for index in range(4) if index not in indexes]
    client.flow_runs.report(flow_run_id, items=missing)
    # What was missing is looked for again.
    assert view.get_result() == [0, 10, 20, 30]


def test_gaps_take_no_more_memory_than_children(client: Client) -> None:
    children = [run_of("inc-1", constant(index), map_index=index) for index in (0, 2_000_000_000)]
    flow_run_id = record(client, run_of("inc-1", StateCreate(type=StateType.MAPPED)), *children)
    view = TaskRunView.from_task_slug("inc-1", flow_run_id, client=client)
    with pytest.raises(ChildMissing, match="2 children with map indexes up to 2000000000"):
        view.get_result(missing="none")


def test_what_to_do_about_missing_children_is_one_of_two(client: Client) -> None:
    flow_run_id = record(client, *mapped(constant(1)))
    view = TaskRunView.from_task_slug("inc-1", flow_run_id, client=client)
    with pytest.raises(ValueError, match='missing is \'None\', but must be "raise" or "none"'):
        view.get_result(missing="None")  # type: ignore[arg-type]


def test_a_pickle_of_others_is_loaded_only_on_trust(client: Client, tmp_path: Path) -> None:
    elsewhere = LocalResult(tmp_path / "elsewhere", serializer=PickleSerializer())
    flow_run_id = record(
        client, run_of("a-1", succeeded({1, 2}, elsewhere)), run_of("b-1", succeeded({3}, LocalResult()))
    )
    view = TaskRunView.from_task_slug("a-1", flow_run_id, client=client)
    with pytest.raises(UntrustedResult):
        view.get_result()
    assert view.get_result(trust=True) == {1, 2}
    assert TaskRunView.from_task_slug("b-1", flow_run_id, client=client).get_result() == {3}


# Flow runs.


def test_a_flow_run_leads_to_its_task_runs(client: Client) -> None:
    flow_run_id = record(client, run_of("a-1", succeeded(1)), *mapped(succeeded(2), succeeded(3)))
    view = FlowRunView.from_flow_run_id(flow_run_id, client=client)
    everything = view.get_all_task_runs()
    assert [(run.task_slug, run.map_index) for run in everything] == [
        ("a-1", -1),
        ("inc-1", -1),
        ("inc-1", 1),
        ("inc-1", 0),
    ]
    assert view.get_task_run_ids() == [run.task_run_id for run in everything]
    assert view.get_task_run("inc-1", map_index=1).get_result() == 3
    assert view.get_task_run(task_slug="inc-1").get_result() == [2, 3]
    assert view.get_task_run(task_run_id=everything[0].task_run_id).get_result() == 1


def test_finished_task_runs_are_kept_and_others_asked_for_again(counting: Counting) -> None:
    client = counting.client
    flow_run_id = record(client, run_of("a-1", succeeded(1)), run_of("b-1", StateCreate(type=StateType.RUNNING)))
    view = FlowRunView.from_flow_run_id(flow_run_id, client=client)
    assert repr(view).endswith("state=<Pending>, labels=['test'], cached_task_runs=0)")
    finished, running = view.get_task_run("a-1"), view.get_task_run("b-1")
    assert repr(view).endswith("cached_task_runs=1)")
    del counting.paths[:]
    assert view.get_task_run("a-1") is view.get_task_run(task_run_id=finished.task_run_id) is finished
    assert counting.paths == []
    client.task_runs.set_state(running.task_run_id, type="Success")
    del counting.paths[:]
    assert view.get_task_run("b-1").state == "Success"
    assert view.get_task_run("b-1").state == "Success"
    assert len(counting.paths) == 1
    assert repr(view.get_latest()).endswith("cached_task_runs=2)")


def test_all_task_runs_are_read_once_and_then_only_what_changed(counting: Counting) -> None:
    client = counting.client
    flow_run_id = record(client, run_of("a-1", succeeded(1)), run_of("b-1", StateCreate(type=StateType.RUNNING)))
    view = FlowRunView.from_flow_run_id(flow_run_id, client=client)
    first = view.get_all_task_runs()
    first[0].get_result()
    client.task_runs.set_state(first[1].task_run_id, type="Failed")
    client.flow_runs.report(flow_run_id, items=[run_of("c-1")])
    second = view.get_all_task_runs()
    assert [(run.task_slug, str(run.state.type)) for run in second] == [
        ("a-1", "Success"),
        ("b-1", "Failed"),
        ("c-1", "Pending"),
    ]
    assert second[0] is first[0]
    assert repr(second[0]).endswith("result=1)")


def test_a_flow_run_of_any_size_is_read_in_pages(counting: Counting) -> None:
    client = counting.client
    flow_run_id = record(client)
    for start in range(0, 2500, 500):
        client.flow_runs.report(flow_run_id, items=[run_of("x-1", map_index=n) for n in range(start, start + 500)])
    view = FlowRunView.from_flow_run_id(flow_run_id, client=client)
    del counting.paths[:]
    assert [run.map_index for run in view.get_all_task_runs()] == list(range(2500))
    assert len(counting.paths) == 3
    assert len(view.get_task_run_ids()) == 2500


def test_a_task_run_of_another_flow_run_is_refused(client: Client) -> None:
    other = record(client, run_of("a-1", succeeded(1)))
    foreign = TaskRunView.from_task_slug("a-1", other, client=client)
    view = FlowRunView.from_flow_run_id(record(client), client=client)
    with pytest.raises(NoSuchTaskRun, match=f"belongs to the flow run {other}"):
        view.get_task_run(task_run_id=foreign.task_run_id)
    with pytest.raises(TypeError, match="task_slug or a task_run_id"):
        view.get_task_run()


def test_watching_yields_each_change_until_the_end(client: Client) -> None:
    flow_run_id = record(client, run_of("a-1"))
    states = []
    for view in FlowRunView.from_flow_run_id(flow_run_id, client=client).watch(interval=0.01):
        states.append((str(view.state.type), dict(view.task_run_counts)))
        match len(states):
            case 1:
                client.flow_runs.set_state(flow_run_id, type="Running")
            case 2:
                client.flow_runs.report(flow_run_id, items=[run_of("a-1", succeeded(1))])
            case 3:
                client.flow_runs.set_state(flow_run_id, type="Success")
    assert states == [
        ("Pending", {"Pending": 1}),
        ("Running", {"Pending": 1}),
        ("Running", {"Success": 1}),
        ("Success", {"Success": 1}),
    ]


# The same for asyncio.


async def test_async_views_do_the_same(client: Client, async_client: AsyncClient) -> None:
    flow_run_id = record(client, run_of("a-1", succeeded(1)), *mapped(*map(succeeded, range(5))))
    view = await AsyncFlowRunView.from_flow_run_id(flow_run_id, client=async_client)
    runs = await view.get_all_task_runs()
    assert [run.task_slug for run in runs] == ["a-1", *["inc-1"] * 6]
    assert await view.get_task_run_ids() == [run.task_run_id for run in runs]
    parent = await view.get_task_run("inc-1")
    results = await asyncio.gather(parent.get_result(), parent.get_result())
    assert list(results) == [[0, 1, 2, 3, 4]] * 2
    assert [child.map_index async for child in parent.iter_mapped()] == [0, 1, 2, 3, 4]
    assert await (await view.get_task_run("inc-1", map_index=3)).get_result() == 3
    assert (await parent.get_latest()) == parent
    by_id = await AsyncTaskRunView.from_task_run_id(runs[0].task_run_id, client=async_client)
    assert await by_id.get_result() == 1
    assert repr(by_id).startswith("AsyncTaskRunView(")
    assert await view.get_task_run(task_run_id=runs[0].task_run_id) is runs[0]
    with pytest.raises(NoSuchTaskRun):
        await view.get_task_run("b-1")
    assert (await view.get_latest()) == view


async def test_async_results_raise_the_same_errors(client: Client, async_client: AsyncClient) -> None:
    flow_run_id = record(client, *mapped(succeeded("a"), StateCreate(type=StateType.FAILED)), run_of("b-1"))
    view = await AsyncFlowRunView.from_flow_run_id(flow_run_id, client=async_client)
    parent = await view.get_task_run("inc-1")
    with pytest.raises(ChildWithoutResult):
        await parent.get_result()
    assert await parent.get_result(missing="none") == ["a", None]
    client.flow_runs.report(flow_run_id, items=[run_of("inc-1", constant("d"), map_index=3)])
    assert await parent.get_result(missing="none") == ["a", None, None, "d"]
    client.flow_runs.report(flow_run_id, items=[run_of("inc-1", constant("b"), map_index=1)])
    with pytest.raises(ChildMissing, match="map index 2"):
        await parent.get_result()
    with pytest.raises(ResultNotReady):
        await (await view.get_task_run("b-1")).get_result()


async def test_async_watching_yields_each_change_until_the_end(client: Client, async_client: AsyncClient) -> None:
    flow_run_id = record(client)
    view = await AsyncFlowRunView.from_flow_run_id(flow_run_id, client=async_client)
    states = []
    async for seen in view.watch(interval=0.01):
        states.append(str(seen.state.type))
        following: dict[int, Callable[[], object]] = {
            1: lambda: client.flow_runs.set_state(flow_run_id, type="Running"),
            2: lambda: client.flow_runs.set_state(flow_run_id, type="Cancelled"),
        }
        following.get(len(states), lambda: None)()
    assert states == ["Pending", "Running", "Cancelled"]
