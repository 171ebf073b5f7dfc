"""Programs: what is recorded of flows that end, are stopped, fork, or use other processes, run as users run them."""

import json
import signal
import time

import pytest

from taskruns import Client, FlowRunView, StateType
from taskruns.errors import FlowRunNotFound
from taskruns.recording import outbox
from taskruns.recording.outbox import flush
from tests.client.recording.scripts import Scripts
from tests.postgres import free_port
from tests.waiting import eventually

PROGRAM = """
    import os, signal, sys, time
    from taskruns import flow_run, task

    @task(result=None)
    def inc(x):
        return x + 1
"""


def test_program_that_ends_while_the_service_is_away_says_where_its_reports_are(
    scripts: Scripts, client: Client
) -> None:
    began = time.monotonic()
    out, err = scripts.run(
        PROGRAM
        + """
    with flow_run("etl") as run:
        print(inc.map([1, 2, 3]))
    print(run.flow_run_id)
    """,
        TASKRUNS_URL=f"http://127.0.0.1:{free_port()}",
    )
    assert time.monotonic() - began < 10

    (path,) = scripts.waiting()
    made, flow_run_id = out.splitlines()
    assert made == "[2, 3, 4]"
    assert err.splitlines()[-1] == f"14 reports could not be sent. They are in {path}: `taskruns flush` sends them."
    assert flush(scripts.outbox, client).sent == 14
    view = FlowRunView.from_flow_run_id(flow_run_id, client=client)
    assert [one.state for one in view.get_all_task_runs()] == ["Mapped", "Success", "Success", "Success"]


def test_program_that_was_killed_leaves_what_was_in_the_file(scripts: Scripts, client: Client) -> None:
    out, _ = scripts.run(
        PROGRAM
        + """
    with flow_run("etl") as run:
        print(run.flow_run_id, flush=True)
        inc.map(range(5000))
        os.kill(os.getpid(), signal.SIGKILL)
    """,
        code=-signal.SIGKILL,
        TASKRUNS_URL=f"http://127.0.0.1:{free_port()}",
    )
    outcome = flush(scripts.outbox, client)
    assert outcome.sent > 10_000
    assert (outcome.refused, outcome.left) == (0, 0)
    assert FlowRunView.from_flow_run_id(out.strip(), client=client).state == "Running"


def test_file_of_a_program_that_runs_is_left_to_it(scripts: Scripts, client: Client) -> None:
    program = (
        PROGRAM
        + """
    with flow_run("etl") as run:
        inc.map(range(5000))
        print("ready", flush=True)
        while not os.path.exists("end"):
            time.sleep(0.01)
    """
    )
    with scripts.start(program, TASKRUNS_URL=f"http://127.0.0.1:{free_port()}") as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            assert len(scripts.waiting()) == 1
            assert flush(scripts.outbox, client) == outbox.Flushed(sent=0, refused=0, unreadable=0, left=0, problems=[])
        finally:
            (scripts.folder / "end").touch()
            process.communicate(timeout=120)
    # The flow run with its two states, the two states of the parent, and three of each child.
    assert flush(scripts.outbox, client).sent == 15_000 + 5


def test_forked_process_sends_nothing_of_its_parent_and_does_not_hang(scripts: Scripts) -> None:
    out, _ = scripts.run(
        PROGRAM
        + """
    with flow_run("etl") as run:
        inc(1)
        pids = []
        for _ in range(20):
            inc(1)
            if not (pid := os.fork()):
                break
            pids.append(pid)
        inc(1)
    if not pid:
        os._exit(7)
    print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [7] * 20)
    print(len(run.view().get_all_task_runs()), run.view().state)
    """,
        PYTHONWARNINGS="default",
    )
    assert out == 'True\n22 <Success: "All tasks ended as the flow wanted.">\n'


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_flow_run_of_a_child_process_is_recorded_to_its_end(method: str, scripts: Scripts, client: Client) -> None:
    out, err = scripts.run(
        PROGRAM
        + """
    def record(name):
        with flow_run(name) as run:
            inc(1)
        with flow_run(name) as run:
            inc(1)
            print(run.flow_run_id, flush=True)

    if __name__ == "__main__":
        from multiprocessing import get_context
        record("parent")
        child = get_context(os.environ["METHOD"]).Process(target=record, args=("child",))
        child.start()
        child.join()
        assert child.exitcode == 0
    """,
        METHOD=method,
    )
    assert err == ""
    for flow_run_id, name in zip(out.split(), ("parent", "child"), strict=True):
        view = FlowRunView.from_flow_run_id(flow_run_id, client=client)
        assert view.flow_name == name
        assert view.state == "Success"
        assert [one.state for one in view.get_all_task_runs()] == ["Success"]


def test_exit_in_the_middle_of_a_flow_is_recorded(scripts: Scripts, client: Client) -> None:
    out, err = scripts.run(
        PROGRAM
        + """
    with flow_run("etl") as run:
        print(run.flow_run_id)
        inc(1)
        sys.exit(3)
    """,
        code=3,
    )
    view = FlowRunView.from_flow_run_id(out.strip(), client=client)
    assert repr(view.state) == '<Failed: "Unexpected error: SystemExit(3)">'
    assert err == ""


