"""Flow runs in processes of their own: an agent, the command line, and somebody who cancels them."""

from typing import Any

from tests.prefect1.programs import Prefect1

# As it is by default: a process of its own sends the heartbeats.
HEARTBEATS = {"PREFECT__CLOUD__HEARTBEAT_MODE": "process"}
ENDED = [
    ["Scheduled", "Flow run scheduled."],
    ["Running", "Running flow."],
    ["Success", "All reference tasks succeeded."],
]


def flow_run(*states: list[str], **others: Any) -> dict[str, Any]:
    """What prefect tells of a flow run that went through these states."""
    return {
        "state": states[-1],
        "states": list(states),
        "parameters": {},
        "context": {},
        "run_config": "UniversalRun",
        "updated last": True,
        **others,
    }


def test_agent_finds_a_flow_run_and_runs_it(prefect1: Prefect1) -> None:
    told = prefect1.see("agents.agent", HEARTBEATS)
    watched, logged = told.pop("watched"), told.pop("logged")
    assert told["flow_run"].pop("name")
    assert told == {
        "before": (
            "There are no healthy agents in your tenant and it does not look like an agent with the required labels "
            "has been run recently"
        ),
        "flow_run": flow_run(ENDED[0], ["Submitted", "Submitted for execution"], *ENDED[1:], labels=["one"]),
        "result": {"a": [1, 2]},
        "others": ["Scheduled", "Scheduled", "Scheduled"],
        "agents": [["tester", "LocalAgent", ["one", "two"], "1.4.1"]],
        "last queried": True,
        "its agent": True,
        "registered again": True,
        "compatible": True,
    }
    assert [line for line in watched if "Entered state" in line] == [
        "INFO Entered state <Scheduled>: Flow run scheduled.",
        "INFO Entered state <Submitted>: Submitted for execution",
        "INFO Entered state <Running>: Running flow.",
        "INFO Entered state <Success>: All reference tasks succeeded.",
    ]
    assert "INFO Submitted for execution:" in {line.partition(" PID")[0] for line in watched}
    assert {line for line in watched if "Entered state" not in line} <= set(logged)
    assert {line.partition(" PID")[0] for line in logged} == {
        "INFO Submitted for execution:",
        "INFO Beginning Flow run for 'short'",
        "INFO Task 'small': Starting task run...",
        "INFO Task 'small': Finished task run for task with final state: 'Success'",
        "INFO Flow run SUCCESS: all reference tasks succeeded",
    }


def test_flow_run_is_executed_in_a_process(prefect1: Prefect1) -> None:
    assert prefect1.see("agents.subprocess", HEARTBEATS) == {
        "flow_run": flow_run(*ENDED, name="alone", labels=["nobody"]),
        "result": {"a": [1, 2]},
        "again": (
            'RuntimeError: Flow run is already in state <Success: "All reference tasks succeeded.">! '
            "Cannot execute flow run unless it is in a 'Scheduled' state"
        ),
        "by name": True,
    }


def test_engine_stops_when_its_flow_run_is_cancelled(prefect1: Prefect1) -> None:
    told = prefect1.see("agents.cancelled")
    assert told["flow_run"].pop("name")
    assert told["flow_run"].pop("labels")
    cancelled = ["Cancelled", "Flow run is cancelled"]
    assert told == {
        "answer": "Cancelling",
        "flow_run": flow_run(*ENDED[:2], ["Cancelling", "Flow run is cancelling"], cancelled),
        "task_runs": {"after_boom-1": "Cancelled", "endless-1": "Cancelled"},
    }


def test_command_line(prefect1: Prefect1) -> None:
    assert prefect1.see("commands.making", folder=str(prefect1.home)) == {
        "project": ["from the shell created"],
        "project again": ["from the shell already exists"],
        "flow": "1 registered",
        "flow again": "0 registered, 1 skipped",
        "flow run": "Flow run succeeded!",
        "tenant": "Tenant created with ID",
        "same tenant": True,
    }
    told = prefect1.see("commands.looking")
    flow, (task,), run = told.pop("a flow"), told.pop("its tasks"), told.pop("a flow run")
    assert told == {
        "projects": ["NAME FLOW COUNT AGE DESCRIPTION", "from the shell 1 a few seconds ago ünï"],
        "flows": [["NAME", "VERSION", "AGE", "ID"], ["of", "a", "script", "1"]],
        "one version": 2,
        "all versions": [["NAME", "VERSION"], ["short", told["all versions"][1][1]]],
        "tasks": [
            "NAME FLOW NAME FLOW VERSION AGE MAPPED TYPE",
            "one of a script 1 a few seconds ago False prefect.tasks.core.function.FunctionTask",
        ],
        "flow runs": [["NAME", "FLOW", "NAME", "STATE"], ["by", "hand", "short", "Success"]],
        "logs": "INFO Flow run SUCCESS: all reference tasks succeeded",
        "deleted": ["from the shell deleted"],
        "gone": ["NAME FLOW COUNT AGE DESCRIPTION"],
    }
    assert {name: flow[name] for name in ("name", "version", "project", "description", "archived", "environment")} == {
        "name": "of a script",
        "version": 1,
        "project": {"name": "from the shell"},
        "description": None,
        "archived": False,
        "environment": None,
    }
    assert flow["storage"]["type"] == "Local"
    assert task.pop("created")
    assert task == {
        "name": "one",
        "slug": "one-1",
        "description": None,
        "type": "prefect.tasks.core.function.FunctionTask",
        "max_retries": 0,
        "retry_delay": None,
        "mapped": False,
    }
    assert run["created"] <= run["scheduled_start_time"] <= run["start_time"] <= run["end_time"]
    assert run["serialized_state"]["type"] == "Success"
    assert (run["flow"], run["auto_scheduled"], run["parameters"]) == ({"name": "short"}, False, {})
