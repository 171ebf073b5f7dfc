"""Runs flow runs in processes of their own, as agents do, and watches, cancels and waits for them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flows
import pendulum
import prefect
import serialize
from prefect.agent.local import LocalAgent
from prefect.backend import FlowRunView
from prefect.backend.execution import execute_flow_run, execute_flow_run_in_subprocess
from prefect.backend.flow_run import check_for_compatible_agents, watch_flow_run
from prefect.tasks.prefect import create_flow_run, get_task_run_result
from prefect.utilities.logging import LOG_MANAGER
from running import PROJECT, register
from viewing import shown

OFTEN = {0: 0.2, 1: 0.2, 2: 0.2, 3: 0.2, 4: 0.2, 5: 0.2, 6: 0.2}


def agent() -> dict[str, Any]:
    """Lets an agent find a flow run among others, and watches that to its end."""
    client = prefect.Client()
    flow_id = register(flows.short())
    soon = pendulum.now("utc").add(seconds=1)
    wanted = client.create_flow_run(flow_id=flow_id, labels=["one"], scheduled_start_time=soon)
    others = [
        client.create_flow_run(flow_id=flow_id, labels=[]),
        client.create_flow_run(flow_id=flow_id, labels=["one", "three"]),
        client.create_flow_run(flow_id=flow_id, labels=["one"], scheduled_start_time=soon.add(hours=1)),
    ]
    answers: dict[str, Any] = {"before": check_for_compatible_agents(["one"]).partition(".")[0]}
    local = LocalAgent(name="tester", labels=["two", "one"], hostname_label=False, max_polls=8)
    local._loop_intervals = OFTEN
    with ThreadPoolExecutor() as pool:
        watched = pool.submit(lambda: [shown(log) for log in watch_flow_run(wanted)])
        local.start()
        answers["watched"] = watched.result()
    agent_id = local.client._attached_headers["X-PREFECT-AGENT-ID"]
    answer = client.graphql(
        "query { agent { id name type labels core_version last_queried } flow_run_by_pk(id: "
        f'"{wanted}") {{ agent_id }} }}'
    )
    view = FlowRunView.from_flow_run_id(wanted)
    # Its process sends the last lines as it ends, which may be after who watches has seen its last state.
    while not any("all reference tasks succeeded" in log.message for log in view.get_logs()):
        time.sleep(0.1)
    return {
        **answers,
        "logged": [shown(log) for log in view.get_logs()],
        "flow_run": serialize.flow_run(view),
        "result": view.get_task_run("small-1").get_result(),
        "others": [type(client.get_flow_run_state(other)).__name__ for other in others],
        "agents": [[agent.name, agent.type, agent.labels, agent.core_version] for agent in answer.data.agent],
        "last queried": pendulum.parse(answer.data.agent[0].last_queried) > soon,
        "its agent": answer.data.flow_run_by_pk.agent_id == agent_id == answer.data.agent[0].id,
        "registered again": LocalAgent(name="tester", labels=["one", "two"], hostname_label=False)._register_agent()
        == agent_id,
        "compatible": "It should deploy your flow run." in check_for_compatible_agents(["one"]),
    }


def subprocess() -> dict[str, Any]:
    """Runs a flow run without an agent, in a process that loads the flow from its storage."""
    flow_run_id = create_flow_run.run(flow_id=register(flows.short()), labels=["nobody"], run_name="alone")
    view = execute_flow_run_in_subprocess(flow_run_id)
    return {
        "flow_run": serialize.flow_run(view),
        "result": get_task_run_result.run(flow_run_id, "small-1"),
        "again": serialize.failure(execute_flow_run_in_subprocess, flow_run_id),
        "by name": isinstance(create_flow_run.run(flow_name="short", project_name=PROJECT), str),
    }


def cancelled() -> dict[str, Any]:
    """Cancels a flow run while the engine runs it."""
    flow = flows.lasting()
    flow_run_id = prefect.Client().create_flow_run(flow_id=register(flow))
    answers: dict[str, Any] = {}

    def cancel() -> None:
        while not FlowRunView.from_flow_run_id(flow_run_id).get_task_run("endless-1").state.is_running():
            time.sleep(0.05)
        answers["answer"] = prefect.Client().cancel_flow_run(flow_run_id)

    canceller = threading.Thread(target=cancel)
    canceller.start()
    view = execute_flow_run(flow_run_id, flow=flow)
    canceller.join()
    LOG_MANAGER.stop()
    return {
        **answers,
        "flow_run": serialize.flow_run(view),
        "task_runs": serialize.states(view.get_all_task_runs()),
    }
