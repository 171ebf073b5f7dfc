"""Views of task runs: what they show, and how they are found and compared."""

from uuid import UUID, uuid4

import pytest

from taskruns import Client, FlowRunView, NoSuchTaskRun, TaskRunView
from taskruns.errors import FlowRunNotFound, TaskRunNotFound
from taskruns.models import StateCreate, StateType
from tests.client.views.recorded import record, run_of, succeeded
from tests.service import Served


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
    assert (view.start_time, view.end_time) == (run.start_time, run.end_time)
    assert (view.duration, view.run_time) == (run.duration, run.run_time)


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
