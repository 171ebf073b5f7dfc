"""Lists: every form, every filter, how many are shown, and what else goes to standard error."""

import csv
import io
import json
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from taskruns.cli import filters, list_command, output, param_types
from taskruns.cli.filters import Filter
from taskruns.client import Client
from tests.client.cli.running import COMMAND, Ran, on_terminal, run, spawn
from tests.client.cli.world import BEGIN, HOSTILE, HOSTILE_SHOWN, World, task
from tests.service import environment_of

Look = Callable[..., Ran]
LISTS = [["flow-run", "ls"], ["flow-run", "tasks", "calm-heron"], ["task-run", "ls"]]


def rows(text: str) -> list[list[str]]:
    """The rows of a table, at the gaps of two spaces or more."""
    return [[cell.strip() for cell in line.split("  ") if cell] for line in text.splitlines()]


def test_flow_runs_are_listed_newest_first(look: Look) -> None:
    done = look("flow-run", "ls")
    assert (done.code, done.err) == (0, "")
    title, *lines = rows(done.out)
    assert title == ["NAME", "FLOW", "STATE", "STARTED", "TOOK", "TASK RUNS", "ID"]
    assert [line[0] for line in lines] == ["night-1", "calm-heron", "brave-otter", HOSTILE_SHOWN]
    assert lines[1][2:-1] == [
        "Failed",
        "2021-05-12T18:00:02Z",
        "1h06m",
        "1 Mapped, 2 Success, 1 Failed, 1 TriggerFailed",
    ]


def test_task_runs_of_a_flow_run_are_listed_as_they_were_made(look: Look) -> None:
    done = look("flow-run", "tasks", "calm-heron")
    title, *lines = rows(done.out)
    assert title == ["TASK", "STATE", "STARTED", "TOOK", "MESSAGE", "ID"]
    assert [line[0] for line in lines] == ["extract-1", "inc-1", "inc-1[0]", "inc-1[1]", "load-1"]
    assert lines[3][1:5] == ["Failed", "2021-05-12T18:00:05Z", "1h01m", "ZeroDivisionError: division by zero"]


def test_table_in_a_pipe_is_aligned_and_not_cut(look: Look) -> None:
    title, *lines = (line.ljust(200) for line in look("task-run", "ls").out.splitlines())
    assert max(len(line.rstrip()) for line in lines) > 120
    for name in ("TASK", "STATE", "STARTED"):
        at = title.index(f"  {name}") + 2
        assert all(line[at - 2 : at] == "  " and (name == "STARTED" or line[at] != " ") for line in lines)


@pytest.mark.parametrize("path", LISTS, ids=" ".join)
def test_json_is_what_the_api_has(path: list[str], look: Look, world: World) -> None:
    done = look(*path, "--json")
    assert (done.code, done.err) == (0, "")
    route = {"flow-run ls": "/flow-runs", "task-run ls": "/task-runs"}.get(
        " ".join(path), f"/flow-runs/{world.flow_runs['calm-heron']}/task-runs"
    )
    with world.http() as http:
        items = http.get(route).json()["items"]
    if "ls" in path:
        items.sort(key=lambda item: item["start_time"] or item["created"], reverse=True)
    assert json.loads(done.out) == items
    # A line for each item, for programs that read lines.
    assert len(done.out.splitlines()) == len(json.loads(done.out)) + 2


