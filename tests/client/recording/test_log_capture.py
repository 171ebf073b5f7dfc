"""What is logged and printed in a flow run: which lines are recorded, and whose they are."""

import asyncio
import contextvars
import logging
import os
import sys
import threading
from collections.abc import Generator
from concurrent.futures import Executor, Future
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from taskruns import Client, FlowRunRecorder, TaskTimedOut, flow_run, task
from tests.client.recording.log_lines import lines, log, messages, say
from tests.client.recording.scripts import Scripts
from tests.service import Served
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("debug_level")


@task(result=None)
def say_around(text: str) -> None:
    log.info("before %s", text)
    say(text)
    log.info("after %s", text)


@task(result=None)
def say_and_wait(path: str) -> None:
    log.warning("waiting")
    eventually(Path(path).exists)


@task(result=None)
def speak(text: str) -> None:
    print(text)


# Whose a line is


def test_line_is_of_the_task_run_or_else_of_the_flow_run_that_logs_it() -> None:
    with flow_run("etl") as run:
        log.info("begin")
        say_around("one")
        say.map(["two", "three"])
        log.info("end")
    log.info("later")
    assert lines(run) == [
        (None, "begin"),
        ("say_around-1", "before one"),
        ("say-1", "one"),
        ("say_around-1", "after one"),
        ("say-2[0]", "two"),
        ("say-2[1]", "three"),
        (None, "end"),
    ]


def test_line_has_the_logger_the_level_and_the_time() -> None:
    with flow_run("etl", log_level="DEBUG") as run:
        for number in (1, logging.DEBUG, 15, logging.INFO, 29, logging.WARNING, logging.ERROR, logging.CRITICAL, 99):
            log.log(number, "%d", number)
        logging.getLogger().warning("root")
    view = run.view()
    recorded = list(view.get_logs())
    levels = ["DEBUG", "DEBUG", "INFO", "INFO", "WARNING", "ERROR", "CRITICAL", "CRITICAL", "WARNING"]
    assert [line.level for line in recorded] == levels
    assert [line.name for line in recorded] == ["etl.load"] * 8 + ["root"]
    assert view.start_time is not None
    assert view.end_time is not None
    assert all(view.start_time <= line.timestamp <= view.end_time for line in recorded)


def test_lines_of_equal_times_stay_in_their_order() -> None:
    record = logging.LogRecord("etl", logging.INFO, "", 0, "", (), None)
    with flow_run("etl") as run:
        for number in range(100):
            same = logging.makeLogRecord(vars(record) | {"msg": str(number)})
            log.handle(same)
    assert messages(run) == [str(number) for number in range(100)]


def test_lines_in_an_executor_are_of_their_task_runs(executor: Executor) -> None:
    with flow_run("etl", executor=executor, capture_prints=True) as run:
        say.map(range(20))
        speak.map(["printed"])
    expected = [(f"say-1[{number}]", str(number)) for number in range(20)]
    assert sorted(lines(run)) == sorted([*expected, ("speak-1[0]", "printed")])


def test_lines_arrive_before_the_task_has_ended(executor: Executor, tmp_path: Path) -> None:
    path = tmp_path / "end"
    with flow_run("etl", executor=executor) as run:
        future = say_and_wait.submit(str(path))
        eventually(lambda: lines(run) == [("say_and_wait-1", "waiting")])
        path.touch()
        future.result()
    assert lines(run) == [("say_and_wait-1", "waiting")]


def test_lines_of_coroutines_are_of_their_task_runs() -> None:
    @task(result=None)
    async def fetch(number: int) -> None:
        log.info("begin")
        await asyncio.sleep(0)
        await asyncio.to_thread(log.info, "in a thread")
        asyncio.get_running_loop().call_soon(log.info, "called back")
        await asyncio.sleep(0)
        log.info("end")

    async def main() -> FlowRunRecorder:
        async with flow_run("etl") as run:
            log.info("before")
            await fetch.map(range(3))
            later = fetch.submit(3)
            log.info("between")
            await later
        return run

    recorded = lines(asyncio.run(main()))
    own = ["begin", "in a thread", "called back", "end"]
    for name in ("fetch-1[0]", "fetch-1[1]", "fetch-1[2]", "fetch-2"):
        assert [message for slug, message in recorded if slug == name] == own
    assert [message for slug, message in recorded if slug is None] == ["before", "between"]


