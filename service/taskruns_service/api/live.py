"""Live updates: handlers for the streams of events."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
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
from taskruns_service.live.flow_run_streams import EventId, FlowRunStream, read_event_id
from taskruns_service.live.hubs import summary_of
from taskruns_service.live.overviews import OverviewStream
from taskruns_service.queries.parameters import BOOLEAN, IDENTIFIER, SEQUENCE, TEXT, Parameter, choice, one_of

PRESENT = -1
"""The start of a stream without `after_sequence`."""
_FLOW_RUN_PARAMETERS = (
    Parameter(
        name="after_sequence",
        value=SEQUENCE,
        description="Send what changed after this sequence. Without it, the stream begins at the present.",
    ),
    Parameter(name="task_slug", value=TEXT, description="Only task runs with any of these slugs.", many=True),
    Parameter(
        name="fields",
        value=choice(schemas.TaskRunField),
        description="The members that each task run has besides `id` and `sequence`, separated by commas. Without it, "
        "task runs have all members.",
        many=True,
        comma_separated=True,
        example=["task_slug", "state"],
    ),
    Parameter(name="logs", value=BOOLEAN, description="Whether to send new log lines as well.", default=False),
)
_OVERVIEW_PARAMETERS = (
    Parameter(
        name="topic",
        value=one_of("now"),
        description="Send all runs at a glance; this is the default without `flow_run_id`.",
    ),
    Parameter(
        name="flow_run_id", value=IDENTIFIER, description="Send these flow runs; unknown ids are ignored.", many=True
    ),
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
                "logs": schemas.LogsEvent,
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
    start = _last_event(request) or EventId(values.get("after_sequence", PRESENT))
    stream = FlowRunStream(bearer_token(request), values.get("task_slug", ()), values.get("fields", ()))
    live = request.live

    @asynccontextmanager
    async def begin() -> AsyncIterator[AsyncIterator[bytes]]:
        with ExitStack() as stack:
            stack.enter_context(live.streams.opened(stream))
            hub = stack.enter_context(live.ticker.joined(flow_run_id, stream))
            feed = stack.enter_context(hub.following_lines()) if values.get("logs") else None
            if feed is not None:
                await feed.begin()
            (present,) = await live.ticker.read_present([hub])
            if present is None:
                raise FlowRunNotFound
            if start.sequence > present.sequence:
                raise SequenceUnknown
            sequence = present.sequence if start.sequence == PRESENT else start.sequence
            yield stream.chunks(hub, summary_of(present), EventId(sequence, start.newest_line), feed)

    return EventStream(stream, begin, live.traffic)


@operation(
    "GET",
    "/events",
    id="watch_flow_runs",
    summary="Watch several flow runs",
    tag=flow_runs.TAG,
    scope=Scope.read,
    parameters=_OVERVIEW_PARAMETERS,
    answers={
        200: Answer(
            "The stream of events.",
            events={"now": schemas.NowEvent, "flow_run": schemas.FlowRunSummary, "bye": schemas.ByeEvent},
        )
    },
    errors=(TooManyWatchers, *READ_ERRORS),
)
async def watch_flow_runs(request: ApiRequest) -> EventStream:
    """Watch several flow runs, or all runs at a glance: the response is a stream of server-sent events.

    A `flow_run` event is sent for each flow run of the list, first as it is at present and then whenever it or its task
    runs have changed. A `now` event is sent when the numbers of runs or the newest failures have changed, at most once
    a second. A stream that is opened again begins at the present.
    """
    values = requests.query(request)
    flow_run_ids = list(dict.fromkeys(values.get("flow_run_id", ())))
    has_now = "topic" in values or not flow_run_ids
    live, stream = request.live, OverviewStream(bearer_token(request))

    @asynccontextmanager
    async def begin() -> AsyncIterator[AsyncIterator[bytes]]:
        with ExitStack() as stack:
            stack.enter_context(live.streams.opened(stream))
            hubs = [stack.enter_context(live.ticker.joined(flow_run_id, stream)) for flow_run_id in flow_run_ids]
            now = stack.enter_context(live.now.watched(stream)) if has_now else None
            flow_runs = await live.ticker.read_present(hubs) if hubs else []
            present = [(hub, summary_of(flow_run)) for hub, flow_run in zip(hubs, flow_runs, strict=True) if flow_run]
            yield stream.chunks(present, now)

    return EventStream(stream, begin, live.traffic)


def _last_event(request: ApiRequest) -> EventId | None:
    """The id in `Last-Event-ID`, None without the header; raises InvalidRequest."""
    if (identifier := request.header(b"last-event-id")) is None:
        return None
    if (event_id := read_event_id(identifier)) is None:
        fault = Fault(header="Last-Event-ID", detail="It must be the `id` of an event of this stream.")
        raise InvalidRequest(faults=(fault,))
    return event_id


HANDLERS = (watch_flow_run, watch_flow_runs)
