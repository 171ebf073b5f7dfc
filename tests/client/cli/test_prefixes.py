"""Runs that are named by how their ids start: what is found, what is refused, and that names come first."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from taskruns.client import Client
from taskruns.errors import FlowRunNotFound
from tests.client.cli.running import Ran, run
from tests.client.cli.world import task

FLOW_RUN, TWIN = UUID("abcd1234-0000-4000-8000-000000000001"), UUID("abcd1234-0000-4000-9000-000000000002")
TASK_RUN, SIBLING = UUID("0badcafe-0000-7000-8000-000000000001"), UUID("0badcafe-0000-7000-8000-000000000002")


@pytest.fixture
def runs(scratch: Client) -> Iterator[Client]:
    """Two flow runs whose ids start alike, and two task runs of the first whose ids do."""
    for identifier, name in ((FLOW_RUN, "first"), (TWIN, "second")):
        scratch.flow_runs.create(id=identifier, flow_name="twins", name=name)
    items: list[Any] = [
        task("extract-1", ("Running", 1.0), id=TASK_RUN),
        task("load-1", ("Success", 2.0), id=SIBLING, result={"type": "LocalResult", "location": "/nowhere"}),
    ]
    scratch.flow_runs.report(FLOW_RUN, items=items)
    yield scratch
    for identifier in (FLOW_RUN, TWIN):
        try:
            scratch.flow_runs.delete(identifier)
        except FlowRunNotFound:
            continue


@pytest.mark.parametrize("start", ["abcd1234-0000-4000-8", "ABCD1234-0000-4000-8000", str(FLOW_RUN)])
def test_flow_run_is_known_by_how_its_id_starts(start: str, runs: Client, url: str) -> None:
    runs.flow_runs.set_state(FLOW_RUN, type="Success")
    assert run("flow-run", "info", start, "--json", TASKRUNS_URL=url).out.count(str(FLOW_RUN)) == 1
    assert run("flow-run", "tasks", start, "-q", TASKRUNS_URL=url).out.split() == [str(TASK_RUN), str(SIBLING)]
    assert run("flow-run", "watch", start, TASKRUNS_URL=url).code == 0
    assert run("task-run", "info", "load-1", "--flow-run-id", start, TASKRUNS_URL=url).code == 0


@pytest.mark.parametrize("command", [["info"], ["states"], ["result", "--location"]], ids=" ".join)
def test_task_run_is_known_by_how_its_id_starts(command: list[str], runs: Client, url: str) -> None:
    name, *options = command
    result = {"type": "LocalResult", "dir": "/data", "location": "x"}
    report: Any = task("alone-1", ("Success", 1.0), id=UUID("feed0000-0000-7000-8000-00000000000f"), result=result)
    runs.flow_runs.report(FLOW_RUN, items=[report])
    by_slug = run("task-run", name, "alone-1", "--flow-run-id", str(FLOW_RUN), *options, TASKRUNS_URL=url)
    assert by_slug.code == 0
    assert run("task-run", name, "feed", *options, TASKRUNS_URL=url) == by_slug


def test_start_of_several_ids_is_refused_with_the_ids(runs: Client, url: str) -> None:
    done = run("flow-run", "info", "abcd1234", TASKRUNS_URL=url)
    assert (done.code, done.out) == (1, "")
    assert "More than one flow run has an id that starts with 'abcd1234': " in done.err
    assert str(FLOW_RUN) in done.err
    assert str(TWIN) in done.err
    done = run("task-run", "info", "0badcafe", TASKRUNS_URL=url)
    assert (done.code, done.out) == (1, "")
    assert f"More than one task run has an id that starts with '0badcafe': {SIBLING}, {TASK_RUN}. Use more" in done.err
    for changing in (("rm", "--yes"), ("cancel",), ("set-state",)):
        words = [*changing, "abcd1234", *(["Failed"] if changing[0] == "set-state" else [])]
        assert run("flow-run", *words, TASKRUNS_URL=url).code == 1
    assert runs.flow_runs.get(FLOW_RUN).state == "Pending"


def test_flow_run_is_deleted_by_how_its_id_starts(runs: Client, url: str) -> None:
    done = run("flow-run", "rm", "--yes", "abcd1234-0000-4000-9", TASKRUNS_URL=url)
    assert done.out == f"Deleted second ({TWIN}).\n"
    with pytest.raises(FlowRunNotFound):
        runs.flow_runs.get(TWIN)
    assert runs.flow_runs.get(FLOW_RUN).id == FLOW_RUN


def test_name_comes_before_the_start_of_an_id_and_deletes_neither(runs: Client, url: str) -> None:
    named = runs.flow_runs.create(id=uuid4(), flow_name="twins", name="abcd1234-0000-4000-8")
    assert str(named.id) in run("flow-run", "info", "abcd1234-0000-4000-8", TASKRUNS_URL=url).out
    done = run("flow-run", "rm", "-y", "abcd1234-0000-4000-8", TASKRUNS_URL=url)
    assert (done.code, done.out) == (1, "")
    assert f"is the name of {named.id} and the start of {FLOW_RUN}: use the id." in done.err
    assert runs.flow_runs.get(FLOW_RUN).id == FLOW_RUN
    runs.flow_runs.delete(named.id)


@pytest.mark.parametrize("start", ["abc", "abcd12345", "abcd-1234", "ffffffff"])
def test_what_no_id_starts_with_is_not_found(start: str, runs: Client, url: str) -> None:
    for arguments in (("flow-run", "info", start), ("task-run", "info", start)):
        done: Ran = run(*arguments, TASKRUNS_URL=url)
        assert (done.code, done.out) == (1, "")
        assert f"'{start}'" in done.err


def test_lists_take_how_ids_start(runs: Client, url: str) -> None:
    found = run("flow-run", "ls", "-q", "--flow-run-id-prefix", "ABCD1234", TASKRUNS_URL=url).out.split()
    assert sorted(found) == [str(FLOW_RUN), str(TWIN)]
    done = run("task-run", "count", "--task-run-id-prefix", "0badcafe", TASKRUNS_URL=url)
    assert done == Ran(0, "2\n")
    done = run("task-run", "count", "--task-run-id-prefix", "xyz", TASKRUNS_URL=url)
    assert done.code == 2
    assert "'xyz' is not the start of an id. Use at least its first 4 characters." in done.err
