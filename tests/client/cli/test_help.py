"""The help, the version, and the completion of shells; and that none of them needs what only commands need."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from taskruns import Client, __version__, models
from taskruns.cli import filters, list_command
from taskruns.cli.app import cli
from tests.client.cli.running import COMMAND, run, spawn
from tests.client.cli.world import World
from tests.service import environment_of

DOCUMENT = json.loads((Path(__file__).parents[3] / "openapi.json").read_text())
OPERATIONS = {
    "task-run ls": "/task-runs",
    "task-run count": "/task-runs/aggregate",
    "task-run aggregate": "/task-runs/aggregate",
    "flow-run ls": "/flow-runs",
    "flow-run count": "/flow-runs/aggregate",
    "flow-run aggregate": "/flow-runs/aggregate",
    "flow-run tasks": "/flow-runs/{flow_run_id}/task-runs",
}
NO_FILTERS = {
    *("sort", "fields", "limit", "cursor", "group_by", "measure", "count_limit", "bucket", "timezone", "histogram"),
    *("bucket_time", "compare"),
}


def commands(group: click.Group = cli, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        whole = f"{path} {name}".strip()
        yield whole, command
        if isinstance(command, click.Group):
            yield from commands(command, whole)


MISSING = "taskruns: Install the `cli` extra of taskruns. Without it, only `taskruns flush` is available.\n"
COMMANDS = dict(commands())
LEAVES = [path for path, command in COMMANDS.items() if not isinstance(command, click.Group)]


@pytest.mark.parametrize("path", ["", *COMMANDS])
def test_help_explains_the_command(path: str) -> None:
    long, short = (run(*path.split(), option) for option in ("--help", "-h"))
    assert long == short
    assert (long.code, long.err) == (0, "")
    assert long.out.startswith(f"Usage: {f'taskruns {path}'.strip()} [OPTIONS]")


@pytest.mark.parametrize("path", LEAVES)
def test_help_has_an_example_that_is_understood(path: str) -> None:
    examples = re.findall(r"^  taskruns (.+)$", run(*path.split(), "-h").out, re.MULTILINE)
    assert examples
    for example in examples:
        # Behind a pipe or in $( ) something else begins.
        words = re.sub(r" (\$\(|\||>|&&).*", "", example).replace("'", "").split()
        assert words[: len(path.split())] == path.split()
        arguments = words[len(path.split()) :] or ([] if "$(" not in example else ["x"])
        COMMANDS[path].make_context(path, [*arguments, *(["x"] if "$(" in example else [])])


@pytest.mark.parametrize("path", COMMANDS)
def test_summary_is_whole_in_the_list_of_commands(path: str) -> None:
    assert not COMMANDS[path].get_short_help_str(66).endswith("...")


@pytest.mark.parametrize("path", ["", "flow-run", "task-run"])
def test_who_says_nothing_gets_the_help(path: str) -> None:
    assert run(*path.split()) == (2, "", run(*path.split(), "--help").out)


def test_help_names_every_option_of_a_filter_or_how_it_is_made_up() -> None:
    out = run("task-run", "ls", "-h").out
    for one in filters.TASK_RUN_FILTERS:
        dashed = one.name.replace("_", "-")
        field, _, operator = dashed.rpartition("-")
        assert f"--{dashed}" in out or re.search(rf"--\{{.*{field}.*\}}-\{{.*{operator}.*\}} TIME", out)


def test_version_is_shown() -> None:
    assert run("--version") == (0, f"taskruns, version {__version__}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["task-run", "ls", "-h"], ["flow-run", "-h"], ["completion", "zsh"]],
    ids=" ".join,
)
def test_help_imports_nothing_that_only_commands_need(arguments: list[str]) -> None:
    program = (
        "import sys, taskruns.cli\n"
        "before = set(sys.modules)\n"
        "try:\n    taskruns.cli.main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "heavy = {'httpx', 'rich', 'taskruns.client', 'msgspec', 'asyncio', 'anyio'}\n"
        "sys.exit(str((heavy | {'click'}) & before) if 'click' in before else str(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.stderr == "set()\n"


@pytest.mark.parametrize("missing", ["click", "platformdirs", "rich"])
def test_missing_extra_is_named(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from taskruns.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == MISSING


@pytest.mark.parametrize("path", OPERATIONS)
def test_every_filter_of_the_service_is_an_option(path: str) -> None:
    parameters = DOCUMENT["paths"][OPERATIONS[path]]["get"]["parameters"]
    of_service = {one["name"] for one in parameters if one["in"] == "query"} - NO_FILTERS
    own = {str(param.name): param for param in COMMANDS[path].params}
    assert of_service <= own.keys()
    table = filters.FLOW_RUN_FILTERS if OPERATIONS[path].startswith("/flow-runs") else filters.TASK_RUN_FILTERS
    table = filters.TASK_RUN_FILTERS if path == "flow-run tasks" else table
    known = {one.name for one in table}
    assert of_service | ({"flow_run_id"} if path == "flow-run tasks" else set()) == known
    for name in of_service:
        dashed = name.replace("_", "-")
        assert {f"--{dashed}"} <= {*own[name].opts}
        schema = next(one["schema"] for one in parameters if one["name"] == name)
        # The flow of `flow-run tasks` says which flow run.
        assert own[name].multiple == (schema["type"] == "array") or (path, name) == ("flow-run tasks", "flow_name")


@pytest.mark.parametrize(
    ("schema", "fields"),
    [
        ("FlowRunFields", list_command.FLOW_RUN_FIELDS),
        ("FlowRunSummary", list_command.FLOW_RUN_FIELDS),
        ("TaskRunFields", list_command.TASK_RUN_FIELDS),
        ("TaskRun", list_command.TASK_RUN_FIELDS),
        ("State", list_command.STATE_FIELDS),
        ("TaskRunAttempt", list_command.ATTEMPT_FIELDS),
        ("TaskRunNeighbour", list_command.NEIGHBOUR_FIELDS),
        ("Artifact", list_command.ARTIFACT_FIELDS),
        ("FlowRunTask", list_command.TASK_FIELDS),
        ("SearchHit", list_command.HIT_FIELDS),
    ],
)
def test_fields_are_those_of_the_service(schema: str, fields: tuple[str, ...]) -> None:
    assert set(fields) == DOCUMENT["components"]["schemas"][schema]["properties"].keys()
    assert len(set(fields)) == len(fields)


@pytest.mark.parametrize(
    ("path", "sorts"),
    [("/task-runs", list_command.SORTS), ("/flow-runs/{flow_run_id}/task-runs", list_command.SORTS_IN_ONE_FLOW_RUN)],
)
def test_sorts_are_those_of_the_service(path: str, sorts: tuple[str, ...]) -> None:
    (sort,) = [one for one in DOCUMENT["paths"][path]["get"]["parameters"] if one["name"] == "sort"]
    assert f"one of {', '.join(sorts)}" in sort["description"]


def complete(line: str, **environment: Any) -> list[str]:
    """What bash is offered behind a line."""
    words = line.split(" ")
    environment |= {"_TASKRUNS_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": len(words) - 1}
    done = spawn(**environment)
    assert done.code == 0
    return [item.removeprefix("plain,") for item in done.out.split()]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        (
            "taskruns ",
            ["flow-run", "task-run", "result", "why", "slowest", "find", "flush", "demo", "config", "completion"],
        ),
        ("taskruns task-run l", ["ls", "logs"]),
        ("taskruns task-run li", ["list"]),
        ("taskruns task-run", ["task-run"]),
        ("taskruns task-run ls --state F", ["Failed", "Finished"]),
        ("taskruns task-run ls --state Failed,fi", ["Failed,Finished"]),
        ("taskruns task-run count --state-group f", ["failed", "finished"]),
        ("taskruns task-run ls --sort start_time,c", ["start_time,created"]),
        ("taskruns task-run ls --fields id,state_", ["id,state_message", "id,state_timestamp"]),
        ("taskruns task-run aggregate --group-by flow_name,flow", ["flow_name,flow_run_id"]),
        ("taskruns task-run aggregate --measure p99", ["p99_duration", "p99_run_time", "p99_queue_time"]),
        ("taskruns task-run result x --missing ", ["raise", "none"]),
        ("taskruns completion ", ["bash", "zsh", "fish"]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_shell_is_offered_what_may_follow(line: str, offered: list[str]) -> None:
    assert complete(line) == offered


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("taskruns flow-run info ca", ["calm-heron"]),
        ("taskruns flow-run rm brave-otter n", ["night-1"]),
        ("taskruns flow-run tasks -f ", ["etl", "nightly"]),
        ("taskruns task-run info inc", ["inc-1"]),
        ("taskruns task-run states x --flow-run-name br", ["brave-otter"]),
        ("taskruns task-run count --task-slug wa", ["wait-1"]),
        ("taskruns task-run ls --flow-name n", ["nightly"]),
    ],
)
def test_shell_is_offered_what_the_service_has(line: str, offered: list[str], world: World) -> None:
    assert complete(line, TASKRUNS_URL=world.url) == offered


def test_shell_is_offered_nothing_of_a_service_that_is_away() -> None:
    assert complete("taskruns flow-run info ", TASKRUNS_URL="http://127.0.0.1:1") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_for_the_shell_asks_this_program(shell: str) -> None:
    done = run("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert f"_TASKRUNS_COMPLETE={shell}_complete" in done.out


def test_script_for_bash_is_bash() -> None:
    script = run("completion", "bash").out
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "taskruns: No such command 'nope'. See `taskruns --help`.\n"),
        (["flow-run", "nope"], "taskruns flow-run: No such command 'nope'. See `taskruns flow-run --help`.\n"),
        (["flow-run", "ls", "--limit", "many"], "taskruns flow-run ls: Invalid value for '-n' / '--limit': 'many' is"),
        (
            ["task-run", "info"],
            "taskruns task-run info: Missing argument 'ID|SLUG'. See `taskruns task-run info --help`.",
        ),
        (["flow-run", "rm"], "taskruns flow-run rm: Missing argument 'ID|NAME...'."),
        (
            ["flow-run", "watch", "--interval", "0"],
            "taskruns flow-run watch: Invalid value for '--interval': '0' is not a number",
        ),
        (
            ["task-run", "ls", "--flow-run-id", "x"],
            "taskruns task-run ls: Invalid value for '--flow-run-id': 'x' is not an id.",
        ),
        (
            ["task-run", "ls", "--state", "Failed,"],
            "taskruns task-run ls: Invalid value for '-s' / '--state': 'Failed,' contains",
        ),
        (["task-run", "ls", "--json", "--csv"], "taskruns task-run ls: --json and --csv cannot be used together. See"),
        (
            ["task-run", "count", "--has-result", "--no-has-result"],
            "taskruns task-run count: --has-result and --no-has-result cannot be used together.",
        ),
        (
            ["flow-run", "ls", "-o", "csv", "-q"],
            "taskruns flow-run ls: --format and --quiet cannot be used together. See",
        ),
        (
            ["flow-run", "ls", "-q", "--fields", "id"],
            "taskruns flow-run ls: --fields and --quiet cannot be used together",
        ),
        (["flow-run", "ls", "-o", "xml"], "taskruns flow-run ls: Invalid value for '-o' / '--format': 'xml' is not"),
        (
            ["task-run", "ls", "--fields", "id,stat"],
            "taskruns task-run ls: There is no field 'stat'. Did you mean state?",
        ),
        (["task-run", "ls", "-n1", "--all"], "taskruns task-run ls: --all and --limit cannot be used together. See"),
        (
            ["task-run", "ls", "--fields", "id,x"],
            "taskruns task-run ls: There is no field 'x'. The fields are id, flow_run_id,",
        ),
        (
            ["task-run", "aggregate", "-b", "state,day,hour,flow_name"],
            "taskruns task-run aggregate: --group-by takes up to",
        ),
        (["task-run", "ls", "--url", "nope"], "taskruns task-run ls: The service's URL is 'nope'"),
        (["--timeout", "0", "flow-run", "ls"], "taskruns flow-run ls: timeout is 0.0"),
        (
            ["flow-run", "watch", "--timeout", "soon"],
            "taskruns flow-run watch: Invalid value for '--timeout': 'soon' is",
        ),
        (["completion", "tcsh"], "taskruns completion: Invalid value for '{bash|zsh|fish}': 'tcsh' is not one of"),
        (["task-run", "ls", "--tag", "\udcff"], "taskruns: The arguments must be UTF-8. See"),
        (
            ["task-run", "ls", "--task-slug", "\x1b[2J\x07", "x\x1b[31m"],
            r"taskruns task-run ls: Got unexpected extra argument (x\x1b[31m)",
        ),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(message)
    assert re.fullmatch(r"[^\n]* See `taskruns[a-z -]* --help`\.\n", done.err)


def test_wrong_option_is_told_what_it_may_have_meant() -> None:
    done = run("flow-run", "ls", "--stat", "Failed")
    assert done.code == 2
    assert "Did you mean one of" in done.err
    assert "--state" in done.err


def test_module_is_the_program() -> None:
    assert COMMAND[1:] == ["-m", "taskruns.cli"]
    assert spawn("flow-run", "--help").out == run("flow-run", "--help").out


def test_states_may_be_written_small_and_others_are_for_the_service_to_judge() -> None:
    option = next(param for param in COMMANDS["task-run ls"].params if param.name == "state")
    context = COMMANDS["task-run ls"].make_context("ls", ["--state", "failed,TIMEDOUT", "--state", "New"])
    assert filters.client_arguments({"state": context.params["state"], "tag": (), "fields": None}) == {
        "state": [models.StateType.FAILED, models.StateType.TIMED_OUT, "New"]
    }
    assert option.multiple


def test_environment_is_not_read_by_the_help() -> None:
    assert run("--help", TASKRUNS_TIMEOUT="soon") == run("--help")
    assert "TASKRUNS_TIMEOUT" in environment_of(TASKRUNS_TIMEOUT="soon")


@pytest.mark.parametrize("path", LEAVES)
def test_positional_arguments_have_a_text_of_their_own(path: str) -> None:
    arguments = [param for param in COMMANDS[path].params if isinstance(param, click.Argument)]
    assert ("\nArguments:\n" in run(*path.split(), "-h").out) == bool(arguments)
    context = click.Context(COMMANDS[path])
    for argument in arguments:
        record = argument.get_help_record(context)
        assert record is not None
        assert record[1].endswith(".")


@pytest.mark.parametrize(
    ("alias", "path"),
    [
        ("flow-runs list", "flow-run ls"),
        ("flow-run inspect", "flow-run info"),
        ("flow-run get", "flow-run info"),
        ("flow-run task-runs", "flow-run tasks"),
        ("flow-run delete", "flow-run rm"),
        ("task-runs list", "task-run ls"),
        ("task-run inspect", "task-run info"),
        ("task-run get", "task-run info"),
    ],
)
def test_command_has_other_names(alias: str, path: str) -> None:
    shown, alike = run(*path.split(), "-h"), run(*alias.split(), "-h")
    assert alike.code == 0
    assert alike.out.partition("\n")[2] == shown.out.partition("\n")[2]
    assert re.search(rf"\n  Aliases: .*\b{alias.rsplit(maxsplit=1)[-1]}\b", shown.out)
    group = run(path.split(maxsplit=1)[0], "-h").out
    assert re.search(rf"\n  {path.rsplit(maxsplit=1)[-1]}, .*\b{alias.rsplit(maxsplit=1)[-1]}\b", group)


WITHOUT_COMMAND = {
    "flow-run": {"create", "events", "report", "report-heartbeat", "report-logs", "states", "timeline"},
    "task-run": {"set-states", "update"},
}


@pytest.mark.parametrize("group", WITHOUT_COMMAND)
def test_command_answers_to_the_name_of_the_method_that_it_calls(group: str) -> None:
    with Client() as client:
        methods = vars({"flow-run": client.flow_runs, "task-run": client.task_runs}[group])
    verbs = {name.replace("_", "-") for name in methods if not name.endswith(("_fields", "_if_changed"))}
    command = COMMANDS[group]
    assert isinstance(command, click.Group)
    context = click.Context(command)
    assert {verb for verb in verbs if command.get_command(context, verb) is None} == WITHOUT_COMMAND[group]
