"""Asks prefect's client for what the engine asks, one call at a time, also for what the service refuses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import flows
import pendulum
import prefect
import serialize
from prefect.backend import FlowRunView, FlowView, TaskRunView
from prefect.backend.execution import _get_next_task_run_start_time
from prefect.engine import state as states
from prefect.engine.result import NoResult
from prefect.engine.results import LocalResult, PrefectResult, S3Result
from prefect.engine.state import Pending, Retrying, Running, State, Success
from running import PROJECT, register

LATER = pendulum.datetime(2031, 2, 3, 4, 5, 6, 789012, tz="Asia/Kolkata")


def every_state(folder: str) -> dict[str, Any]:
    """Sets each kind of state on a task run and reads it again: what has become another one, and which there are."""
    client = prefect.Client()
    flow_run_id, task_run_id = new_task_run()
    client.set_flow_run_state(flow_run_id, Running())
    kinds = sorted(State.children(), key=lambda kind: kind.__name__)
    results = [
        LocalResult(folder, location="a/b"),
        S3Result("bucket", location="c"),
        PrefectResult(location="[1]"),
        NoResult,
    ]
    changed = []
    for number, kind in enumerate(kinds):
        state = kind(f"{kind.__name__} ☃", result=results[number % len(results)], context={"a": [1, None]})
        fill(state)
        client.set_task_run_state(task_run_id, state)
        answers = client.get_task_run_state(task_run_id)
        viewed = TaskRunView.from_task_run_id(task_run_id).state
        if not state.serialize() == answers.serialize() == viewed.serialize():
            changed.append([state.serialize(), answers.serialize(), viewed.serialize()])
    passed = client.graphql(
        f'query {{ task_run_by_pk(id: "{task_run_id}") {{ states(order_by: {{version: asc}}) {{ state }} }} }}'
    )
    return {
        "kinds": [kind.__name__ for kind in kinds],
        "changed": changed,
        "passed": [state.state for state in passed.data.task_run_by_pk.states],
        "minimal": {kind.__name__: minimal(task_run_id, {"type": kind.__name__}) for kind in kinds},
        "no type": serialize.failure(minimal, task_run_id, {"message": "no type"}),
        "unknown type": serialize.failure(minimal, task_run_id, {"type": "Nonsense"}),
        "unknown keys": minimal(
            task_run_id, {"type": "Success", "future": [1], "_result": {"type": "OurResult", "location": "x"}}
        ),
        "1 MB": serialize.failure(client.set_task_run_state, task_run_id, Success("x" * 1_000_000)),
        "after that": serialize.state(client.get_task_run_state(task_run_id)),
    }


def fill(state: State) -> None:
    """Gives a state what only its kind has."""
    for name, value in {
        "start_time": LATER,
        "run_count": 2,
        "loop_count": 3,
        "cached_result_expiration": LATER,
        "cached_parameters": {"n": 1},
        "hashed_inputs": {"x": "abc"},
        "state": Pending("inside"),
        "n_map_states": 0,
    }.items():
        if hasattr(state, name) and name != "n_map_states":
            setattr(state, name, value)


def minimal(task_run_id: str, state: dict[str, Any]) -> list[Any]:
    """Sets a state that has hardly anything, as other programs may, and tells how prefect reads it."""
    client = prefect.Client()
    mutation = {
        "mutation($input: set_task_run_states_input!)": {"set_task_run_states(input: $input)": {"states": {"status"}}}
    }
    client.graphql(mutation, variables={"input": {"states": [{"task_run_id": task_run_id, "state": state}]}})
    return serialize.state(client.get_task_run_state(task_run_id))


def refusals() -> dict[str, Any]:
    """Asks for what may not be."""
    client = prefect.Client()
    flow_id = register(flows.short())
    flow_run_id, task_run_id = new_task_run()
    unknown = str(uuid4())
    return {
        "ids": {"flow": flow_id, "flow_run": flow_run_id, "task_run": task_run_id, "unknown": unknown},
        "running too early": serialize.failure(client.set_task_run_state, task_run_id, Running()),
        "unknown task run": serialize.failure(client.set_task_run_state, unknown, Success()),
        "unknown flow run": serialize.failure(client.set_flow_run_state, unknown, Success()),
        "unknown flow": serialize.failure(client.create_flow_run, flow_id=unknown),
        "unknown task": serialize.failure(client.get_task_run_info, flow_run_id, unknown),
        "unknown to look up": serialize.failure(client.get_flow_run_info, unknown),
        "unknown to cancel": serialize.failure(client.cancel_flow_run, unknown),
        "unknown artifact's run": serialize.failure(client.create_task_run_artifact, unknown, "link", {"link": "x"}),
        "project again": client.create_project("another") == client.create_project("another"),
        "no such query": serialize.failure(client.graphql, "query { nonsense }"),
        "no such field": serialize.failure(client.graphql, "query { task_run { nonsense } }"),
        "no GraphQL": serialize.failure(client.graphql, "query {"),
        "bad id": serialize.failure(client.cancel_flow_run, "not-a-uuid"),
        "missing": serialize.failure(client.graphql, "mutation { cancel_flow_run(input: {}) { state } }"),
    }


def flow_versions() -> dict[str, Any]:
    """Registers a flow again and again."""
    client = prefect.Client()
    with prefect.Flow("versions") as flow:
        flows.named(prefect.Parameter("needed"))
    first = register(flow)
    waiting = client.create_flow_run(flow_id=first, parameters={"needed": 1})
    second = register(flow, idempotency_key="one")
    third = register(flow, idempotency_key="one")
    key = {"idempotency_key": "run one", "parameters": {"needed": 2}}
    once, twice = (client.create_flow_run(flow_id=second, **key) for _ in range(2))
    group = client.graphql(f'query {{ flow(where: {{id: {{_eq: "{first}"}}}}) {{ version_group_id flow_group_id }} }}')
    of_group = client.create_flow_run(version_group_id=group.data.flow[0].version_group_id, parameters={"needed": 3})
    versions = client.graphql(
        'query { flow(where: {name: {_eq: "versions"}}, order_by: {version: asc}) { version archived } }'
    )
    return {
        "ids": {"first": first},
        "second is another": first != second,
        "third is the second": second == third,
        "versions": [[version.version, version.archived] for version in versions.data.flow],
        "one run": once == twice,
        "of the group": FlowRunView.from_flow_run_id(of_group).flow_id == second,
        "waiting": serialize.state(client.get_flow_run_state(waiting)),
        "archived": serialize.failure(client.create_flow_run, flow_id=first, parameters={"needed": 1}),
        "needed": serialize.failure(client.create_flow_run, flow_id=second),
        "latest": FlowView.from_flow_name("versions", project_name=PROJECT).flow_id == second,
    }


def locking() -> dict[str, Any]:
    """Sends versions of states, of a flow that asks for locks and of one that does not."""
    client = prefect.Client()
    free, _ = new_task_run()
    with prefect.Flow("locked") as flow:
        flows.small()
    flow_id = register(flow)
    client.graphql(f'mutation {{ enable_flow_version_lock(input: {{flow_id: "{flow_id}"}}) {{ success }} }}')
    locked = client.create_flow_run(flow_id=flow_id)
    before = client.get_flow_run_info(locked)
    answers: dict[str, Any] = {
        "settings": FlowView.from_flow_id(flow_id).settings["version_locking_enabled"],
        "free": serialize.failure(client.set_flow_run_state, free, Running(), version=7),
        "stale": told_lock(client.set_flow_run_state, locked, Running(), version=before.version + 1),
        "kept": serialize.state(client.get_flow_run_state(locked)),
        "right": serialize.failure(client.set_flow_run_state, locked, Running("right"), version=before.version),
        "without": serialize.failure(client.set_flow_run_state, locked, Running("without")),
        "versions": client.get_flow_run_info(locked).version - before.version,
    }
    task_run = before.task_runs[0]
    answers["task: stale"] = told_lock(client.set_task_run_state, task_run.id, Running(), version=task_run.version + 1)
    answers["task: right"] = serialize.failure(
        client.set_task_run_state, task_run.id, Running(), version=task_run.version
    )
    answers["task: again"] = told_lock(client.set_task_run_state, task_run.id, Running(), version=task_run.version)
    answers["task: kept"] = serialize.state(client.get_task_run_state(task_run.id))
    client.graphql(f'mutation {{ disable_flow_version_lock(input: {{flow_id: "{flow_id}"}}) {{ success }} }}')
    answers["opened"] = serialize.failure(client.set_task_run_state, task_run.id, Running(), version=task_run.version)
    return answers


def told_lock(*call: Any, **options: Any) -> str:
    """The kind of the error that a call ends in."""
    return serialize.failure(*call, **options).partition(":")[0]


def cancelling() -> dict[str, Any]:
    """Cancels flow runs in each stage of their lives."""
    client = prefect.Client()
    scheduled, waiting = new_task_run()
    running, begun = new_task_run()
    finished, ended = new_task_run()
    client.set_flow_run_state(running, Running())
    client.set_task_run_state(begun, Running())
    client.set_flow_run_state(finished, Success())
    client.set_task_run_state(ended, Success())
    answers: dict[str, Any] = {
        "cancelled": [client.cancel_flow_run(flow_run_id) for flow_run_id in (scheduled, running, finished)],
        "again": [client.cancel_flow_run(flow_run_id) for flow_run_id in (scheduled, running, finished)],
        "too late": serialize.failure(client.set_task_run_state, begun, Running()),
        "still going": serialize.state(client.get_task_run_state(begun)),
    }
    client.set_flow_run_state(running, states.Cancelled("Flow run is cancelled"))
    answers["flow runs"] = [
        serialize.state(client.get_flow_run_state(run_id)) for run_id in (scheduled, running, finished)
    ]
    answers["task runs"] = [serialize.state(client.get_task_run_state(run_id)) for run_id in (waiting, begun, ended)]
    return answers


def names_and_notes() -> dict[str, Any]:
    """Names runs, writes artifacts, logs and heartbeats."""
    client = prefect.Client()
    flow_run_id, task_run_id = new_task_run()
    answers: dict[str, Any] = {
        "named": [client.set_flow_run_name(flow_run_id, "ünï"), client.set_task_run_name(task_run_id, "☃")],
        "names": [FlowRunView.from_flow_run_id(flow_run_id).name, TaskRunView.from_task_run_id(task_run_id).name],
    }
    artifact_id = client.create_task_run_artifact(task_run_id, "link", {"link": "one"})
    dropped = client.create_task_run_artifact(task_run_id, "markdown", {"markdown": "two"})
    client.update_task_run_artifact(artifact_id, {"link": "three"})
    client.delete_task_run_artifact(dropped)
    answer = client.graphql(
        f'query {{ task_run_artifact(where: {{task_run_id: {{_eq: "{task_run_id}"}}}}) {{ id kind data }} }}'
    )
    answers["artifacts"] = [
        [artifact.id == artifact_id, artifact.kind, dict(artifact.data)] for artifact in answer.data.task_run_artifact
    ]
    log = {"flow_run_id": flow_run_id, "name": "agent", "level": "INFO", "message": "one"}
    client.write_run_logs([log, {**log, "level": "ERROR", "message": "two"}])
    client.write_run_logs({**log, "message": "three, alone"})  # as `prefect execute flow-run` does
    client.update_flow_run_heartbeat(flow_run_id)
    answer = client.graphql(f'query {{ flow_run_by_pk(id: "{flow_run_id}") {{ heartbeat }} }}')
    answers["heartbeat"] = pendulum.parse(answer.data.flow_run_by_pk.heartbeat) > pendulum.now("utc").subtract(
        minutes=1
    )
    logs = FlowRunView.from_flow_run_id(flow_run_id).get_logs(end_time=pendulum.now("utc").add(minutes=1))
    answers["logs"] = sorted([log_line.level, log_line.message] for log_line in logs)
    return answers


def deleting() -> dict[str, Any]:
    """Deletes a flow run, twice."""
    client = prefect.Client()
    flow_run_id, task_run_id = new_task_run()
    mutation = f'mutation {{ delete_flow_run(input: {{flow_run_id: "{flow_run_id}"}}) {{ success }} }}'
    return {
        "deleted": [client.graphql(mutation).data.delete_flow_run.success for _ in range(2)],
        "flow run": serialize.failure(client.get_flow_run_state, flow_run_id).partition(":")[0],
        "task run": serialize.failure(TaskRunView.from_task_run_id, task_run_id).partition(":")[0],
    }


def late_retry() -> dict[str, Any]:
    """Leaves a task run to be tried again later: by whom the flow run is found then, and by whom not."""
    client = prefect.Client()
    flow_run_id, task_run_id = new_task_run(labels=["late-retry"])
    client.set_flow_run_state(flow_run_id, Running())
    none = _get_next_task_run_start_time(flow_run_id)
    client.set_task_run_state(task_run_id, Retrying(start_time=pendulum.now("utc").add(minutes=20), run_count=1))
    waiting = queue(["late-retry"])
    due = pendulum.now("utc").subtract(minutes=1)
    client.set_task_run_state(task_run_id, Retrying(start_time=due, run_count=2))
    return {
        "none": none,
        "waiting": waiting,
        "due": queue(["late-retry"]) == [flow_run_id],
        "start": _get_next_task_run_start_time(flow_run_id) == due,
        "others": flow_run_id in queue([]),
    }


def queue(labels: list[str]) -> list[str]:
    """The flow runs that an agent with these labels would run."""
    client = prefect.Client()
    mutation = {"mutation($input: get_runs_in_queue_input!)": {"get_runs_in_queue(input: $input)": {"flow_run_ids"}}}
    before = pendulum.now("utc").add(seconds=10).isoformat()
    answer = client.graphql(
        mutation, variables={"input": {"before": before, "labels": labels, "tenant_id": client.tenant_id}}
    )
    flow_run_ids: list[str] = answer.data.get_runs_in_queue.flow_run_ids.to_list()
    return flow_run_ids


def at_once() -> dict[str, Any]:
    """Asks for one child from eight threads at the same time."""
    flow_run_id, task_run_id = new_task_run()
    task_id = TaskRunView.from_task_run_id(task_run_id).task_id

    def child(index: int) -> str:
        child_id: str = prefect.Client().get_task_run_info(flow_run_id, task_id, map_index=index % 2).id
        return child_id

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(child, range(16)))
    return {"children": len(set(ids)), "parent": task_run_id in ids, "of one": len(set(ids[::2]))}


def new_task_run(**options: Any) -> tuple[str, str]:
    """Makes a flow run of one task, and returns its id and that of the task run."""
    client = prefect.Client()
    flows_by_name = client.graphql(
        'query { flow(where: {name: {_eq: "short"}, archived: {_eq: false}}) { id } }'
    ).data.flow
    flow_id = flows_by_name[0].id if flows_by_name else register(flows.short())
    flow_run_id = client.create_flow_run(flow_id=flow_id, **options)
    return flow_run_id, TaskRunView.from_task_slug("small-1", flow_run_id).task_run_id
