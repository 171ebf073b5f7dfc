"""How a flow run or a task run is meant: by id, by name or slug, or the latest; and what is said if there is none."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from taskruns.client import Client
from taskruns.models import FlowRunTasks, TaskRunAttempts
from tests.client.cli.running import Ran, run, without_latest
from tests.client.cli.world import BEGIN, HOSTILE, HOSTILE_SHOWN, World, task

Look = Callable[..., Ran]
NOBODY = "0190aaaa-0000-7000-8000-000000000000"


def of_flow_run(done: Ran) -> str:
    """The name of the flow run that was shown as JSON."""
    assert (done.code, without_latest(done).err) == (0, "")
    name: str = json.loads(done.out)["name"]
    return name


def test_flow_run_is_the_latest_or_has_an_id_or_a_name(look: Look, world: World) -> None:
    def found(*arguments: str) -> str:
        return of_flow_run(look("flow-run", "info", "--json", *arguments))

    assert found() == "night-1"
    assert found(str(world.flow_runs["brave-otter"])) == "brave-otter"
    assert found(str(world.flow_runs["brave-otter"]).upper()) == "brave-otter"
    assert found("brave-otter") == "brave-otter"
    assert found(HOSTILE) == HOSTILE
    assert found("--flow-name", "etl") == "calm-heron"
    assert found("brave-otter", "-f", "etl") == "brave-otter"


def test_name_is_meant_whole_and_as_it_is_written(scratch: Client, url: str) -> None:
    for name in ("twin", "TWIN", "twin-2"):
        scratch.flow_runs.create(flow_name="twins", name=name)
    latest = scratch.flow_runs.create(flow_name="other twins", name="twin")
    first = json.loads(run("flow-run", "info", "twin", "--json", TASKRUNS_URL=url).out)
    assert first["id"] == str(latest.id)
    of_flow = json.loads(run("flow-run", "info", "twin", "-f", "twins", "--json", TASKRUNS_URL=url).out)
    assert (of_flow["flow_name"], of_flow["name"]) == ("twins", "twin")
    assert of_flow_run(run("flow-run", "info", "TWIN", "--json", TASKRUNS_URL=url)) == "TWIN"


def begun(client: Client, flow_name: str, name: str, moment: datetime, *slugs: str, state: str = "Running") -> UUID:
    """A flow run that started at a time, which is reported now, with task runs in a state."""
    flow_run = client.flow_runs.create(flow_name=flow_name, name=name)
    client.flow_runs.set_state(flow_run.id, type="Running", timestamp=moment)
    seconds = (moment - BEGIN).total_seconds()
    client.flow_runs.report(flow_run.id, items=[task(slug, (state, seconds)) for slug in slugs])
    return flow_run.id


@pytest.mark.parametrize("state", ["Running", "TriggerFailed"])
def test_flow_run_that_arrived_late_is_not_the_latest(state: str, scratch: Client, url: str) -> None:
    """A task run that was never started is found by the start of its flow run."""
    flow, now = f"late-{uuid4()}", datetime.now().astimezone()
    latest = begun(scratch, flow, "twin", now, "a", state=state)
    begun(scratch, flow, "twin", now - timedelta(days=1), "a", state=state)

    for arguments in (["flow-run", "info", "--json"], ["flow-run", "info", "twin", "--json"]):
        done = run(*arguments, "-f", flow, TASKRUNS_URL=url)
        assert json.loads(done.out)["id"] == str(latest)
    done = run("flow-run", "tasks", "-f", flow, "--json", TASKRUNS_URL=url)
    assert {one["flow_run_id"] for one in json.loads(done.out)} == {str(latest)}
    for where in (["-f", flow], ["-f", flow, "--flow-run-name", "twin"]):
        done = run("task-run", "info", "a", *where, "--json", TASKRUNS_URL=url)
        assert json.loads(done.out)["flow_run_id"] == str(latest)
    assert run("flow-run", "ls", "-f", flow, "-q", TASKRUNS_URL=url).out.split()[0] == str(latest)


def test_flow_run_that_has_not_started_counts_by_when_it_was_made(scratch: Client, url: str) -> None:
    flow, now = f"waiting-{uuid4()}", datetime.now().astimezone()
    begun(scratch, flow, "first", now - timedelta(days=1), "a")
    scratch.flow_runs.create(flow_name=flow, name="waits")
    assert of_flow_run(run("flow-run", "info", "-f", flow, "--json", TASKRUNS_URL=url)) == "waits"
    begun(scratch, flow, "last", now + timedelta(hours=1), "a")
    assert of_flow_run(run("flow-run", "info", "-f", flow, "--json", TASKRUNS_URL=url)) == "last"
    listed = run("flow-run", "ls", "-f", flow, "--fields", "name", "--csv", TASKRUNS_URL=url).out.split()
    assert listed == ["name", "last", "waits", "first"]


def test_latest_is_said_on_standard_error(look: Look, world: World) -> None:
    def said(name: str, flow: str, second: int) -> str:
        return f"Latest flow run: {name} ({flow})  {world.flow_runs[name]}  started 2021-05-12T18:00:0{second}Z\n"

    for command in ("info", "tasks"):
        assert look("flow-run", command).err == said("night-1", "nightly", 3)
        assert look("flow-run", command, "-f", "etl").err == said("calm-heron", "etl", 2)
        assert look("flow-run", command, "brave-otter").err == ""
    for command in ("info", "result", "states"):
        assert look("task-run", command, "extract-1").err == said("calm-heron", "etl", 2)
        # Only one flow run has it.
        assert look("task-run", command, "inc-1[2]").err == ""
        assert look("task-run", command, "extract-1", "--flow-run-name", "brave-otter").err == ""


def test_latest_of_several_with_a_name_is_said(scratch: Client, url: str) -> None:
    for name in ("said", "SAID", "said"):
        scratch.flow_runs.create(flow_name="said", name=name)
    done = run("flow-run", "info", "said", TASKRUNS_URL=url)
    assert done.err.startswith("Latest flow run: said (said)  ")
    assert done.err.endswith("  not started\n")
    assert run("flow-run", "info", "SAID", TASKRUNS_URL=url).err == ""


def test_task_run_is_meant_by_id_or_by_slug_and_index(look: Look, world: World) -> None:
    def found(*arguments: str) -> tuple[str, int, str]:
        done = without_latest(look("task-run", "info", "--json", *arguments))
        assert (done.code, done.err) == (0, "")
        given = json.loads(done.out)
        (name,) = [name for name, id in world.flow_runs.items() if str(id) == given["flow_run_id"]]
        return given["task_slug"], given["map_index"], name

    latest = ("inc-1", -1, "calm-heron")
    assert found("inc-1") == found("inc-1", "--map-index", "-1") == latest
    assert found("inc-1[1]") == found("inc-1", "--map-index", "1") == ("inc-1", 1, "calm-heron")
    # The latest has no third child: it is that of the one before.
    assert found("inc-1[2]") == ("inc-1", 2, "brave-otter")
    assert found("inc-1[1]", "--flow-run-name", "brave-otter") == ("inc-1", 1, "brave-otter")
    assert found("inc-1[1]", "--flow-run-name", "brave-otter", "--flow-name", "etl") == ("inc-1", 1, "brave-otter")
    assert found("inc-1[1]", "--flow-run-id", str(world.flow_runs["brave-otter"])) == ("inc-1", 1, "brave-otter")
    assert found("say_hello-1", "--flow-name", "nightly") == ("say_hello-1", -1, "night-1")
    assert found(HOSTILE)[0] == HOSTILE
    task_run = world.client.flow_runs.task_runs(world.flow_runs["brave-otter"], task_slug=["load-1"]).items[0]
    assert found(str(task_run.id)) == ("load-1", -1, "brave-otter")


def test_slug_that_looks_like_a_child_is_meant_with_an_index(scratch: Client, url: str) -> None:
    flow_run = scratch.flow_runs.create(flow_name="odd")
    scratch.flow_runs.report(flow_run.id, items=[task("odd[3]", ("Success", 1.0))])
    assert run("task-run", "info", "odd[3]", TASKRUNS_URL=url).code == 1
    assert run("task-run", "info", "odd[3]", "--map-index", "-1", TASKRUNS_URL=url).code == 0


@pytest.mark.parametrize("command", ["info", "result", "states"])
def test_every_command_on_one_task_run_finds_it_alike(command: str, look: Look) -> None:
    for where in (
        ["extract-1"],
        ["inc-1[0]", "--flow-run-name", "brave-otter"],
        ["inc-1", "--map-index", "0", "-f", "etl"],
    ):
        assert look("task-run", command, *where).code == 0


def test_flow_run_is_shown_with_what_it_is_about(look: Look, world: World) -> None:
    done = look("flow-run", "info", "brave-otter")
    assert (done.code, done.err) == (0, "")
    shown = {line[:10].strip(): line[10:].strip() for line in done.out.splitlines()}
    assert shown.pop("Made").endswith("Z")
    assert shown == {
        "Flow run": "brave-otter",
        "Id": str(world.flow_runs["brave-otter"]),
        "Flow": "etl",
        "State": "Success",
        "Since": "2021-05-12T18:01:40Z",
        "Started": "2021-05-12T18:00:01Z",
        "Ended": "2021-05-12T18:01:40Z",
        "Took": "1m39s",
        "Waited": "1s",
        "Task runs": "1 Mapped, 5 Success",
        "Labels": "prod",
        "Parameters": '{"day":"2021-05-12","n":3}',
    }


def test_task_run_is_shown_with_its_state_times_duration_and_result(look: Look, world: World) -> None:
    done = look("task-run", "info", "inc-1[1]", "--flow-run-name", "brave-otter")
    shown = {line[:8].strip(): line[8:].strip() for line in done.out.splitlines()}
    assert shown.pop("Made").endswith("Z")
    assert len(shown.pop("Id")) == 36
    assert shown == {
        "Task run": "inc-1[1]",
        "Flow run": f"brave-otter (etl)  {world.flow_runs['brave-otter']}",
        "State": "Success",
        "Since": "2021-05-12T18:01:06Z",
        "Started": "2021-05-12T18:00:06Z",
        "Ended": "2021-05-12T18:01:06Z",
        "Took": "1m00s",
        "Waited": "2s",
        "Tags": "etl, n1",
        "Result": f"file://{world.folder}/brave-otter/inc-1-1.json  (JSONSerializer, 12 bytes)",
    }


@pytest.mark.parametrize(
    ("which", "result"),
    [
        ("say_hello-1", "not ready"),
        ("load-1", "none"),
        ("inc-1", "those of its children; `taskruns task-run result --location` shows where they are"),
    ],
)
def test_task_run_without_a_result_says_why(which: str, result: str, look: Look) -> None:
    assert f"Result    {result}\n" in look("task-run", "info", which).out


def test_message_and_runs_are_shown(look: Look) -> None:
    out = look("task-run", "info", "inc-1[1]").out
    assert "State      Failed: ZeroDivisionError: division by zero\n" in out
    assert "Ran        2 times\n" in out


def test_what_means_no_good_is_shown_escaped(look: Look) -> None:
    for done in (look("flow-run", "info", HOSTILE), look("task-run", "info", HOSTILE)):
        assert done.code == 0
        assert HOSTILE_SHOWN in done.out
        assert not set("\x1b\r\u202e") & set(done.out)
        assert len({line.index("  ") for line in done.out.splitlines()}) > 1  # its lines are those of the record


@pytest.mark.parametrize("form", ["--csv", "--json"])
def test_states_are_listed_oldest_first(form: str, look: Look, world: World) -> None:
    done = look("task-run", "states", "inc-1[1]")
    states = ["Running", "Failed", "Retrying", "Running", "Failed"]
    assert [line.split()[1] for line in done.out.splitlines()[1:]] == states
    assert done.out.splitlines()[3].startswith("2021-05-12T18:00:08.500Z  Retrying")
    done = look("task-run", "states", "inc-1[1]", form)
    if form == "--json":
        task_run = world.client.task_runs.list(task_slug=["inc-1"], map_index=[1], limit=1).items[0]
        with world.http() as http:
            assert json.loads(done.out) == http.get(f"/task-runs/{task_run.id}/states").json()["items"]
    else:
        assert [line.split(",")[1] for line in done.out.splitlines()] == ["type", *states]


def test_attempts_are_listed_oldest_first(look: Look, world: World) -> None:
    done = look("task-run", "attempts", "inc-1[1]")
    assert done.out == (
        "ATTEMPT  STATE   STARTED                   ENDED                     TOOK   MESSAGE\n"
        "1        Failed  2021-05-12T18:00:05.000Z  2021-05-12T18:00:08.000Z  3s\n"
        "2        Failed  2021-05-12T18:01:10.000Z  2021-05-12T19:01:40.000Z  1h00m  "
        "ZeroDivisionError: division by zero\n"
    )
    (task_run,) = world.client.task_runs.list(flow_name=["etl"], task_slug=["inc-1"], run_count_gte=2).items
    answer = world.client.task_runs.attempts(task_run.id)
    shown = look("task-run", "attempts", "inc-1[1]", "-o", "json").out
    assert msgspec.json.decode(shown, type=TaskRunAttempts) == answer
    assert answer.run_time == 3633
    assert [line.split(",")[:2] for line in look("task-run", "attempts", "inc-1[1]", "--csv").out.splitlines()] == [
        *(["number", "state"], ["1", "Failed"], ["2", "Failed"])
    ]


def test_task_run_that_never_ran_has_no_attempts(look: Look) -> None:
    done = look("task-run", "attempts", "load-1", "--flow-run-name", "calm-heron")
    assert (done.code, done.out) == (0, "ATTEMPT  STATE  STARTED  ENDED  TOOK  MESSAGE\n")
    assert done.err.endswith("No attempts.\n")


def test_several_attempts_are_shown_with_a_task_run(look: Look) -> None:
    lines = look("task-run", "info", "inc-1[1]").out.splitlines()
    place = lines.index("Attempts   ATTEMPT  STATE   STARTED                   TOOK   MESSAGE")
    assert lines[place - 1] == "Run time   1h00m"
    assert lines[place + 1 : place + 3] == [
        "           1        Failed  2021-05-12T18:00:05.000Z  3s",
        "           2        Failed  2021-05-12T18:01:10.000Z  1h00m  ZeroDivisionError: division by zero",
    ]
    assert "Attempts" not in look("task-run", "info", "inc-1[1]", "--flow-run-name", "brave-otter").out


def test_summary_has_a_row_for_each_task(look: Look, world: World) -> None:
    done = look("flow-run", "summary", "calm-heron")
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "TASK       STATE          TASK RUNS                      STARTED               ENDED                 RETRIES\n"
        "extract-1  Success        1 Success                      2021-05-12T18:00:02Z  2021-05-12T18:00:03Z  0\n"
        "inc-1      Failed         1 Mapped, 1 Success, 1 Failed  2021-05-12T18:00:05Z  2021-05-12T19:01:40Z  1\n"
        "load-1     TriggerFailed  1 TriggerFailed                                      2021-05-12T19:05:00Z  0\n"
    )
    answer = world.client.flow_runs.tasks(world.flow_runs["calm-heron"])
    shown = look("flow-run", "summary", "calm-heron", "--json").out
    assert msgspec.json.decode(shown, type=FlowRunTasks) == answer
    csv = look("flow-run", "summary", "calm-heron", "-o", "csv").out.splitlines()
    assert [line.split(",")[0] for line in csv] == ["task_slug", "extract-1", "inc-1", "load-1"]


def test_run_time_is_shown_with_a_flow_run_of_several_attempts(scratch: Client, url: str) -> None:
    flow_run = scratch.flow_runs.create(flow_name="restarted")
    for type_, second in (("Running", 0.0), ("Failed", 2.0), ("Running", 60.0), ("Success", 63.0)):
        scratch.flow_runs.set_state(flow_run.id, type=type_, timestamp=BEGIN + timedelta(seconds=second))
    out = run("flow-run", "info", str(flow_run.id), TASKRUNS_URL=url).out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert {"Took 1m03s", "Ran 2 times", "Run time 5s"} <= set(lines)


def test_late_states_are_marked(scratch: Client, url: str) -> None:
    flow_run = scratch.flow_runs.create(flow_name="late")
    scratch.flow_runs.report(flow_run.id, items=[task("late", ("Success", 9.0))])
    scratch.flow_runs.report(flow_run.id, items=[task("late", ("Running", 2.0))])
    out = run("task-run", "states", "late", "--flow-run-id", str(flow_run.id), TASKRUNS_URL=url).out
    assert [line[26:] for line in out.splitlines()] == ["STATE           MESSAGE", "Running (late)", "Success"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["flow-run", "info", NOBODY], "There is no flow run with this id. (404 flow-run-not-found, request "),
        (["flow-run", "tasks", NOBODY], "There is no flow run with this id. (404 flow-run-not-found, request "),
        (["flow-run", "watch", NOBODY], "There is no flow run with this id. (404 flow-run-not-found, request "),
        (["flow-run", "rm", NOBODY], "There is no flow run with this id. (404 flow-run-not-found, request "),
        (["task-run", "info", NOBODY], "There is no task run with this id. (404 task-run-not-found, request "),
        (["task-run", "info", "inc-1", "--flow-run-id", NOBODY], "There is no flow run with this id. "),
        (["flow-run", "info", "brave"], "There is no flow run with the name 'brave'. To see the flow runs, use"),
        (
            ["flow-run", "info", "brave-otter", "-f", "x"],
            "There is no flow run of the flow 'x' with the name 'brave-otter'.",
        ),
        (["flow-run", "info", "-f", "x"], "There is no flow run of the flow 'x' yet."),
        (
            ["task-run", "info", "nope"],
            "No flow run has a task run with the slug 'nope'. To see those",
        ),
        (["task-run", "info", "inc-1[7]"], "No flow run has a task run with the slug 'inc-1' and the map index 7."),
        (
            ["task-run", "states", "inc-1", "-f", "x"],
            "No flow run of the flow 'x' has a task run with the slug 'inc-1'.",
        ),
        (["task-run", "result", "nope", "--flow-run-name", "night-1"], "The flow run "),
        (["task-run", "info", "x", "--flow-run-name", "nope"], "There is no flow run with the name 'nope'."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_not_there_is_one_line_and_exit_code_1(arguments: list[str], message: str, look: Look) -> None:
    done = look(*arguments)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert done.err.startswith(f"taskruns: {message}")


@pytest.mark.parametrize(
    "arguments",
    [
        ["flow-run", "info", NOBODY, "--flow-name", "etl"],
        ["flow-run", "info", ""],
        ["task-run", "info", NOBODY, "--map-index", "1"],
        ["task-run", "info", NOBODY, "--flow-run-name", "x"],
        ["task-run", "info", "inc-1", "--flow-run-id", NOBODY, "--flow-name", "x"],
        ["task-run", "info", "inc-1", "--map-index", "-2"],
    ],
    ids=" ".join,
)
def test_what_contradicts_itself_is_wrong_usage(arguments: list[str], look: Look) -> None:
    done = look(*arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)


def test_flow_that_never_ran_has_no_latest(url: str) -> None:
    done = run("flow-run", "info", "--flow-name", "never ran", TASKRUNS_URL=url)
    assert done == (1, "", "taskruns: There is no flow run of the flow 'never ran' yet.\n")


@pytest.mark.parametrize("arguments", [["flow-run", "ls"], ["task-run", "count"], ["flow-run", "info"]], ids=" ".join)
def test_service_that_is_away_is_one_line_that_says_what_to_do(arguments: list[str]) -> None:
    done = run(*arguments, TASKRUNS_URL="http://127.0.0.1:1", TASKRUNS_MAX_RETRIES=0)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert done.err.startswith("taskruns: No response from http://127.0.0.1:1/")
    assert done.err.endswith("Set its URL with --url or TASKRUNS_URL.\n")


def test_setting_that_is_wrong_is_one_line_and_exit_code_2() -> None:
    done = run("flow-run", "ls", TASKRUNS_TIMEOUT="soon")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("taskruns flow-run ls: TASKRUNS_TIMEOUT is 'soon'")
