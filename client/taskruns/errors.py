"""The errors that this package raises: one tree, with a class for each problem code of the service."""

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from taskruns.models import Problem
from taskruns.printable import excerpt, printable


class TaskRunsError(Exception):
    """The base class of all errors of this package. Its text is safe to print on a terminal, whatever it quotes."""

    def __str__(self) -> str:
        return excerpt(super().__str__())


class InvalidSetting(TaskRunsError, ValueError):
    """A setting has an invalid value."""


class InvalidArgument(TaskRunsError, ValueError):
    """The arguments of a call do not make a valid request; nothing was sent."""


class ConnectionFailed(TaskRunsError):
    """The service could not be reached, or the connection to it was lost."""


class TimedOut(ConnectionFailed):
    """The service did not respond in time."""


class InvalidAnswer(TaskRunsError):
    """The response is not from the task runs service, or from a version that this client cannot read."""


class AnswerTooLarge(InvalidAnswer):
    """The response exceeds `max_answer_bytes`: request less at a time, or set a larger limit."""


class NoSuchTaskRun(TaskRunsError, LookupError):
    """The flow run has no task run with this slug and map index."""


class ResultError(TaskRunsError):
    """A result could not be written or read."""


class ChildError(ResultError):
    """A child of a mapped task run has no result to load; `get_result(missing="none")` puts None in its place."""


class ChildMissing(ChildError):
    """A mapped task run lacks a child with a map index below the highest: it was not reported, or not yet."""


class ChildNotReady(ChildError):
    """A child of a mapped task run is not finished: try again when it is finished."""


class ChildWithoutResult(ChildError):
    """A child of a mapped task run ended without a result, usually because it failed."""


class ProblemError(TaskRunsError):
    """The service returned a problem (RFC 9457).

    The class depends on the problem's code or, for a code that this client does not know, on its status.
    """

    of_code: ClassVar[str | None] = None
    of_status: ClassVar[int | None] = None
    retry_after: float | None = None
    """The seconds that the service asks to wait; None if it did not say."""

    def __init__(self, problem: Problem, raw: bytes = b"") -> None:
        """Stores the problem; `raw` is the complete body, including members that `Problem` does not have."""
        super().__init__(problem, raw)
        self.problem = problem
        self.raw = raw

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def code(self) -> str:
        """The problem's code."""
        return self.problem.code

    @property
    def request_id(self) -> str:
        """The id of the request, which is also in the service's log."""
        return self.problem.request_id

    def __str__(self) -> str:
        code, request_id = printable(self.code[:_SHOWN]), printable(self.request_id[:_SHOWN])
        return f"{excerpt(self.problem.detail)} ({self.status} {code}, request {request_id or 'unknown'})"


class BadRequest(ProblemError):
    """The service does not accept the request."""

    of_status = 400


class InvalidRequest(BadRequest):
    """A parameter, a header, or the body is invalid; `problem.errors` lists each fault and its place."""

    of_code = "invalid-request"


class InvalidCursor(BadRequest):
    """The cursor does not belong to this list with these filters and this sort: start again without a cursor."""

    of_code = "invalid-cursor"


class Unauthenticated(ProblemError):
    """The request had no valid API key: pass `api_key=`, or set TASKRUNS_API_KEY."""

    of_status = 401
    of_code = "unauthenticated"

    def __str__(self) -> str:
        return f"{super().__str__()}: pass `api_key=`, or set TASKRUNS_API_KEY."


class Forbidden(ProblemError):
    """The API key can read but not write: use a key with the scope `write`."""

    of_status = 403
    of_code = "forbidden"


class OriginNotAllowed(Forbidden):
    """The request had the `Origin` of a web page that cannot change data."""

    of_code = "origin-not-allowed"


class NotFound(ProblemError):
    """The resource does not exist. If the service itself reports this, the URL is not one of its paths."""

    of_status = 404
    of_code = "not-found"


class FlowRunNotFound(NotFound):
    """There is no flow run with this id."""

    of_code = "flow-run-not-found"


class TaskRunNotFound(NotFound):
    """There is no task run with this id."""

    of_code = "task-run-not-found"


class NoResultType(NotFound, ResultError):
    """The task run finished without a result: it failed, stores no result, or its result could not be stored."""

    of_code = "no-result-type"


class ResultNotPersisted(NotFound, ResultError):
    """The result of the task run was not stored: its reference has no location."""

    of_code = "result-not-persisted"


