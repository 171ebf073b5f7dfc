"""`taskruns flow-run tree`: parents and children of a flow run."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from taskruns.cli import tree
from taskruns.client import Client
from tests.client.cli.running import run
from tests.client.cli.world import task


def started(client: Client, name: str, parent: UUID | None = None) -> tuple[UUID, UUID]:
    """A flow run that a task run started, and a task run in it; the ids of both."""
    members: dict[str, Any] = {} if parent is None else {"parent_task_run_id": parent}
    flow_run = client.flow_runs.create(flow_name="tree", name=name, **members)
    (outcome,) = client.flow_runs.report(flow_run.id, items=[task("start-1", ("Running", 1.0))]).items
    assert outcome.task_run_id
    return flow_run.id, outcome.task_run_id


def names(node: dict[str, Any]) -> Any:
    return {node["name"]: [names(child) for child in node["children"]]}


def test_tree_has_parents_and_children(scratch: Client, url: str) -> None:
    _, top = started(scratch, "top")
    middle, task_run = started(scratch, "middle", top)
    _, other = started(scratch, "first", task_run)
    started(scratch, "second", task_run)
    started(scratch, "below", other)
    started(scratch, "aunt", top)  # what a parent started besides is in the tree of the parent
    done = run("flow-run", "tree", str(middle), TASKRUNS_URL=url)
    assert [line.rpartition("  ")[0] for line in done.out.splitlines()] == [
        "top (tree)  Pending",
        "  start-1: middle (tree)  Pending",
        "    start-1: first (tree)  Pending",
        "      start-1: below (tree)  Pending",
        "    start-1: second (tree)  Pending",
    ]
    shown = json.loads(run("flow-run", "tree", str(middle), "--json", TASKRUNS_URL=url).out)
    assert names(shown["root"]) == {"top": [{"middle": [{"first": [{"below": []}]}, {"second": []}]}]}
    assert (shown["flow_run_id"], shown["truncated"]) == (str(middle), False)


def test_tree_of_a_flow_run_alone_is_one_line(scratch: Client, url: str) -> None:
    flow_run_id, _ = started(scratch, "alone", uuid4())  # its parent is not known
    assert len(run("flow-run", "tree", str(flow_run_id), TASKRUNS_URL=url).out.splitlines()) == 1


def test_flow_run_that_leads_to_itself_is_in_its_tree_once(scratch: Client) -> None:
    first = uuid4()
    second, task_run = started(scratch, "second")
    scratch.flow_runs.create(flow_name="tree", name="first", id=first, parent_task_run_id=task_run)
    (outcome,) = scratch.flow_runs.report(first, items=[task("start-1", ("Running", 1.0))]).items
    assert outcome.task_run_id
    own = scratch.flow_runs.create(flow_name="tree", name="third", parent_task_run_id=outcome.task_run_id)
    (last,) = scratch.flow_runs.report(own.id, items=[task("start-1", ("Running", 1.0))]).items
    assert last.task_run_id
    shown = tree.find_tree(scratch, own.id)
    assert (shown.root.id, shown.truncated) == (second, False)
    itself = uuid4()
    task_run_id = UUID(f"01900000-0000-7{str(itself)[15:18]}-8000-{itself.hex[:12]}")
    scratch.flow_runs.create(flow_name="tree", name="itself", id=itself, parent_task_run_id=task_run_id)
    scratch.flow_runs.report(itself, items=[task("start-1", ("Running", 1.0), id=task_run_id)])
    shown = tree.find_tree(scratch, itself)
    assert (shown.root.id, shown.root.children, shown.truncated) == (itself, [], False)


def test_large_tree_is_cut_off(scratch: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MAX_CHILDREN", 3)
    monkeypatch.setattr(tree, "MAX_DEPTH", 2)
    flow_run_id, task_run = started(scratch, "wide")
    for number in range(5):
        started(scratch, f"child-{number}", task_run)
    shown = tree.find_tree(scratch, flow_run_id)
    assert (len(shown.root.children), shown.truncated) == (3, True)
    deep, task_run = started(scratch, "deep")
    for number in range(3):
        last, task_run = started(scratch, f"deeper-{number}", task_run)
    assert tree.find_tree(scratch, deep).truncated
    assert tree.find_tree(scratch, last).truncated
