"""Task runs: handlers for /task-runs and what is below it."""

from uuid import UUID

from litestar.params import FromPath

from taskruns_service import schemas
from taskruns_service.api import requests, responses
from taskruns_service.api.aggregates import answer_aggregate
from taskruns_service.api.lists import answer_page
from taskruns_service.api.operations import BULK_BODY_BYTES, READ_ERRORS, WRITE_ERRORS, Answer, Scope, operation
from taskruns_service.api.receipts import receipts
from taskruns_service.api.requests import ApiRequest
from taskruns_service.api.responses import JsonResponse
from taskruns_service.commands.reports import SetTaskRunState, UpdateTaskRun
from taskruns_service.domain.errors import (
    InvalidCursor,
    NoResultType,
    ResultNotPersisted,
    ResultNotReady,
    StateIdConflict,
    TaskRunNotFound,
    TerminalState,
    VersionConflict,
)
from taskruns_service.queries import aggregations, attempts, neighbours, runs, task_run_results
from taskruns_service.queries.listings import TASK_RUN_ARTIFACTS, TASK_RUN_LOGS, TASK_RUN_STATES, TASK_RUNS

TAG = "task runs"


@operation(
    "GET",
    "/task-runs",
    id="list_task_runs",
    summary="List task runs",
    tag=TAG,
    scope=Scope.read,
    parameters=TASK_RUNS.parameters,
    answers={200: Answer("A page of task runs.", schemas.TaskRunPage)},
    errors=(InvalidCursor, *READ_ERRORS),
)
async def list_task_runs(request: ApiRequest) -> JsonResponse:
    """List the task runs of all flow runs, newest first.

    Filters are combined with AND, the values of a repeated filter with OR. A mapped parent is filtered and sorted by
    the times that it shows: the earliest start of its children, and their latest end once all of them have ended.
    """
    return await answer_page(request, TASK_RUNS)


@operation(
    "GET",
    "/task-runs/fields",
    id="list_task_run_fields",
    summary="List selected members of task runs",
    tag=TAG,
    scope=Scope.read,
    parameters=TASK_RUNS.fields_parameters,
    answers={200: Answer("A page of task runs with the members in `fields`.", schemas.TaskRunFieldsPage)},
    errors=(InvalidCursor, *READ_ERRORS),
)
async def list_task_run_fields(request: ApiRequest) -> JsonResponse:
    """List task runs with only the members that `fields` names, which makes long lists cheaper.

    In all other respects this is the list of complete task runs.
    """
    return await answer_page(request, TASK_RUNS)


@operation(
    "GET",
    "/task-runs/aggregate",
    id="aggregate_task_runs",
    summary="Count and measure task runs",
    tag=TAG,
    scope=Scope.read,
    parameters=aggregations.TASK_RUNS.parameters,
    answers={200: Answer("The count and the measures.", schemas.Aggregate)},
    errors=READ_ERRORS,
)
async def aggregate_task_runs(request: ApiRequest) -> JsonResponse:
    """Count and measure the task runs that match the filters, in total and by group. The results are always exact.

    The service maintains the counts by state, task slug, and flow, so they cost the same for any number of task runs.
    """
    return await answer_aggregate(request, aggregations.TASK_RUNS)


@operation(
    "GET",
    "/task-runs/{task_run_id:uuid}",
    id="get_task_run",
    summary="Get a task run",
    tag=TAG,
    scope=Scope.read,
    conditional=("If-None-Match",),
    answers={200: Answer("The task run.", schemas.TaskRun, headers=("ETag",)), 304: Answer("Nothing has changed.")},
    errors=(TaskRunNotFound, *READ_ERRORS),
)
async def get_task_run(request: ApiRequest, task_run_id: FromPath[UUID]) -> JsonResponse:
    """Get one task run. A mapped parent shows the earliest start and the latest end of its children."""
    return responses.versioned(request, await request.database.look_up(runs.get_task_run, task_run_id))


@operation(
    "PATCH",
    "/task-runs/{task_run_id:uuid}",
    id="update_task_run",
    summary="Update a task run",
    tag=TAG,
    scope=Scope.write,
    body=schemas.TaskRunUpdate,
    body_example={"name": "inc of 3", "tags": ["etl"]},
    conditional=("If-Match",),
    answers={200: Answer("The updated task run.", schemas.TaskRun, headers=("ETag",))},
    errors=(TaskRunNotFound, VersionConflict, *WRITE_ERRORS),
)
async def update_task_run(
    request: ApiRequest,
    task_run_id: FromPath[UUID],
) -> JsonResponse:
    """Change the name or the tags of a task run. Members that are not sent keep their values."""
    body = await requests.body(request, schemas.TaskRunUpdate)
    matched = requests.matched_task_run(request)
    version = schemas.expected_version(matched.version, body.expected_version)
    await request.writer.submit_one(UpdateTaskRun(task_run_id, body, version, matched.sequence), task_run_id)
    task_run = await request.database.read_back(runs.get_task_run, task_run_id)
    return responses.as_json(task_run.body, version=task_run.version)


