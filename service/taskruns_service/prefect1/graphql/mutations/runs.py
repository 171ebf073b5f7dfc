"""Runs: the mutations that make flow runs and task runs, and change their states, names and heartbeats."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec
from msgspec.structs import replace

from taskruns_service.commands.flow_runs import DeleteFlowRun
from taskruns_service.commands.reports import ReportOutcome
from taskruns_service.domain.errors import FlowRunNotFound, InvalidRequest, ServiceError, TaskRunNotFound
from taskruns_service.domain.ids import new_id
from taskruns_service.domain.states import GROUPS, StateGroup, StateType
from taskruns_service.prefect1.commands import engine_states
from taskruns_service.prefect1.commands.engine_states import (
    CancelFlowRun,
    ForceFlowRunState,
    ForceTaskRunState,
    GetOrCreateTaskRun,
    RenameFlowRun,
    RenameTaskRun,
)
from taskruns_service.prefect1.commands.scheduling import ScheduleFlowRun
from taskruns_service.prefect1.graph.selections import RowQuery, Selection
from taskruns_service.prefect1.graphql.context import Arguments, Context
from taskruns_service.prefect1.graphql.inputs import (
    read_labels,
    read_list,
    read_moment,
    read_name,
    read_object,
    read_optional_name,
)
from taskruns_service.prefect1.graphql.mutations.mutation import SUCCESS, Mutation, Payload
from taskruns_service.prefect1.graphql.queries import read_task_run_info
from taskruns_service.prefect1.graphql.states import read_state
from taskruns_service.schemas import BULK_ITEMS
from taskruns_service.storage import tally
from taskruns_service.storage.command import Command
from taskruns_service.storage.tally import Size


async def _create_flow_run(context: Context, arguments: Arguments) -> Payload:
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


async def _delete_flow_run(context: Context, arguments: Arguments) -> Payload:
    flow_run_id = arguments["flow_run_id"]
    size = (await context.database.read_back(tally.read_sizes, [flow_run_id])).get(flow_run_id)
    item = DeleteFlowRun(flow_run_id, weight=1 if size is None else size.all)
    try:
        await context.writer.submit_one(item, flow_run_id)
    except FlowRunNotFound:
        return {"success": False}
    return SUCCESS


async def _cancel_flow_run(context: Context, arguments: Arguments) -> Payload:
    flow_run_id = arguments["flow_run_id"]
    sizes = await context.database.read_back(tally.read_sizes, [flow_run_id])
    size = sizes.get(flow_run_id)
    asks_only = size is not None and size.state in GROUPS[StateGroup.running]
    item = CancelFlowRun(flow_run_id, 1 if asks_only else unfinished(sizes, flow_run_id))
    try:
        done = await context.writer.submit_one(item, flow_run_id)
    except FlowRunNotFound:
        raise InvalidRequest(f"Invalid flow run ID: {flow_run_id}.") from None
    return {"state": str(StateType.Failed if done.state is StateType.Crashed else done.state)}


async def _set_flow_run_name(context: Context, arguments: Arguments) -> Payload:
    item = RenameFlowRun(arguments["flow_run_id"], read_name(arguments["name"]))
    await context.writer.submit_one(item, item.flow_run_id)
    return SUCCESS


async def _set_task_run_name(context: Context, arguments: Arguments) -> Payload:
    item = RenameTaskRun(arguments["task_run_id"], read_name(arguments["name"]))
    await context.writer.submit_one(item, item.task_run_id)
    return SUCCESS


async def _set_flow_run_states(context: Context, arguments: Arguments) -> Payload:
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
        items = [replace(item, weight=unfinished(sizes, item.flow_run_id)) for item in items]
    return await _set_states(context, items, [item.flow_run_id for item in items], "flow run")


def unfinished(sizes: Mapping[UUID, Size], flow_run_id: UUID) -> int:
    """How many task runs are cancelled with a flow run; 1 for one that is not cancelled, or not there."""
    return sizes[flow_run_id].unfinished if flow_run_id in sizes else 1


async def _set_task_run_states(context: Context, arguments: Arguments) -> Payload:
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


async def _set_states(
    context: Context, items: Sequence[Command[ReportOutcome]], run_ids: Sequence[UUID], kind: str
) -> Payload:
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


async def _get_or_create_task_run(context: Context, arguments: Arguments) -> Payload:
    return {"id": await _find_or_create_task_run(context, arguments)}


async def _find_or_create_task_run(context: Context, arguments: Arguments) -> UUID:
    flow_run_id, task_id = arguments["flow_run_id"], arguments["task_id"]
    task = msgspec.json.decode(
        await context.ask_for(
            "task", RowQuery(where={"id": {"_eq": str(task_id)}}), Selection({"slug": "slug", "name": "name"})
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
    outcome = await context.writer.submit_one(item, flow_run_id)
    return outcome.run_id


async def _get_or_create_task_run_info(context: Context, arguments: Arguments) -> Payload | None:
    return await read_task_run_info(context, await _find_or_create_task_run(context, arguments))


async def _update_flow_run_heartbeat(context: Context, arguments: Arguments) -> Payload:
    return {"success": await context.database.transact(engine_states.beat_flow_run, arguments["flow_run_id"])}


async def _update_task_run_heartbeat(context: Context, arguments: Arguments) -> Payload:
    return {"success": await context.database.transact(engine_states.beat_task_run, arguments["task_run_id"])}


MUTATIONS: dict[str, Mutation] = {
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
}
