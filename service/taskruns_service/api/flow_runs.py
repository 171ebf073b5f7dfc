"""Flow runs: handlers for /flow-runs and what is below it."""

from uuid import UUID

import msgspec
from litestar.params import FromPath

from taskruns_service import schemas
from taskruns_service.api import requests, responses
from taskruns_service.api.aggregates import answer_aggregate
from taskruns_service.api.lists import answer_page
from taskruns_service.api.operations import BULK_BODY_BYTES, READ_ERRORS, WRITE_ERRORS, Answer, Scope, operation
from taskruns_service.api.receipts import receipts
from taskruns_service.api.requests import ApiRequest
from taskruns_service.api.responses import JsonResponse
from taskruns_service.commands.flow_runs import CreateFlowRun, DeleteFlowRun
from taskruns_service.commands.heartbeats import ReportHeartbeat
from taskruns_service.commands.logs import ReportLogs
from taskruns_service.commands.reports import ReportTaskRun, SetFlowRunState
from taskruns_service.domain.errors import (
    FlowRunConflict,
    FlowRunNotFound,
    InvalidCursor,
    StateIdConflict,
    TerminalState,
    VersionConflict,
)
from taskruns_service.domain.ids import new_id
from taskruns_service.queries import aggregations, runs
from taskruns_service.queries.lines import LineKey
from taskruns_service.queries.listings import FLOW_RUN_LOGS, FLOW_RUN_STATES, FLOW_RUN_TASK_RUNS, FLOW_RUNS
from taskruns_service.storage import tally

TAG = "flow runs"


@operation(
    "POST",
    "/flow-runs",
    id="create_flow_run",
    summary="Create a flow run",
    tag=TAG,
    scope=Scope.write,
    body=schemas.FlowRunCreate,
    body_example={"flow_name": "example-mapped", "id": schemas.FLOW_RUN_EXAMPLE, "parameters": {"x": 1}},
    answers={
        201: Answer("The flow run was created.", schemas.FlowRun, headers=("ETag", "Location")),
        200: Answer("The flow run already existed.", schemas.FlowRun, headers=("ETag", "Location")),
    },
    errors=(FlowRunConflict, *WRITE_ERRORS),
)
async def create_flow_run(request: ApiRequest) -> JsonResponse:
    """Create a flow run. The flow is created if its name is new.

    If a flow run with this `id`, or with this `idempotency_key` for this flow, exists, the response is that flow run,
    provided that it has the values that were sent.
    """
    body = await requests.body(request, schemas.FlowRunCreate)
    identifier = new_id() if body.id is msgspec.UNSET else body.id
    outcome = await request.writer.submit_one(CreateFlowRun(identifier, body), identifier)
    flow_run = await request.database.read_back(runs.get_flow_run, outcome.id)
    return responses.as_json(
        flow_run.body, 201 if outcome.created else 200, version=flow_run.version, location=f"/flow-runs/{outcome.id}"
    )


@operation(
    "GET",
    "/flow-runs",
    id="list_flow_runs",
    summary="List flow runs",
    tag=TAG,
    scope=Scope.read,
    parameters=FLOW_RUNS.parameters,
    answers={200: Answer("A page of flow runs.", schemas.FlowRunPage)},
    errors=(InvalidCursor, *READ_ERRORS),
)
async def list_flow_runs(request: ApiRequest) -> JsonResponse:
    """List flow runs, newest first. Filters are combined with AND, the values of a repeated filter with OR."""
    return await answer_page(request, FLOW_RUNS)


@operation(
    "GET",
    "/flow-runs/fields",
    id="list_flow_run_fields",
    summary="List selected members of flow runs",
    tag=TAG,
    scope=Scope.read,
    parameters=FLOW_RUNS.fields_parameters,
    answers={200: Answer("A page of flow runs with the members in `fields`.", schemas.FlowRunFieldsPage)},
    errors=(InvalidCursor, *READ_ERRORS),
)
async def list_flow_run_fields(request: ApiRequest) -> JsonResponse:
    """List flow runs with only the members that `fields` names, which makes long lists cheaper.

    In all other respects this is the list of complete flow runs.
    """
    return await answer_page(request, FLOW_RUNS)


