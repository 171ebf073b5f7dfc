"""Executors: what is recorded of tasks that run in threads and in other processes."""

import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import uuid4

import cloudpickle
import pytest

from taskruns import StateType, flow_run, task
from taskruns.recording.progress import TICK, Progress, TaskRunSpec
from taskruns.recording.reports import Report, TaskRunState
from tests.client.recording.recorded import history, task_run, task_runs, types
from tests.waiting import eventually

PENDING, RUNNING, SUCCESS, FAILED = StateType.PENDING, StateType.RUNNING, StateType.SUCCESS, StateType.FAILED


@task
def inc(x: int) -> int:
    return x + 1


@task
def process(x: int) -> int:
    return os.getpid()


@task
def fail(x: int) -> None:
    raise ValueError(x)


@task
def outer(x: int) -> list[int]:
    return inc.map([x, x])


@task
def die(x: int) -> None:
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGKILL)


@task
def until(path: str) -> None:
    while not Path(path).exists():
        time.sleep(0.01)


class Stubborn(Exception):
    def __reduce__(self) -> Any:
        raise TypeError("never")


class Lossy(Exception):
    def __init__(self, text: str, *, code: int) -> None:
        super().__init__(text)


@task
def stubborn(x: int) -> None:
    raise Stubborn("no")


@task
def lossy(x: int) -> None:
    raise Lossy("no", code=1)


@task
def unsendable(x: int) -> Any:
    return threading.Lock()


# What is recorded


def test_map_in_an_executor_is_recorded_as_without_one(executor: Executor) -> None:
    with flow_run("etl", executor=executor) as run:
        assert inc.map(range(20)) == list(range(1, 21))

    assert history(run, "inc-1", 3) == [
        (PENDING, "Waiting to run."),
        (RUNNING, "Starting task run."),
        (SUCCESS, "Task run succeeded."),
    ]
    states = task_runs(run)
    assert states.pop(("inc-1", -1)) is StateType.MAPPED
    assert states == {("inc-1", index): SUCCESS for index in range(20)}
    assert run.view().get_task_run("inc-1").get_result() == list(range(1, 21))
    assert task_run(run, "inc-1", 3).version == 3


def test_submit_gives_a_future(executor: Executor) -> None:
    with flow_run("etl", executor=executor) as run:
        futures = [inc.submit(x) for x in range(3)]
        assert wait(futures, timeout=120).not_done == set()
        assert [future.result() for future in futures] == [1, 2, 3]

    assert task_runs(run) == {("inc-1", -1): SUCCESS, ("inc-2", -1): SUCCESS, ("inc-3", -1): SUCCESS}


def test_processes_are_others(forked: Executor, spawned: Executor) -> None:
    for executor in (forked, spawned):
        with flow_run("etl", executor=executor):
            assert os.getpid() not in process.map([1, 2])


def test_error_in_an_executor_is_recorded_and_raised(executor: Executor) -> None:
    with flow_run("etl", executor=executor) as run:
        with pytest.raises(ValueError, match=r"^1\b"):
            fail.submit(1).result()
        with pytest.raises(ValueError, match=r"^1\b") as caught:
            fail.map([1, 2])

    assert "In fail-2[0]; of 2 children 2 failed." in caught.value.__notes__
    assert history(run, "fail-1")[-1] == (FAILED, "Unexpected error: ValueError(1)")
    assert run.view().state == SUCCESS


def test_error_of_another_process_says_where_it_was_raised(forked: Executor) -> None:
    with flow_run("etl", executor=forked), pytest.raises(ValueError, match=r"^1\b") as caught:
        fail.submit(1).result()

    (note,) = caught.value.__notes__
    assert note.startswith("In the process of the worker:\nTraceback (most recent call last):")
    assert note.endswith("raise ValueError(x)\nValueError: 1")


def test_retries_of_another_process_are_recorded(forked: Executor) -> None:
    with flow_run("etl", executor=forked) as run, pytest.raises(ValueError, match=r"^1\b"):
        retried.submit(1).result()

    assert types(run, "retried-1") == [PENDING, RUNNING, StateType.RETRYING, RUNNING, FAILED]


@task(max_retries=1)
def retried(x: int) -> None:
    raise ValueError(x)


def test_running_is_seen_while_a_task_of_another_process_runs(forked: Executor, tmp_path: Path) -> None:
    with flow_run("etl", executor=forked) as run:
        future = until.submit(str(tmp_path / "end"))
        eventually(lambda: task_run(run, "until-1").state == RUNNING)
        assert not future.done()
        (tmp_path / "end").touch()

    assert types(run, "until-1") == [PENDING, RUNNING, SUCCESS]


def test_flow_run_ends_after_what_was_submitted(threads: Executor, tmp_path: Path) -> None:
    with flow_run("etl", executor=threads) as run:
        future = until.submit(str(tmp_path / "end"))
        threading.Timer(0.2, (tmp_path / "end").touch).start()

    assert future.done()
    ended = task_run(run, "until-1").end_time
    flow_run_ended = run.view().end_time
    assert ended is not None
    assert flow_run_ended is not None
    assert ended <= flow_run_ended