@pytest.mark.parametrize("path", LISTS, ids=" ".join)
def test_csv_has_every_member_in_an_order_that_stays(path: list[str], look: Look) -> None:
    done = look(*path, "--csv")
    assert (done.code, done.err) == (0, "")
    assert all(line.endswith("\r\n") for line in io.StringIO(done.out, newline="\n") if HOSTILE[-4:] not in line)
    header, *lines = csv.reader(io.StringIO(done.out, newline=""))
    fields = list_command.FLOW_RUN_FIELDS if path == ["flow-run", "ls"] else list_command.TASK_RUN_FIELDS
    assert tuple(header) == fields
    for line, item in zip(lines, json.loads(look(*path, "--json").out), strict=True):
        for name, cell in zip(header, line, strict=True):
            value = item[name]
            assert cell == (
                "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            )


@pytest.mark.parametrize("path", LISTS, ids=" ".join)
def test_quiet_has_the_ids_only(path: list[str], look: Look) -> None:
    ids = [item["id"] for item in json.loads(look(*path, "--json").out)]
    assert look(*path, "-q").out.splitlines() == look(*path, "--quiet").out.splitlines() == ids


def test_fields_stand_in_the_order_in_which_they_are_asked_for(look: Look) -> None:
    asked = ("flow-run", "tasks", "calm-heron", "--fields", "state,task_slug,tags", "--limit", "2")
    assert rows(look(*asked).out) == [["STATE", "TASK_SLUG", "TAGS"], ["Success", "extract-1"], ["Mapped", "inc-1"]]
    assert look(*asked, "--csv").out == "state,task_slug,tags\r\nSuccess,extract-1,[]\r\nMapped,inc-1,[]\r\n"
    assert look(*asked, "--json").out.splitlines()[1] == '{"state":"Success","task_slug":"extract-1","tags":[]},'


def test_fields_are_shown_as_people_read_them(look: Look) -> None:
    fields = "task_slug,map_index,tags,has_result,duration,queue_time,start_time,end_time,run_count"
    done = look("task-run", "ls", "--flow-name", "etl", "--fields", fields, "-s", "Success", "--map-index", "2")
    assert rows(done.out)[1] == [
        *("inc-1", "2", "etl, n2", "yes", "1m00s", "3s", "2021-05-12T18:00:07Z", "2021-05-12T18:01:07Z", "1"),
    ]


def test_nothing_found_is_no_failure(look: Look) -> None:
    asked = ("task-run", "ls", "--flow-name", "none")
    assert look(*asked)[::2] == (0, "No task runs.\n")
    assert look(*asked, "--json") == (0, "[]\n", "")
    assert look(*asked, "--csv").out.startswith("id,")
    assert look(*asked, "-q") == (0, "", "")


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"], ["-q"]], ids="".join)
def test_more_than_are_shown_are_told_unless_the_limit_was_asked_for(
    form: list[str], scratch: Client, url: str
) -> None:
    flow_run = scratch.flow_runs.create(flow_name="many")
    for start in (0, 600):
        items = [task("many", ("Success", 1.0), map_index=start + index) for index in range(600)]
        scratch.flow_runs.report(flow_run.id, items=items)

    def count(*limit: str) -> tuple[int, str]:
        done = run("flow-run", "tasks", str(flow_run.id), *form, *limit, TASKRUNS_URL=url)
        assert done.code == 0
        around = {"--json": 2, "-q": 0}.get("".join(form), 1)
        return len(done.out.splitlines()) - around, done.err

    told = "Only 50 task runs are shown. To show all, use --all; to show more, use --limit.\n"
    assert count() == (50, told)
    assert count("--limit", "3") == (3, "")
    assert count("--limit", "1000") == (1000, "")
    assert count("--limit", "1100") == (1100, "")
    assert count("--all") == (1200, "")
    assert count("--map-index", ",".join(map(str, range(50)))) == (50, "")


def test_sort_is_passed_on(look: Look) -> None:
    slugs = look(
        "flow-run", "tasks", "calm-heron", "--sort", "-task_slug,map_index", "--fields", "task_slug", "--csv"
    ).out
    assert slugs.splitlines()[1:] == ["load-1", "inc-1", "inc-1", "inc-1", "extract-1"]


EXAMPLES = {
    param_types.STATES: ["Failed", "success"],
    param_types.GROUPS: ["failed", "Running"],
    param_types.TIME: ["2021-05-12T18:00:05+00:00"],
    param_types.SECONDS: ["1m"],
    param_types.INTEGERS: ["0", "-1"],
    param_types.IDS: ["00000000-0000-4000-8000-000000000001"],
    param_types.ID_PREFIX: ["00000000-0"],
}


def examples(one: Filter) -> list[str]:
    """Arguments that give a filter."""
    option = f"--{one.name.replace('_', '-')}"
    if one.type.name == "boolean":
        return [option]
    found = EXAMPLES.get(one.type, ["1"])
    return [word for value in found[: 2 if one.many else 1] for word in (option, value)]


@pytest.mark.parametrize(
    ("path", "table"),
    [
        (["flow-run", "ls"], filters.FLOW_RUN_FILTERS),
        (["flow-run", "tasks", "-f", "etl"], filters.IN_ONE_FLOW_RUN),
        (["task-run", "ls"], filters.TASK_RUN_FILTERS),
        (["task-run", "count"], filters.TASK_RUN_FILTERS),
        (["task-run", "aggregate"], filters.TASK_RUN_FILTERS),
        (["flow-run", "count"], filters.FLOW_RUN_FILTERS),
        (["flow-run", "aggregate"], filters.FLOW_RUN_FILTERS),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value[0], str) else "",
)
def test_service_takes_all_filters_together(path: list[str], table: list[Filter], look: Look) -> None:
    done = look(*path, *(word for one in table for word in examples(one)))
    assert done.code == 0, done.err


@pytest.mark.parametrize("one", filters.TASK_RUN_FILTERS, ids=lambda one: one.name)
def test_filter_leaves_what_the_client_says(one: Filter, look: Look, world: World) -> None:
    moment = {"gte": 5, "gt": 5, "lte": 3600, "lt": 3600}
    given: dict[str, Any] = {
        "state": ["Failed", "Success"],
        "state_not": ["Success"],
        "state_group": ["failed"],
        "task_slug": ["inc-1", HOSTILE],
        "task_slug_prefix": "in",
        "task_name": ["inc", "extract"],
        "name_contains": "VIL",
        "task_run_id": [next(iter(world.client.task_runs.list())).id],
        "task_run_id_prefix": str(next(iter(world.client.task_runs.list())).id)[:20],
        "flow_run_id": [world.flow_runs["brave-otter"], world.flow_runs["night-1"]],
        "flow_name": ["etl", HOSTILE],
        "map_index": [0, 2],
        "tag": ["n1", "a,b"],
        "tag_all": ["etl", "n1"],
        "run_count_gte": 2,
        "duration_gte": 60.0,
        "duration_lte": 60.0,
        "run_time_gte": 3.0,
        "run_time_lte": 60.0,
        "queue_time_gte": 1.0,
        "queue_time_lte": 1.0,
        "after_sequence": 10,
        "message": ["ZeroDivisionError: division by zero", "Upstream failed."],
    }
    if one.type.name == "boolean":
        value: Any = True
        words = [f"--{one.name.replace('_', '-')}"]
    elif one.type is param_types.TIME:
        seconds = moment[one.name.rpartition("_")[2]]
        value = BEGIN.replace(minute=seconds // 60 % 60, second=seconds % 60)
        words = [f"--{one.name.replace('_', '-')}", value.isoformat()]
    else:
        value = given[one.name]
        each = value if one.many else [value]
        words = [word for part in each for word in (f"--{one.name.replace('_', '-')}", str(part))]
    done = look("task-run", "count", *words)
    assert (done.code, done.err) == (0, "")
    expected = world.client.task_runs.aggregate(**{one.name: value}).count
    assert int(done.out) == expected
    if one.type.name == "boolean":
        done = look("task-run", "count", words[0].replace("--", "--no-"))
        assert int(done.out) == world.client.task_runs.aggregate().count - expected


@pytest.mark.parametrize("short", [("-s", "Failed"), ("-g", "failed"), ("-t", "inc-1"), ("-f", "etl")], ids="".join)
def test_common_filters_have_short_names(short: tuple[str, str], look: Look) -> None:
    long = {"-s": "--state", "-g": "--state-group", "-t": "--task-slug", "-f": "--flow-name"}[short[0]]
    assert look("task-run", "count", *short) == look("task-run", "count", long, short[1]) != look("task-run", "count")


def test_since_and_until_are_the_start(look: Look) -> None:
    since, until = ("2021-05-12T18:00:05Z", "2021-05-12T18:00:07Z")
    long = look("task-run", "count", "--start-time-gte", since, "--start-time-lt", until)
    assert look("task-run", "count", "--since", since, "--until", until) == long == (0, "6\n", "")
    assert look("task-run", "count", "--since", "-1h").out == "0\n"
    assert look("flow-run", "ls", "-q", "--created-gte", "-1h", "--created-lt", "now").out.count("\n") == 4


@pytest.mark.parametrize("path", LISTS, ids=" ".join)
@pytest.mark.parametrize(("name", "flag"), [("json", "--json"), ("csv", "--csv"), ("ids", "-q")])
def test_form_is_named_too(path: list[str], name: str, flag: str, look: Look) -> None:
    assert look(*path, "-o", name) == look(*path, "--format", name) == look(*path, flag)


def test_jq_filters_json(look: Look, world: World) -> None:
    assert look("flow-run", "ls", "-f", "etl", "--jq", ".[].name") == (0, "calm-heron\nbrave-otter\n", "")
    assert look("flow-run", "info", "brave-otter", "--jq", ".parameters.n").out == "3\n"
    result = ("task-run", "result", "inc-1", "--flow-run-name", "brave-otter")
    assert look(*result, "--jq", ".[1].value").out == "3\n"
    shown = on_terminal("flow-run", "ls", "--jq", ".[-1].name", TASKRUNS_URL=world.url).out
    assert shown == HOSTILE_SHOWN.replace(r"\n", "\n") + "\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--jq", ".["], 2, "taskruns flow-run ls: --jq: jq: error: syntax error"),
        (["--jq", ".nope"], 1, "taskruns: --jq: jq: error (at <stdin>"),
        (["--csv", "--jq", "."], 2, "taskruns flow-run ls: --jq works on JSON: omit the other format."),
    ],
    ids=lambda value: str(value)[:20],
)
def test_jq_that_does_not_get_through_is_one_line(arguments: list[str], code: int, message: str, look: Look) -> None:
    done = look("flow-run", "ls", *arguments)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(message)
    assert done.err.count("\n") == 1


