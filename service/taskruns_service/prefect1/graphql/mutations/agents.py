"""Agents: the mutations by which they register, and take the flow runs that are due."""

from datetime import UTC, datetime

from taskruns_service.prefect1.commands import agents
from taskruns_service.prefect1.graphql.context import Arguments, Context
from taskruns_service.prefect1.graphql.inputs import read_labels, read_optional_name
from taskruns_service.prefect1.graphql.mutations.mutation import Mutation, Payload


async def _register_agent(context: Context, arguments: Arguments) -> Payload:
    identifier = await context.database.transact(
        agents.register_agent,
        tenant_id=arguments.get("tenant_id"),
        kind=read_optional_name(arguments.get("type"), "type"),
        name=read_optional_name(arguments.get("name"), "name"),
        core_version=read_optional_name(arguments.get("core_version") or context.core_version, "core_version"),
        labels=read_labels(arguments.get("labels")) or [],
    )
    return {"id": identifier}


async def _get_runs_in_queue(context: Context, arguments: Arguments) -> Payload:
    flow_run_ids = await context.database.transact(
        agents.take_runs_in_queue,
        tenant_id=arguments.get("tenant_id"),
        before=arguments.get("before") or datetime.now(UTC),
        labels=read_labels(arguments.get("labels")) or [],
        agent_id=context.agent_id,
    )
    return {"flow_run_ids": flow_run_ids}


MUTATIONS: dict[str, Mutation] = {
    "register_agent": _register_agent,
    "get_runs_in_queue": _get_runs_in_queue,
}
