"""Problems: every error, wherever it comes from, as application/problem+json (RFC 9457)."""

import re
from http import HTTPStatus

import msgspec
import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, MethodNotAllowedException
from litestar.types import HTTPScope

from taskruns_service.api.middleware import allow_header
from taskruns_service.api.responses import JsonResponse, encode_headers
from taskruns_service.domain.errors import (
    ClientGone,
    Fault,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    ServiceError,
    Unauthenticated,
    UnsupportedMediaType,
)
from taskruns_service.schemas import Problem

CLIENT_GONE_STATUS = 499
MEDIA_TYPE = "application/problem+json"

log = structlog.get_logger()

_RUN_PATH = re.compile(
    r"/(flow|task)-runs/(?!(?:aggregate|fields)(?:/|$))[^/]+(?:/(?:states|task-runs|task-runs/fields|result))?/?"
)
"""Paths of runs: where there is no such path, what stands in the place of the id is none."""
_BY_STATUS: dict[int, type[ServiceError]] = {
    HTTPStatus.BAD_REQUEST: InvalidRequest,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.METHOD_NOT_ALLOWED: MethodNotAllowed,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: UnsupportedMediaType,
}


def problem_of(error: ServiceError, *, path: str, request_id: str) -> Problem:
    """An error as clients read it."""
    members = {name: value for name, value in error.members.items() if name in ("current_run", "limit")}
    return Problem(
        type=f"urn:taskruns:problem:{error.code}",
        title=error.code.replace("-", " ").capitalize(),
        status=error.status,
        detail=error.detail,
        instance=path,
        code=error.code,
        request_id=request_id,
        errors=list(error.faults) or msgspec.UNSET,
        **members,
    )


def answer_problem(request: Request[object, object, State], error: Exception) -> Response[bytes]:
    """The exception handler of the whole application."""
    if isinstance(error, ClientGone):
        return Response(b"", status_code=CLIENT_GONE_STATUS)  # for the log; nobody reads it
    known = _known(request, error)
    if known.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, ServiceError):
        log.error("request failed", error=type(error).__name__, exc_info=error)
    body, headers = _rendered(known, request.scope)
    if isinstance(error, MethodNotAllowedException):
        headers["Allow"] = allow_header((error.headers or {})["allow"].split(", "))
    return Response(body, status_code=known.status, media_type=MEDIA_TYPE, headers=headers)


def problem_response(error: ServiceError, scope: HTTPScope) -> JsonResponse:
    """The answer to a request that is refused before it is routed."""
    body, headers = _rendered(error, scope)
    entity = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body))}
    return JsonResponse(body, error.status, encode_headers({**entity, **headers}))


def _rendered(error: ServiceError, scope: HTTPScope) -> tuple[bytes, dict[str, str]]:
    """The problem as JSON, and the headers that go with it."""
    problem = problem_of(error, path=scope["path"], request_id=str(scope.get("request_id", "")))
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="taskruns"'
    if "retry_after" in error.members:
        headers["Retry-After"] = str(error.members["retry_after"])
    return msgspec.json.encode(problem), headers


def _known(request: Request[object, object, State], error: Exception) -> ServiceError:
    """The error of ours that says what an error of the framework means."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, RecursionError):
        return InvalidRequest("The request is nested too deeply.")
    kind = _BY_STATUS.get(error.status_code) if isinstance(error, HTTPException) else None
    if kind is NotFound and (match := _RUN_PATH.fullmatch(request.scope["path"])):
        fault = Fault(parameter=f"{match[1]}_run_id", detail="It must be a UUID, as returned by the service.")
        return InvalidRequest(faults=(fault,))
    if kind is InvalidRequest:
        return InvalidRequest("The request cannot be read.")
    return ServiceError() if kind is None else kind()
