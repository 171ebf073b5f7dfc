"""Mutations: each field of a mutation is one command, asked for in the words of Prefect 1."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from taskruns_service.commands.flow_runs import DeleteFlowRun
from taskruns_service.domain.errors import FlowRunNotFound, InvalidRequest, ServiceError, TaskRunNotFound
from taskruns_service.domain.ids import new_id
from taskruns_service.domain.results import check_link
from taskruns_service.domain.states import GROUPS, StateGroup, StateType
from taskruns_service.prefect1.commands import agents, engine_states, logs_and_artifacts, registration, serialized
from taskruns_service.prefect1.commands.engine_states import (
    CancelFlowRun,
    CancelWaitingFlowRun,
    ForceFlowRunState,
    ForceTaskRunState,
    GetOrCreateTaskRun,
    RenameFlowRun,
    RenameTaskRun,
)
from taskruns_service.prefect1.commands.logs_and_artifacts import LogLine
from taskruns_service.prefect1.commands.scheduling import ScheduleFlowRun
from taskruns_service.prefect1.commands.serialized import NewFlow
from taskruns_service.prefect1.graph.choices import Choice, Selected
from taskruns_service.prefect1.graphql import administration
from taskruns_service.prefect1.graphql.administration import Mutation, Sent
from taskruns_service.prefect1.graphql.context import Context, Info
from taskruns_service.prefect1.graphql.inputs import (
    FLOW_BYTES,
    LEVEL_LENGTH,
    read_document,
    read_labels,
    read_list,
    read_moment,
    read_name,
    read_object,
    read_optional_name,
    unpack_flow,
)
from taskruns_service.prefect1.graphql.queries import read_task_run_info
from taskruns_service.prefect1.graphql.states import read_state
from taskruns_service.schemas import BULK_ITEMS
from taskruns_service.storage import tally
from taskruns_service.storage.tally import Size

REGISTERED_MOST = 10_000
LOG_LINES_MOST = 50_000

SUCCESS = {"success": True}


def resolver(name: str) -> Callable[..., Any]:
    """What answers a field of a mutation."""
    mutation = _MUTATIONS[name]

    async def resolve(_root: Any, info: Info, *, input: Sent) -> Any:  # noqa: A002 - the name in the schema
        return await mutation(info.context, input)

    return resolve


async def _create_tenant(context: Context, arguments: Sent) -> Any:
    return {"id": await context.database.transact(registration.create_tenant, arguments["name"], arguments["slug"])}


async def _create_project(context: Context, arguments: Sent) -> Any:
    project_id = await context.database.transact(
        registration.create_project, arguments["tenant_id"], arguments["name"], arguments.get("description")
    )
    return {"id": project_id}


async def _create_flow(context: Context, arguments: Sent) -> Any:
    new = await context.prepare(_new_flow, arguments, arguments["serialized_flow"])
    return await _register_flow(context, new)


async def _create_flow_from_compressed_string(context: Context, arguments: Sent) -> Any:
    # However short the text is: what it holds is a thousand times as long.
    new = await context.background.run(lambda: _new_flow(arguments, unpack_flow(arguments["serialized_flow"])))
    return await _register_flow(context, new)


def _new_flow(arguments: Sent, flow: Any) -> NewFlow:
    return serialized.read_flow(
        read_object(flow, "serialized_flow", FLOW_BYTES),
        project_id=arguments["project_id"],
        version_group_id=arguments.get("version_group_id"),
        description=arguments.get("description"),
        idempotency_key=read_optional_name(arguments.get("idempotency_key"), "idempotency_key"),
        is_schedule_active=arguments.get("set_schedule_active"),
    )


async def _register_flow(context: Context, new: NewFlow) -> Any:
    flow_id = await context.database.transact(registration.create_flow, new)
    await _cancel_runs_of_archived(context, flow_id)
    return {"id": flow_id}


async def _cancel_runs_of_archived(context: Context, flow_id: UUID) -> None:
    """Cancels what waits to run a flow that is archived by now."""
    waiting = await context.database.look_up(registration.find_waiting_runs, flow_id)
    sizes = await context.database.read_back(tally.read_sizes, [run_id for run_id, _ in waiting])
    items = [
        CancelWaitingFlowRun(run_id, f"Flow {flow_name} was archived.", _unfinished(sizes, run_id))
        for run_id, flow_name in waiting
    ]
    await context.writer.submit(items, [item.flow_run_id for item in items])


async def _register_tasks(context: Context, arguments: Sent) -> Any:
    tasks = await context.prepare(lambda: serialized.read_tasks(_serialized(arguments, "serialized_tasks")))
    await context.database.transact(registration.register_tasks, arguments["flow_id"], tasks)
    return SUCCESS


async def _register_edges(context: Context, arguments: Sent) -> Any:
    edges = await context.prepare(lambda: serialized.read_edges(_serialized(arguments, "serialized_edges")))
    await context.database.transact(registration.register_edges, arguments["flow_id"], edges)
    return SUCCESS


def _serialized(arguments: Sent, name: str) -> Sequence[Any]:
    if not isinstance(arguments[name], list):
        raise InvalidRequest(f"`{name}` must be a list.")
    return [read_document(item, name) for item in read_list(arguments[name], name, REGISTERED_MOST)]


async def _archive_flow(context: Context, arguments: Sent) -> Any:
    await context.database.transact(registration.archive_flow, arguments["flow_id"])
    await _cancel_runs_of_archived(context, arguments["flow_id"])
    return SUCCESS


def _set_schedule(*, is_active: bool) -> Mutation:
    async def mutation(context: Context, arguments: Sent) -> Any:
        await context.database.transact(registration.set_schedule, arguments["flow_id"], is_active=is_active)
        return SUCCESS

    return mutation


def _change_setting(name: str, *, value: bool) -> Mutation:
    async def mutation(context: Context, arguments: Sent) -> Any:
        await context.database.transact(registration.change_setting, arguments["flow_id"], name, value=value)
        return SUCCESS

    return mutation


async def _create_flow_run(context: Context, arguments: Sent) -> Any:
    if arguments.get("flow_id") is None and arguments.get("version_group_id") is None:
        raise InvalidRequest("`flow_id` or `version_group_id` is required.")
    identifier = new_id()
    item = ScheduleFlowRun(
        id=identifier,
        flow_id=arguments.get("flow_id"),
        version_group_id=arguments.get("version_group_id"),
        name=None if arguments.get("flow_run_name") is None else read_name(arguments["flow_run_name"], "flow_run_name"),
        parameters=read_object(arguments.get("parameters") or {}, "parameters"),
        labels=read_labels(arguments.get("labels")),
        context=read_object(arguments.get("context") or {}, "context"),
        run_config=read_object(arguments["run_config"], "run_config") if arguments.get("run_config") else None,
        scheduled_start_time=read_moment(arguments.get("scheduled_start_time"), "scheduled_start_time"),
        idempotency_key=read_optional_name(arguments.get("idempotency_key"), "idempotency_key"),
    )
    outcome = await context.writer.submit_one(item, identifier)
    return {"id": outcome.id}


async def _delete_flow_run(context: Context, arguments: Sent) -> Any:
    flow_run_id = arguments["flow_run_id"]
    size = (await context.database.read_back(tally.read_sizes, [flow_run_id])).get(flow_run_id)
    item = DeleteFlowRun(flow_run_id, weight=1 if size is None else size.all)
    try:
        await context.writer.submit_one(item, flow_run_id)
    except FlowRunNotFound:
        return {"success": False}
    return SUCCESS


async def _cancel_flow_run(context: Context, arguments: Sent) -> Any:
    flow_run_id = arguments["flow_run_id"]
    sizes = await context.database.read_back(tally.read_sizes, [flow_run_id])
    size = sizes.get(flow_run_id)
    asks_only = size is not None and size.state in GROUPS[StateGroup.running]
    item = CancelFlowRun(flow_run_id, 1 if asks_only else _unfinished(sizes, flow_run_id))
    try:
        done = await context.writer.submit_one(item, flow_run_id)
    except FlowRunNotFound:
        raise InvalidRequest(f"Invalid flow run ID: {flow_run_id}.") from None
    return {"state": str(done.state)}


async def _set_flow_run_name(context: Context, arguments: Sent) -> Any:
    item = RenameFlowRun(arguments["flow_run_id"], read_name(arguments["name"]))
    await context.writer.submit_one(item, item.flow_run_id)
    return SUCCESS


async def _set_task_run_name(context: Context, arguments: Sent) -> Any:
    item = RenameTaskRun(arguments["task_run_id"], read_name(arguments["name"]))
    await context.writer.submit_one(item, item.task_run_id)
    return SUCCESS


async def _set_flow_run_states(context: Context, arguments: Sent) -> Any:
    def read() -> list[ForceFlowRunState]:
        return [
            ForceFlowRunState(
                flow_run_id=item["flow_run_id"],
                report=read_state(item["state"], item["flow_run_id"]),
                version=item.get("version"),
                agent_id=context.agent_id,
            )
            for item in read_list(arguments["states"], "states", BULK_ITEMS)
        ]

    items = await context.prepare(read)
    if cancelled := [item.flow_run_id for item in items if item.report.type is StateType.Cancelled]:
        sizes = await context.database.read_back(tally.read_sizes, cancelled)
        items = [replace(item, weight=_unfinished(sizes, item.flow_run_id)) for item in items]
    return await _set_states(context, items, [item.flow_run_id for item in items], "flow run")


def _unfinished(sizes: Mapping[UUID, Size], flow_run_id: UUID) -> int:
    """How many task runs are cancelled with a flow run; 1 for one that is not cancelled, or not there."""
    return sizes[flow_run_id].unfinished if flow_run_id in sizes else 1


async def _set_task_run_states(context: Context, arguments: Sent) -> Any:
    def read() -> list[ForceTaskRunState]:
        return [
            ForceTaskRunState(
                task_run_id=item["task_run_id"],
                report=read_state(item["state"], item["task_run_id"]),
                version=item.get("version"),
            )
            for item in read_list(arguments["states"], "states", BULK_ITEMS)
        ]

    items = await context.prepare(read)
    return await _set_states(context, items, [item.task_run_id for item in items], "task run")


async def _set_states(context: Context, items: Sequence[Any], run_ids: Sequence[UUID], kind: str) -> Any:
    outcomes = await context.writer.submit(items, run_ids)
    for outcome in outcomes:
        if isinstance(outcome, ServiceError) and outcome.status >= 500:
            raise outcome  # ahead of what is final: the whole is sent again
    for run_id, outcome in zip(run_ids, outcomes, strict=True):
        if isinstance(outcome, FlowRunNotFound | TaskRunNotFound):
            raise InvalidRequest(f"State update failed for {kind} ID {run_id}")
        if isinstance(outcome, ServiceError):
            raise outcome
    return {"states": [{"id": run_id, "status": "SUCCESS", "message": None} for run_id in run_ids]}


async def _get_or_create_task_run(context: Context, arguments: Sent) -> Any:
    flow_run_id, task_id = arguments["flow_run_id"], arguments["task_id"]
    task = msgspec.json.decode(
        await context.ask_for(
            "task", Choice(where={"id": {"_eq": str(task_id)}}), Selected({"slug": "slug", "name": "name"})
        )
    )
    if task is None:
        raise InvalidRequest("Invalid task ID")
    map_index = -1 if arguments.get("map_index") is None else arguments["map_index"]
    if map_index < -1:
        raise InvalidRequest("`map_index` must be the index of an item, starting at 0, or -1.")
    item = GetOrCreateTaskRun(
        flow_run_id=flow_run_id, task_slug=task["slug"], task_name=task["name"], map_index=map_index
    )
    done = await context.writer.submit_one(item, flow_run_id)
    return {"id": done.run_id}


async def _get_or_create_task_run_info(context: Context, arguments: Sent) -> Any:
    task_run = await _get_or_create_task_run(context, arguments)
    return await read_task_run_info(context, task_run["id"])


async def _update_flow_run_heartbeat(context: Context, arguments: Sent) -> Any:
    return {"success": await context.database.transact(engine_states.beat_flow_run, arguments["flow_run_id"])}


async def _update_task_run_heartbeat(context: Context, arguments: Sent) -> Any:
    return {"success": await context.database.transact(engine_states.beat_task_run, arguments["task_run_id"])}


async def _write_run_logs(context: Context, arguments: Sent) -> Any:
    lines = await context.prepare(_read_lines, read_list(arguments["logs"], "logs", LOG_LINES_MOST))
    await context.database.transact(logs_and_artifacts.write_logs, lines)
    return SUCCESS


def _read_lines(logs: Sequence[Sent]) -> list[logs_and_artifacts.Row]:
    now = datetime.now(UTC)
    return logs_and_artifacts.read_lines(_read_line(line, now) for line in logs)


def _read_line(arguments: Sent, now: datetime) -> LogLine:
    line = {name: value for name, value in arguments.items() if value is not None}
    if "level" in line:
        read_name(line["level"], "level", LEVEL_LENGTH)
    if "info" in line:
        read_document(line["info"], "info")
    return LogLine(**{**line, "timestamp": read_moment(line.get("timestamp"), "timestamp") or now})


async def _create_task_run_artifact(context: Context, arguments: Sent) -> Any:
    kind, data = read_name(arguments["kind"], "kind"), _read_shown(arguments)
    return {
        "id": await context.database.transact(logs_and_artifacts.create_artifact, arguments["task_run_id"], kind, data)
    }


async def _update_task_run_artifact(context: Context, arguments: Sent) -> Any:
    artifact_id, data = arguments["task_run_artifact_id"], _read_shown(arguments)
    return {"success": await context.database.transact(logs_and_artifacts.update_artifact, artifact_id, data)}


def _read_shown(arguments: Sent) -> Any:
    """What an artifact shows; raises InvalidRequest for a link that nobody should follow."""
    data = read_document(arguments.get("data"), "data")
    try:
        check_link(data)
    except ValueError as error:
        raise InvalidRequest(f"`data` is invalid: {error}.") from None
    return data


async def _delete_task_run_artifact(context: Context, arguments: Sent) -> Any:
    return {
        "success": await context.database.transact(
            logs_and_artifacts.delete_artifact, arguments["task_run_artifact_id"]
        )
    }


async def _register_agent(context: Context, arguments: Sent) -> Any:
    identifier = await context.database.transact(
        agents.register_agent,
        tenant_id=arguments.get("tenant_id"),
        kind=read_optional_name(arguments.get("type"), "type"),
        name=read_optional_name(arguments.get("name"), "name"),
        core_version=read_optional_name(arguments.get("core_version") or context.core_version, "core_version"),
        labels=read_labels(arguments.get("labels")) or [],
    )
    return {"id": identifier}


async def _get_runs_in_queue(context: Context, arguments: Sent) -> Any:
    flow_run_ids = await context.database.transact(
        agents.take_runs_in_queue,
        tenant_id=arguments.get("tenant_id"),
        before=arguments.get("before") or datetime.now(UTC),
        labels=read_labels(arguments.get("labels")) or [],
        agent_id=context.agent_id,
    )
    return {"flow_run_ids": flow_run_ids}


_MUTATIONS: dict[str, Mutation] = {
    **administration.MUTATIONS,
    "create_tenant": _create_tenant,
    "create_project": _create_project,
    "create_flow": _create_flow,
    "create_flow_from_compressed_string": _create_flow_from_compressed_string,
    "register_tasks": _register_tasks,
    "register_edges": _register_edges,
    "archive_flow": _archive_flow,
    "set_schedule_active": _set_schedule(is_active=True),
    "set_schedule_inactive": _set_schedule(is_active=False),
    "enable_flow_version_lock": _change_setting("version_locking_enabled", value=True),
    "disable_flow_version_lock": _change_setting("version_locking_enabled", value=False),
    "enable_flow_heartbeat": _change_setting("heartbeat_enabled", value=True),
    "disable_flow_heartbeat": _change_setting("heartbeat_enabled", value=False),
    "create_flow_run": _create_flow_run,
    "delete_flow_run": _delete_flow_run,
    "cancel_flow_run": _cancel_flow_run,
    "set_flow_run_name": _set_flow_run_name,
    "set_task_run_name": _set_task_run_name,
    "set_flow_run_states": _set_flow_run_states,
    "set_task_run_states": _set_task_run_states,
    "get_or_create_task_run": _get_or_create_task_run,
    "get_or_create_task_run_info": _get_or_create_task_run_info,
    "update_flow_run_heartbeat": _update_flow_run_heartbeat,
    "update_task_run_heartbeat": _update_task_run_heartbeat,
    "write_run_logs": _write_run_logs,
    "create_task_run_artifact": _create_task_run_artifact,
    "update_task_run_artifact": _update_task_run_artifact,
    "delete_task_run_artifact": _delete_task_run_artifact,
    "register_agent": _register_agent,
    "get_runs_in_queue": _get_runs_in_queue,
}
