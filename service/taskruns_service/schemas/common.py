"""Types and limits that requests and responses share."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from taskruns_service.domain.json_values import JsonObject
from taskruns_service.domain.states import StateType

NAME_LENGTH = 255
BULK_ITEMS = 1000
STATE_BYTES = 1_000_000
MESSAGE_LENGTH = 65_536
JSON_DEPTH = 100

FLOW_RUN_EXAMPLE = "019064f2-5a3c-7e1d-9a26-72754b7ea174"
TASK_RUN_EXAMPLE = "019064f2-5b11-7e1d-8a50-88978dabb7c1"
STATE_EXAMPLE = "019064f2-5c02-7c44-b5d2-bd55ea048070"
LOG_LINE_EXAMPLE = "019064f2-5c02-7e15-9b0a-4d0f6a1c8e27"
ARTIFACT_EXAMPLE = "019064f2-5c02-7b28-a0c4-6d0f4a1c8e31"
RUNNING_EXAMPLE = {
    "type": "Running",
    "message": "Starting task run.",
    "timestamp": "2021-05-12T18:00:01.696849Z",
}
SUCCESS_EXAMPLE = {
    "type": "Success",
    "message": "Task run succeeded.",
    "timestamp": "2021-05-12T18:00:03.165496Z",
    "result": {"type": "LocalResult", "dir": "/data/results", "location": "8e44/name.json"},
}
TRACEBACK_EXAMPLE = {
    "traceback": 'Traceback (most recent call last):\n  File "/srv/flows/etl.py", line 21, in inc\n'
    "    return row // share\n           ~~~~^^~~~~~~~\nZeroDivisionError: division by zero"
}
"""Examples are of one flow run and of one task run in it, so that each can be sent after those before it."""

Timestamp = Annotated[datetime, Meta(tz=True)]
NameText = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH)]
Tags = Annotated[list[NameText], Meta(max_length=100)]
FlowRunId = Annotated[UUID, Meta(description="The id of the flow run.", examples=[FLOW_RUN_EXAMPLE])]
TaskRunId = Annotated[UUID, Meta(description="The id of the task run.", examples=[TASK_RUN_EXAMPLE])]
MapIndex = Annotated[
    int,
    Meta(
        ge=-1,
        le=2**31 - 1,
        description="The index of the item for a child of a mapped task run, starting at 0; otherwise -1.",
    ),
]
Parameters = Annotated[
    JsonObject, Meta(description="The parameters of the flow run: any JSON object.", examples=[{"x": 1}])
]
Slug = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=NAME_LENGTH,
        description="The slug that identifies the task within its flow.",
        examples=["say_hello-1"],
    ),
]

CurrentStateType = Annotated[
    StateType, Meta(description="The type of the current state; Pending until a state is reported.")
]
Version = Annotated[int, Meta(description="The number of state changes.", examples=[3])]
Sequence = Annotated[
    int, Meta(description="The number of the latest change among all changes of the flow run, starting at 1.")
]
NextCursor = Annotated[str | None, Meta(description="The cursor of the next page; null on the last page.")]