def test_jq_that_is_missing_is_said(look: Look, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = look("flow-run", "ls", "--jq", ".")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("taskruns: --jq needs the program jq, which is not installed.")


@pytest.mark.parametrize(("option", "word", "meant"), [("-s", "Sucess", "Success"), ("-g", "faild", "failed")])
def test_word_that_is_misspelt_is_told_what_it_may_have_meant(option: str, word: str, meant: str, look: Look) -> None:
    done = look("task-run", "ls", option, word)
    assert (done.code, done.out) == (2, "")
    assert f"Did you mean {meant}?" in done.err


def test_task_runs_of_all_flow_runs_have_their_flow_and_flow_run(look: Look) -> None:
    title, *lines = rows(look("task-run", "ls", "-f", "etl").out)
    assert title == ["FLOW", "FLOW RUN", "TASK", "STATE", "STARTED", "TOOK", "MESSAGE", "ID"]
    assert {tuple(line[:2]) for line in lines} == {("etl", "calm-heron"), ("etl", "brave-otter")}


def test_values_may_have_commas_between_them(look: Look) -> None:
    assert look("task-run", "count", "-s", "Failed, Queued", "-s", "running") == (0, "4\n", "")
    assert look("task-run", "count", "--map-index", "0,1") == (0, "4\n", "")
    # Of a tag the comma may be a part.
    assert look("task-run", "count", "--tag", "a,b") == (0, "1\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sort", "nope"], "--sort: `nope` is not a sort key."),
        (["-s", "Nope"], "--state: It must be one of Pending, Scheduled,"),
        (["--map-index", "-2"], "--map-index: It must be a whole number from -1"),
        (["--task-slug", ""], "--task-slug: It must be text of 1 to 255 characters"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_the_service_does_not_take_names_the_option(arguments: list[str], message: str, look: Look) -> None:
    done = look("task-run", "ls", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"taskruns task-run ls: {message}")
    assert done.err.endswith(" See `taskruns task-run ls --help`.\n")


def test_names_that_mean_no_good_are_escaped_for_people_and_json(look: Look, world: World) -> None:
    bad = set("\x1b\r\u202e")
    for path in (["flow-run", "ls"], ["flow-run", "tasks", str(world.flow_runs[HOSTILE])], ["task-run", "ls"]):
        for form in ([], ["--json"], ["-q"], ["--fields", "id,state_message"] if path[1] != "ls" else []):
            done = look(*path, *form)
            assert done.code == 0
            assert not bad & set(done.out)
    assert json.loads(look("flow-run", "ls", "--json").out)[-1]["name"] == HOSTILE
    name = list(csv.reader(io.StringIO(look("flow-run", "ls", "--csv", "--fields", "name").out, newline="")))[-1]
    assert name == [HOSTILE]


def test_names_of_others_reach_the_screen_escaped_in_errors_too(look: Look) -> None:
    done = look("flow-run", "info", "\x1b]0;title\x07")
    assert (done.code, done.out) == (1, "")
    assert r"\x1b]0;title\x07" in done.err
    assert "\x1b" not in done.err


def test_reader_that_has_seen_enough_is_no_error(world: World) -> None:
    for form in (["--json"], ["--csv"], [], ["-q"]):
        reader, writer = os.pipe()
        os.close(reader)
        command = [*COMMAND, "task-run", "ls", "--all", *form]
        environment = environment_of(TASKRUNS_URL=world.url)
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environment, check=False)
        os.close(writer)
        assert (done.returncode, done.stderr) == (0, b"")


