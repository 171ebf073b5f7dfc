"""Registers flows and runs them with the real engine."""

from __future__ import annotations

import time
from typing import Any

import flows
import prefect
import serialize
from prefect import Flow
from prefect.backend import FlowRunView
from prefect.backend.execution import execute_flow_run
from prefect.run_configs import LocalRun
from prefect.utilities.logging import LOG_MANAGER

PROJECT = "prefect-1"


def register(flow: Flow, **options: Any) -> str:
    """Registers a flow, in the project of all tests, and returns its id."""
    prefect.Client().create_project(PROJECT)
    flow_id: str = flow.register(PROJECT, no_url=True, **options)
    return flow_id


def run(flow: Flow, flow_id: str, **options: Any) -> FlowRunView:
    """Makes a flow run and executes it in this process, until it has ended and its logs are sent."""
    flow_run_id = prefect.Client().create_flow_run(flow_id=flow_id, **options)
    view = execute_flow_run(flow_run_id, flow=flow)
    LOG_MANAGER.stop()
    return view


def run_twice(folder: str) -> dict[str, Any]:
    """Runs the main flow, and once more, when what it remembers is there."""
    flow = flows.everything(folder)
    answers: dict[str, Any] = {"flow_id": register(flow)}
    first = {"labels": ["b", "a"], "context": {"why": "a test"}, "run_config": LocalRun(env={"A": "1"})}
    for name, options in {"first": first, "second": {"parameters": {"n": 3}}}.items():
        view = run(flow, answers["flow_id"], run_name=name, **options)
        answers[name] = {
            "flow_run_id": view.flow_run_id,
            "flow_run": serialize.flow_run(view),
            "states": serialize.states(view.get_all_task_runs()),
        }
    return answers


def run_wide(folder: str, width: int) -> dict[str, Any]:
    """Runs a map of so many children, and loads what all of them returned."""
    flow = flows.wide(folder, width)
    begin = time.perf_counter()
    view = run(flow, register(flow))
    ran = time.perf_counter()
    values = view.get_task_run("inc-1").get_result()
    loaded = time.perf_counter()
    return {
        "state": serialize.state(view.state),
        "values": values,
        "task_run_ids": len(view.get_task_run_ids()),
        "all": serialize.failure(view.get_all_task_runs),
        "seconds": {"to run": round(ran - begin, 1), "to load": round(loaded - ran, 1)},
    }


def register_without_a_key() -> str:
    """What somebody is told who has no key."""
    return serialize.failure(lambda: register(flows.wide("", 1)))
