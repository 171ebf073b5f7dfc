"""Everything that this package raises on purpose: one tree, with a class for each problem code of the service."""

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from taskruns.models import Problem
from taskruns.text import excerpt, printable


class TaskRunsError(Exception):
    """The root of all errors of this package. Its text is safe to show on a terminal, whoever is quoted in it."""

    def __str__(self) -> str:
        return excerpt(super().__str__())


class InvalidSetting(TaskRunsError, ValueError):
    """A setting is not what it has to be."""


class InvalidArgument(TaskRunsError, ValueError):
    """No request can be made of the arguments of a call; nothing was sent."""


class ConnectionFailed(TaskRunsError):
    """The service could not be reached, or the connection to it was lost."""


class TimedOut(ConnectionFailed):
    """The service did not answer in time."""


class InvalidAnswer(TaskRunsError):
    """What answered is not the task runs service, or a version of it that this client can not read."""


class AnswerTooLarge(InvalidAnswer):
    """The answer has more bytes than `max_answer_bytes`: ask for less at once, or give a larger bound."""


class NoSuchTaskRun(TaskRunsError, LookupError):
    """A flow run has no task run with this slug and map index."""


class ResultError(TaskRunsError):
    """A result could not be written or read."""


class ChildError(ResultError):
    """A child of a mapped task run has no result to load; `get_result(missing="none")` puts None in its place."""


class ChildMissing(ChildError):
    """A mapped task run has no child with a map index below the highest: it was not reported, or not yet."""


class ChildNotReady(ChildError):
    """A child of a mapped task run is not finished: ask again when it is."""


class ChildWithoutResult(ChildError):
    """A child of a mapped task run ended without a result, most often because it failed."""


class ProblemError(TaskRunsError):
    """The service answered with a problem (RFC 9457).

    The class is the one for the problem's code, or, for a code that this client does not know, for its status.
    """

    of_code: ClassVar[str | None] = None
    of_status: ClassVar[int | None] = None

    def __init__(self, problem: Problem, raw: bytes = b"") -> None:
        """Keeps the answer; `raw` is the whole body, with members that `Problem` does not name."""
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
        """The request's id, which is in the service's log too."""
        return self.problem.request_id

    def __str__(self) -> str:
        code, request_id = printable(self.code[:_SHOWN]), printable(self.request_id[:_SHOWN])
        return f"{excerpt(self.problem.detail)} ({self.status} {code}, request {request_id or 'unknown'})"


class BadRequest(ProblemError):
    """The request is not what the service takes."""

    of_status = 400


class InvalidRequest(BadRequest):
    """A parameter, a header or the body is wrong; `problem.errors` says which and how."""

    of_code = "invalid-request"


class InvalidCursor(BadRequest):
    """The cursor does not belong to this list with these filters and this sort: start again without one."""

    of_code = "invalid-cursor"


class Unauthenticated(ProblemError):
    """No API key that is in force was sent: give `api_key=`, or set TASKRUNS_API_KEY."""

    of_status = 401
    of_code = "unauthenticated"

    def __str__(self) -> str:
        return f"{super().__str__()}: give `api_key=`, or set TASKRUNS_API_KEY."


class Forbidden(ProblemError):
    """The API key may read but not write: use one with the scope `write`."""

    of_status = 403
    of_code = "forbidden"


class OriginNotAllowed(Forbidden):
    """The request had the `Origin` of a web page that may not change anything."""

    of_code = "origin-not-allowed"


class NotFound(ProblemError):
    """There is no such thing. Where the service itself says so, the URL leads past its resources."""

    of_status = 404
    of_code = "not-found"


class FlowRunNotFound(NotFound):
    """There is no flow run with this id."""

    of_code = "flow-run-not-found"


class TaskRunNotFound(NotFound):
    """There is no task run with this id."""

    of_code = "task-run-not-found"


class NoResultType(NotFound, ResultError):
    """The task run finished without a result: it failed, or its task keeps none, or the result could not be kept."""

    of_code = "no-result-type"