@operation(
    "POST",
    "/task-runs/{task_run_id:uuid}/states",
    id="set_task_run_state",
    summary="Report a state of a task run",
    tag=TAG,
    scope=Scope.write,
    body=schemas.StateCreate,
    body_example=schemas.SUCCESS_EXAMPLE,
    conditional=("If-Match",),
    answers={
        201: Answer(
            "The state was added to the history; `outcome` says whether it is the current state.",
            schemas.TaskRunStateReceipt,
            headers=("ETag",),
        ),
        200: Answer("The state was already recorded.", schemas.TaskRunStateReceipt, headers=("ETag",)),
    },
    errors=(TaskRunNotFound, TerminalState, StateIdConflict, VersionConflict, *WRITE_ERRORS),
)
async def set_task_run_state(request: ApiRequest, task_run_id: FromPath[UUID]) -> JsonResponse:
    """Report a state that a task run has entered."""
    body = await requests.body(request, schemas.StateCreate)
    matched = requests.matched_task_run(request)
    report = body.report(matched_version=matched.version, matched_sequence=matched.sequence)
    outcome = await request.writer.submit_one(SetTaskRunState(task_run_id, report), task_run_id)
    receipt = schemas.TaskRunStateReceipt(
        outcome=outcome.outcome, id=report.id, task_run_id=task_run_id, version=outcome.version, state=outcome.state
    )
    status = 200 if outcome.outcome == "duplicate" else 201
    return responses.as_json(receipt, status, version=f"{outcome.version}.{outcome.sequence}")


@operation(
    "GET",
    "/task-runs/{task_run_id:uuid}/states",
    id="list_task_run_states",
    summary="List the states of a task run",
    tag=TAG,
    scope=Scope.read,
    parameters=TASK_RUN_STATES.parameters,
    answers={200: Answer("A page of states.", schemas.StatePage)},
    errors=(InvalidCursor, TaskRunNotFound, *READ_ERRORS),
)
async def list_task_run_states(request: ApiRequest, task_run_id: FromPath[UUID]) -> JsonResponse:
    """List the states of a task run, oldest first, including those that arrived too late to take effect."""
    query = TASK_RUN_STATES.query(requests.query(request), task_run_id)
    return responses.as_json(await request.database.read(runs.list_task_run_states, query))


@operation(
    "GET",
    "/task-runs/{task_run_id:uuid}/attempts",
    id="get_task_run_attempts",
    summary="Get the attempts of a task run",
    tag=TAG,
    scope=Scope.read,
    answers={200: Answer("The attempts.", schemas.TaskRunAttempts)},
    errors=(TaskRunNotFound, *READ_ERRORS),
)
async def get_task_run_attempts(request: ApiRequest, task_run_id: FromPath[UUID]) -> JsonResponse:
    """Get the attempts of a task run, oldest first, and the time that it was running.

    An attempt begins with a Running state and ends with the next state that is neither Running nor Cancelling, such as
    Retrying, Paused or Failed, or with the next Running state. Of several finished states, the one that takes
    precedence ends it. The service derives the attempts from the history, in the order of the timestamps, whatever the
    order of arrival. A task run that was never Running has no attempts. A mapped parent has its own, not those of its
    children.

    The response covers the oldest 1,000 states of the history; `truncated` says whether there are more.
    """
    return responses.as_json(await request.database.read(attempts.get_task_run_attempts, task_run_id))


@operation(
    "GET",
    "/task-runs/{task_run_id:uuid}/neighbours",
    id="get_task_run_neighbours",
    summary="Get the neighbours of a task run",
    tag=TAG,
    scope=Scope.read,
    answers={200: Answer("The neighbours.", schemas.TaskRunNeighbours)},
    errors=(TaskRunNotFound, *READ_ERRORS),
)
async def get_task_run_neighbours(request: ApiRequest, task_run_id: FromPath[UUID]) -> JsonResponse:
    """Get the task runs beside a task run.

    They are the mapped parent and the children before and after a child, the same task in earlier flow runs, and, if
    the flow was registered with its edges, the task runs upstream and downstream.
    """
    return responses.as_json(await request.database.read(neighbours.get_task_run_neighbours, task_run_id))


