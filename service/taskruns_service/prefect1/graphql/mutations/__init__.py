"""Mutations: each field of a mutation is one command, asked for in the words of Prefect 1."""

from graphql import GraphQLFieldResolver

from taskruns_service.prefect1.graphql.context import Arguments, Info
from taskruns_service.prefect1.graphql.mutations import administration, agents, logs_and_artifacts, registration, runs
from taskruns_service.prefect1.graphql.mutations.mutation import Mutation, Payload

_MUTATIONS: dict[str, Mutation] = {
    **administration.MUTATIONS,
    **registration.MUTATIONS,
    **runs.MUTATIONS,
    **logs_and_artifacts.MUTATIONS,
    **agents.MUTATIONS,
}


def resolver(name: str) -> GraphQLFieldResolver:
    """What answers a field of a mutation."""
    mutation = _MUTATIONS[name]

    async def resolve(_root: None, info: Info, *, input: Arguments) -> Payload | None:  # noqa: A002 - the schema's name
        return await mutation(info.context, input)

    return resolve