@pytest.mark.parametrize("kind", ["here", "threads"])
def test_submitted_failure_that_nobody_looked_at_fails_the_flow_run(kind: str, threads: Executor) -> None:
    with flow_run("etl", executor=threads if kind == "threads" else None) as run:
        fail.submit(1)
        inc.submit(1)

    assert repr(run.view().state) == '<Failed: "1 submitted tasks failed, and their errors were not retrieved.">'


@pytest.mark.parametrize("kind", ["here", "threads"])
@pytest.mark.parametrize("look", [Future.exception, Future.result])
def test_submitted_failure_that_somebody_looked_at_is_for_the_flow_to_judge(
    kind: str, look: Callable[[Future[Any]], Any], threads: Executor
) -> None:
    with flow_run("etl", executor=threads if kind == "threads" else None) as run:
        future = fail.submit(1)
        if look is Future.result:
            with pytest.raises(ValueError, match="1"):
                future.result()
        else:
            assert isinstance(future.exception(), ValueError)

    assert run.view().state == SUCCESS


def test_who_looked_too_early_has_not_seen_a_failure(threads: Executor, tmp_path: Path) -> None:
    @task
    def late() -> None:
        until.function(str(tmp_path / "end"))
        raise ValueError("no")

    with flow_run("etl", executor=threads) as run:
        future = late.submit()
        with pytest.raises(TimeoutError):
            future.result(timeout=0.01)
        (tmp_path / "end").touch()

    assert run.view().state == FAILED


def test_task_that_has_not_begun_can_be_cancelled(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool, flow_run("etl", executor=pool) as run:
        first, second = until.submit(str(tmp_path / "end")), inc.submit(1)
        assert second.cancel()
        assert not first.cancel()
        (tmp_path / "end").touch()
        with pytest.raises(CancelledError):
            second.result()

    assert history(run, "inc-1") == [(PENDING, "Waiting to run."), (StateType.CANCELLED, "Cancelled.")]
    assert run.view().state == SUCCESS


def test_error_of_the_flow_cancels_what_has_not_begun(tmp_path: Path) -> None:
    timer = threading.Timer(0.2, (tmp_path / "end").touch)

    def flow() -> None:
        until.submit(str(tmp_path / "end"))
        inc.submit(1)
        timer.start()
        raise ZeroDivisionError

    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError), flow_run("etl", executor=pool) as run:
        flow()
    timer.join()

    assert task_runs(run) == {("until-1", -1): SUCCESS, ("inc-1", -1): StateType.CANCELLED}
    assert run.view().state == FAILED


def test_ctrl_c_in_a_map_cancels_the_children_that_have_not_begun(tmp_path: Path) -> None:
    end = str(tmp_path / "end")
    timers = [
        threading.Timer(0.3, signal.pthread_kill, (threading.get_ident(), signal.SIGINT)),
        threading.Timer(0.6, (tmp_path / "end").touch),
    ]
    for timer in timers:
        timer.start()
    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt), flow_run("etl", executor=pool) as run:
        until.map([end, end, end])
    for timer in timers:
        timer.join()

    states = task_runs(run)
    assert [states["until-1", index] for index in range(3)] == [SUCCESS, StateType.CANCELLED, StateType.CANCELLED]
    assert run.view().state == StateType.CANCELLED


def test_task_in_a_thread_runs_its_own_tasks_there_and_records_them() -> None:
    with ThreadPoolExecutor(1) as pool, flow_run("etl", executor=pool) as run:
        assert outer.map([1, 2]) == [[2, 2], [3, 3]]
        assert outer.submit(3).result() == [4, 4]

    assert [slug for slug, index in task_runs(run) if index == -1] == ["outer-1", "inc-1", "inc-2", "outer-2", "inc-3"]
    assert set(task_runs(run).values()) == {SUCCESS, StateType.MAPPED}


def test_tasks_that_a_task_calls_in_another_process_are_plain_functions(forked: Executor, spawned: Executor) -> None:
    inner = []
    with flow_run("etl") as run:
        # Forked inside of the flow run, so that a copy of its recorder is there.
        with ProcessPoolExecutor(1, get_context("fork")) as pool:
            run._executor = pool
            inner += outer.map([1, 2])
        for executor in (forked, spawned):
            run._executor = executor
            inner += outer.map([1, 2])

    assert inner == [[2, 2], [3, 3]] * 3
    assert {slug for slug, _ in task_runs(run)} == {"outer-1", "outer-2", "outer-3"}


# What goes wrong


def test_worker_that_dies_fails_its_tasks() -> None:
    with ProcessPoolExecutor(1, get_context("fork")) as pool, flow_run("etl", executor=pool) as run:
        first, second = die.submit(1), inc.submit(1)
        for future in (first, second):
            with pytest.raises(BrokenProcessPool):
                future.result()
        with pytest.raises(BrokenProcessPool):
            inc.submit(2).result()

    *_, (type, message) = history(run, "die-1")
    assert type is FAILED
    assert message is not None
    assert message.startswith("The executor failed: BrokenProcessPool(")
    assert types(run, "inc-2") == [PENDING, FAILED]


