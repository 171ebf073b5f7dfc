"""`taskruns task-run neighbours` and `taskruns task-run artifacts`."""

import json
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from taskruns import Client
from taskruns.models import TaskRunReport
from tests.client.artifacts import add_artifacts
from tests.client.cli.running import Ran, run
from tests.client.cli.world import HOSTILE, HOSTILE_SHOWN, World

Look = Callable[..., Ran]


def test_neighbours_are_shown_with_what_they_are(look: Look, world: World) -> None:
    done = look("task-run", "neighbours", "inc-1[1]", "--flow-run-name", "calm-heron")
    assert (done.code, done.err) == (0, "")
    titles, *rows = done.out.splitlines()
    assert titles.split() == ["RELATION", "TASK", "FLOW", "RUN", "STATE", "STARTED", "TOOK", "ID"]
    assert [row.split()[:4] for row in rows] == [
        ["parent", "inc-1", "calm-heron", "Mapped"],
        ["previous", "inc-1[0]", "calm-heron", "Success"],
        ["earlier", "inc-1[1]", "brave-otter", "Success"],
    ]
    data = json.loads(look("task-run", "neighbours", "inc-1[1]", "--flow-run-name", "calm-heron", "--json").out)
    assert (data["previous_child"]["map_index"], data["next_child"]) == (0, None)
    (earlier,) = data["earlier_task_runs"]
    header, *csv = look("task-run", "neighbours", "inc-1[1]", "--flow-run-name", "calm-heron", "--csv").out.splitlines()
    assert header == "relation,id,task_slug,map_index,flow_run_id,flow_run_name,state,start_time,duration"
    assert csv[2].startswith(f"earlier,{earlier['id']},inc-1,1,{world.flow_runs['brave-otter']},brave-otter,Success,")


def test_task_run_without_neighbours_has_none(look: Look) -> None:
    done = look("task-run", "neighbours", "load-1", "--flow-run-name", "brave-otter")
    assert (done.code, done.out.count("\n"), done.err) == (0, 1, "No neighbours.\n")


@pytest.fixture
def task_run_id(url: str, scratch: Client) -> UUID:
    """A task run with three artifacts."""
    flow_run = scratch.flow_runs.create(flow_name=f"artifacts-{uuid4()}")
    scratch.flow_runs.report(flow_run.id, items=[TaskRunReport(task_slug="load-1")])
    (task_run,) = scratch.flow_runs.task_runs(flow_run.id)
    data = [{"link": "https://example.com/1"}, {"markdown": f"# {HOSTILE}\n\nNo rows."}, {"table": "rows"}]
    add_artifacts(url, str(task_run.id), data)
    return task_run.id


def test_artifacts_are_listed_oldest_first(url: str, task_run_id: UUID) -> None:
    done = run("task-run", "artifacts", str(task_run_id), TASKRUNS_URL=url)
    assert (done.code, done.err) == (0, "")
    titles, *rows = done.out.splitlines()
    assert titles.split() == ["KIND", "CREATED", "DATA"]
    shown = [row.split(maxsplit=2) for row in rows]
    heading = HOSTILE_SHOWN.partition(r"\n")[0].removesuffix(r"\r")
    assert [(kind, text) for kind, _, text in shown] == [
        ("link", "https://example.com/1"),
        ("markdown", f"# {heading}"),
        ("table", '{"table":"rows"}'),
    ]


def test_artifacts_for_programs_have_all_members(url: str, task_run_id: UUID) -> None:
    items = json.loads(run("task-run", "artifacts", str(task_run_id), "--json", TASKRUNS_URL=url).out)
    assert [item["data"] for item in items][::2] == [{"link": "https://example.com/1"}, {"table": "rows"}]
    header, *rows = run("task-run", "artifacts", str(task_run_id), "--csv", TASKRUNS_URL=url).out.splitlines()
    assert header == "id,task_run_id,kind,data,created,updated"
    assert len(rows) == 3
    done = run("task-run", "artifacts", str(task_run_id), "-n", "1", "--json", TASKRUNS_URL=url)
    assert json.loads(done.out) == items[:1]
