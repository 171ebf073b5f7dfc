"""The traceback that a failed or retried run keeps: where the error was raised, and no more than there is room for."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any

import pytest

from taskruns import Client, FlowRunRecorder, StateType, TaskTimedOut, flow_run, task
from taskruns.recording.tracebacks import MAX_TRACEBACK_BYTES
from tests.client.recording.recorded import Broken, task_run

SECRET = "hunter2"
HEADER = "Traceback (most recent call last):"
TOO_DEEP = 3000


def divide(x: int) -> float:
    password = SECRET
    return x / (len(password) - 7)


@task
def fail(x: int) -> float:
    return divide(x)


@task
async def fail_async(x: int) -> float:
    return divide(x)


@task(max_retries=1)
def retried(x: int) -> float:
    return divide(x)


@task(timeout=20)
def timed(x: int) -> float:
    return divide(x)


@task
def outer(x: int) -> float:
    return fail(x)


@task
def rows(x: int) -> Iterator[float]:
    yield divide(x)


@task
def stubborn(x: int) -> None:
    raise Stubborn(x)


class Stubborn(Exception):
    def __reduce__(self) -> Any:
        raise TypeError("never")


class Unreadable:
    def __reduce__(self) -> Any:
        return open_sesame, ()


def open_sesame() -> None:
    raise ValueError("closed")


@task(result=None)
def unreadable(x: int) -> Any:
    return Unreadable()


@task
def fail_with(error: BaseException) -> None:
    raise error


def traceback_of(run: FlowRunRecorder, task_slug: str, map_index: int = -1) -> str:
    """The traceback of a task run that failed."""
    text = run.view().get_task_run(task_slug, map_index=map_index).traceback
    assert text is not None
    return text


def tracebacks(run: FlowRunRecorder, task_slug: str) -> list[tuple[StateType, str | None]]:
    """What each state of a task run has of a traceback, the last line of it, oldest first."""
    with Client() as client:
        states = list(client.task_runs.states(task_run(run, task_slug).id))
    texts = [(state.type, (state.details or {}).get("traceback")) for state in states]
    return [(type, None if text is None else text.splitlines()[-1]) for type, text in texts]


def functions(text: str) -> list[str]:
    """The functions of the frames in a traceback, the outermost first."""
    return [line.rpartition(", in ")[2] for line in text.splitlines() if line.startswith("  File ")]


def recorded(error: BaseException) -> str:
    """The traceback that is recorded of a task that raises an error."""
    with flow_run("etl") as run, pytest.raises(type(error)):
        fail_with(error)
    return traceback_of(run, "fail_with-1")


# Which frames


@pytest.mark.parametrize(
    ("use", "frames"),
    [
        (fail, ["fail", "divide"]),
        (timed, ["timed", "divide"]),
        (outer, ["outer", "fail", "divide"]),
        (lambda x: list(rows(x)), ["rows", "divide"]),
        (lambda x: asyncio.run(fail_async(x)), ["fail_async", "divide"]),
        (lambda x: asyncio.run(fail_async.map([x])), ["fail_async", "divide"]),
        (lambda x: fail.map([x]), ["fail", "divide"]),
        (lambda x: fail.submit(x).result(), ["fail", "divide"]),
    ],
    ids=["call", "time-out", "nested", "generator", "async", "async map", "map", "submit"],
)
def test_traceback_begins_with_the_code_of_the_user(use: Callable[[int], Any], frames: list[str]) -> None:
    with flow_run("etl") as run, pytest.raises(ZeroDivisionError):
        use(1)

    failed = [view for view in run.view().get_all_task_runs() if view.state.is_failed()]
    text = failed[0].traceback
    assert text is not None
    assert text.startswith(f'{HEADER}\n  File "{__file__}", line ')
    assert text.endswith("\nZeroDivisionError: division by zero")
    assert functions(text) == frames


def test_traceback_comes_from_where_the_task_ran(executor: Executor) -> None:
    with flow_run("etl", executor=executor) as run, pytest.raises(ZeroDivisionError):
        fail.map([1, 2])

    for index in range(2):
        assert functions(traceback_of(run, "fail-1", index)) == ["fail", "divide"]


def test_no_value_of_a_variable_is_in_it(executor: Executor) -> None:
    with flow_run("etl", executor=executor) as run:
        assert fail.submit(1).exception() is not None

    assert SECRET not in traceback_of(run, "fail-1")


def test_error_that_does_not_pickle_keeps_its_traceback(executor: Executor) -> None:
    with flow_run("etl", executor=executor) as run:
        assert stubborn.submit(1).exception() is not None

    text = traceback_of(run, "stubborn-1")
    assert functions(text) == ["stubborn"]
    assert text.endswith("Stubborn: 1")


# Which states


def test_each_attempt_has_its_own(executor: Executor) -> None:
    with flow_run("etl", executor=executor) as run:
        assert retried.submit(1).exception() is not None

    line = "ZeroDivisionError: division by zero"
    assert tracebacks(run, "retried-1") == [
        (StateType.PENDING, None),
        (StateType.RUNNING, None),
        (StateType.RETRYING, line),
        (StateType.RUNNING, None),
        (StateType.FAILED, line),
    ]


def test_flow_run_keeps_the_traceback_of_the_error_that_left_its_block() -> None:
    with pytest.raises(ZeroDivisionError), flow_run("etl") as run:
        fail(1)

    text = run.view().traceback
    assert text is not None
    assert functions(text) == ["test_flow_run_keeps_the_traceback_of_the_error_that_left_its_block", "fail", "divide"]


async def test_async_flow_run_keeps_it_too() -> None:
    with pytest.raises(ZeroDivisionError):
        async with flow_run("etl") as run:
            await fail_async(1)

    text = run.view().traceback
    assert text is not None
    assert functions(text)[1:] == ["fail_async", "divide"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError(), SystemExit(0)], ids=repr)
def test_cancellation_has_none(error: BaseException) -> None:
    with pytest.raises(type(error)), flow_run("etl") as run:
        fail_with(error)

    assert tracebacks(run, "fail_with-1")[-1] == (StateType.CANCELLED, None)
    assert run.view().traceback is None


def test_exit_with_an_error_is_a_failure_with_a_traceback() -> None:
    assert recorded(SystemExit(3)).endswith("\nSystemExit: 3")


def test_time_out_has_none_as_nothing_was_raised_in_the_task() -> None:
    @task(timeout=0.05, max_retries=1)
    async def slow() -> None:
        await asyncio.sleep(20)

    with flow_run("etl") as run, pytest.raises(TaskTimedOut):
        asyncio.run(slow())

    assert tracebacks(run, "slow-1")[2::2] == [(StateType.RETRYING, None), (StateType.TIMED_OUT, None)]


def test_worker_that_cannot_give_back_a_value_says_why(forked: Executor) -> None:
    with flow_run("etl", executor=forked) as run:
        assert unreadable.submit(1).exception() is not None

    text = traceback_of(run, "unreadable-1")
    assert "ValueError: closed\n\nThe above exception was the direct cause" in text
    assert "open_sesame" in functions(text)


def test_executor_that_fails_says_why(forked: Executor) -> None:
    with flow_run("etl", executor=forked) as run:
        future: Future[Any] = fail_with.submit(Stubborn("no"))
        assert future.exception() is not None

    assert "TypeError: never" in traceback_of(run, "fail_with-1")


# What an error may be


def test_causes_contexts_notes_and_groups_are_in_it() -> None:
    @task
    def load() -> None:
        try:
            divide(1)
        except ZeroDivisionError as error:
            group = ExceptionGroup("two rows", [ValueError("row 17"), KeyError("row 18")])
            group.add_note("while loading")
            raise group from error

    with flow_run("etl") as run, pytest.raises(ExceptionGroup):
        load()

    text = traceback_of(run, "load-1")
    for part in (
        "ZeroDivisionError: division by zero\n\nThe above exception was the direct cause of the following exception:\n",
        "ExceptionGroup: two rows (2 sub-exceptions)\n  | while loading\n",
        "    | ValueError: row 17\n",
        "    | KeyError: 'row 18'\n",
    ):
        assert part in text


def test_context_is_in_it() -> None:
    @task
    def load() -> None:
        try:
            divide(1)
        except ZeroDivisionError:
            raise KeyError("x") from ValueError("hidden cause")

    @task
    def clean() -> None:
        try:
            divide(1)
        finally:
            raise KeyError("x")

    with flow_run("etl") as run:
        for use in (load, clean):
            with pytest.raises(KeyError):
                use()

    assert "ValueError: hidden cause" in traceback_of(run, "load-1")
    assert "During handling of the above exception, another exception occurred:" in traceback_of(run, "clean-1")


def test_recursion_is_folded() -> None:
    @task
    def recurse() -> None:
        recurse.function()

    with flow_run("etl") as run, pytest.raises(RecursionError):
        recurse()

    text = traceback_of(run, "recurse-1")
    assert "[Previous line repeated " in text
    assert len(functions(text)) < 10


def ping(depth: int) -> None:
    pong(depth - 1)


def pong(depth: int) -> None:
    if depth < 0:
        raise ValueError("at the bottom")
    ping(depth - 1)


def test_end_of_a_long_traceback_is_kept() -> None:
    @task
    def deep() -> None:
        ping(TOO_DEEP)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(TOO_DEEP + 1000)
    try:
        with flow_run("etl") as run, pytest.raises(ValueError, match="bottom"):
            deep()
    finally:
        sys.setrecursionlimit(limit)

    text = traceback_of(run, "deep-1")
    first, *_, last = text.splitlines()
    assert first.startswith("[1,0")
    assert " frames and " in first
    assert first.endswith(" bytes left out]")
    assert last == "ValueError: at the bottom"
    assert MAX_TRACEBACK_BYTES - 1000 < len(text.encode()) <= MAX_TRACEBACK_BYTES


@pytest.mark.parametrize("sign", ["x", "é", "\N{GRINNING FACE}", "\0", "\ud800", "x\n"], ids=ascii)
def test_long_message_leaves_room_for_the_frames(sign: str) -> None:
    text = recorded(ValueError(sign * 1_000_000))
    assert functions(text) == ["fail_with"]
    assert " characters left out] …" in text
    assert len(text.encode()) <= MAX_TRACEBACK_BYTES


def test_long_notes_are_cut_at_a_line() -> None:
    error = ValueError("no")
    error.add_note("é" * 99 + "\n" + "ü\n" * 100_000 + "the end")
    text = recorded(error)
    assert text.splitlines()[1] == "ü"
    assert text.endswith("ü\nthe end")
    assert len(text.encode()) <= MAX_TRACEBACK_BYTES


def test_many_errors_that_led_to_one_another_fit() -> None:
    error: Exception = ValueError("first")
    for number in range(2000):
        try:
            raise ValueError(number) from error
        except ValueError as raised:
            error = raised
    text = recorded(error)
    assert text.endswith("ValueError: 1999")
    assert len(text.encode()) <= MAX_TRACEBACK_BYTES


class NoText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class NoNotes(Exception):
    def __getattribute__(self, name: str) -> Any:
        if name == "__notes__":
            raise RuntimeError("no notes")
        return super().__getattribute__(name)


def test_error_without_a_text_has_a_traceback() -> None:
    text = recorded(NoText())
    assert functions(text) == ["fail_with"]
    assert text.endswith("NoText: <exception str() failed>")
    assert recorded(ValueError(Broken())).endswith("ValueError: <exception str() failed>")


def test_error_that_cannot_be_formatted_is_recorded_nevertheless() -> None:
    nested: Exception = ValueError("inner")
    for _ in range(5000):
        nested = ExceptionGroup("outer", [nested])

    assert "NoNotes" in recorded(NoNotes("x"))
    assert "ExceptionGroup" in recorded(nested)


def test_more_long_tracebacks_than_fit_into_a_request_are_recorded() -> None:
    errors = [ValueError(number) for number in range(100)]
    for error in errors:
        error.add_note("a note\n" * 10_000)
    with flow_run("etl") as run, pytest.raises(ValueError, match="0"):
        fail_with.map(errors)

    failed = [view for view in run.view().get_all_task_runs() if view.state.is_failed()]
    assert len(failed) == len(errors)
    assert all(view.state.message == f"Unexpected error: ValueError({view.map_index})" for view in failed)
    assert MAX_TRACEBACK_BYTES - 1000 < len(traceback_of(run, "fail_with-1", 99).encode()) <= MAX_TRACEBACK_BYTES