def test_lines_of_generators_futures_and_late_threads_are_of_their_task_runs() -> None:
    started, wanted = threading.Event(), threading.Event()

    @task(result=None)
    def numbers() -> Generator[int, None, None]:
        log.info("yielding")
        yield 1
        log.info("yielded")

    @task(result=None, timeout=0.01)
    def slow() -> None:
        log.info("slow")
        started.set()
        assert wanted.wait(20)
        log.info("late")

    @task(result=None)
    def start() -> "Future[None]":
        future: Future[None] = Future()
        threading.Thread(target=partial(contextvars.copy_context().run, work, future)).start()
        return future

    def work(future: "Future[None]") -> None:
        log.info("working")
        future.set_result(None)

    with flow_run("etl") as run:
        for _ in numbers():
            log.info("between")
        with pytest.raises(TaskTimedOut):
            slow()
        assert started.wait(20)
        wanted.set()
        eventually(lambda: ("slow-1", "late") in lines(run))
        start().result(20)
    assert sorted(lines(run), key=str) == sorted(
        [
            ("numbers-1", "yielding"),
            (None, "between"),
            ("numbers-1", "yielded"),
            ("slow-1", "slow"),
            ("slow-1", "late"),
            ("start-1", "working"),
        ],
        key=str,
    )


def test_lines_of_all_attempts_are_recorded() -> None:
    attempts = iter([ValueError("no"), None])

    @task(result=None, max_retries=1)
    def fetch() -> None:
        log.info("fetching")
        if error := next(attempts):
            raise error

    with flow_run("etl") as run:
        fetch()
    assert lines(run) == [("fetch-1", "fetching")] * 2


def test_lines_of_a_flow_run_in_another_one_are_its_own() -> None:
    inner: list[FlowRunRecorder] = []

    @task(result=None)
    def crawl() -> None:
        log.info("outer task")
        with flow_run("crawl") as run:
            inner.append(run)
            log.info("inner flow run")
            say("inner task")
        log.info("outer task again")

    with flow_run("etl") as run:
        crawl()
    assert lines(run) == [("crawl-1", "outer task"), ("crawl-1", "outer task again")]
    assert lines(inner[0]) == [(None, "inner flow run"), ("say-1", "inner task")]


def test_thread_of_the_user_writes_to_the_flow_run_where_it_is_active() -> None:
    def work(run: FlowRunRecorder) -> None:
        log.info("unknown")
        with run.active():
            log.info("known")
            say("task")
        log.info("unknown again")

    with flow_run("etl") as run:
        thread = threading.Thread(target=work, args=(run,))
        thread.start()
        thread.join()
    assert lines(run) == [(None, "known"), ("say-1", "task")]


def test_several_blocks_write_to_one_flow_run() -> None:
    with flow_run("etl", idempotency_key=f"key-{os.urandom(8).hex()}") as first:
        log.info("first")
    with flow_run("etl", id=first.id) as second:
        log.info("second")
        say("task")
    assert [message for _, message in lines(second)] == ["first", "second", "task"]


def test_forked_process_does_not_write_for_its_parent(scripts: Scripts) -> None:
    out, err = scripts.run("""
        import logging, os
        from taskruns import flow_run, task
        log = logging.getLogger("etl")

        @task(result=None)
        def fork():
            log.warning("parent")
            run.flush()  # a thread that imports a module holds a lock, which a fork would copy
            if (child := os.fork()) == 0:
                log.warning("child")
                with flow_run("own") as own:
                    log.warning("own")
                assert [line.message for line in own.view().get_logs()] == ["own"]
                log.warning("child again")
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            log.warning("parent again")

        with flow_run("etl") as run:
            fork()
        print(*[line.message for line in run.view().get_logs()], sep=",")
    """)
    assert out == "parent,parent again\n"
    assert err.splitlines() == ["parent", "child", "own", "child again", "parent again"]


