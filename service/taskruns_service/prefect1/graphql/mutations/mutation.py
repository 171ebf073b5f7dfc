"""What a mutation is: one command, requested in the words of Prefect 1."""

from collections.abc import Awaitable, Callable, Mapping

from taskruns_service.prefect1.graphql.context import Arguments, Context

Payload = Mapping[str, object]
"""What a mutation answers: the members of its payload, by the names in the schema."""
Mutation = Callable[[Context, Arguments], Awaitable[Payload | None]]

SUCCESS = {"success": True}
