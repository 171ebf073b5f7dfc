"""`task-run result`: what a task returned, where it is, and why it is not shown."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from taskruns.client import Client
from tests.client.cli.running import Ran, run, without_latest
from tests.client.cli.world import HOSTILE, World, task

Look = Callable[..., Ran]


@pytest.fixture
def look(look: Look) -> Look:
    """Runs a command on the world; which flow run is the latest is for other tests."""
    return lambda *arguments: without_latest(look(*arguments))


def test_result_is_shown_as_python_shows_it(look: Look) -> None:
    assert look("task-run", "result", "extract-1") == (0, "[1, 2]\n", "")
    assert look("task-run", "result", "inc-1[0]") == (0, "{'value': 2}\n", "")


def test_result_of_a_mapped_task_is_that_of_its_children(look: Look) -> None:
    done = look("task-run", "result", "inc-1", "--flow-run-name", "brave-otter")
    assert done == (0, "[{'value': 2}, {'value': 3}, {'value': 4}]\n", "")


def test_result_is_shown_as_json(look: Look) -> None:
    done = look("task-run", "result", "inc-1", "--flow-run-name", "brave-otter", "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == [{"value": 2}, {"value": 3}, {"value": 4}]


def test_text_that_means_no_good_is_escaped(look: Look) -> None:
    assert look("task-run", "result", "text") == (0, repr(HOSTILE) + "\n", "")
    done = look("task-run", "result", "text", "--json")
    assert done.out == r'"e\u001b[31mvil\r\n\u202eeman"' + "\n"
    assert json.loads(done.out) == HOSTILE


def test_result_goes_into_a_file(look: Look, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    assert look("task-run", "result", "extract-1", "--output", str(path)) == (0, "", "")
    assert json.loads(path.read_text()) == [1, 2]
    done = look("task-run", "result", "extract-1", "--output", str(tmp_path / "no" / "result.json"))
    assert done == (1, "", f"taskruns: {tmp_path}/no/result.json: No such file or directory\n")


def test_location_is_the_uri_and_nothing_else(look: Look, world: World) -> None:
    assert look("task-run", "result", "extract-1", "--location") == (
        0,
        f"file://{world.folder}/calm-heron/extract-1.json\n",
        "",
    )


def test_locations_of_a_map_are_a_line_for_each_child(look: Look, world: World) -> None:
    # The second has none: its line is empty.
    assert look("task-run", "result", "inc-1", "--location") == (
        0,
        f"file://{world.folder}/calm-heron/inc-1-0.json\n\n",
        "",
    )
    done = look("task-run", "result", "inc-1", "--location", "--json")
    assert [child["map_index"] for child in json.loads(done.out)] == [0, 1]
    assert json.loads(done.out)[1]["reference"] is None


def test_reference_is_shown_as_json(look: Look, world: World) -> None:
    done = look("task-run", "result", "extract-1", "--location", "--json")
    task_run = world.client.task_runs.list(task_slug=["extract-1"], limit=1).items[0]
    with world.http() as http:
        assert json.loads(done.out) == http.get(f"/task-runs/{task_run.id}/result").json()["reference"]


def test_child_without_a_result_may_be_missing(look: Look) -> None:
    done = look("task-run", "result", "inc-1")
    expected = "inc-1 has no result for the item 1, which is Failed; --missing none shows the others."
    assert done == (1, "", f"taskruns: {expected}\n")
    assert look("task-run", "result", "inc-1", "--missing", "none") == (0, "[{'value': 2}, None]\n", "")


def test_pickled_result_needs_trust(look: Look) -> None:
    done = look("task-run", "result", "pickled")
    assert (done.code, done.out) == (1, "")
    assert "--trust" in done.err
    assert "trust=" not in done.err
    assert look("task-run", "result", "pickled", "--trust") == (0, "{1, 2}\n", "")


@pytest.mark.parametrize(("which", "named"), [("pickled", "type set"), ("number", "nan")])
def test_what_json_can_not_say_is_named(which: str, named: str, look: Look, tmp_path: Path) -> None:
    for form in (["--json"], ["--output", str(tmp_path / "x.json")]):
        done = look("task-run", "result", which, "--trust", *form)
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
        assert done.err.startswith("taskruns: The result cannot be written as JSON: ")
        assert named in done.err
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("say_hello-1", "409 result-not-ready"),
        ("load-1", "404 no-result-type"),
    ],
)
def test_no_result_is_one_line_that_says_why(which: str, message: str, look: Look) -> None:
    for option in ([], ["--location"]):
        done = look("task-run", "result", which, *option)
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
        assert message in done.err


def test_largest_size_may_be_set(look: Look) -> None:
    done = look("task-run", "result", "extract-1", "--max-bytes", "3")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert look("task-run", "result", "extract-1", "--max-bytes", "6").code == 0


def test_location_of_a_large_map_takes_more_than_a_page(scratch: Client, url: str) -> None:
    flow_run = scratch.flow_runs.create(flow_name="map")
    items = [task("map", ("Mapped", 1.0))]
    for index in range(1050):
        result = {"type": "LocalResult", "dir": "/r", "location": f"{index}"}
        items.append(task("map", ("Success", 2.0), map_index=index, result=result))
    for start in (0, 1000):
        scratch.flow_runs.report(flow_run.id, items=items[start : start + 1000])
    done = run("task-run", "result", "map", "--flow-run-id", str(flow_run.id), "--location", TASKRUNS_URL=url)
    assert done.out.splitlines() == [f"file:///r/{index}" for index in range(1050)]


def test_size_and_serializers_are_shown(scratch: Client, url: str) -> None:
    serializer = {"type": "CompressedSerializer", "format": "gzip", "serializer": {"type": "JSONSerializer"}}
    result = {"type": "S3Result", "bucket": "b", "location": "k", "serializer": serializer, "size": 1234567}
    flow_run = scratch.flow_runs.create(flow_name="sizes")
    scratch.flow_runs.report(flow_run.id, items=[task("sizes", ("Success", 1.0), result=result)])
    out = run("task-run", "info", "sizes", "--flow-run-id", str(flow_run.id), TASKRUNS_URL=url).out
    assert "Result    s3://b/k  (CompressedSerializer of JSONSerializer, 1.23 MB)\n" in out
