"""Registration: the mutations that make tenants, projects and flows, and change the settings of flows."""

from collections.abc import Sequence
from uuid import UUID

from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.prefect1.commands import registration, serialized
from taskruns_service.prefect1.commands.engine_states import CancelWaitingFlowRun
from taskruns_service.prefect1.commands.serialized import NewFlow
from taskruns_service.prefect1.graphql.context import Arguments, Context
from taskruns_service.prefect1.graphql.inputs import (
    FLOW_BYTES,
    read_document,
    read_list,
    read_object,
    read_optional_name,
    unpack_flow,
)
from taskruns_service.prefect1.graphql.mutations.mutation import SUCCESS, Mutation, Payload
from taskruns_service.prefect1.graphql.mutations.runs import unfinished
from taskruns_service.prefect1.types import JsonObject
from taskruns_service.storage import tally

REGISTERED_MOST = 10_000


async def _create_tenant(context: Context, arguments: Arguments) -> Payload:
    return {"id": await context.database.transact(registration.create_tenant, arguments["name"], arguments["slug"])}


async def _create_project(context: Context, arguments: Arguments) -> Payload:
    project_id = await context.database.transact(
        registration.create_project, arguments["tenant_id"], arguments["name"], arguments.get("description")
    )
    return {"id": project_id}


async def _create_flow(context: Context, arguments: Arguments) -> Payload:
    new = await context.prepare(_new_flow, arguments, arguments["serialized_flow"])
    return await _register_flow(context, new)


async def _create_flow_from_compressed_string(context: Context, arguments: Arguments) -> Payload:
    # However short the text is: what it holds is a thousand times as long.
    new = await context.background.run(lambda: _new_flow(arguments, unpack_flow(arguments["serialized_flow"])))
    return await _register_flow(context, new)


def _new_flow(arguments: Arguments, flow: object) -> NewFlow:
    return serialized.read_flow(
        read_object(flow, "serialized_flow", FLOW_BYTES),
        project_id=arguments["project_id"],
        version_group_id=arguments.get("version_group_id"),
        description=arguments.get("description"),
        idempotency_key=read_optional_name(arguments.get("idempotency_key"), "idempotency_key"),
        is_schedule_active=arguments.get("set_schedule_active"),
    )


async def _register_flow(context: Context, new: NewFlow) -> Payload:
    flow_id = await context.database.transact(registration.create_flow, new)
    await _cancel_runs_of_archived(context, flow_id)
    return {"id": flow_id}


async def _cancel_runs_of_archived(context: Context, flow_id: UUID) -> None:
    """Cancels what waits to run a flow that is archived by now."""
    waiting = await context.database.look_up(registration.find_waiting_runs, flow_id)
    sizes = await context.database.read_back(tally.read_sizes, [run_id for run_id, _ in waiting])
    items = [
        CancelWaitingFlowRun(run_id, f"Flow {flow_name} was archived.", unfinished(sizes, run_id))
        for run_id, flow_name in waiting
    ]
    await context.writer.submit(items, [item.flow_run_id for item in items])


async def _register_tasks(context: Context, arguments: Arguments) -> Payload:
    tasks = await context.prepare(lambda: serialized.read_tasks(_serialized(arguments, "serialized_tasks")))
    await context.database.transact(registration.register_tasks, arguments["flow_id"], tasks)
    return SUCCESS


async def _register_edges(context: Context, arguments: Arguments) -> Payload:
    edges = await context.prepare(lambda: serialized.read_edges(_serialized(arguments, "serialized_edges")))
    await context.database.transact(registration.register_edges, arguments["flow_id"], edges)
    return SUCCESS


def _serialized(arguments: Arguments, name: str) -> Sequence[JsonObject]:
    if not isinstance(arguments[name], list):
        raise InvalidRequest(f"`{name}` must be a list.")
    return [read_document(item, name) for item in read_list(arguments[name], name, REGISTERED_MOST)]


async def _archive_flow(context: Context, arguments: Arguments) -> Payload:
    await context.database.transact(registration.archive_flow, arguments["flow_id"])
    await _cancel_runs_of_archived(context, arguments["flow_id"])
    return SUCCESS


def _set_schedule(*, is_active: bool) -> Mutation:
    async def mutation(context: Context, arguments: Arguments) -> Payload:
        await context.database.transact(registration.set_schedule, arguments["flow_id"], is_active=is_active)
        return SUCCESS

    return mutation


def _change_setting(name: str, *, value: bool) -> Mutation:
    async def mutation(context: Context, arguments: Arguments) -> Payload:
        await context.database.transact(registration.change_setting, arguments["flow_id"], name, value=value)
        return SUCCESS

    return mutation


MUTATIONS: dict[str, Mutation] = {
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
}