@operation(
    "GET",
    "/flow-runs/aggregate",
    id="aggregate_flow_runs",
    summary="Count and measure flow runs",
    tag=TAG,
    scope=Scope.read,
    parameters=aggregations.FLOW_RUNS.parameters,
    answers={200: Answer("The count and the measures.", schemas.Aggregate)},
    errors=READ_ERRORS,
)
async def aggregate_flow_runs(request: ApiRequest) -> JsonResponse:
    """Count and measure the flow runs that match the filters, in total and by group. The results are always exact.

    The service maintains the counts by state and flow, so they cost the same for any number of flow runs.
    """
    return await answer_aggregate(request, aggregations.FLOW_RUNS)


@operation(
    "GET",
    "/flow-runs/{flow_run_id:uuid}",
    id="get_flow_run",
    summary="Get a flow run",
    tag=TAG,
    scope=Scope.read,
    conditional=("If-None-Match",),
    answers={200: Answer("The flow run.", schemas.FlowRun, headers=("ETag",)), 304: Answer("Nothing has changed.")},
    errors=(FlowRunNotFound, *READ_ERRORS),
)
async def get_flow_run(request: ApiRequest, flow_run_id: FromPath[UUID]) -> JsonResponse:
    """Get one flow run, with the number of its task runs in each state."""
    return responses.versioned(request, await request.database.look_up(runs.get_flow_run, flow_run_id))


@operation(
    "DELETE",
    "/flow-runs/{flow_run_id:uuid}",
    id="delete_flow_run",
    summary="Delete a flow run",
    tag=TAG,
    scope=Scope.write,
    conditional=("If-Match",),
    answers={204: Answer("The flow run was deleted.")},
    errors=(FlowRunNotFound, VersionConflict, *WRITE_ERRORS),
)
async def delete_flow_run(request: ApiRequest, flow_run_id: FromPath[UUID]) -> JsonResponse:
    """Delete a flow run with its task runs, their histories, and its logs.

    The results that they refer to are not deleted.
    """
    sequence = requests.matched_flow_run(request)
    size = (await request.database.read_back(tally.read_sizes, [flow_run_id])).get(flow_run_id)
    item = DeleteFlowRun(flow_run_id, sequence, 1 if size is None else size.all)
    await request.writer.submit_one(item, flow_run_id)
    return JsonResponse(b"", 204, [])


@operation(
    "POST",
    "/flow-runs/{flow_run_id:uuid}/states",
    id="set_flow_run_state",
    summary="Report a state of a flow run",
    tag=TAG,
    scope=Scope.write,
    body=schemas.StateCreate,
    body_example={"type": "Running", "message": "Running flow.", "timestamp": "2021-05-12T18:00:01.696849Z"},
    conditional=("If-Match",),
    answers={
        201: Answer(
            "The state was added to the history; `outcome` says whether it is the current state.",
            schemas.FlowRunStateReceipt,
        ),
        200: Answer("The state was already recorded.", schemas.FlowRunStateReceipt),
    },
    errors=(FlowRunNotFound, TerminalState, StateIdConflict, VersionConflict, *WRITE_ERRORS),
)
async def set_flow_run_state(request: ApiRequest, flow_run_id: FromPath[UUID]) -> JsonResponse:
    """Report a state that a flow run has entered."""
    body = await requests.body(request, schemas.StateCreate)
    report = body.report(matched_sequence=requests.matched_flow_run(request))
    outcome = await request.writer.submit_one(SetFlowRunState(flow_run_id, report), flow_run_id)
    receipt = schemas.FlowRunStateReceipt(
        outcome=outcome.outcome, id=report.id, flow_run_id=flow_run_id, version=outcome.version, state=outcome.state
    )
    return responses.as_json(receipt, 200 if outcome.outcome == "duplicate" else 201)


