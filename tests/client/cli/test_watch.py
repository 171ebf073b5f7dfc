"""`flow-run watch`: what it shows of a flow run that goes on, and how it ends."""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from taskruns.client import Client
from tests.client.cli.running import COMMAND, CTRL_C, Ran, interruptible, on_terminal, opened_terminal, run
from tests.client.cli.world import World, task
from tests.postgres import free_port
from tests.service import environment_of, served

Look = Callable[..., Ran]
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def line_of(stream: IO[str]) -> str:
    """The next line, without its time."""
    moment, _, told = stream.readline().rstrip("\n").partition("  ")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment)
    return told


@pytest.mark.parametrize(
    ("last", "code"), [("Success", 0), ("Failed", 3), ("Crashed", 3), ("Cancelled", 3), ("Finished", 0)]
)
def test_every_change_is_a_line_until_it_is_finished(last: str, code: int, scratch: Client, url: str) -> None:
    flow_run = scratch.flow_runs.create(flow_name="watched")
    command = [*COMMAND, "flow-run", "watch", str(flow_run.id), "--interval", "3600"]
    environment = environment_of(TASKRUNS_URL=url)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert line_of(process.stdout) == "Pending"
        scratch.flow_runs.set_state(flow_run.id, type="Running")
        assert line_of(process.stdout) == "Running"
        scratch.flow_runs.report(flow_run.id, items=[task("a", ("Running", 1.0)), task("b", ("Queued", 1.0))])
        assert line_of(process.stdout) == "Running  1 Queued, 1 Running"
        scratch.flow_runs.set_state(flow_run.id, type=last)
        assert line_of(process.stdout) == f"{last}  1 Queued, 1 Running"
        assert process.wait(10) == code
        assert (process.stdout.read(), process.stderr.read()) == ("", "")


@pytest.mark.parametrize(("which", "code"), [("brave-otter", 0), ("calm-heron", 3)])
def test_flow_run_that_is_finished_is_one_line(which: str, code: int, look: Look) -> None:
    done = look("flow-run", "watch", which)
    assert (done.code, done.out.count("\n"), done.err) == (code, 1, "")


def test_terminal_has_a_bar_for_each_state(world: World) -> None:
    done = on_terminal("flow-run", "watch", "calm-heron", TASKRUNS_URL=world.url, NO_COLOR=1)
    assert done.code == 3
    last = ESCAPE.sub("", done.out[done.out.rindex("calm-heron (etl)") :])
    found = re.findall(r"^(\w+) +[━╺╸ ]+(\d/5)", last, re.MULTILINE)
    assert found == [("Mapped", "1/5"), ("Success", "2/5"), ("Failed", "1/5"), ("TriggerFailed", "1/5")]
    assert "Failed  1h06m" in last


def test_bars_follow_the_flow_run(scratch: Client, url: str) -> None:
    flow_run = scratch.flow_runs.create(flow_name="barred", name="bars")
    command = [*COMMAND, "flow-run", "watch", str(flow_run.id), "--interval", "0.1"]
    with opened_terminal(command, TASKRUNS_URL=url) as terminal:
        terminal.read_until(lambda seen: "Pending" in seen)
        scratch.flow_runs.report(flow_run.id, items=[task("a", ("Running", 1.0)), task("b", ("Success", 1.0))])
        terminal.read_until(lambda seen: seen.count("1/2") >= 2)
        scratch.flow_runs.set_state(flow_run.id, type="Success", message="All is well.")
        done = terminal.end()
    assert done.code == 0
    assert "All is well." in done.out
    assert "\x1b[32m" in done.out


def test_interrupt_ends_it_with_the_last_state_shown(scratch: Client, url: str) -> None:
    flow_run = scratch.flow_runs.create(flow_name="long", name="long")
    scratch.flow_runs.set_state(flow_run.id, type="Running")
    command = [*COMMAND, "flow-run", "watch", str(flow_run.id), "--interval", "3600"]
    with opened_terminal(command, TASKRUNS_URL=url, NO_COLOR=1) as terminal:
        terminal.read_until(lambda seen: "Running" in seen)
        done = terminal.end(typing=CTRL_C)
    assert done.code == 130
    assert "Running" in done.out.rpartition("long (long)")[2]
    assert "Traceback" not in done.out
    assert done.out.endswith("\x1b[?25h")  # the cursor is back


