"""The errors that the service answers with: each has a code and a status, and its docstring is its sentence."""

from http import HTTPStatus
from typing import Any, ClassVar

import msgspec


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong with a request.

    Of a parameter or header: its name. Of a body: a JSON Pointer (RFC 6901).
    """

    detail: str
    parameter: str | None = None
    header: str | None = None
    pointer: str | None = None

    def __str__(self) -> str:
        place = self.parameter or self.header or self.pointer
        return f"{place}: {self.detail}" if place else self.detail


class ServiceError(Exception):
    """Something went wrong in the service. Look for the request's id in its log."""

    code: ClassVar[str] = "internal-error"
    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, detail: str | None = None, *, faults: tuple[Fault, ...] = (), **members: Any) -> None:
        """`members` are further members of the problem, such as `current` and `limit`; `retry_after` is in seconds."""
        self.detail = detail or " ".join(map(str, faults)) or " ".join((type(self).__doc__ or "").split())
        self.faults = faults
        self.members = members
        super().__init__(self.detail)


class InvalidRequest(ServiceError):
    """The request is not what this operation takes; `errors` says what is wrong and where."""

    code = "invalid-request"
    status = HTTPStatus.BAD_REQUEST


class RefusedValue(InvalidRequest):
    """The database does not take a value of the request: it is too large, or out of the range of its column."""


class InvalidCursor(ServiceError):
    """The cursor does not belong to this list with these filters and this sort. Start again without a cursor."""

    code = "invalid-cursor"
    status = HTTPStatus.BAD_REQUEST


class Unauthenticated(ServiceError):
    """This needs an API key that is in force: send it as `Authorization: Bearer trk_…`."""

    code = "unauthenticated"
    status = HTTPStatus.UNAUTHORIZED


class Forbidden(ServiceError):
    """This API key may read but not write. Use one that was created with the scope `write`."""

    code = "forbidden"
    status = HTTPStatus.FORBIDDEN


class NotFound(ServiceError):
    """There is nothing at this path."""

    code = "not-found"
    status = HTTPStatus.NOT_FOUND


class FlowRunNotFound(ServiceError):
    """There is no flow run with this id."""

    code = "flow-run-not-found"
    status = HTTPStatus.NOT_FOUND


class TaskRunNotFound(ServiceError):
    """There is no task run with this id."""

    code = "task-run-not-found"
    status = HTTPStatus.NOT_FOUND


class NoResultType(ServiceError):
    """The task run finished without a result: it failed, or its task keeps none, or the result could not be kept."""

    code = "no-result-type"
    status = HTTPStatus.NOT_FOUND


class ResultNotPersisted(ServiceError):
    """The task run's result was not written anywhere: its reference has no location."""

    code = "result-not-persisted"
    status = HTTPStatus.NOT_FOUND


class MethodNotAllowed(ServiceError):
    """This path does not take this method; the Allow header has those that it takes."""

    code = "method-not-allowed"
    status = HTTPStatus.METHOD_NOT_ALLOWED


class ResultNotReady(ServiceError):
    """The task run is not finished, so it has no result yet. Ask again when it is."""

    code = "result-not-ready"
    status = HTTPStatus.CONFLICT


class TerminalState(ServiceError):
    """The run is finished, and this state would make it unfinished. Send `force` if that is what you want."""

    code = "terminal-state"
    status = HTTPStatus.CONFLICT


class FlowRunConflict(ServiceError):
    """A flow run with this id or idempotency key exists and is not the same; `errors` says in what it differs."""

    code = "flow-run-conflict"
    status = HTTPStatus.CONFLICT


class StateIdConflict(ServiceError):
    """This state id was used for another state, or for another run. Make a new id for every state."""

    code = "state-id-conflict"
    status = HTTPStatus.CONFLICT


class VersionConflict(ServiceError):
    """The run has changed since the version that you saw; `current` is what it is now."""

    code = "version-conflict"
    status = HTTPStatus.PRECONDITION_FAILED


class HostNotAllowed(ServiceError):
    """This service does not answer to this host. If it is a name of the service, add it to TASKRUNS_ALLOWED_HOSTS."""

    code = "host-not-allowed"
    status = HTTPStatus.MISDIRECTED_REQUEST


class OriginNotAllowed(ServiceError):
    """A web page of another origin may not change anything.

    Where pages reach the service by another name, as behind a proxy, add that to TASKRUNS_ALLOWED_HOSTS.
    """

    code = "origin-not-allowed"
    status = HTTPStatus.FORBIDDEN


class RequestTimeout(ServiceError):
    """The request's body took longer to arrive than the service waits (TASKRUNS_RECEIVE_TIMEOUT)."""

    code = "request-timeout"
    status = HTTPStatus.REQUEST_TIMEOUT


class BodyTooLarge(ServiceError):
    """The request's body is larger than this operation takes; `limit` is in bytes."""

    code = "body-too-large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMediaType(ServiceError):
    """The body must be JSON: send it with `Content-Type: application/json`."""

    code = "unsupported-media-type"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class Overloaded(ServiceError):
    """Too many requests are waiting. Nothing was recorded; repeat the request after a while."""

    code = "overloaded"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class DatabaseUnavailable(ServiceError):
    """The database does not answer. Nothing was recorded; repeat the request after a while."""

    code = "database-unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, reason: str = "The database does not answer.", **members: Any) -> None:
        """`reason` is a sentence; `members` are those of a ServiceError."""
        detail = f"{reason} Nothing was recorded; repeat the request after a while."
        super().__init__(detail, **{"retry_after": 1, **members})
        self.reason = reason


class Locked(DatabaseUnavailable):
    """Somebody else holds a lock on what this needs. Nothing was recorded; repeat the request after a while."""


class OutcomeUnknown(ServiceError):
    """The database was lost during the commit, so this may or may not be recorded. Repeat it with the same ids."""

    code = "outcome-unknown"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class QueryTimeout(ServiceError):
    """The question took longer than the service allows. Narrow it, by a flow run or a time window, or bound it."""

    code = "query-timeout"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class NotReady(ServiceError):
    """The service cannot do its work yet."""

    code = "not-ready"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class ClientGone(Exception):
    """The client went away before its question was answered, so that nobody needs the answer."""


class ConfigurationError(Exception):
    """The service cannot start as it is set up; the message says what to do."""