# Which lines are recorded


@pytest.mark.parametrize(
    ("of_flow_run", "of_task", "expected"),
    [
        ({}, {}, ["flow INFO", "task INFO"]),
        ({"capture_logs": False}, {}, []),
        ({}, {"capture_logs": False}, ["flow INFO"]),
        ({"capture_logs": False}, {"capture_logs": True}, ["task INFO"]),
        ({"log_level": "DEBUG"}, {}, ["flow DEBUG", "flow INFO", "task DEBUG", "task INFO"]),
        ({"log_level": logging.WARNING}, {"log_level": "debug"}, ["task DEBUG", "task INFO"]),
        ({"capture_prints": True}, {}, ["flow INFO", "flow print", "task INFO", "task print"]),
        ({"capture_prints": True}, {"capture_prints": False}, ["flow INFO", "flow print", "task INFO"]),
        ({}, {"capture_prints": True}, ["flow INFO", "task INFO", "task print"]),
        ({"capture_prints": True}, {"capture_logs": False}, ["flow INFO", "flow print"]),
        ({"capture_prints": True, "log_level": "WARNING"}, {}, []),
    ],
)
def test_options_choose_lines(of_flow_run: Any, of_task: Any, expected: list[str]) -> None:
    @task(result=None, **of_task)
    def write(name: str = "task") -> None:
        log.debug("%s DEBUG", name)
        log.info("%s INFO", name)
        print(name, "print")

    with flow_run("etl", **of_flow_run) as run:
        write.function("flow")
        write()
    assert messages(run) == expected


def test_level_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"There is no log level 'LOUD'\. The levels are CRITICAL, "):
        flow_run("etl", log_level="LOUD")
    with pytest.raises(ValueError, match="There is no log level 'LOUD'"):
        task(log_level="LOUD")(print)


def test_print_is_recorded_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    made: list[int] = []

    class Slow:
        def __str__(self) -> str:
            made.append(1)
            return "slow"

    with flow_run("etl", capture_prints=True) as run:
        print("a", 1, Slow(), sep="-", end=";\n")
        print()
        print("two\nlines\n", flush=True)
        print("error", file=sys.stderr)
        with Path(os.devnull).open("w") as other:
            print("elsewhere", file=other)
        with pytest.raises(TypeError):
            print("bad", "separator", sep=1)  # type: ignore[call-overload]
    assert capsys.readouterr() == ("a-1-slow;\n\ntwo\nlines\n\n", "error\n")
    assert made == [1]
    assert [(line.name, line.level, line.message) for line in run.view().get_logs()] == [
        ("print", "INFO", "a-1-slow"),
        ("print", "INFO", "two\nlines"),
        ("print", "INFO", "error"),
    ]


def test_lines_of_the_client_are_not_recorded_and_those_of_the_user_are(service: Served) -> None:
    loggers = [logging.getLogger(name) for name in ("httpx", "httpcore", "taskruns")]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    try:
        with flow_run("etl", log_level="DEBUG") as run:
            say("one")
            run.view().get_task_run("say-1").get_logs()
            with Client(default_headers={"X-Own": "1"}) as client:
                client.service.health()
            httpx.get(f"{service.url}/openapi.json")
            run.flush()
            say("two")
    finally:
        for logger in loggers:
            logger.setLevel(logging.NOTSET)
    recorded = messages(run)
    assert [message for message in recorded if message is not None and message.startswith("HTTP Request")] == [
        f'HTTP Request: GET {service.url}/openapi.json "HTTP/1.1 200 OK"'
    ]
    assert [message for message in recorded if message in ("one", "two")] == ["one", "two"]
    assert {line.name.partition(".")[0] for line in run.view().get_logs() if line.name} == {"etl", "httpx", "httpcore"}