def test_interrupt_in_a_pipe_is_quiet(world: World) -> None:
    command = interruptible([*COMMAND, "flow-run", "watch", "night-1", "--interval", "3600"])
    environment = environment_of(TASKRUNS_URL=world.url)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert line_of(process.stdout) == "Running  1 Queued, 1 Running"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert (process.stdout.read(), process.stderr.read()) == ("", "")


def test_dumb_terminal_has_lines(world: World) -> None:
    done = on_terminal("flow-run", "watch", "brave-otter", TASKRUNS_URL=world.url, TERM="dumb")
    assert done.code == 0
    assert re.fullmatch(r"\S+Z  Success  1 Mapped, 5 Success\n", done.out)


def test_threads_of_the_display_end_with_it(look: Look) -> None:
    before = threading.active_count()
    assert look("flow-run", "watch", "brave-otter").code == 0
    assert threading.active_count() == before


def test_latest_is_watched_by_default(scratch: Client, url: str) -> None:
    scratch.flow_runs.create(flow_name="latest", name="first")
    latest = scratch.flow_runs.create(flow_name="latest", name="second")
    scratch.flow_runs.set_state(latest.id, type="Success", message=f"of {os.getpid()}")
    assert run("flow-run", "watch", "-f", "latest", TASKRUNS_URL=url).code == 0


def test_watch_goes_on_over_an_outage(tmp_path: Path) -> None:
    database, port = f"sqlite:///{tmp_path / 'taskruns.db'}", free_port()
    with served(database, tmp_path, port=port) as service, Client(service.url) as client:
        flow_run = client.flow_runs.create(flow_name="outlasting", name="outlasting")
        command = [*COMMAND, "flow-run", "watch", "outlasting", "--interval", "0.1"]
        environment = environment_of(TASKRUNS_URL=service.url)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        assert line_of(process.stdout) == "Pending"
    with process, served(database, tmp_path, port=port), Client(service.url) as client:
        client.flow_runs.set_state(flow_run.id, type="Success")
        assert line_of(process.stdout) == "Success"
        assert process.wait(10) == 0


def test_service_that_is_lost_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path / 'taskruns.db'}", tmp_path) as service, Client(service.url) as client:
        client.flow_runs.create(flow_name="lost", name="lost")
        command = [*COMMAND, "flow-run", "watch", "lost", "--interval", "0.1", "--patience", "0.5"]
        environment = environment_of(TASKRUNS_URL=service.url)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        assert line_of(process.stdout) == "Pending"
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (4, "")
    assert err.startswith("taskruns flow-run watch: The service has been unavailable for ")
    assert len(err.splitlines()) == 1


def test_watch_ends_at_its_timeout_with_an_exit_code_of_its_own(scratch: Client, url: str) -> None:
    scratch.flow_runs.create(flow_name="slow", name="slow")
    done = run("flow-run", "watch", "slow", "--timeout", "0.2", "--interval", "3600", TASKRUNS_URL=url)
    assert (done.code, done.out.count("\n")) == (5, 1)
    assert done.err == "taskruns flow-run watch: The flow run is Pending after 200ms.\n"


def test_flow_run_that_is_deleted_meanwhile_is_an_error(scratch: Client, url: str) -> None:
    flow_run = scratch.flow_runs.create(flow_name="deleted", name="deleted")
    command = [*COMMAND, "flow-run", "watch", "deleted", "--interval", "0.1"]
    environment = environment_of(TASKRUNS_URL=url)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert line_of(process.stdout) == "Pending"
        scratch.flow_runs.delete(flow_run.id)
        assert process.wait(10) == 1