@operation(
    "GET",
    "/flow-runs/{flow_run_id:uuid}/states",
    id="list_flow_run_states",
    summary="List the states of a flow run",
    tag=TAG,
    scope=Scope.read,
    parameters=FLOW_RUN_STATES.parameters,
    answers={200: Answer("A page of states.", schemas.StatePage)},
    errors=(InvalidCursor, FlowRunNotFound, *READ_ERRORS),
)
async def list_flow_run_states(request: ApiRequest, flow_run_id: FromPath[UUID]) -> JsonResponse:
    """List the states of a flow run, oldest first, including those that arrived too late to take effect."""
    query = FLOW_RUN_STATES.query(requests.query(request), flow_run_id)
    return responses.as_json(await request.database.read(runs.list_flow_run_states, query))


@operation(
    "GET",
    "/flow-runs/{flow_run_id:uuid}/task-runs",
    id="list_flow_run_task_runs",
    summary="List the task runs of a flow run",
    tag=TAG,
    scope=Scope.read,
    parameters=FLOW_RUN_TASK_RUNS.parameters,
    conditional=("If-None-Match",),
    answers={
        200: Answer("A page of task runs.", schemas.TaskRunPage, headers=("ETag",)),
        304: Answer("Nothing in the flow run has changed."),
    },
    errors=(InvalidCursor, FlowRunNotFound, *READ_ERRORS),
)
async def list_flow_run_task_runs(request: ApiRequest, flow_run_id: FromPath[UUID]) -> JsonResponse:
    """List the task runs of a flow run in the order of their creation.

    To look up one task run, pass its `task_slug` and its `map_index` (-1 unless it is a child of a mapped task run). To
    read only changes, sort by `sequence` and pass the last sequence that you saw as `after_sequence`.
    """
    return await _list_task_runs(request, flow_run_id)


@operation(
    "GET",
    "/flow-runs/{flow_run_id:uuid}/task-runs/fields",
    id="list_flow_run_task_run_fields",
    summary="List selected members of a flow run's task runs",
    tag=TAG,
    scope=Scope.read,
    parameters=FLOW_RUN_TASK_RUNS.fields_parameters,
    conditional=("If-None-Match",),
    answers={
        200: Answer("A page of task runs with the members in `fields`.", schemas.TaskRunFieldsPage, headers=("ETag",)),
        304: Answer("Nothing in the flow run has changed."),
    },
    errors=(InvalidCursor, FlowRunNotFound, *READ_ERRORS),
)
async def list_flow_run_task_run_fields(request: ApiRequest, flow_run_id: FromPath[UUID]) -> JsonResponse:
    """List the task runs of a flow run with only the members that `fields` names, which makes long lists cheaper.

    In all other respects this is the list of complete task runs.
    """
    return await _list_task_runs(request, flow_run_id)


async def _list_task_runs(request: ApiRequest, flow_run_id: UUID) -> JsonResponse:
    query = FLOW_RUN_TASK_RUNS.query(requests.query(request), flow_run_id)
    known = requests.known_versions(request)
    version, task_runs = await request.database.read(runs.list_flow_run_task_runs, query, known=known)
    if task_runs is None:
        return responses.not_modified(request, version)
    return responses.as_json(task_runs, version=version)


@operation(
    "POST",
    "/flow-runs/{flow_run_id:uuid}/task-runs",
    id="report_task_runs",
    summary="Report task runs of a flow run",
    tag=TAG,
    scope=Scope.write,
    body=schemas.TaskRunReports,
    body_example={
        "items": [
            {"task_slug": "name", "id": schemas.TASK_RUN_EXAMPLE, "states": [schemas.SUCCESS_EXAMPLE]},
            {"task_slug": "inc-1", "map_index": 2, "states": [{"type": "Running"}]},
        ]
    },
    body_bytes=BULK_BODY_BYTES,
    answers={
        200: Answer("All items were accepted.", schemas.TaskRunReceipts),
        207: Answer("Some items were refused; the others were accepted.", schemas.TaskRunReceipts),
    },
    errors=(FlowRunNotFound, *WRITE_ERRORS),
)
async def report_task_runs(request: ApiRequest, flow_run_id: FromPath[UUID]) -> JsonResponse:
    """Report 1 to 1,000 task runs by task slug and map index. Each is created if it is new, and then enters its states.

    Each item has its own outcome. Repeating a report with the same state ids changes nothing.
    """
    items = await requests.converted_body(
        request,
        schemas.TaskRunReports,
        lambda reports: [
            ReportTaskRun(flow_run_id, item, [state.report() for state in item.states]) for item in reports.items
        ],
    )
    outcomes = await request.writer.submit(items, [flow_run_id] * len(items))
    if isinstance(outcomes[0], FlowRunNotFound):
        raise outcomes[0]
    return receipts(outcomes, [None] * len(items))


