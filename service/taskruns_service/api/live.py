"""Live updates: handlers for the streams of events."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from litestar.params import FromPath

from taskruns_service import schemas
from taskruns_service.api import flow_runs, requests
from taskruns_service.api.admission import bearer_token
from taskruns_service.api.operations import READ_ERRORS, Answer, Scope, operation
from taskruns_service.api.requests import ApiRequest
from taskruns_service.api.streams import EventStream
from taskruns_service.domain.errors import (
    Fault,
    FlowRunNotFound,
    InvalidRequest,
    SequenceUnknown,
    TooManyWatchers,
)
from taskruns_service.live.flow_run_streams import FlowRunStream
from taskruns_service.live.hubs import summary_of
from taskruns_service.queries.parameters import SEQUENCE, TEXT, Parameter

_EVENT_ID = re.compile(r"([0-9]{1,18})")
_FLOW_RUN_PARAMETERS = (
    Parameter(
        name="after_sequence",
        value=SEQUENCE,
        description="Send what changed after this sequence. Without it, the stream begins at the present.",
    ),
    Parameter(name="task_slug", value=TEXT, description="Only task runs with any of these slugs.", many=True),
)


@operation(
    "GET",
    "/flow-runs/{flow_run_id:uuid}/events",
    id="watch_flow_run",
    summary="Watch a flow run",
    tag=flow_runs.TAG,
    scope=Scope.read,
    parameters=_FLOW_RUN_PARAMETERS,
    conditional=("Last-Event-ID",),
    answers={
        200: Answer(
            "The stream of events.",
            events={
                "task_runs": schemas.TaskRunsEvent,
                "flow_run": schemas.FlowRunSummary,
                "resync": schemas.ResyncEvent,
                "bye": schemas.ByeEvent,
            },
        )
    },
    errors=(FlowRunNotFound, SequenceUnknown, TooManyWatchers, *READ_ERRORS),
)
async def watch_flow_run(request: ApiRequest, flow_run_id: FromPath[UUID]) -> EventStream:
    """Watch a flow run: the response is a stream of server-sent events that lasts until either side ends it.

    Each `task_runs` event has all task runs that changed after one sequence, up to another, in their latest state. To
    continue after a lost connection, send the `id` of the last event as `Last-Event-ID`: you miss nothing and get
    nothing twice, however long you were away.
    """
    values = requests.query(request)
    after = _last_sequence(request)
    if after is None:
        after = values.get("after_sequence")
    live = request.live
    stream = FlowRunStream(bearer_token(request))

    @asynccontextmanager
    async def begin() -> AsyncIterator[AsyncIterator[bytes]]:
        with live.streams.opened(stream), live.ticker.joined(flow_run_id, stream) as hub:
            present = await live.ticker.read_present(hub)
            if after is not None and after > present.sequence:
                raise SequenceUnknown
            start = present.sequence if after is None else after
            yield stream.chunks(hub, summary_of(present), start, tuple(sorted(set(values.get("task_slug", ())))))

    return EventStream(stream, begin, live.traffic)


def _last_sequence(request: ApiRequest) -> int | None:
    """The sequence of the last event that a client has seen; raises InvalidRequest."""
    if (identifier := request.header(b"last-event-id")) is None:
        return None
    if (match := _EVENT_ID.fullmatch(identifier)) is None:
        fault = Fault(header="Last-Event-ID", detail="It must be the `id` of an event of this stream.")
        raise InvalidRequest(faults=(fault,))
    return int(match[1])


HANDLERS = (watch_flow_run,)
