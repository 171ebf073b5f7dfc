"""`taskruns why`, and the traceback in `info`."""

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from taskruns import Client
from taskruns.cli import failures
from taskruns.cli.demo import ZERO_DIVISION
from taskruns.models import StateCreate, StateType, TaskRunReport
from tests.client.cli.running import Ran, on_terminal, run
from tests.client.cli.world import HOSTILE, HOSTILE_SHOWN, World

Look = Callable[..., Ran]
FAILED = StateType.FAILED
STYLE = re.compile(r"\x1b\[[0-9;]*m")
"""What a terminal is told of the style of a text."""


def failed(
    slug: str, message: str, traceback: str | None = None, *, map_index: int = -1, type: StateType = FAILED
) -> TaskRunReport:
    """A report of a task run that failed."""
    details: Any = {} if traceback is None else {"traceback": traceback}
    return TaskRunReport(
        task_slug=slug, map_index=map_index, states=[StateCreate(type=type, message=message, details=details)]
    )


def record(client: Client, *reports: TaskRunReport, state: str = "Failed", flow_name: str | None = None) -> UUID:
    """Records a flow run with these task runs, of a flow of its own."""
    flow_run = client.flow_runs.create(id=uuid4(), flow_name=flow_name or f"why-{uuid4()}")
    if reports:
        client.flow_runs.report(flow_run.id, items=reports)
    client.flow_runs.set_state(flow_run.id, type="Running")
    client.flow_runs.set_state(flow_run.id, type=state, message=f"It is {state}.", details={"traceback": "own"})
    return flow_run.id


def groups_of(url: str, flow_run_id: UUID) -> list[tuple[str, int]]:
    """The groups of failures in a flow run: their messages and their counts."""
    data = json.loads(run("why", str(flow_run_id), "--json", TASKRUNS_URL=url).out)
    return [(group["message"], group["count"]) for group in data["groups"]]


def test_latest_failed_flow_run_is_explained(look: Look, world: World) -> None:
    done = look("why")
    assert (done.code, done.err) == (0, "")
    flow_run_id = world.flow_runs["calm-heron"]
    of_inc, of_load = (
        view.id for view in world.client.flow_runs.task_runs(flow_run_id, state_group=["failed"], sort="task_slug")
    )
    traceback = "".join(f"    {line}\n" for line in ZERO_DIVISION.splitlines())
    assert done.out == (
        f"Flow run   calm-heron (etl)  {flow_run_id}\n"
        "State      Failed\n"
        "Task runs  1 Mapped, 2 Success, 1 Failed, 1 TriggerFailed\n"
        "\n"
        "1 task run: ZeroDivisionError: division by zero\n"
        f"  inc-1[1]  {of_inc}\n{traceback}"
        "\n"
        "1 task run: Upstream failed.\n"
        f"  load-1  {of_load}\n"
        "\n"
        "Next:\n"
        f"  taskruns task-run info {of_inc}\n"
        f"  taskruns task-run states {of_inc}\n"
        f"  taskruns flow-run tasks {flow_run_id} --state-group failed\n"
    )
    for line in done.out.partition("Next:\n")[2].splitlines():
        assert look(*line.split()[1:]).code == 0


@pytest.mark.parametrize("arguments", [["calm-heron"], ["-f", "etl"], ["4ffabe61"]], ids=str)
def test_flow_run_is_named_as_in_other_commands(arguments: list[str], look: Look) -> None:
    assert look("why", *arguments).out == look("why").out


def test_where_nothing_failed_it_says_so(look: Look) -> None:
    done = look("why", "brave-otter")
    assert (done.code, done.out.splitlines()[-1]) == (0, "Nothing has failed in this flow run.")
    assert look("why", "-f", "nightly") == (0, "No flow run of the flow 'nightly' has failed.\n", "")
    data = json.loads(look("why", "-f", "nightly", "--json").out)
    assert (data["flow_run"], data["groups"], data["commands"]) == (None, [], [])
    assert look("why", "nobody").code == 1


def test_failures_with_other_numbers_are_one_group(url: str, scratch: Client) -> None:
    flow_run_id = record(
        scratch,
        *(failed("rows", f"Unexpected error: KeyError('row {index}')", map_index=index) for index in range(12)),
        failed("load", f"no object {uuid4()}"),
        failed("store", f"no object {uuid4()}"),
        failed("skipped", "Upstream failed.", type=StateType.TRIGGER_FAILED),
        failed("other", "Upstream failed.", type=StateType.TRIGGER_FAILED),
        failed("third", "Upstream failed.", type=StateType.TRIGGER_FAILED),
    )
    assert groups_of(url, flow_run_id) == [
        ("Unexpected error: KeyError('row #')", 12),
        ("no object #", 2),
        ("Upstream failed.", 3),
    ]

    out = run("why", str(flow_run_id), TASKRUNS_URL=url).out
    assert "\n12 task runs: KeyError('row #')\n  rows[0]  " in out
    assert "\n  and 9 more\n" in out