class MethodNotAllowed(ProblemError):
    """The path does not allow this method: check that the URL is that of the task runs service."""

    of_status = 405
    of_code = "method-not-allowed"


class Conflict(ProblemError):
    """The request conflicts with the current data."""

    of_status = 409


class FlowRunConflict(Conflict):
    """A flow run with this id or idempotency key exists and differs; `problem.errors` lists the differences."""

    of_code = "flow-run-conflict"


class ResultNotReady(Conflict, ResultError):
    """The task run is not finished, so it has no result yet: try again when it is finished."""

    of_code = "result-not-ready"


class StateIdConflict(Conflict):
    """This state id is already used for another state or another run: generate a new id for every state."""

    of_code = "state-id-conflict"


class TerminalState(Conflict):
    """The run is finished, and this state would reopen it: to reopen it, pass `force=True`."""

    of_code = "terminal-state"


class VersionConflict(ProblemError):
    """The run has changed since the expected version; `problem.current_run` has its current state."""

    of_status = 412
    of_code = "version-conflict"


class RequestTimeout(ProblemError):
    """The body of the request did not arrive within the service's time limit."""

    of_status = 408
    of_code = "request-timeout"


class HostNotAllowed(ProblemError):
    """The service does not accept requests for the host in the URL: use another name, or allow this one."""

    of_status = 421
    of_code = "host-not-allowed"


class BodyTooLarge(ProblemError):
    """The body is too large for the operation; `problem.limit` is in bytes."""

    of_status = 413
    of_code = "body-too-large"


class SequenceUnknown(ProblemError):
    """The flow run has no such sequence: its database was restored or replaced. Load it again from the beginning."""

    of_status = 410
    of_code = "sequence-unknown"


class UnsupportedMediaType(ProblemError):
    """The body was not sent as JSON."""

    of_status = 415
    of_code = "unsupported-media-type"


class RateLimited(ProblemError):
    """A proxy in front of the service is limiting requests."""

    of_status = 429


class InternalError(ProblemError):
    """The service failed: look for the id of the request in its log."""

    of_status = 500
    of_code = "internal-error"


class Unavailable(ProblemError):
    """The service is temporarily unavailable."""

    of_status = 503


class DatabaseUnavailable(Unavailable):
    """The service's database does not respond; nothing was recorded."""

    of_code = "database-unavailable"


class NotReady(Unavailable):
    """The service is not ready."""

    of_code = "not-ready"


class OutcomeUnknown(Unavailable):
    """The connection to the database was lost during the commit: repeat the request with the same ids."""

    of_code = "outcome-unknown"


class Overloaded(Unavailable):
    """Too many requests are waiting; nothing was recorded."""

    of_code = "overloaded"


class QueryTimeout(Unavailable):
    """The query exceeded the service's time limit: narrow it by a flow run or a time window."""

    of_code = "query-timeout"


class TooManyWatchers(Unavailable):
    """The service has no room for another event stream: poll, or retry later."""

    of_code = "too-many-watchers"


def _problem_classes(parent: type[ProblemError] = ProblemError) -> Iterator[type[ProblemError]]:
    for kind in parent.__subclasses__():
        yield kind
        yield from _problem_classes(kind)


_OF_CODE = {kind.of_code: kind for kind in _problem_classes() if kind.of_code}
_OF_STATUS = {kind.of_status: kind for kind in _problem_classes() if "of_status" in vars(kind)}
_SHOWN = 200
_decode = msgspec.json.Decoder(Problem).decode


def problem_class(code: str, status: int | None = None) -> type[ProblemError]:
    """Returns the class for a problem's code, or for its status if the code is unknown."""
    return _OF_CODE.get(code) or _OF_STATUS.get(status, ProblemError)


def problem_error(status: int, body: bytes, request_id: str, path: str) -> ProblemError:
    """Returns the error for a status of 400 or more; a body that is not a problem, such as a proxy's, becomes one."""
    try:
        problem = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = " ".join(body[:_SHOWN].decode(errors="replace").split())
        detail = (
            f"The response had the status {status} and is not from the task runs service: {text or 'it has no body'}"
        )
        problem = Problem(
            code="not-a-problem",
            detail=detail,
            instance=path,
            request_id=request_id,
            status=status,
            title="Not a problem",
            type="about:blank",
        )
    return problem_class(problem.code, status)(problem, body)
