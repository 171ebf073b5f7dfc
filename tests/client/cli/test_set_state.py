"""`flow-run set-state`, `flow-run cancel` and `task-run set-state`: states that a person reports."""

import pytest

from taskruns.client import Client
from tests.client.cli.running import run
from tests.client.cli.world import task


def test_state_of_a_flow_run_is_set(scratch: Client, url: str) -> None:
    flow_run = scratch.flow_runs.create(flow_name="lost", name="lost-1")
    scratch.flow_runs.set_state(flow_run.id, type="Running")
    done = run("flow-run", "set-state", "lost-1", "failed", "--message", "The host was lost.", TASKRUNS_URL=url)
    assert done == (0, f"The flow run {flow_run.id} is Failed.\n", "")
    found = scratch.flow_runs.get(flow_run.id)
    assert (found.state, found.state_message) == ("Failed", "The host was lost.")


def test_success_goes_on_with_force_only(scratch: Client, url: str) -> None:
    flow_run = scratch.flow_runs.create(flow_name="again", name="again")
    scratch.flow_runs.set_state(flow_run.id, type="Success")
    done = run("flow-run", "set-state", str(flow_run.id), "Running", TASKRUNS_URL=url)
    assert (done.code, done.out) == (1, "")
    assert "--force" in done.err
    assert run("flow-run", "set-state", str(flow_run.id), "Running", "--force", TASKRUNS_URL=url).code == 0
    assert scratch.flow_runs.get(flow_run.id).state == "Running"


def test_state_of_a_child_is_set(scratch: Client, url: str) -> None:
    flow_run = scratch.flow_runs.create(flow_name="children", name="children")
    items = [task("inc-1", ("Running", 1.0), map_index=index) for index in range(2)]
    scratch.flow_runs.report(flow_run.id, items=items)
    where = ("--flow-run-name", "children")
    assert run("task-run", "set-state", "inc-1[1]", "Failed", *where, TASKRUNS_URL=url).code == 0
    states = {one.map_index: one.state for one in scratch.flow_runs.task_runs(flow_run.id)}
    assert states == {0: "Running", 1: "Failed"}


def test_flow_runs_are_cancelled(scratch: Client, url: str) -> None:
    flow_runs = [scratch.flow_runs.create(flow_name="wrong", name=f"wrong-{number}") for number in range(2)]
    done = run("flow-run", "cancel", "wrong-0", "wrong-1", "-m", "The wrong day.", TASKRUNS_URL=url)
    assert (done.code, done.out.count(" is Cancelled.\n"), done.err) == (0, 2, "")
    for flow_run in flow_runs:
        found = scratch.flow_runs.get(flow_run.id)
        assert (found.state, found.state_message) == ("Cancelled", "The wrong day.")


def test_nothing_is_cancelled_if_one_is_finished(scratch: Client, url: str) -> None:
    ended, going = (scratch.flow_runs.create(flow_name="half", name=name) for name in ("half-0", "half-1"))
    scratch.flow_runs.set_state(ended.id, type="Success")
    done = run("flow-run", "cancel", "half-1", "half-0", TASKRUNS_URL=url)
    assert (done.code, done.out) == (1, "")
    assert f"half-0 ({ended.id}) is already Success. Nothing was cancelled." in done.err
    assert scratch.flow_runs.get(going.id).state == "Pending"


@pytest.mark.parametrize("group", ["flow-run", "task-run"])
def test_state_that_is_misspelt_is_told_what_it_may_have_meant(group: str, url: str) -> None:
    done = run(group, "set-state", "x", "Sucess", TASKRUNS_URL=url)
    assert (done.code, done.out) == (2, "")
    assert "There is no state 'Sucess'. Did you mean Success? The states are " in done.err