@operation(
    "GET",
    "/task-runs/{task_run_id:uuid}/artifacts",
    id="list_task_run_artifacts",
    summary="List the artifacts of a task run",
    tag=TAG,
    scope=Scope.read,
    parameters=TASK_RUN_ARTIFACTS.parameters,
    answers={200: Answer("A page of artifacts.", schemas.ArtifactPage)},
    errors=(InvalidCursor, TaskRunNotFound, *READ_ERRORS),
)
async def list_task_run_artifacts(request: ApiRequest, task_run_id: FromPath[UUID]) -> JsonResponse:
    """List the artifacts of a task run, oldest first: links and texts that engines of Prefect 1 sent for people."""
    query = TASK_RUN_ARTIFACTS.query(requests.query(request), task_run_id)
    return responses.as_json(await request.database.read(runs.list_task_run_artifacts, query))


@operation(
    "GET",
    "/task-runs/{task_run_id:uuid}/logs",
    id="list_task_run_logs",
    summary="List the log lines of a task run",
    tag=TAG,
    scope=Scope.read,
    parameters=TASK_RUN_LOGS.parameters,
    answers={200: Answer("A page of log lines.", schemas.LogPage)},
    errors=(InvalidCursor, TaskRunNotFound, *READ_ERRORS),
)
async def list_task_run_logs(request: ApiRequest, task_run_id: FromPath[UUID]) -> JsonResponse:
    """List the log lines of a task run, oldest first; to list the newest first, sort by `-timestamp`."""
    query = TASK_RUN_LOGS.query(requests.query(request), task_run_id)
    return responses.as_json(await request.database.read(runs.list_task_run_logs, query))


@operation(
    "POST",
    "/task-runs/states",
    id="set_task_run_states",
    summary="Report states of task runs",
    tag=TAG,
    scope=Scope.write,
    body=schemas.TaskRunStateReports,
    body_example={
        "items": [{"task_run_id": schemas.TASK_RUN_EXAMPLE, "id": schemas.STATE_EXAMPLE, **schemas.RUNNING_EXAMPLE}]
    },
    body_bytes=BULK_BODY_BYTES,
    answers={
        200: Answer("All items were accepted.", schemas.TaskRunReceipts),
        207: Answer("Some items were refused; the others were accepted.", schemas.TaskRunReceipts),
    },
    errors=WRITE_ERRORS,
)
async def set_task_run_states(request: ApiRequest) -> JsonResponse:
    """Report 1 to 1,000 states of any task runs. The states of one task run are applied in the order given."""
    items = await requests.converted_body(
        request,
        schemas.TaskRunStateReports,
        lambda reports: [SetTaskRunState(item.task_run_id, item.report()) for item in reports.items],
    )
    identifiers = [item.task_run_id for item in items]
    outcomes = await request.writer.submit(items, identifiers)
    return receipts(outcomes, identifiers)


@operation(
    "GET",
    "/task-runs/{task_run_id:uuid}/result",
    id="get_task_run_result",
    summary="Get the location of a result",
    tag=TAG,
    scope=Scope.read,
    parameters=task_run_results.PARAMETERS,
    answers={200: Answer("The location of the result, or of the results of the children.", schemas.TaskRunResult)},
    errors=(InvalidCursor, TaskRunNotFound, NoResultType, ResultNotPersisted, ResultNotReady, *READ_ERRORS),
)
async def get_task_run_result(request: ApiRequest, task_run_id: FromPath[UUID]) -> JsonResponse:
    """Get the location of a finished task run's result, and how it was serialized.

    The service never holds the result itself.

    For a mapped parent, the response lists the results of its children by map index, one page at a time. The list is
    empty if the task was mapped over no items.
    """
    page = task_run_results.children_page(requests.query(request), task_run_id)
    result = await request.database.read(task_run_results.get_task_run_result, task_run_id, page)
    return responses.as_json(result)


HANDLERS = (
    list_task_runs,
    list_task_run_fields,
    aggregate_task_runs,
    set_task_run_states,
    get_task_run,
    update_task_run,
    set_task_run_state,
    list_task_run_states,
    get_task_run_attempts,
    get_task_run_neighbours,
    list_task_run_artifacts,
    list_task_run_logs,
    get_task_run_result,
)
