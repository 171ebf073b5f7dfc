"""No task run keeps its result where another one of the same flow run has its own."""

from pathlib import Path

import pytest

from taskruns import flow_run, task
from taskruns.results import JSONSerializer, LocalResult
from tests.client.recording.recorded import task_runs


@task
def inc(x: int) -> int:
    return x + 1


def storage(folder: Path, location: str) -> LocalResult:
    """Keeps JSON there."""
    return LocalResult(folder, location=location, serializer=JSONSerializer())


@pytest.mark.parametrize("location", ["{flow_name}/{task_slug}.json", "{task_name}.json", "{date:%Y}.json", "all.json"])
def test_children_that_would_write_to_one_place_are_refused(tmp_path: Path, location: str) -> None:
    with flow_run("etl", result=storage(tmp_path, location)) as run:
        with pytest.raises(ValueError, match=r"^inc-1\[1\] would overwrite the result of inc-1\[0\] at .*map_index"):
            inc.map([0, 1, 2])
        assert task_runs(run) == {}


def test_calls_that_would_write_to_one_place_are_refused(tmp_path: Path) -> None:
    with flow_run("etl", result=storage(tmp_path, "{task_name}.json")) as run:
        assert inc(1) == 2
        with pytest.raises(ValueError, match=r"^inc-2 would overwrite the result of inc-1 at .*task_slug"):
            inc(2)
        with pytest.raises(ValueError, match="inc-3 would overwrite"):
            inc.submit(2)
    assert run.view().get_task_run("inc-1").get_result() == 2


@pytest.mark.parametrize(
    "location", [None, "{task_slug}/{map_index}.json", "{task_run_id}.json", "{task_name}/{task_run_id}"]
)
def test_places_that_differ_are_taken(tmp_path: Path, location: str | None) -> None:
    with flow_run("etl", result=LocalResult(tmp_path, location=location, serializer=JSONSerializer())) as run:
        assert [inc.map([0, 1]), inc.map([2]), inc(3)] == [[1, 2], [3], 4]
    assert run.view().get_task_run("inc-1").get_result() == [1, 2]
    assert run.view().get_task_run("inc-3").get_result() == 4


def test_task_that_is_tried_again_writes_to_its_own_place(tmp_path: Path) -> None:
    answers = iter([ValueError("no"), None])

    @task(max_retries=1)
    def flaky() -> int:
        if error := next(answers):
            raise error
        return 1

    with flow_run("etl", result=storage(tmp_path, "all.json")) as run:
        flaky()
    assert run.view().get_task_run("flaky-1").get_result() == 1


def test_place_is_where_the_result_is_written(tmp_path: Path) -> None:
    kept = storage(tmp_path, "{task_slug}.json")
    kept.write(1, task_slug="inc-1")
    assert Path(kept.place(task_slug="inc-1")).read_text() == "1"