class ResultNotPersisted(NotFound, ResultError):
    """The task run's result was not written anywhere: its reference has no location."""

    of_code = "result-not-persisted"


class MethodNotAllowed(ProblemError):
    """The path does not take this method: is the URL that of the task runs service?"""

    of_status = 405
    of_code = "method-not-allowed"


class Conflict(ProblemError):
    """What was asked for does not go with what is there."""

    of_status = 409


class FlowRunConflict(Conflict):
    """A flow run with this id or idempotency key is there and differs; `problem.errors` says in what."""

    of_code = "flow-run-conflict"


class ResultNotReady(Conflict, ResultError):
    """The task run is not finished, so it has no result yet: ask again when it is."""

    of_code = "result-not-ready"


class StateIdConflict(Conflict):
    """This state id was used for another state, or for another run: make a new id for every state."""

    of_code = "state-id-conflict"


class TerminalState(Conflict):
    """The run is finished, and the state would make it unfinished: send `force=True` if that is what you want."""

    of_code = "terminal-state"


class VersionConflict(ProblemError):
    """The run has changed since the version that was expected; `problem.current` is what it is now."""

    of_status = 412
    of_code = "version-conflict"


class RequestTimeout(ProblemError):
    """The service waited too long for the request's body."""

    of_status = 408
    of_code = "request-timeout"


class HostNotAllowed(ProblemError):
    """The service does not answer to the host in the URL: use another name of it, or add this one to its settings."""

    of_status = 421
    of_code = "host-not-allowed"


class BodyTooLarge(ProblemError):
    """The body is larger than the operation takes; `problem.limit` is in bytes."""

    of_status = 413
    of_code = "body-too-large"


class UnsupportedMediaType(ProblemError):
    """The body was not sent as JSON."""

    of_status = 415
    of_code = "unsupported-media-type"


class RateLimited(ProblemError):
    """Something in front of the service took no more requests for now."""

    of_status = 429


class InternalError(ProblemError):
    """Something went wrong in the service: look for the request's id in its log."""

    of_status = 500
    of_code = "internal-error"


class Unavailable(ProblemError):
    """The service can not do it for now."""

    of_status = 503


class DatabaseUnavailable(Unavailable):
    """The service's database does not answer; nothing was recorded."""

    of_code = "database-unavailable"


class NotReady(Unavailable):
    """The service can not do its work yet."""

    of_code = "not-ready"


class OutcomeUnknown(Unavailable):
    """The database was lost during the commit: repeat it with the same ids."""

    of_code = "outcome-unknown"


class Overloaded(Unavailable):
    """Too many requests are waiting; nothing was recorded."""

    of_code = "overloaded"


class QueryTimeout(Unavailable):
    """The question took longer than the service allows: narrow it, by a flow run or a time window."""

    of_code = "query-timeout"


def _problem_classes(parent: type[ProblemError] = ProblemError) -> Iterator[type[ProblemError]]:
    for kind in parent.__subclasses__():
        yield kind
        yield from _problem_classes(kind)


_OF_CODE = {kind.of_code: kind for kind in _problem_classes() if kind.of_code}
_OF_STATUS = {kind.of_status: kind for kind in _problem_classes() if "of_status" in vars(kind)}
_SHOWN = 200
_decode = msgspec.json.Decoder(Problem).decode


def problem_class(code: str, status: int | None = None) -> type[ProblemError]:
    """The class for a problem's code, or for its status where the code is not known."""
    return _OF_CODE.get(code) or _OF_STATUS.get(status, ProblemError)


def problem_error(status: int, body: bytes, request_id: str, path: str) -> ProblemError:
    """The error for an answer of 400 and more; one that is no problem, as of a proxy, becomes one."""
    try:
        problem = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = " ".join(body[:_SHOWN].decode(errors="replace").split())
        detail = f"The answer was {status}, and not from the task runs service: {told or 'it has no body'}"
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
