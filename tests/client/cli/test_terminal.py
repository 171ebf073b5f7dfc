"""What a terminal has and a pipe has not: colours, relative times, lines that are cut."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from taskruns.client import Client
from tests.client.cli.running import on_terminal
from tests.client.cli.world import BEGIN, HOSTILE_SHOWN, World, task

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def test_states_have_their_colours(world: World) -> None:
    out = on_terminal("flow-run", "tasks", "calm-heron", TASKRUNS_URL=world.url).out
    assert "\x1b[32mSuccess" in out
    assert "\x1b[31mFailed" in out
    assert out.startswith("\x1b[1mTASK")


@pytest.mark.parametrize(
    "arguments", [["flow-run", "ls"], ["flow-run", "info"], ["task-run", "info", "inc-1"]], ids=" ".join
)
def test_no_color_is_respected(arguments: list[str], world: World) -> None:
    coloured = on_terminal(*arguments, columns=80, TASKRUNS_URL=world.url).out
    plain = on_terminal(*arguments, columns=80, TASKRUNS_URL=world.url, NO_COLOR=1).out
    assert re.search(r"\x1b\[3[0-9]m", coloured)
    assert not re.search(r"\x1b\[([0-9]+;)*[349][0-9]", plain)
    dumb = on_terminal(*arguments, TASKRUNS_URL=world.url, TERM="dumb").out
    assert "\x1b" not in dumb
    assert ESCAPE.sub("", coloured) == ESCAPE.sub("", plain) == dumb


@pytest.mark.parametrize(
    ("columns", "titles"),
    [
        (60, ["FLOW", "FLOW RUN", "TASK", "STATE", "MESSAGE"]),
        (80, ["FLOW", "FLOW RUN", "TASK", "STATE", "STARTED", "TOOK", "MESSAGE"]),
        (120, ["FLOW", "FLOW RUN", "TASK", "STATE", "STARTED", "TOOK", "MESSAGE"]),
        (160, ["FLOW", "FLOW RUN", "TASK", "STATE", "STARTED", "TOOK", "MESSAGE", "ID"]),
    ],
)
def test_message_has_room_before_ids(columns: int, titles: list[str], world: World) -> None:
    failed = ("task-run", "ls", "-f", "etl", "-g", "failed")
    out = ESCAPE.sub("", on_terminal(*failed, columns=columns, TASKRUNS_URL=world.url, NO_COLOR=1).out)
    head, *lines = out.splitlines()
    assert re.split("  +", head) == titles
    assert max(map(len, lines)) <= columns
    assert len(lines) == 2
    assert ("ZeroDivisionError: division by zero" in out) == (columns >= 120)
    assert all("calm-he" in line for line in lines)
    assert "ZeroDivisi" in out


def test_message_is_shown_without_what_all_errors_begin_with(scratch: Client, url: str) -> None:
    message = "Unexpected error: ValueError('no')"
    flow_run = scratch.flow_runs.create(flow_name="said", name="said")
    scratch.flow_runs.set_state(flow_run.id, type="Failed", message=message)
    scratch.flow_runs.report(flow_run.id, items=[task("a", ("Failed", 1.0), message=message)])
    for arguments in (
        ("task-run", "ls", "-f", "said"),
        ("flow-run", "tasks", "said"),
        ("task-run", "info", "a", "-f", "said"),
        ("task-run", "states", "a", "-f", "said"),
        ("flow-run", "info", "said"),
        ("flow-run", "watch", "said"),
    ):
        done = on_terminal(*arguments, TASKRUNS_URL=url, TERM="xterm")
        assert "ValueError('no')" in done.out
        assert "Unexpected" not in done.out


@pytest.mark.parametrize("columns", [60, 250])
def test_lines_are_cut_to_the_width(columns: int, world: World) -> None:
    for arguments in (["flow-run", "ls"], ["task-run", "ls"], ["flow-run", "tasks", "calm-heron"]):
        done = on_terminal(*arguments, columns=columns, TASKRUNS_URL=world.url, NO_COLOR=1)
        lines = ESCAPE.sub("", done.out).splitlines()
        assert max(map(len, lines)) <= columns
        assert len(lines) == {"ls": {"flow-run": 5, "task-run": 18}[arguments[0]]}.get(arguments[1], 6)
        if columns == 250:
            assert "…" not in done.out
            assert " ID" in f" {lines[0]}"
        assert not set("\x1b\u202e") & set("".join(lines))


def test_what_is_cut_ends_with_an_ellipsis(world: World) -> None:
    out = on_terminal("flow-run", "ls", columns=80, TASKRUNS_URL=world.url, TERM="dumb").out
    assert HOSTILE_SHOWN[:10] in out
    assert HOSTILE_SHOWN not in out
    assert "…" in out


def test_times_are_relative_and_what_runs_goes_on(scratch: Client, url: str) -> None:
    flow_run = scratch.flow_runs.create(flow_name="now", name="now")
    for slug, ago in (("days", 3 * 86400 + 60), ("hours", 7260), ("minutes", 190)):
        started = (datetime.now(UTC) - timedelta(seconds=ago) - BEGIN).total_seconds()
        scratch.flow_runs.report(flow_run.id, items=[task(slug, ("Running", started))])
    out = on_terminal("flow-run", "tasks", str(flow_run.id), TASKRUNS_URL=url, TERM="dumb").out
    found = [re.split("  +", line)[2:4] for line in out.splitlines()[1:]]
    assert found[:2] == [["3d ago", "3d00h+"], ["2h ago", "2h01m+"]]
    assert found[2][0] == "3m ago"
    assert re.fullmatch(r"3m[1-3]\ds\+", found[2][1])


def test_nothing_found_is_said(world: World) -> None:
    done = on_terminal("task-run", "ls", "-f", "none", TASKRUNS_URL=world.url)
    assert done == (0, "No task runs.\n", "")


def test_json_on_a_terminal_is_that_of_a_pipe(world: World) -> None:
    out = on_terminal("flow-run", "ls", "--json", TASKRUNS_URL=world.url).out
    assert out.startswith('[\n{"created":"')
    assert not set("\x1b\u202e") & set(out)


def test_large_results_are_laid_out(world: World) -> None:
    where = ("task-run", "result", "inc-1", "--flow-run-name", "brave-otter")
    assert (
        on_terminal(*where, columns=30, TASKRUNS_URL=world.url).out
        == "[{'value': 2},\n {'value': 3},\n {'value': 4}]\n"
    )
