"""Programs that are stopped, by Ctrl-C or by SIGTERM: what is recorded then, and how they end."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from taskruns import Client, FlowRunView, StateType
from taskruns.errors import FlowRunNotFound
from tests.client.recording.scripts import SECONDS, Scripts
from tests.waiting import eventually

CANCELLED, SUCCESS = StateType.CANCELLED, StateType.SUCCESS
PROGRAM = """
    import asyncio, atexit, os, signal, sys, threading, time
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
    from multiprocessing import get_context
    from taskruns import flow_run, task
    from taskruns.recording import flow_runs

    @task(result=None)
    def until(path="end"):
        while not os.path.exists(path):
            time.sleep(0.01)

    @task(result=None)
    async def until_async(path="end"):
        try:
            await asyncio.sleep(60)
        finally:
            while not os.path.exists(path):
                await asyncio.sleep(0.01)

    def record(flow, **options):
        try:
            with flow_run("etl", **options) as run:
                print(run.flow_run_id, flush=True)
                flow()
        finally:
            print("cleaned up", flush=True)

    async def record_async(flow):
        async with flow_run("etl") as run:
            print(run.flow_run_id, flush=True)
            await flow()

    flow_runs.TERMINATION_SECONDS = 60
    atexit.register(print, "ended", flush=True)