@operation(
    "POST",
    "/flow-runs/{flow_run_id:uuid}/heartbeats",
    id="report_flow_run_heartbeat",
    summary="Report a heartbeat of a flow run",
    tag=TAG,
    scope=Scope.write,
    answers={204: Answer("The heartbeat was noted.")},
    errors=(FlowRunNotFound, *WRITE_ERRORS),
)
async def report_flow_run_heartbeat(request: ApiRequest, flow_run_id: FromPath[UUID]) -> JsonResponse:
    """Report that a process of a flow run is alive, by the time at which the heartbeat arrives.

    Once a flow run has sent a heartbeat, it must go on to send them while it is running. Without one for the time that
    the service is set up for, the flow run and its unfinished task runs become Crashed. The next heartbeat or report
    undoes that.
    """
    await request.writer.submit_one(ReportHeartbeat(flow_run_id), flow_run_id)
    return JsonResponse(b"", 204, [])


@operation(
    "POST",
    "/flow-runs/{flow_run_id:uuid}/logs",
    id="report_flow_run_logs",
    summary="Report log lines of a flow run",
    tag=TAG,
    scope=Scope.write,
    body=schemas.LogLineReports,
    body_example={
        "items": [
            {"id": schemas.LOG_LINE_EXAMPLE, "timestamp": "2021-05-12T18:00:01.696849Z", "message": "Loaded 42 rows."}
        ]
    },
    body_bytes=BULK_BODY_BYTES,
    answers={200: Answer("All lines are recorded.", schemas.LogReceipt)},
    errors=(FlowRunNotFound, *WRITE_ERRORS),
)
async def report_flow_run_logs(request: ApiRequest, flow_run_id: FromPath[UUID]) -> JsonResponse:
    """Report 1 to 1,000 log lines of a flow run and of its task runs.

    Lines whose ids are known are ignored, so it is safe to repeat a report. If a line names a task run that the flow
    run does not have, the service records none of the lines.
    """
    lines = await requests.converted_body(request, schemas.LogLineReports, lambda reports: reports.items)
    recorded = await request.writer.submit_one(ReportLogs(flow_run_id, lines), flow_run_id)
    request.live.ticker.note_lines(
        flow_run_id, (LineKey(line.timestamp, line.id) for line in lines if line.timestamp is not msgspec.UNSET)
    )
    return responses.as_json(schemas.LogReceipt(received=len(lines), recorded=recorded))


@operation(
    "GET",
    "/flow-runs/{flow_run_id:uuid}/logs",
    id="list_flow_run_logs",
    summary="List the log lines of a flow run",
    tag=TAG,
    scope=Scope.read,
    parameters=FLOW_RUN_LOGS.parameters,
    answers={200: Answer("A page of log lines.", schemas.LogPage)},
    errors=(InvalidCursor, FlowRunNotFound, *READ_ERRORS),
)
async def list_flow_run_logs(request: ApiRequest, flow_run_id: FromPath[UUID]) -> JsonResponse:
    """List the log lines of a flow run and of its task runs, oldest first.

    To list the newest first, sort by `-timestamp`.
    """
    query = FLOW_RUN_LOGS.query(requests.query(request), flow_run_id)
    return responses.as_json(await request.database.read(runs.list_flow_run_logs, query))


HANDLERS = (
    create_flow_run,
    list_flow_runs,
    list_flow_run_fields,
    aggregate_flow_runs,
    report_task_runs,
    list_flow_run_task_runs,
    list_flow_run_task_run_fields,
    set_flow_run_state,
    list_flow_run_states,
    report_flow_run_heartbeat,
    report_flow_run_logs,
    list_flow_run_logs,
)
LAST_HANDLERS = (get_flow_run, delete_flow_run)
"""Those whose examples delete what all other examples are about."""
