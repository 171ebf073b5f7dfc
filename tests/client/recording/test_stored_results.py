"""Results of recorded tasks: where they are stored, and what is recorded when they cannot be."""

import logging
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from taskruns import flow_run, task
from taskruns.errors import NoResultType
from taskruns.results import ConstantResult, JSONSerializer, LocalResult, PrefectResult
from tests.client.recording.recorded import SUCCESS, WELL, history, task_run


@task
def inc(x: int) -> int:
    return x + 1


def test_result_is_kept_in_the_users_folder(home: Path) -> None:
    with flow_run("etl") as run:
        inc(1)

    reference = run.view().get_task_run("inc-1")._client.task_runs.result(task_run(run, "inc-1").id).reference
    assert reference is not None
    assert reference.dir == str(home / "results")  # type: ignore[union-attr]
    assert (home / "results" / run.flow_run_id / "inc-1").exists() or list((home / "results").rglob("inc-1*"))
    assert run.view().get_task_run("inc-1").get_result() == 2


def test_result_of_a_child_lies_apart_from_those_of_others() -> None:
    with flow_run("etl") as run:
        inc.map(range(12))

    assert [view.get_result() for view in run.view().get_task_run("inc-1").iter_mapped()] == list(range(1, 13))


def test_result_none_keeps_nothing() -> None:
    with flow_run("etl") as run:
        assert task(name="inc", result=None)(inc.function)(1) == 2

    assert history(run, "inc-1") == WELL
    with pytest.raises(NoResultType):
        run.view().get_task_run("inc-1").get_result()


def test_flow_run_says_where_results_are_kept_and_a_task_says_it_for_itself(tmp_path: Path) -> None:
    storage = LocalResult(dir=tmp_path, location="{flow_name}/{task_slug}.json", serializer=JSONSerializer())
    with flow_run("etl", result=storage) as run:
        inc(1)
        task(name="own", result=PrefectResult())(inc.function)(2)
        task(name="none", result=None)(inc.function)(3)

    assert [path.read_text() for path in tmp_path.rglob("*.json")] == ["2"]
    assert run.view().get_task_run("inc-1").get_result() == 2
    assert run.view().get_task_run("own-1").get_result() == 3
    with pytest.raises(NoResultType):
        run.view().get_task_run("none-1").get_result()


def test_flow_run_that_keeps_no_results_keeps_none() -> None:
    with flow_run("etl", result=None) as run:
        inc(1)

    with pytest.raises(NoResultType):
        run.view().get_task_run("inc-1").get_result()


@pytest.mark.parametrize(
    ("storage", "value", "told"),
    [
        (LocalResult(), threading.Lock(), "ResultNotWritten"),
        (LocalResult(dir="/dev/null/folder"), 1, "ResultNotWritten"),
        (LocalResult(location="{parameters[day]}"), 1, "InvalidTemplate"),
        (ConstantResult(1), 2, "ResultNotWritten"),
        (PrefectResult(), "x" * 600_000, "ResultError"),
    ],
)
def test_result_that_can_not_be_kept_is_said_and_the_task_succeeds(
    storage: Any, value: Any, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "taskruns")
    with flow_run("etl") as run:
        assert task(name="made", result=storage)(lambda: value)() is value

    *_, (type, message) = history(run, "made-1")
    assert type is SUCCESS
    assert message is not None
    assert message.startswith(f"Task run succeeded. Its result could not be kept: {told}(")
    assert [record.levelno for record in caplog.records if record.name == "taskruns"] == [logging.WARNING]
    with pytest.raises(NoResultType, match=re.escape(f"without a result. Its message: {message[:60]}")):
        run.view().get_task_run("made-1").get_result()


def test_location_may_have_the_id_of_the_task_run(tmp_path: Path) -> None:
    storage = LocalResult(dir=tmp_path, location="{task_run_id}.pickle")
    with flow_run("etl", result=storage) as run:
        inc.map([1, 2])

    ids = {str(view.task_run_id) for view in run.view().get_task_run("inc-1").iter_mapped()}
    assert {path.stem for path in tmp_path.iterdir()} == ids
