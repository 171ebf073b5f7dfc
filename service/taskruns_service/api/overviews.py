"""Overviews: handlers for what sums up all task runs of a flow run in one response."""

from http import HTTPStatus
from uuid import UUID

import msgspec
from litestar.params import FromPath

from taskruns_service import schemas
from taskruns_service.api import compression, flow_runs, requests, responses
from taskruns_service.api.compression import Representation, RepresentationCache
from taskruns_service.api.operations import READ_ERRORS, Answer, Scope, operation
from taskruns_service.api.requests import ApiRequest
from taskruns_service.api.responses import JsonResponse
from taskruns_service.domain.errors import FlowRunNotFound
from taskruns_service.queries import flow_run_tasks, runs, timelines


@operation(
    "GET",
    "/flow-runs/{flow_run_id:uuid}/tasks",
    id="get_flow_run_tasks",
    summary="Get the tasks of a flow run",
    tag=flow_runs.TAG,
    scope=Scope.read,
    conditional=("If-None-Match",),
    answers={
        200: Answer("The tasks.", schemas.FlowRunTasks, headers=("ETag",)),
        304: Answer("Nothing in the flow run has changed."),
    },
    errors=(FlowRunNotFound, *READ_ERRORS),
)
async def get_flow_run_tasks(request: ApiRequest, flow_run_id: FromPath[UUID]) -> JsonResponse:
    """Get the tasks of a flow run, each with what there is to know of all its task runs.

    A mapped task is one item, however many children it has. The tasks have the order in which they started; those that
    have not started come last.
    """
    change = await request.database.look_up(runs.get_last_change, flow_run_id)
    if (version := f"{change.sequence}") in (requests.known_versions(request) or ()):
        return responses.not_modified(request, version)
    cache: RepresentationCache = request.app.state.overviews
    key = b"tasks %b %b" % (flow_run_id.bytes, f"{change}".encode())
    if (representation := cache.get(key)) is None:
        tasks = await request.database.scan(flow_run_tasks.get_flow_run_tasks, flow_run_id)
        body = msgspec.json.encode(tasks)
        representation = Representation(body, responses.json_headers(body, tasks.sequence))
        cache.keep(key, representation)
    return JsonResponse(representation.body, HTTPStatus.OK, representation.headers)


@operation(
    "GET",
    "/flow-runs/{flow_run_id:uuid}/timeline",
    id="get_flow_run_timeline",
    summary="Get the timeline of a flow run",
    tag=flow_runs.TAG,
    scope=Scope.read,
    parameters=timelines.PARAMETERS,
    conditional=("If-None-Match",),
    answers={
        200: Answer("The timeline.", schemas.Timeline, headers=("ETag",)),
        304: Answer("Nothing in the flow run has changed."),
    },
    errors=(FlowRunNotFound, *READ_ERRORS),
)
async def get_flow_run_timeline(request: ApiRequest, flow_run_id: FromPath[UUID]) -> JsonResponse:
    """Get when the task runs of a flow run waited and ran, in columns, so that all of them fit into one response.

    If a window has more than 200,000 task runs, they are counted in bins of time, by task and state; a smaller window
    shows them one by one. To read a task run itself, look it up by its `task_slug` and `map_index`.
    """
    values = timelines.timeline_values(flow_run_id, requests.query(request))
    change = await request.database.look_up(runs.get_last_change, flow_run_id)
    version = f"{change.sequence}"
    if version in (requests.known_versions(request) or ()):
        return responses.not_modified(request, version)
    if not compression.accepts_gzip(request.scope):
        timeline = await request.database.scan(timelines.get_timeline, values)
        return responses.as_json(timeline.body, version=timeline.version)
    cache: RepresentationCache = request.app.state.overviews
    key = b"timeline %b %b %b" % (flow_run_id.bytes, f"{change}".encode(), request.scope["query_string"])
    if (representation := cache.get(key)) is None:
        timeline = await request.database.scan(timelines.get_timeline, values)
        if len(timeline.body) < compression.MIN_BYTES:
            return responses.as_json(timeline.body, version=timeline.version)
        headers = responses.json_headers(timeline.body, timeline.version)
        representation = await compression.gzipped(timeline.body, headers)
        cache.keep(key, representation)
    return JsonResponse(representation.body, HTTPStatus.OK, representation.headers)


HANDLERS = (get_flow_run_tasks, get_flow_run_timeline)
