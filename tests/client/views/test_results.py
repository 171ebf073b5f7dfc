"""Results of views: what is loaded, with how many requests, and what is missing."""

from pathlib import Path

import httpx
import pytest

from taskruns import Client, ResultError, TaskRunView
from taskruns._generated.api.task_runs import get_task_run_result
from taskruns.errors import (
    ChildMissing,
    ChildNotReady,
    ChildWithoutResult,
    NoResultType,
    ResultNotPersisted,
    ResultNotReady,
)
from taskruns.models import StateCreate, StateType
from taskruns.results import LocalResult, PickleSerializer, UnsupportedResult, UntrustedResult
from tests.client.views.recorded import Counting, constant, mapped, record, run_of, succeeded


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
