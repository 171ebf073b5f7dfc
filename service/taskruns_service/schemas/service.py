"""The service itself."""

from typing import Annotated

from msgspec import Meta, Struct


class Health(Struct, frozen=True, kw_only=True):
    """Whether the process is alive."""

    status: Annotated[str, Meta(description="`ok`.", examples=["ok"])]
    version: Annotated[str, Meta(description="The version of the service.", examples=["0.1.0"])]


class Readiness(Struct, frozen=True, kw_only=True):
    """Whether the service is ready."""

    status: Annotated[str, Meta(description="`ok`.", examples=["ok"])]
    version: Annotated[str, Meta(description="The version of the service.", examples=["0.1.0"])]
    warnings: Annotated[
        list[str],
        Meta(
            description="A sentence for each database setting that can lose acknowledged changes.",
            examples=[["PostgreSQL has fsync=off: a crash of its machine can damage the database."]],
        ),
    ]
