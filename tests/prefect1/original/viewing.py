"""Calls every public method of prefect's views, also where it is to fail."""

from __future__ import annotations

import contextlib
import io
import logging
import re
from typing import Any
from uuid import uuid4

import flows
import pendulum
import prefect
import serialize
from prefect.backend import FlowRunView, FlowView, TaskRunView, TenantView
from prefect.backend.flow_run import FlowRunLog, stream_flow_run_logs, watch_flow_run
from prefect.engine.state import Mapped, Running, Success
from running import PROJECT, register


def task_runs(first: str, second: str) -> dict[str, Any]:
    """What `TaskRunView` says of the two runs of the main flow."""

    def of_first(slug: str) -> TaskRunView:
        return TaskRunView.from_task_slug(slug, first)

    parent = TaskRunView.from_task_slug("inc-1", flow_run_id=first)
    child = TaskRunView.from_task_slug("inc-1", flow_run_id=first, map_index=2)
    slugs = ["n", "numbers-1", "total-1", "flaky-1", "climb-1", "small-1", "named-1", "noted-1"]
    remembering = ["remembered-1", "shared-1"]
    unloadable = ["nothing-1", "skipped-1", "after_skipped-1", "boom-1", "after_boom-1"]
    return {
        "parent": serialize.task_run(parent),
        "child": serialize.task_run(child),
        "by id": TaskRunView.from_task_run_id(child.task_run_id) == child,
        "latest": child.get_latest() == child,
        "of another": child == parent,
        "of all children": parent.get_result(),
        "of one child": child.get_result(),
        "one by one": [[view.map_index, view.get_result()] for view in parent.iter_mapped()],
        "shown": repr(child),
        "task_id": child.task_id == parent.task_id,
        "results": {slug: of_first(slug).get_result() for slug in slugs},
        "remembered": {slug: TaskRunView.from_task_slug(slug, second).get_result() for slug in remembering},
        "unloadable": {slug: serialize.failure(of_first(slug).get_result) for slug in unloadable},
        "not mapped": serialize.failure(lambda: list(child.iter_mapped())),
        "no id": serialize.failure(TaskRunView.from_task_run_id, 5),
        "bad id": serialize.failure(TaskRunView.from_task_run_id, "not-a-uuid"),
        "unknown id": serialize.failure(TaskRunView.from_task_run_id, second),
        "unknown slug": serialize.failure(TaskRunView.from_task_slug, "no-1", first),
        "unknown index": serialize.failure(TaskRunView.from_task_slug, "inc-1", second, 3),
    }


def unfinished(folder: str) -> dict[str, Any]:
    """What it says of a task run that has not ended, and of a mapped one whose children have not."""
    client = prefect.Client()
    flow_run_id = client.create_flow_run(flow_id=register(flows.wide(folder, 2)))
    answers: dict[str, Any] = {
        "flow_run_id": flow_run_id,
        "flow_run": serialize.flow_run(FlowRunView.from_flow_run_id(flow_run_id)),
    }
    parent = TaskRunView.from_task_slug("inc-1", flow_run_id)
    answers["pending"] = serialize.failure(parent.get_result)
    client.set_flow_run_state(flow_run_id, Running())
    client.set_task_run_state(parent.task_run_id, Mapped(map_states=[None, None]))
    answers["no children"] = serialize.failure(parent.get_latest().get_result)
    children = [client.get_task_run_info(flow_run_id, parent.task_id, map_index=index) for index in (1, 0)]
    answers["new children"] = serialize.failure(parent.get_latest().get_result)
    for child in children:
        client.set_task_run_state(child.id, Success())
    answers["no results"] = serialize.failure(parent.get_latest().get_result)
    answers["view of before"] = serialize.state(parent.state)
    return answers


def flow_runs(first: str, second: str) -> dict[str, Any]:
    """What `FlowRunView` says of the two runs of the main flow."""
    view = FlowRunView.from_flow_run_id(first)
    static = FlowRunView.from_flow_run_id(first, load_static_tasks=True)
    child = view.get_task_run("inc-1", map_index=2)
    everyone = view.get_all_task_runs()
    ids = view.get_task_run_ids()
    return {
        "shown": [repr(view), repr(static), repr(view.get_latest())],
        "task run": serialize.task_run(view.get_task_run("inc-1")),
        "by slug": [child.task_slug, child.map_index],
        "by id": view.get_task_run(task_run_id=child.task_run_id) is child,
        "by both": view.get_task_run("inc-1", task_run_id=child.task_run_id, map_index=2) is child,
        "all": sorted(ids) == sorted(task_run.task_run_id for task_run in everyone),
        "distinct": [len(ids), len(set(ids))],
        "again": sorted(task_run.task_run_id for task_run in view.get_all_task_runs()) == sorted(ids),
        "latest": serialize.flow_run(view.get_latest(load_static_tasks=True)) == serialize.flow_run(view),
        "in order": view.states == sorted(view.states, key=lambda passed: passed.timestamp),
        "flow": view.get_flow_metadata().flow_id == view.flow_id == view.get_flow_metadata(no_cache=True).flow_id,
        "watched": watched(view),
        "watched quietly": list(watch_flow_run(first, stream_states=False)),
        "other slug": serialize.failure(view.get_task_run, "n", task_run_id=child.task_run_id),
        "other index": serialize.failure(view.get_task_run, task_run_id=child.task_run_id, map_index=1),
        "nothing": serialize.failure(view.get_task_run),
        "bad id": serialize.failure(FlowRunView.from_flow_run_id, "not-a-uuid"),
        "unknown id": serialize.failure(FlowRunView.from_flow_run_id, child.task_run_id),
        "unknown to watch": serialize.failure(lambda: list(watch_flow_run(child.task_run_id))),
    }


