"""Heartbeats of the recorder: the runs of a process that is gone become Crashed, until it goes on after all."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from taskruns import Client, FlowRunView, StateType, flow_run
from taskruns.recording.heartbeats import seconds_until
from tests.client.recording.scripts import Scripts
from tests.service import Served, served
from tests.waiting import eventually

PROGRAM = """
    import sys, time
    from pathlib import Path
    from taskruns import flow_run, task

    @task(result=None)
    def wait():
        print("waiting", flush=True)
        while not Path("go").exists():
            time.sleep(0.02)

    if __name__ == "__main__":
        with flow_run("etl", heartbeat=0.2) as run:
            print(run.flow_run_id, flush=True)
            wait()
"""


@pytest.fixture
def watchful(tmp_path: Path) -> Iterator[Served]:
    """A service that does not wait long for heartbeats."""
    folder = tmp_path / "service"
    folder.mkdir()
    with served(f"sqlite:///{folder / 'taskruns.db'}", folder, heartbeat_timeout=2) as service:
        yield service


@contextmanager
def running(scripts: Scripts, service: Served, source: str = PROGRAM) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A program whose task waits for the file `go`, once it has sent a heartbeat, and the id of its flow run."""
    with scripts.start(source, TASKRUNS_URL=service.url) as process:
        try:
            assert process.stdout is not None
            flow_run_id = process.stdout.readline().strip()
            assert process.stdout.readline() == "waiting\n"
            with Client(service.url) as client:
                eventually(lambda: has_sent_heartbeat(client, flow_run_id))
            yield process, flow_run_id
        finally:
            if process.poll() is None:
                process.kill()


def has_sent_heartbeat(client: Client, flow_run_id: str) -> bool:
    return any(
        str(found.id) == flow_run_id and found.last_heartbeat is not None
        for found in client.flow_runs.list(state=["Running"])
    )


def states(client: Client, flow_run_id: str) -> list[str]:
    """The states of a flow run and of its task runs."""
    view = FlowRunView.from_flow_run_id(flow_run_id, client=client)
    return [view.state.type, *(task_run.state.type for task_run in view.get_all_task_runs())]


def test_runs_of_a_killed_process_become_crashed(scripts: Scripts, watchful: Served) -> None:
    with running(scripts, watchful) as (process, flow_run_id), Client(watchful.url) as client:
        process.send_signal(signal.SIGKILL)
        eventually(lambda: states(client, flow_run_id) == ["Crashed", "Crashed"])
        view = FlowRunView.from_flow_run_id(flow_run_id, client=client)
        assert view.last_heartbeat is not None
        assert view.state.message == f"No heartbeat since {view.last_heartbeat:%Y-%m-%d %H:%M:%S} UTC."
        assert (view.state.is_crashed(), view.state.is_failed()) == (True, True)
    assert "flow run crashed" in watchful.output()


def test_process_that_was_stopped_for_a_while_goes_on(scripts: Scripts, watchful: Served) -> None:
    """As on a machine that sleeps: the runs end as if nobody had called them Crashed."""
    with running(scripts, watchful) as (process, flow_run_id), Client(watchful.url) as client:
        process.send_signal(signal.SIGSTOP)
        eventually(lambda: states(client, flow_run_id) == ["Crashed", "Crashed"])
        process.send_signal(signal.SIGCONT)
        eventually(lambda: states(client, flow_run_id) == ["Running", "Running"])
        (scripts.folder / "go").touch()
        assert process.wait(60) == 0
        assert states(client, flow_run_id) == ["Success", "Success"]
        (task_run,) = FlowRunView.from_flow_run_id(flow_run_id, client=client).get_all_task_runs()
        assert task_run.task_run.run_count == 1


def test_runs_without_heartbeats_stay_running(scripts: Scripts, watchful: Served) -> None:
    source = PROGRAM.replace("heartbeat=0.2", "heartbeat=None")
    with scripts.start(source, TASKRUNS_URL=watchful.url) as process, Client(watchful.url) as client:
        try:
            assert process.stdout is not None
            flow_run_id = process.stdout.readline().strip()
            eventually(lambda: [str(run.id) for run in client.flow_runs.list(state=["Running"])] == [flow_run_id])
        finally:
            process.kill()
        with running(scripts, watchful) as (other, other_id):
            other.kill()
            eventually(lambda: states(client, other_id)[0] == "Crashed")
        view = FlowRunView.from_flow_run_id(flow_run_id, client=client)
        assert (view.state.type, view.last_heartbeat) == (StateType.RUNNING, None)


def test_workers_send_heartbeats_too(scripts: Scripts, watchful: Served) -> None:
    """While the process of the flow run is stopped, only they can come."""
    source = PROGRAM.replace("import sys", "from concurrent.futures import ProcessPoolExecutor\n    import sys")
    source = source.replace('"etl", ', '"etl", executor=ProcessPoolExecutor(1), ')
    source = source.replace(" wait()\n", " wait.submit()\n")
    with running(scripts, watchful, source) as (process, flow_run_id), Client(watchful.url) as client:
        process.send_signal(signal.SIGSTOP)
        moments: set[datetime | None] = set()

        def have_come() -> bool:
            moments.add(FlowRunView.from_flow_run_id(flow_run_id, client=client).last_heartbeat)
            return len(moments) > 5

        eventually(have_come)
        process.send_signal(signal.SIGCONT)
        (scripts.folder / "go").touch()
        assert process.wait(60) == 0
        assert states(client, flow_run_id) == ["Success", "Success"]


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_interval_must_be_positive(seconds: float) -> None:
    with pytest.raises(ValueError, match="heartbeat must be a positive number of seconds or None"):
        flow_run("etl", heartbeat=seconds)


def test_each_flow_run_of_a_process_has_heartbeats(client: Client) -> None:
    with flow_run("outer", heartbeat=0.05) as outer, flow_run("inner", heartbeat=0.05) as inner:
        eventually(lambda: all(run.view().last_heartbeat is not None for run in (outer, inner)))


@pytest.mark.parametrize(
    ("now", "expected"), [(70, 30), (99, 1), (100, 0), (500, 0), (69, 0), (-3600, 0)], ids="at {}".format
)
def test_heartbeat_is_due_in_time_and_after_a_clock_was_set_back(now: float, expected: float) -> None:
    assert seconds_until(100, now, 30) == expected