def test_items_are_written_as_they_come() -> None:
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")

    def items() -> Iterator[dict[str, int]]:
        yield {"n": 1}
        assert b'{"n":1}' in out.buffer.getvalue()
        yield {"n": 2}

    with redirect_stdout(out):
        output.write_json_list(items())
    assert out.buffer.getvalue() == b'[\n{"n":1},\n{"n":2}\n]\n'


def test_verbose_tells_what_is_asked(world: World) -> None:
    for arguments in (["-v", "flow-run", "ls", "-q"], ["flow-run", "ls", "-q", "--verbose"]):
        done = spawn(*arguments, TASKRUNS_URL=world.url)
        assert (done.code, len(done.out.splitlines())) == (0, 4)
        assert "taskruns: list_flow_run_fields answered 200 to GET " in done.err


def test_letters_that_a_terminal_does_not_know_are_escaped(scratch: Client, url: str) -> None:
    scratch.flow_runs.create(flow_name="größe", name="größe")
    done = spawn("flow-run", "ls", "-f", "größe", TASKRUNS_URL=url, PYTHONIOENCODING="ascii")
    assert (done.code, done.err) == (0, "")
    assert r"gr\xf6\xdfe" in done.out
    done = spawn("flow-run", "ls", "-f", "größe", "--json", TASKRUNS_URL=url, PYTHONIOENCODING="ascii")
    assert json.loads(done.out)[0]["name"] == "größe"


def test_options_of_the_connection_may_stand_before_or_behind(world: World) -> None:
    wrong = {"TASKRUNS_URL": "http://127.0.0.1:1"}
    for arguments in (["--url", world.url, "flow-run", "ls", "-q"], ["flow-run", "ls", "-q", "--url", world.url]):
        assert run(*arguments, **wrong).code == 0


@pytest.mark.parametrize(
    "arguments", [["task-run", "ls"], ["task-run", "ls", "--json"], ["task-run", "ls", "--help"]], ids=" ".join
)
def test_disk_that_is_full_is_one_line(arguments: list[str], world: World) -> None:
    with Path("/dev/full").open("w") as full:
        command, environment = [*COMMAND, *arguments], environment_of(TASKRUNS_URL=world.url)
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment, check=False)
    assert (done.returncode, done.stderr) == (1, b"taskruns: [Errno 28] No space left on device\n")


def test_outputs_that_are_closed_are_no_error(world: World) -> None:
    command, environment = shlex.join([*COMMAND, "flow-run", "ls"]), environment_of(TASKRUNS_URL=world.url)
    done = subprocess.run(["sh", "-c", f"{command} >&- 2>&-"], env=environment, check=False)
    assert done.returncode == 0
