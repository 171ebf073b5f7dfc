"""Views of flow runs: what they show, what they ask for again, and how they are watched."""

import pytest

from taskruns import Client, FlowRunView, NoSuchTaskRun, TaskRunView
from taskruns.models import StateCreate, StateType
from tests.client.views.recorded import Counting, mapped, record, run_of, succeeded


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
    for view in FlowRunView.from_flow_run_id(flow_run_id, client=client).watch(interval=3600):
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
