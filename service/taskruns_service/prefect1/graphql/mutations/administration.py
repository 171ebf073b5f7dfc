"""Administration: the mutations of Prefect 1 that change what was registered, and those of what this service lacks."""

from collections.abc import Callable, Mapping
from uuid import UUID

from sqlalchemy import Connection

from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.prefect1.commands import administration, registration
from taskruns_service.prefect1.commands.engine_states import LabelFlowRun
from taskruns_service.prefect1.graph.selections import RowQuery, Selection
from taskruns_service.prefect1.graphql.context import Arguments, Context
from taskruns_service.prefect1.graphql.inputs import read_labels, read_name, read_object
from taskruns_service.prefect1.graphql.mutations.mutation import Mutation, Payload


async def _update_tenant_name(context: Context, arguments: Arguments) -> Payload:
    return await _change_tenant(context, arguments, {"name": read_name(arguments["name"])})


async def _update_tenant_slug(context: Context, arguments: Arguments) -> Payload:
    return await _change_tenant(context, arguments, {"slug": read_name(arguments["slug"], "slug")})


async def _change_tenant(context: Context, arguments: Arguments, changes: Mapping[str, str]) -> Payload:
    return {"id": await context.database.transact(administration.change_tenant, arguments.get("tenant_id"), changes)}


async def _delete_tenant(context: Context, arguments: Arguments) -> Payload:
    if not arguments["confirm"]:
        raise InvalidRequest("To delete a tenant, set `confirm` to true.")
    return await _success(context, administration.delete_tenant, arguments["tenant_id"])


async def _set_project_name(context: Context, arguments: Arguments) -> Payload:
    name = read_name(arguments["name"])
    return {"id": await context.database.transact(administration.rename_project, arguments["project_id"], name)}


async def _set_project_description(context: Context, arguments: Arguments) -> Payload:
    project_id, description = arguments["project_id"], arguments.get("description")
    return {"id": await context.database.transact(administration.describe_project, project_id, description)}


async def _delete_project(context: Context, arguments: Arguments) -> Payload:
    return await _success(context, administration.delete_project, arguments["project_id"])


async def _update_flow_project(context: Context, arguments: Arguments) -> Payload:
    return {
        "id": await context.database.transact(administration.move_flow, arguments["flow_id"], arguments["project_id"])
    }


async def _delete_flow(context: Context, arguments: Arguments) -> Payload:
    return await _success(context, administration.delete_flow, arguments["flow_id"])


async def _delete_flow_group(context: Context, arguments: Arguments) -> Payload:
    return await _success(context, administration.delete_flow_group, arguments["flow_group_id"])


async def _set_flow_group_labels(context: Context, arguments: Arguments) -> Payload:
    labels = read_labels(arguments.get("labels"))
    return await _change_flow_group(context, arguments, {"labels": None if labels is None else sorted(set(labels))})


async def _set_flow_group_default_parameters(context: Context, arguments: Arguments) -> Payload:
    parameters = read_object(arguments["parameters"], "parameters")
    return await _change_flow_group(context, arguments, {"default_parameters": parameters})


async def _set_flow_group_run_config(context: Context, arguments: Arguments) -> Payload:
    run_config = arguments.get("run_config")
    checked = None if run_config is None else read_object(run_config, "run_config")
    return await _change_flow_group(context, arguments, {"run_config": checked})


async def _change_flow_group(context: Context, arguments: Arguments, changes: Mapping[str, object]) -> Payload:
    changed = await context.database.transact(administration.change_flow_group, arguments["flow_group_id"], changes)
    return {"success": changed}


async def _delete_flow_group_schedule(context: Context, arguments: Arguments) -> Payload:
    row_query = RowQuery(where={"id": {"_eq": str(arguments["flow_group_id"])}})
    return {"success": bytes(await context.ask_for("flow_group", row_query, Selection({"id": "id"}))) != b"null"}


def _set_lazarus(*, value: bool) -> Mutation:
    async def mutation(context: Context, arguments: Arguments) -> Payload:
        await context.database.transact(
            registration.change_setting, arguments["flow_id"], "lazarus_enabled", value=value
        )
        return {"success": True}

    return mutation


async def _set_flow_run_labels(context: Context, arguments: Arguments) -> Payload:
    item = LabelFlowRun(arguments["flow_run_id"], sorted(set(read_labels(arguments["labels"]) or ())))
    await context.writer.submit_one(item, item.flow_run_id)
    return {"success": True}


async def _delete_agent(context: Context, arguments: Arguments) -> Payload:
    return await _success(context, administration.delete_agent, arguments["agent_id"])


async def _success(context: Context, command: Callable[[Connection, UUID], bool], identifier: UUID) -> Payload:
    return {"success": await context.database.transact(command, identifier)}


def _refuse(reason: str) -> Mutation:
    async def mutation(_context: Context, _arguments: Arguments) -> Payload:
        raise InvalidRequest(reason)

    return mutation


def _none(reason: str) -> Mutation:
    """What is asked for by its id is not there, since there is nothing of its kind."""

    async def mutation(_context: Context, _arguments: Arguments) -> Payload:
        return {"success": False, "error": reason}

    return mutation


_NO_HOOKS = "This service has no cloud hooks."
_NO_MESSAGES = "This service has no messages."
_NO_CONFIGS = "This service stores no agent configurations."

MUTATIONS: dict[str, Mutation] = {
    "update_tenant_name": _update_tenant_name,
    "update_tenant_slug": _update_tenant_slug,
    "update_tenant_settings": _refuse("This service stores no tenant settings."),
    "delete_tenant": _delete_tenant,
    "set_project_name": _set_project_name,
    "set_project_description": _set_project_description,
    "delete_project": _delete_project,
    "update_flow_project": _update_flow_project,
    "delete_flow": _delete_flow,
    "delete_flow_group": _delete_flow_group,
    "set_flow_group_labels": _set_flow_group_labels,
    "set_flow_group_default_parameters": _set_flow_group_default_parameters,
    "set_flow_group_run_config": _set_flow_group_run_config,
    "set_flow_group_description": _refuse("This service stores no flow group descriptions."),
    "set_flow_group_schedule": _refuse(
        "This service has no scheduler. Use cron or a systemd timer to create flow runs."
    ),
    "delete_flow_group_schedule": _delete_flow_group_schedule,
    "enable_flow_lazarus_process": _set_lazarus(value=True),
    "disable_flow_lazarus_process": _set_lazarus(value=False),
    "set_flow_run_labels": _set_flow_run_labels,
    "delete_agent": _delete_agent,
    "create_agent_config": _refuse(_NO_CONFIGS),
    "update_agent_config": _none(_NO_CONFIGS),
    "delete_agent_config": _none(_NO_CONFIGS),
    "mark_message_as_read": _none(_NO_MESSAGES),
    "mark_message_as_unread": _none(_NO_MESSAGES),
    "delete_message": _none(_NO_MESSAGES),
    "create_cloud_hook": _refuse(_NO_HOOKS),
    "test_cloud_hook": _none(_NO_HOOKS),
    "delete_cloud_hook": _none(_NO_HOOKS),
    "set_cloud_hook_active": _none(_NO_HOOKS),
    "set_cloud_hook_inactive": _none(_NO_HOOKS),
}