def logs(first: str, second: str) -> dict[str, Any]:
    """What `get_logs` gives of the two runs of the main flow."""
    view = FlowRunView.from_flow_run_id(first)
    all_of_it = view.get_logs()
    middle = all_of_it[len(all_of_it) // 2].timestamp
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        stream_flow_run_logs(first)
    return {
        "count": len(all_of_it),
        "in order": all_of_it == sorted(all_of_it, key=lambda log: log.timestamp),
        "halves": sorted(view.get_logs(end_time=middle) + view.get_logs(start_time=middle)) == sorted(all_of_it),
        "levels": sorted({logging.getLevelName(log.level) for log in all_of_it}),
        "warnings": [log.message for log in all_of_it if log.level == logging.WARNING],
        "end": all_of_it[-1].message,
        "of the other": len(FlowRunView.from_flow_run_id(second).get_logs()),
        "streamed": printed.getvalue(),
    }


def shown(log: FlowRunLog) -> str:
    """The level and the message of a log."""
    return f"{logging.getLevelName(log.level)} {log.message}"


def watched(view: FlowRunView) -> list[str]:
    """What is said to whoever watches a flow run that has ended, with AGE for how long ago that was, if it is right."""
    first = view.updated_at.diff().in_seconds()
    said = [shown(log) for log in watch_flow_run(view.flow_run_id)]
    last = view.updated_at.diff().in_seconds()
    ages = {pendulum.now().subtract(seconds=age).diff_for_humans() for age in range(first, last + 1)}
    return [re.sub(f"({'|'.join(ages)})$", "AGE", line) for line in said]


def flow(flow_id: str) -> dict[str, Any]:
    """What `FlowView` says of the main flow, and `TenantView` of the tenant."""
    view = FlowView.from_flow_id(flow_id)
    group_id = prefect.Client().graphql({"query": {f'flow_by_pk(id: "{flow_id}")': {"flow_group_id"}}})
    group_id = group_id.data.flow_by_pk.flow_group_id
    tenant = TenantView.from_current_tenant()
    named = {"flow_name": "everything", "project_name": PROJECT}
    unknown = str(uuid4())
    return {
        "name": view.name,
        "project_name": view.project_name,
        "archived": view.archived,
        "core_version": view.core_version,
        "settings": dict(view.settings),
        "storage": type(view.storage).__name__,
        "run_config": type(view.run_config).__name__,
        "labels": view.flow_group_labels,
        "flow": FlowView.from_flow_id(register(flows.short())).flow.name,
        "parameters": [parameter["slug"] for parameter in view.serialized_flow["parameters"]],
        "same": [
            FlowView.from_id(flow_id).flow_id,
            FlowView.from_id(group_id).flow_id,
            FlowView.from_flow_group_id(group_id).flow_id,
            FlowView.from_flow_name(**named).flow_id,
            FlowView.from_flow_name("everything", last_updated=True).flow_id,
        ],
        "tenant": [tenant.name, tenant.slug, tenant == TenantView.from_tenant_id(tenant.tenant_id)],
        "unknown": unknown,
        "unknown id": serialize.failure(FlowView.from_id, unknown),
        "unknown name": serialize.failure(FlowView.from_flow_name, "no"),
    }


def recorded(flow_run_id: str) -> dict[str, Any]:
    """What prefect sees of a flow run that somebody else recorded."""
    view = FlowRunView.from_flow_run_id(flow_run_id, load_static_tasks=True)
    parent = view.get_task_run("inc-1")
    return {
        "flow_run": serialize.flow_run(view),
        "states": serialize.states(view.get_all_task_runs()),
        "of all children": parent.get_result(),
        "of one child": view.get_task_run("inc-1", map_index=2).get_result(),
        "one by one": [[child.map_index, child.get_result()] for child in parent.iter_mapped()],
        "small": view.get_task_run("small-1").get_result(),
        "others": {
            slug: serialize.failure(view.get_task_run(slug).get_result)
            for slug in ("nothing-1", "unkept-1", "skipped-1", "boom-1")
        },
        "failed": serialize.state(view.get_task_run("boom-1").state),
        "watched": watched(view),
    }