def test_groups_are_those_of_the_service(url: str, scratch: Client) -> None:
    messages = [
        *("defaced by 3fa9c2d", "effaced by 4ab1c2d", "defaced by 99", None, "", "\n  first 1 \r\nsecond"),
        *("x" * 300, "Unexpected error: at 0x7f3aDeadBeef", "at 0x1f"),
    ]
    reports = [
        TaskRunReport(task_slug=f"load-{number}", states=[StateCreate(type=FAILED, message=message)])
        for number, message in enumerate(messages)
    ]
    flow_run_id = record(scratch, *reports)
    answer = scratch.task_runs.aggregate(flow_run_id=[flow_run_id], state_group=["failed"], group_by=["message"])
    expected = {group.key.message: group.count for group in answer.groups or ()}
    assert dict(groups_of(url, flow_run_id)) == expected
    assert expected["defaced by #"] == 2


def test_own_error_of_the_flow_run_is_shown_unless_a_task_run_has_it(url: str, scratch: Client) -> None:
    only_its_own = record(scratch)
    out = run("why", str(only_its_own), TASKRUNS_URL=url).out
    assert "\n\n    own\n\nNext:\n" in out
    assert f"\n  taskruns flow-run info {only_its_own}\n" in out

    same = record(scratch, failed("load", "It is Failed.", "of the task run"))
    out = run("why", str(same), TASKRUNS_URL=url).out
    assert "\n    own\n" not in out
    assert "\n    of the task run\n" in out


def test_flow_run_that_goes_on_may_have_failures(url: str, scratch: Client) -> None:
    flow_run_id = record(scratch, failed("load", "no"), state="Running")
    assert groups_of(url, flow_run_id) == [("no", 1)]


def test_counts_are_exact_and_messages_that_are_not_shown_are_counted(
    url: str, scratch: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "MAX_GROUPS", 1)
    reports = [failed("rows", f"row {index} is empty", map_index=index) for index in range(1000)]
    flow_run_id = record(scratch, *reports)
    scratch.flow_runs.report(
        flow_run_id,
        items=[*(failed("more", f"row {index} is empty", map_index=index) for index in range(500)), failed("a", "no")],
    )
    done = run("why", str(flow_run_id), TASKRUNS_URL=url)
    assert "\n1500 task runs: row # is empty\n" in done.out
    assert "\nThere is 1 more message.\n" in done.out
    data = json.loads(run("why", str(flow_run_id), "--json", TASKRUNS_URL=url).out)
    assert (data["failed_count"], data["group_count"], len(data["groups"]), data["truncated"]) == (1501, 2, 1, False)
    monkeypatch.setattr(failures, "MAX_MESSAGES", 1)
    done = run("why", str(flow_run_id), TASKRUNS_URL=url)
    assert "\nThere are more messages.\n" in done.out


def test_data_has_what_people_see(look: Look, world: World) -> None:
    data = json.loads(look("why", "calm-heron", "-o", "json").out)
    assert data["flow_run"]["id"] == str(world.flow_runs["calm-heron"])
    first, second = data["groups"]
    assert (first["message"], first["count"]) == ("ZeroDivisionError: division by zero", 1)
    assert (first["traceback"], second["traceback"]) == (ZERO_DIVISION, None)
    assert [task_run["task_slug"] for task_run in first["task_runs"]] == ["inc-1"]
    assert len(data["commands"]) == 3


def test_info_shows_the_traceback(look: Look, url: str, scratch: Client) -> None:
    out = look("task-run", "info", "inc-1[1]", "--flow-run-name", "calm-heron").out
    block = ZERO_DIVISION.replace("\n", f"\n{'':11}")
    assert out.endswith(f"\nTraceback  {block}\n")
    out = run("flow-run", "info", str(record(scratch)), TASKRUNS_URL=url).out
    assert out.endswith("\nTraceback  own\n")
    assert "Traceback" not in look("task-run", "info", "load-1", "--flow-run-name", "calm-heron").out


def test_no_control_character_of_a_traceback_gets_through(url: str, scratch: Client) -> None:
    flow_run_id = record(scratch, failed(HOSTILE, f"It said {HOSTILE}.", f"first {HOSTILE}\n  second\x0b\u2028 line"))
    (task_run,) = scratch.flow_runs.task_runs(flow_run_id)
    for arguments in (["why", str(flow_run_id)], ["task-run", "info", str(task_run.id)]):
        for done in (run(*arguments, TASKRUNS_URL=url), on_terminal(*arguments, TASKRUNS_URL=url)):
            out = STYLE.sub("", done.out)
            assert all(line.isprintable() for line in out.split("\n")), out
            for line in (*f"first {HOSTILE_SHOWN}".split(r"\n"), r"  second\x0b\u2028 line"):
                assert f"  {line}" in out


def test_long_traceback_of_anybody_is_cut(url: str, scratch: Client) -> None:
    flow_run_id = record(scratch, failed("load", "no", "x" * 100_000 + "\nthe end"))
    out = run("why", str(flow_run_id), TASKRUNS_URL=url).out
    assert "\n    …\n    xxx" in out
    assert "\n    the end\n" in out
    assert len(out) < 25_000
