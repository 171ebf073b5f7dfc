"""GraphQL over HTTP: the handlers of /graphql, and of / where clients of Prefect 1 send to if told nothing else."""

from collections.abc import Sequence
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from uuid import UUID

from litestar import get, post

from taskruns_service.api.admission import authorize
from taskruns_service.api.documents import Document
from taskruns_service.api.operations import BULK_BODY_BYTES, Scope
from taskruns_service.api.requests import ApiRequest, require_json
from taskruns_service.api.responses import JsonResponse, json_headers
from taskruns_service.domain.errors import DatabaseUnavailable, Forbidden, InvalidRequest, Unauthenticated
from taskruns_service.prefect1.graphql import execution
from taskruns_service.prefect1.graphql.context import Budget, Context, Resources
from taskruns_service.prefect1.graphql.documents import BadDocument
from taskruns_service.prefect1.graphql.execution import Answer
from taskruns_service.prefect1.graphql.sdl import make_sdl

HINT = b"""This is the GraphQL endpoint of taskruns-service. Send a query with POST, for instance:

  curl http://127.0.0.1:4200/graphql --json '{"query": "{ task_run_aggregate { aggregate { count } } }"}'

The schema is at /graphql/schema; in a browser this address shows an explorer.
"""


@post(["/graphql", "/"], status_code=HTTPStatus.OK, request_max_body_size=BULK_BODY_BYTES)
async def post_graphql(request: ApiRequest) -> JsonResponse:
    """Answers a query or a mutation; a request without a key that is in force gets an answer too, as clients expect."""
    require_json(request)
    request.declare_change(is_change=False)
    answer = await _answer(request)
    return JsonResponse(answer.body, answer.status, json_headers(answer.body), is_query=True)


async def _answer(request: ApiRequest) -> Answer:
    resources: Resources = request.app.state.graphql
    budget = resources.budget()
    try:
        await authorize(request, Scope.read)
        raw = await request.body()
        batch = await execution.receive_batch(raw, resources.background) if execution.is_batch(raw) else None
    except (Unauthenticated, Forbidden) as error:
        return execution.answer_error(error)
    except InvalidRequest as error:
        return execution.answer_error(error, HTTPStatus.BAD_REQUEST)
    if batch is None:
        return await _answer_one(request, raw, budget)
    return execution.answer_batch(await _answer_each(request, batch, budget))


async def _answer_each(request: ApiRequest, batch: Sequence[bytes], budget: Budget) -> list[Answer]:
    """The answers to the requests of a batch, up to the first for which the database is away or too much is waiting.

    Those after it are not carried out, and say so. The answers before it may be of changes, so they are given; raises
    what the first request met where there are none.
    """
    answers: list[Answer] = []
    for part in batch:
        try:
            answer = await _answer_one(request, part, budget, in_batch=True)
        except execution.PASSING_ERRORS as error:
            if not answers:
                raise
            answer = execution.answer_error(error)
        answers.append(answer)
        if answer.is_incomplete:
            remaining = len(batch) - len(answers)
            return [*answers, *[execution.answer_error(_NOT_CARRIED_OUT)] * remaining]
    return answers


_NOT_CARRIED_OUT = DatabaseUnavailable("An earlier request of the batch was abandoned, so this one was not executed.")


async def _answer_one(request: ApiRequest, raw: bytes, budget: Budget, *, in_batch: bool = False) -> Answer:
    background = request.app.state.graphql.background
    try:
        operation = await execution.receive_operation(raw, background, in_batch=in_batch)
        if operation.writes:
            request.declare_change(is_change=True)  # so that the rest of a batch reads what it has written
            await authorize(request, Scope.write)
        core_version = request.header(b"x-prefect-core-version")
        # The engine and agents of Prefect 1 read back what they wrote, and know of no positions.
        database = request.primary if core_version is not None else request.database
    except (Unauthenticated, Forbidden) as error:
        return execution.answer_error(error)
    except InvalidRequest as error:
        return execution.answer_error(error, HTTPStatus.BAD_REQUEST)
    except BadDocument as error:
        return execution.answer_errors(error.code, error.errors)
    context = Context(
        database=database,
        writer=request.writer,
        background=background,
        budget=budget,
        variables=operation.variables,
        is_heavy=operation.is_heavy,
        agent_id=_id(request.header(b"x-prefect-agent-id")),
        core_version=core_version,
    )
    return await execution.carry_out(operation, context)


def _id(text: str | None) -> UUID | None:
    try:
        return UUID(text)
    except (TypeError, ValueError):
        return None


@get("/graphql")
async def explore_graphql(request: ApiRequest) -> JsonResponse:
    """Shows browsers a page to explore with, which needs nothing from elsewhere; tells others what to send."""
    is_browser = "text/html" in (request.header(b"accept") or "")
    return (_explorer() if is_browser else _hint()).answer(request)


@get("/graphql/schema")
async def get_graphql_schema(request: ApiRequest) -> JsonResponse:
    """The schema as SDL."""
    return _schema().answer(request)


@cache
def _explorer() -> Document:
    page = files("taskruns_service.prefect1.graphql").joinpath("explorer.html").read_bytes()
    return Document(page, "text/html; charset=utf-8", varies="Accept")


@cache
def _hint() -> Document:
    return Document(HINT, "text/plain; charset=utf-8", varies="Accept")


@cache
def _schema() -> Document:
    return Document(make_sdl().encode(), "text/plain; charset=utf-8")


HANDLERS = (post_graphql, explore_graphql, get_graphql_schema)