"""
FLOWS = {
    "task": "record(until)",
    "task with a time-out": "record(task(timeout=60)(until.function))",
    "retry": "record(task(max_retries=1, retry_delay=60)(lambda: 1 / 0))",
    "map": "record(lambda: until.map(['end', 'end']))",
    "flow": "record(until.function)",
    "nested": "record(lambda: record(until))",
    "map in threads": """
    with ThreadPoolExecutor(1) as pool:
        record(lambda: until.map(['end', 'end', 'end']), executor=pool)
    """,
    "submit in threads": """
    with ThreadPoolExecutor(1) as pool:
        record(lambda: [until.submit() for _ in range(3)], executor=pool)
    """,
    "result in threads": """
    with ThreadPoolExecutor(1) as pool:
        record(lambda: until.submit().result(), executor=pool)
    """,
    "map in forked processes": """
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        record(lambda: until.map(['end'] * 5), executor=pool)
    """,
    "map in spawned processes": """
    if __name__ == "__main__":
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            record(lambda: until.map(['end'] * 5), executor=pool)
    """,
    "async task": "asyncio.run(record_async(until_async))",
    "async map": "asyncio.run(record_async(lambda: until_async.map(['end', 'end'])))",
    "async submit": """
    async def flow():
        await asyncio.gather(until_async.submit(), until_async.submit())

    asyncio.run(record_async(flow))
    """,
}


class Program:
    """A program that records flow runs."""

    def __init__(self, process: "subprocess.Popen[str]", client: Client) -> None:
        """It has said which flow run it records."""
        assert process.stdout is not None
        self.process = process
        self.flow_run_id = process.stdout.readline().strip()
        self._client = client

    def states(self) -> list[StateType]:
        """The states of the flow run and of its task runs, as far as the service knows."""
        try:
            view = FlowRunView.from_flow_run_id(self.flow_run_id, client=self._client)
        except FlowRunNotFound:
            return []
        return [view.state.type, *(one.state.type for one in view.get_all_task_runs())]

    def stop(self, number: int) -> None:
        """Sends a signal once something runs in the flow."""
        eventually(lambda: not {"Running", "Retrying"}.isdisjoint(map(str, self.states()[1:])))
        self.process.send_signal(number)

    def output(self) -> tuple[str, str]:
        """What it has printed, once it has ended."""
        return self.process.communicate(timeout=SECONDS)

    def view(self) -> FlowRunView:
        """The flow run."""
        return FlowRunView.from_flow_run_id(self.flow_run_id, client=self._client)


@contextmanager
def started(scripts: Scripts, client: Client, flow: str, name: str = "script.py") -> Iterator[Program]:
    with scripts.start(PROGRAM + "\n    " + flow.strip() + "\n", name) as process:
        try:
            yield Program(process, client)
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("flow", [name for name in FLOWS if name not in ("flow", "nested")])
def test_stopped_flow_run_ends_after_its_task_runs(
    flow: str, number: signal.Signals, scripts: Scripts, client: Client
) -> None:
    with started(scripts, client, FLOWS[flow]) as program:
        program.stop(number)
        if "map in" in flow:  # the child that runs goes on
            eventually(lambda: program.view().get_task_run("until-1").state == CANCELLED)
            assert program.view().get_task_run("until-1", map_index=0).state == StateType.RUNNING
        if flow == "submit in threads":  # those that have not begun never do
            eventually(lambda: CANCELLED in program.states()[1:])
        (scripts.folder / "end").touch()
        out, err = program.output()

    assert program.process.returncode == -number
    assert out.endswith("ended\n")
    view = program.view()
    task_runs = [one.task_run for one in view.get_all_task_runs()]
    assert view.state == CANCELLED
    assert {one.state for one in task_runs} <= {CANCELLED, SUCCESS}
    assert CANCELLED in {one.state for one in task_runs} or flow == "result in threads"
    assert view.end_time is not None
    assert all(one.end_time is not None and one.end_time <= view.end_time for one in task_runs)
    if "map" in flow:
        (parent,) = (one for one in task_runs if one.map_index == -1)
        assert parent.state == CANCELLED
    if number == signal.SIGTERM:
        assert err == ""
        if "async" not in flow:
            assert "cleaned up" in out
            assert view.state.message == "Stopped by SIGTERM."


def test_sigterm_in_the_flow_itself_is_recorded(scripts: Scripts, client: Client) -> None:
    with started(scripts, client, FLOWS["flow"]) as program:
        eventually(lambda: program.states() == [StateType.RUNNING])
        program.process.send_signal(signal.SIGTERM)
        assert program.output() == ("cleaned up\nended\n", "")
    assert program.process.returncode == -signal.SIGTERM
    assert repr(program.view().state) == '<Cancelled: "Stopped by SIGTERM.">'


def test_sigterm_ends_the_flow_runs_around_the_one_that_it_stops(scripts: Scripts, client: Client) -> None:
    with started(scripts, client, FLOWS["nested"]) as program:
        inner = program.process.stdout
        assert inner is not None
        outer_id, program.flow_run_id = program.flow_run_id, inner.readline().strip()
        program.stop(signal.SIGTERM)
        program.output()
    assert program.process.returncode == -signal.SIGTERM
    for flow_run_id in (outer_id, program.flow_run_id):
        view = FlowRunView.from_flow_run_id(flow_run_id, client=client)
        assert repr(view.state) == '<Cancelled: "Stopped by SIGTERM.">'


def test_sigterm_waits_for_a_bounded_time_for_what_goes_on_in_threads(scripts: Scripts, client: Client) -> None:
    flow = f"flow_runs.TERMINATION_SECONDS = 0.1\n{FLOWS['map in threads']}"
    with started(scripts, client, flow) as program:
        program.stop(signal.SIGTERM)
        eventually(lambda: program.states() == [CANCELLED] * 5)
        (scripts.folder / "end").touch()
        program.output()
    # What the pool was let finish did succeed.
    assert program.states() == [CANCELLED, CANCELLED, SUCCESS, CANCELLED, CANCELLED]


def test_second_ctrl_c_does_not_wait_for_what_goes_on_in_threads(scripts: Scripts, client: Client) -> None:
    with started(scripts, client, FLOWS["map in threads"]) as program:
        program.stop(signal.SIGINT)
        eventually(lambda: program.states()[1] == CANCELLED)
        assert program.states()[:3] == [StateType.RUNNING, CANCELLED, StateType.RUNNING]
        program.process.send_signal(signal.SIGINT)
        eventually(lambda: program.states() == [CANCELLED] * 5)
        (scripts.folder / "end").touch()
        program.output()


@pytest.mark.parametrize(
    ("before", "ends"),
    [("signal.SIG_IGN", 0), ("lambda *_: print('heard', flush=True)", 0), ("lambda *_: os._exit(7)", 7)],
)
def test_sigterm_is_left_to_who_listens_to_it_already(before: str, ends: int, scripts: Scripts, client: Client) -> None:
    with started(scripts, client, f"signal.signal(signal.SIGTERM, {before})\n    record(until)") as program:
        program.stop(signal.SIGTERM)
        (scripts.folder / "end").touch()
        out, _ = program.output()
    assert program.process.returncode == ends
    assert ("heard" in out) == ("heard" in before)
    if ends == 0:
        assert program.view().state == SUCCESS


def test_handler_of_sigterm_is_there_only_in_flow_runs_of_the_main_thread(scripts: Scripts) -> None:
    out, _ = scripts.run(
        PROGRAM
        + """
    def told():
        handler = signal.getsignal(signal.SIGTERM)
        return getattr(handler, "name", None) or handler.__name__

    def other():
        with flow_run("other"):
            print("thread", told())

    async def two(first, second):
        async with flow_run("async"):
            first.set()
            await second.wait()

    async def overlapping():
        first, second, third = asyncio.Event(), asyncio.Event(), asyncio.Event()
        going = [asyncio.create_task(two(first, second)), asyncio.create_task(two(second, third))]
        await going[0]
        print("one of two", told())
        third.set()
        await going[1]
        print("none of two", told())

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    with flow_run("outer"):
        with flow_run("inner"):
            pass
        print("outer", told())
        if not (child := os.fork()):
            print("fork", told(), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print("outer", told())
    print("after", told())
    asyncio.run(overlapping())
    with flow_run("own"):
        signal.signal(signal.SIGTERM, other)
    print("own", told())
    """,
        PYTHONWARNINGS="default",
    )
    assert out.splitlines() == [
        "thread SIG_DFL",
        "outer _terminate",
        "fork SIG_DFL",
        "outer _terminate",
        "after SIG_DFL",
        "one of two _terminate",
        "none of two SIG_DFL",
        "own other",
        "ended",
    ]


def test_sigterm_after_the_flow_run_ends_the_program_at_once(scripts: Scripts, client: Client) -> None:
    flow = "record(lambda: None)\n    print('after', flush=True)\n    until.function()"
    with started(scripts, client, flow) as program:
        stdout = program.process.stdout
        assert stdout is not None
        eventually(lambda: stdout.readline() == "after\n")
        program.process.send_signal(signal.SIGTERM)
        assert program.output() == ("", "")
    assert program.process.returncode == -signal.SIGTERM
    assert program.view().state == SUCCESS


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_of_a_pool_dies_of_sigterm_as_ever(method: str, scripts: Scripts, client: Client) -> None:
    flow = f"""
    @task(result=None)
    def die():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    if __name__ == "__main__":
        with ProcessPoolExecutor(1, get_context("{method}")) as pool:
            record(lambda: die.submit().exception(), executor=pool)
    """
    with started(scripts, client, flow) as program:
        program.output()
    assert program.process.returncode == 0
    assert program.view().state == SUCCESS
    (die,) = program.view().get_all_task_runs()
    assert str(die.state.message).startswith("The executor failed: BrokenProcessPool(")