def test_ctrl_c_is_recorded(scripts: Scripts, client: Client) -> None:
    program = (
        PROGRAM
        + """
    @task
    def slow():
        time.sleep(30)

    with flow_run("etl") as run:
        print(run.flow_run_id, flush=True)
        slow()
    """
    )
    with scripts.start(program) as process:
        try:
            assert process.stdout is not None
            flow_run_id = process.stdout.readline().strip()
            eventually(lambda: known(client, flow_run_id) == ["Running"])
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=120)
    assert process.returncode == -signal.SIGINT
    view = FlowRunView.from_flow_run_id(flow_run_id, client=client)
    assert repr(view.state) == '<Cancelled: "Stopped by KeyboardInterrupt.">'
    assert known(client, flow_run_id) == ["Cancelled"]


def known(client: Client, flow_run_id: str) -> list[str]:
    """The states of the task runs that the service knows of a flow run, if it knows it."""
    try:
        return [str(one.state) for one in client.flow_runs.task_runs(flow_run_id)]
    except FlowRunNotFound:
        return []


# Tasks in other processes

PARALLEL = """
    import json, os, sys
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
    from multiprocessing import get_context
    from taskruns import flow_run, task
    from tasks_of_a_module import double

    OFFSET = 10

    class OwnError(Exception):
        pass

    @task
    def add(x):
        return x + OFFSET

    @task
    def factorial(n):
        return 1 if n < 2 else n * factorial(n - 1)

    @task
    def broken(x):
        raise OwnError(x)

    def record(executor):
        with flow_run("program", executor=executor) as run:
            made = [add.map([1, 2, 3]), double.map([1, 2]), factorial.submit(5).result(), add.submit(7).result()]
            try:
                broken.submit(1).result()
            except Exception as error:
                made.append([type(error).__name__, str(error)])
        return made, run.flow_run_id
"""
MODULE = """
    from taskruns import task

    @task
    def double(x):
        return 2 * x
"""
MADE = [[11, 12, 13], [2, 4], 120, 17, ["OwnError", "1"]]


def check_program(scripts: Scripts, main: str) -> None:
    scripts.write(MODULE, "tasks_of_a_module.py")
    out, err = scripts.run(PARALLEL + main)
    assert err == ""
    for line in out.splitlines():
        made, flow_run_id = json.loads(line)
        assert made == MADE
        states = {
            (view.task_slug, view.map_index): view.state.type for view in recorded_view(flow_run_id).get_all_task_runs()
        }
        assert states.pop(("broken-1", -1)) is StateType.FAILED
        assert set(states.values()) == {StateType.SUCCESS, StateType.MAPPED}
        assert len(states) == 9
    assert not scripts.outbox.exists()


def recorded_view(flow_run_id: str) -> FlowRunView:
    return FlowRunView.from_flow_run_id(flow_run_id)


def test_program_may_use_processes_for_its_own_tasks(scripts: Scripts) -> None:
    check_program(
        scripts,
        """
    if __name__ == "__main__":
        for method in ("fork", "spawn"):
            with ProcessPoolExecutor(2, get_context(method)) as pool:
                print(json.dumps(record(pool)))
        """,
    )


def test_program_may_use_a_dask_cluster(scripts: Scripts) -> None:
    scripts.write(MODULE, "tasks_of_a_module.py")
    out, _ = scripts.run(
        PARALLEL
        + """
    import logging
    import time

    @task
    def where(x):
        return os.getpid()

    @task
    def until(path):
        logging.getLogger("etl").warning("waiting")
        while not os.path.exists(path):
            time.sleep(0.01)

    @task
    def die_once(path):
        if os.path.exists(path):
            return "the second time"
        open(path, "w").close()
        time.sleep(1)  # that it runs is told by then
        os._exit(1)

    if __name__ == "__main__":
        from dask.distributed import Client, LocalCluster
        with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
            with Client(cluster) as dask:
                print(json.dumps(record(dask.get_executor())))
                with flow_run("live", executor=dask.get_executor()) as run:
                    future = until.submit(os.path.abspath("end"))
                    while run.view().get_task_run("until-1").state != "Running":
                        time.sleep(0.05)
                    while not list(run.view().get_task_run("until-1").get_logs()):
                        time.sleep(0.05)
                    open("end", "w").close()
                    future.result()
                    assert os.getpid() not in where.map([1, 2])
                    assert die_once.submit(os.path.abspath("died")).result() == "the second time"
                print(json.dumps(run.flow_run_id))
    """,
        PYTHONWARNINGS="default",
    )
    recorded, live = map(json.loads, out.splitlines())
    made, flow_run_id = recorded
    assert made == MADE
    views = recorded_view(flow_run_id).get_all_task_runs()
    assert [view.state.type for view in views].count(StateType.SUCCESS) == 7
    broken = recorded_view(flow_run_id).get_task_run("broken-1")
    assert broken.state.message == "Unexpected error: OwnError(1)"
    assert broken.traceback is not None
    assert [", in broken" in line for line in broken.traceback.splitlines()[:2]] == [False, True]
    view = recorded_view(live)
    assert [line.message for line in view.get_task_run("until-1").get_logs()] == ["waiting"]
    assert [line.message for line in view.get_logs()] == ["waiting"]
    assert {one.state.type for one in view.get_all_task_runs()} == {StateType.SUCCESS, StateType.MAPPED}
    assert view.get_task_run("die_once-1").task_run.run_count == 2
