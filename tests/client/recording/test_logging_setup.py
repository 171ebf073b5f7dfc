"""What the user has set up of `logging` and `print` stays as it is while lines are recorded."""

import builtins
import logging
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from taskruns import FlowRunView, flow_run
from tests.client.recording.log_lines import lines_of, log, messages, say
from tests.client.recording.scripts import Scripts

pytestmark = pytest.mark.usefixtures("debug_level")


def test_handlers_levels_and_functions_stay_as_they_are() -> None:
    def state() -> list[object]:
        root = logging.getLogger()
        return [[*root.handlers], root.level, log.level, [*log.handlers], logging.Logger.callHandlers, builtins.print]

    before = state()
    with flow_run("etl", capture_prints=True):
        assert state()[:4] == before[:4]
        say("one")
    assert state() == before
    with pytest.raises(KeyboardInterrupt), flow_run("etl", capture_prints=True):
        raise KeyboardInterrupt
    assert state() == before


def test_other_handlers_get_every_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with flow_run("etl", log_level="ERROR"):
        log.debug("debug")
        say("warning")
        log.error("error")
    assert [message for name, _, message in caplog.record_tuples if name == log.name] == ["debug", "warning", "error"]


def test_logger_that_does_not_propagate_is_captured_and_filters_hold() -> None:
    log.propagate = False
    log.addFilter(keep := lambda record: "secret" not in record.getMessage())
    try:
        with flow_run("etl") as run:
            log.info("secret")
            log.info("public")
    finally:
        log.removeFilter(keep)
        log.propagate = True
    assert messages(run) == ["public"]


CONFIG = {"version": 1, "handlers": {"h": {"class": "logging.StreamHandler"}}, "root": {"handlers": ["h"]}}
SETUPS: dict[str, tuple[str, str]] = {
    "nothing": ("", "one\n"),
    "basicConfig": ("logging.basicConfig(format='set up: %(message)s')", "set up: one\n"),
    "dictConfig": (f"logging.config.dictConfig({CONFIG})", "one\n"),
    "forced": ("logging.basicConfig(force=True, format='forced: %(message)s')", "forced: one\n"),
}


@pytest.mark.parametrize("setup", SETUPS)
def test_logging_may_be_set_up_inside_a_flow_run(scripts: Scripts, setup: str) -> None:
    code, expected = SETUPS[setup]
    out, err = scripts.run(f"""
        import logging, logging.config
        from taskruns import flow_run, task

        with flow_run("etl") as run:
            {code or "pass"}
            logging.getLogger("etl").warning("one")
        print([line.message for line in run.view().get_logs()], logging.getLogger().hasHandlers())
    """)
    assert err == expected
    assert out == f"['one'] {bool(code)}\n"


def test_function_that_somebody_else_puts_around_it_stays() -> None:
    seen: list[str] = []
    before = builtins.print

    def around(write: Callable[..., None], *values: object) -> None:
        seen.append(str(values[0]))
        write(*values)

    try:
        with flow_run("etl", capture_prints=True):
            builtins.print = partial(around, builtins.print)
        print("outside")
        with flow_run("etl", capture_prints=True) as run:
            print("inside")
    finally:
        builtins.print = before
    assert seen == ["outside", "inside"]
    assert messages(run) == ["inside"]


def test_sigterm_ends_the_capture_and_loses_no_line(scripts: Scripts, tmp_path: Path) -> None:
    script = scripts.start("""
        import logging, sys, time
        from taskruns import flow_run, task

        @task(result=None)
        def wait():
            logging.warning("waiting")
            print(run.flow_run_id, flush=True)
            time.sleep(60)

        with flow_run("etl") as run:
            wait()
    """)
    with script:
        assert script.stdout is not None
        flow_run_id = script.stdout.readline().strip()
        script.send_signal(signal.SIGTERM)
    assert lines_of(FlowRunView.from_flow_run_id(flow_run_id)) == [("wait-1", "waiting")]
