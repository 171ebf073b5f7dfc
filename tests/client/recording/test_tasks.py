"""Tasks and flow runs: what is recorded of a call, with which states and messages, and what the caller gets."""

import asyncio
import gc
import inspect
import threading
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taskruns import FlowRunRecorder, FlowRunView, Skip, StateType, Task, TaskRunView, flow_run, task
from taskruns.recording.flow_runs import recording
from tests.client.recording.recorded import (
    SUCCESS,
    WELL,
    Broken,
    history,
    raises_its_own,
    task_run,
    task_runs,
)
from tests.service import Served


@task
def inc(x: int) -> int:
    """Adds one."""
    return x + 1


@task
def fail(error: BaseException) -> None:
    raise error


# What a call records


def test_the_example_of_a_mapped_flow_is_recorded_and_looked_up() -> None:
    with flow_run("example-mapped", parameters={"n": 6}) as run:
        assert inc.map([0, 1, 2, 3, 4, 5]) == [1, 2, 3, 4, 5, 6]

    view = FlowRunView.from_flow_run_id(run.flow_run_id)
    assert (view.flow_name, view.parameters) == ("example-mapped", {"n": 6})
    assert view.state == StateType.SUCCESS
    parent = TaskRunView.from_task_slug("inc-1", flow_run_id=run.flow_run_id)
    assert parent.state == StateType.MAPPED
    assert parent.get_result() == [1, 2, 3, 4, 5, 6]
    child = TaskRunView.from_task_slug("inc-1", flow_run_id=run.flow_run_id, map_index=2)
    assert child.state == SUCCESS
    assert child.get_result() == 3


def test_call_is_pending_running_and_a_success() -> None:
    with flow_run("etl") as run:
        assert inc(1) == 2

    assert history(run, "inc-1") == WELL


def test_flow_run_is_recorded_with_name_parameters_and_labels() -> None:
    with flow_run("etl", name="nightly", parameters={"day": "2021-05-12"}, labels=["prod", "eu"]) as run:
        pass

    view = run.view()
    assert (view.name, view.parameters, view.labels) == ("nightly", {"day": "2021-05-12"}, ["prod", "eu"])
    assert repr(view.state) == '<Success: "All tasks ended as the flow wanted.">'


def test_flow_run_is_running_while_it_is() -> None:
    with flow_run("etl") as run:
        assert repr(run.view().state) == '<Running: "Running flow.">'


def test_recording_on_postgresql_is_the_same(postgres_service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKRUNS_URL", postgres_service.url)
    with flow_run("etl") as run:
        inc(1)
        inc.map([1, 2])

    assert history(run, "inc-1") == WELL
    assert task_runs(run) == {
        ("inc-1", -1): SUCCESS,
        ("inc-2", -1): StateType.MAPPED,
        ("inc-2", 0): SUCCESS,
        ("inc-2", 1): SUCCESS,
    }


def test_states_of_a_task_run_never_have_the_same_moment() -> None:
    with flow_run("etl") as run:
        inc(1)

    found = task_run(run, "inc-1")
    assert found.start_time is not None
    assert found.end_time is not None
    assert found.start_time < found.end_time
    assert found.version == 3


def test_error_of_the_flow_is_recorded_and_raised() -> None:
    error = ValueError("no such day")
    with raises_its_own(error), flow_run("etl") as run:
        raise error

    assert repr(run.view().state) == """<Failed: "Unexpected error: ValueError('no such day')">"""


def test_flow_run_is_recorded_once() -> None:
    with flow_run("etl") as run:
        pass
    with pytest.raises(RuntimeError, match="recorded once"):
        run.__enter__()


def test_inner_flow_run_has_its_own_task_runs() -> None:
    with flow_run("outer") as outer:
        inc(1)
        with flow_run("inner") as inner:
            inc(1)
        inc(1)

    assert list(task_runs(outer)) == [("inc-1", -1), ("inc-2", -1)]
    assert list(task_runs(inner)) == [("inc-1", -1)]


def test_generator_that_is_closed_elsewhere_ends_its_flow_run() -> None:
    def rows() -> Generator[Any, None, None]:
        with flow_run("etl") as run:
            yield run
            yield run

    generator = rows()
    run = asyncio.run(asyncio.to_thread(lambda: next(generator)))
    generator.close()
    assert repr(run.view().state) == '<Cancelled: "Stopped by GeneratorExit.">'


# Slugs, names and tags


def test_slugs_count_the_calls_of_a_task() -> None:
    with flow_run("etl") as run:
        for x in range(3):
            inc(x)

    assert list(task_runs(run)) == [("inc-1", -1), ("inc-2", -1), ("inc-3", -1)]


def test_slug_has_the_name_and_the_sorted_tags() -> None:
    @task(name="load", tags=["b", "a"])
    def function() -> None: ...

    with flow_run("etl") as run:
        function()

    assert task_run(run, "load-a-b-1").tags == ["a", "b"]


def test_tasks_of_the_same_name_and_tags_count_together() -> None:
    with flow_run("etl") as run:
        inc(1)
        task(name="inc")(lambda: None)()

    assert list(task_runs(run)) == [("inc-1", -1), ("inc-2", -1)]


def test_given_slug_is_taken_as_it_is_and_numbered_from_the_second_on() -> None:
    @task(slug="name")
    def name() -> str:
        return "arthur"

    with flow_run("etl") as run:
        name()
        name()

    assert list(task_runs(run)) == [("name", -1), ("name-2", -1)]


def test_given_slug_never_meets_one_that_was_counted() -> None:
    given = task(slug="inc-1")(lambda: None)
    with flow_run("etl") as run:
        given()
        inc(1)
        given()

    assert list(task_runs(run)) == [("inc-1", -1), ("inc-2", -1), ("inc-1-2", -1)]


def test_task_that_is_called_by_a_task_is_recorded_too() -> None:
    @task
    def outer() -> int:
        return inc(1) + inc(2)

    with flow_run("etl") as run:
        assert outer() == 5

    assert task_runs(run) == {("outer-1", -1): SUCCESS, ("inc-1", -1): SUCCESS, ("inc-2", -1): SUCCESS}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"name": ""}, "The name of a task must have 1 to 255 characters; this one has 0."),
        ({"name": "n" * 241}, "A slug without its number must have 1 to 240 characters; this one has 241."),
        ({"slug": ""}, "A slug without its number must have 1 to 240 characters; this one has 0."),
        ({"name": "n" * 256, "slug": "s"}, "The name of a task must have 1 to 255 characters; this one has 256."),
        ({"name": "a\0b"}, "The name of a task cannot contain NUL or surrogates: 'a\\x00b'."),
        ({"tags": ["\ud800"]}, "A tag cannot contain NUL or surrogates: '\\ud800'."),
        ({"tags": [""]}, "A tag must have 1 to 255 characters; this one has 0."),
        ({"tags": map(str, range(101)), "slug": "s"}, "A tag is one of at most 100; these are 101."),
        ({"max_retries": -1}, "max_retries and retry_delay of inc must be 0 or more."),
        ({"retry_delay": timedelta(-1)}, "max_retries and retry_delay of inc must be 0 or more."),
        ({"timeout": 0}, "The timeout of inc must be more than 0 seconds."),
    ],
)
def test_option_that_the_service_would_refuse_is_refused_where_the_task_is_made(
    options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 # its text is compared
        task(**options)(inc.function)
    assert str(caught.value) == told


@pytest.mark.parametrize("options", [{"flow_name": ""}, {"name": "n" * 256}, {"labels": ["a\0"]}, {"labels": [""]}])
def test_flow_run_that_the_service_would_refuse_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"characters|contain"):
        flow_run(**{"flow_name": "etl", **options})


