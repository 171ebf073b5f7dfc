"""Artifacts: what task runs made for people to look at."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from taskruns_service.schemas.common import ARTIFACT_EXAMPLE, NextCursor, TaskRunId, Timestamp


class Artifact(Struct, frozen=True, kw_only=True):
    """A link or a text that a task run made for people to look at."""

    id: Annotated[UUID, Meta(description="The id of the artifact.", examples=[ARTIFACT_EXAMPLE])]
    task_run_id: TaskRunId
    kind: Annotated[
        str, Meta(description="What the artifact is: `link` or `markdown`, or another kind.", examples=["link"])
    ]
    data: Annotated[
        object,
        Meta(
            description='What it shows, as its author sent it: any JSON value, such as `{"link": …}` or '
            '`{"markdown": …}`. Check it before you show it.',
            examples=[{"link": "https://example.com/report"}],
        ),
    ]
    created: Annotated[Timestamp, Meta(description="The time when the service created the artifact.")]
    updated: Annotated[Timestamp, Meta(description="The time when the service last changed the artifact.")]


class ArtifactPage(Struct, frozen=True, kw_only=True):
    """A page of artifacts, oldest first, with the cursor of the next page."""

    items: list[Artifact]
    next_cursor: NextCursor
