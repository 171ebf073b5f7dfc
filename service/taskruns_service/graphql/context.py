"""The context of a request: what the fields of one query or mutation are answered with."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from graphql import GraphQLResolveInfo

from taskruns_service.database import Database
from taskruns_service.writer import Writer


class Context(NamedTuple):
    """The ways to ask and to change, the variables as they were sent, and what headers say of the client."""

    database: Database
    writer: Writer
    variables: Mapping[str, Any]
    agent_id: UUID | None = None
    core_version: str | None = None


Info = GraphQLResolveInfo[Context]