def test_executor_that_was_shut_down_fails_the_task() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with flow_run("etl", executor=pool) as run, pytest.raises(RuntimeError, match="after shutdown"):
        inc.submit(1).result()

    assert types(run, "inc-1") == [PENDING, FAILED]


@pytest.mark.parametrize("raising", [stubborn, lossy])
def test_error_that_can_not_be_pickled_is_told_as_another_one(raising: Any, forked: Executor) -> None:
    with flow_run("etl", executor=forked) as run, pytest.raises(RuntimeError) as caught:
        raising.submit(1).result()

    kind = "Stubborn" if raising is stubborn else "Lossy"
    assert str(caught.value) == f"A task raised an error that cannot be pickled: {kind}('no')"
    assert "in stubborn" in caught.value.__notes__[0] or "in lossy" in caught.value.__notes__[0]
    assert history(run, f"{raising.name}-1")[-1] == (FAILED, f"Unexpected error: {kind}('no')")


def test_value_that_can_not_be_sent_back_fails_the_task(forked: Executor) -> None:
    with flow_run("etl", executor=forked, result=None) as run, pytest.raises(TypeError, match="pickle"):
        unsendable.submit(1).result()

    *_, (type, message) = history(run, "unsendable-1")
    assert type is FAILED
    assert message is not None
    assert message.startswith("The executor failed: TypeError(")


def test_argument_that_can_not_be_sent_fails_the_task(forked: Executor) -> None:
    with flow_run("etl", executor=forked) as run, pytest.raises(TypeError, match="pickle"):
        inc.submit(threading.Lock()).result()  # type: ignore[arg-type]

    assert types(run, "inc-1") == [PENDING, FAILED]


def test_exit_of_a_task_in_a_thread_goes_through_to_the_flow(threads: Executor) -> None:
    @task
    def leave(x: int) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit), flow_run("etl", executor=threads) as run:
        leave.map([1])

    assert history(run, "leave-1", 0)[-1] == (FAILED, "Unexpected error: SystemExit(3)")


# Pickling


def local_factorial() -> Any:
    @task(tags=["local"], max_retries=1)
    def factorial(n: int) -> int:
        return 1 if n < 2 else n * factorial(n - 1)

    return factorial


def test_task_of_a_module_goes_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(inc)) is inc
    assert len(pickle.dumps(inc)) < 200


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps], ids=["pickle", "cloudpickle"])
def test_task_that_has_no_name_goes_by_its_code_also_if_it_calls_itself(dumps: Callable[[Any], bytes]) -> None:
    made = local_factorial()
    copy = pickle.loads(dumps(made))
    assert copy is not made
    assert copy(5) == 120
    assert (copy.name, copy.tags, copy.max_retries) == ("factorial", ("local",), 1)


def test_task_that_has_no_name_runs_in_other_processes(spawned: Executor) -> None:
    with flow_run("etl", executor=spawned) as run:
        assert local_factorial().map([3, 4]) == [6, 24]

    assert task_run(run, "factorial-local-1", 1).state == SUCCESS


def test_task_whose_code_can_not_be_sent_fails() -> None:
    lock = threading.Lock()

    @task
    def locked() -> None:
        with lock:
            pass

    pool = ProcessPoolExecutor(1, get_context("fork"))
    with pool, flow_run("etl", executor=pool) as run, pytest.raises(TypeError, match="pickle"):
        locked.submit().result()

    assert types(run, "locked-1") == [PENDING, FAILED]


# Clocks


def a_plan(made: datetime) -> TaskRunSpec:
    return TaskRunSpec(
        flow_run_id=uuid4(),
        task_run_id=uuid4(),
        task_slug="inc-1",
        map_index=-1,
        task_name="inc",
        tags=(),
        max_retries=0,
        retry_delay=0,
        timeout=None,
        result=None,
        fields={},
        created_at=made,
    )


def test_states_of_a_machine_whose_clock_is_behind_are_later_than_what_came_before() -> None:
    made = datetime.now(UTC) + timedelta(hours=1)
    reports: list[Report] = []
    progress = Progress(a_plan(made), reports.append)
    progress.begin()
    progress.succeed(("Task run succeeded.", None))
    timestamps = [report.state.timestamp for report in reports if isinstance(report, TaskRunState)]
    assert timestamps == [made + TICK, made + 2 * TICK]


def test_states_of_a_machine_whose_clock_is_right_have_its_time() -> None:
    before = datetime.now(UTC)
    reports: list[Report] = []
    Progress(a_plan(before - timedelta(hours=1)), reports.append).begin()
    (report,) = reports
    assert isinstance(report, TaskRunState)
    timestamp = report.state.timestamp
    assert isinstance(timestamp, datetime)
    assert before <= timestamp <= datetime.now(UTC)