def test_parameters_that_json_can_not_say_are_kept_as_their_repr() -> None:
    deep: list[Any] = []
    deep.append(deep)
    parameters = {
        "path": Path("a"),
        "moment": datetime(2021, 5, 12, tzinfo=UTC),
        "nul": "a\0",
        "surrogate": "\ud800",
        "broken": Broken(),
        "deep": deep,
        "large": "x" * 200_000,
        "surrogate \ud800": 1,
    }
    with flow_run("etl", parameters=parameters) as run:
        pass

    kept = dict(run.view().parameters)
    assert len(kept.pop("large")) == 10_000
    assert kept == {
        "path": repr(Path("a")),
        "moment": "2021-05-12T00:00:00Z",
        "nul": "a\\x00",
        "surrogate": "\\ud800",
        "broken": "Broken (its repr raised an error)",
        "deep": "[[...]]",
        "surrogate \\ud800": 1,
    }


# Outside of a flow run


def test_outside_of_a_flow_run_a_task_is_the_plain_function() -> None:
    assert inc(1) == 2
    assert inc.map([1, 2]) == [2, 3]
    assert inc.submit(1).result() == 2
    error = ValueError("no")
    with raises_its_own(error):
        task(name="failing", max_retries=5, retry_delay=30)(fail.function)(error)
    with raises_its_own(error):
        fail.submit(error).result()
    with pytest.raises(Skip):
        fail(Skip())


def test_after_its_flow_run_a_task_is_the_plain_function_again() -> None:
    with flow_run("etl") as run:
        inc(1)
    inc(1)

    assert list(task_runs(run)) == [("inc-1", -1)]


def test_recorder_of_a_flow_run_is_not_kept_after_it() -> None:
    def record() -> FlowRunRecorder:
        with flow_run("etl") as run:
            inc(1)
        return run

    run = record()
    assert recording(run.recorder_id) is run
    identifier = run.recorder_id
    del run
    gc.collect()
    assert recording(identifier) is None


def test_thread_reports_to_the_flow_run_that_is_made_active_in_it() -> None:
    def work() -> None:
        inc(1)
        with run.active():
            inc(1)
        inc(1)

    with flow_run("etl") as run:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    assert list(task_runs(run)) == [("inc-1", -1)]


def test_task_has_the_name_the_documentation_and_the_signature_of_its_function() -> None:
    function: Any = inc
    assert (function.__name__, function.__doc__, function.__module__) == ("inc", "Adds one.", __name__)
    assert str(inspect.signature(inc)) == "(x: int) -> int"
    assert repr(inc) == "<task inc>"
    assert isinstance(inc, Task)


def test_attributes_of_a_function_do_not_become_options() -> None:
    def function() -> int:
        return 1

    vars(function).update(name=5, timeout="never", function=None)
    assert task(function).name == "function"
    assert task(function)() == 1


def test_types_fit_any_callable() -> None:
    function: Callable[[int], int] = inc
    assert function(1) == 2
