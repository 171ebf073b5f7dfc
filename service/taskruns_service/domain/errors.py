"""The errors that the service answers with: each has a code and a status, and its docstring is its sentence."""

from http import HTTPStatus
from typing import Any, ClassVar

import msgspec


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault in a request.

    A fault names its parameter or header or, in a body, its place as a JSON Pointer (RFC 6901).
    """

    detail: str
    parameter: str | None = None
    header: str | None = None
    pointer: str | None = None

    def __str__(self) -> str:
        place = self.parameter or self.header or self.pointer
        return f"{place}: {self.detail}" if place else self.detail


class ServiceError(Exception):
    """The service failed. Look for the id of the request in its log."""

    code: ClassVar[str] = "internal-error"
    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, detail: str | None = None, *, faults: tuple[Fault, ...] = (), **members: Any) -> None:
        """`members` are further members of the problem, such as `current_run`; `retry_after` is in seconds."""
        self.detail = detail or " ".join(map(str, faults)) or " ".join((type(self).__doc__ or "").split())
        self.faults = faults
        self.members = members
        super().__init__(self.detail)


class InvalidRequest(ServiceError):
    """The request is not valid for this operation; `errors` lists each fault and its place."""

    code = "invalid-request"
    status = HTTPStatus.BAD_REQUEST


class RefusedValue(InvalidRequest):
    """The database cannot store a value of the request: it is too large, or out of range for its column."""


class InvalidCursor(ServiceError):
    """The cursor does not belong to this list with these filters and this sort. Start again without a cursor."""

    code = "invalid-cursor"
    status = HTTPStatus.BAD_REQUEST


class Unauthenticated(ServiceError):
    """This operation needs a valid API key. Send it as `Authorization: Bearer trk_…`."""

    code = "unauthenticated"
    status = HTTPStatus.UNAUTHORIZED


class Forbidden(ServiceError):
    """This API key can read but not write. Use a key with the scope `write`."""

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
    """The task run finished without a result: it failed, stores no result, or its result could not be stored."""

    code = "no-result-type"
    status = HTTPStatus.NOT_FOUND


class ResultNotPersisted(ServiceError):
    """The result of the task run was not stored: its reference has no location."""

    code = "result-not-persisted"
    status = HTTPStatus.NOT_FOUND


class MethodNotAllowed(ServiceError):
    """This path does not allow this method. The Allow header lists the methods that it allows."""

    code = "method-not-allowed"
    status = HTTPStatus.METHOD_NOT_ALLOWED


class ResultNotReady(ServiceError):
    """The task run is not finished, so it has no result yet. Try again when it is finished."""

    code = "result-not-ready"
    status = HTTPStatus.CONFLICT


class TerminalState(ServiceError):
    """The run is finished, and this state would reopen it. To reopen it, send `force`."""

    code = "terminal-state"
    status = HTTPStatus.CONFLICT


class FlowRunConflict(ServiceError):
    """A flow run with this id or idempotency key exists and differs; `errors` lists the differences."""

    code = "flow-run-conflict"
    status = HTTPStatus.CONFLICT


class StateIdConflict(ServiceError):
    """This state id is already used for another state or another run. Generate a new id for every state."""

    code = "state-id-conflict"
    status = HTTPStatus.CONFLICT


class VersionConflict(ServiceError):
    """The run has changed since the version that you saw; `current_run` has its current state."""

    code = "version-conflict"
    status = HTTPStatus.PRECONDITION_FAILED


class SequenceUnknown(ServiceError):
    """The flow run has not had this sequence, as after a backup was restored. Load everything again, without it."""

    code = "sequence-unknown"
    status = HTTPStatus.GONE


class HostNotAllowed(ServiceError):
    """The service does not accept requests for this host.

    If the host is a name of the service, add it to TASKRUNS_ALLOWED_HOSTS.
    """

    code = "host-not-allowed"
    status = HTTPStatus.MISDIRECTED_REQUEST


class OriginNotAllowed(ServiceError):
    """Web pages of another origin cannot change data.

    If pages reach the service by another name, for example behind a proxy, add that name to TASKRUNS_ALLOWED_HOSTS.
    """

    code = "origin-not-allowed"
    status = HTTPStatus.FORBIDDEN


class RequestTimeout(ServiceError):
    """The body of the request did not arrive within the time limit (TASKRUNS_RECEIVE_TIMEOUT)."""

    code = "request-timeout"
    status = HTTPStatus.REQUEST_TIMEOUT


class BodyTooLarge(ServiceError):
    """The body of the request is too large for this operation; `limit` is in bytes."""

    code = "body-too-large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMediaType(ServiceError):
    """The body must be JSON. Send it with `Content-Type: application/json`."""

    code = "unsupported-media-type"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class Overloaded(ServiceError):
    """Too many requests are waiting. Nothing was recorded; retry the request later."""

    code = "overloaded"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class TooManyWatchers(ServiceError):
    """The service has as many open streams as it may have (TASKRUNS_WATCHERS). Retry later, or poll the lists."""

    code = "too-many-watchers"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class DatabaseUnavailable(ServiceError):
    """The database does not respond. Nothing was recorded; retry the request later."""

    code = "database-unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, reason: str = "The database does not respond.", **members: Any) -> None:
        """`reason` is a sentence; `members` are those of a ServiceError."""
        detail = f"{reason} Nothing was recorded; retry the request later."
        super().__init__(detail, **{"retry_after": 1, **members})
        self.reason = reason


class Locked(DatabaseUnavailable):
    """Another transaction holds a lock that this request needs. Nothing was recorded; retry the request later."""


class OutcomeUnknown(ServiceError):
    """The connection to the database was lost during the commit, so the change may or may not be recorded.

    Repeat the request with the same ids.
    """

    code = "outcome-unknown"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class QueryTimeout(ServiceError):
    """The query exceeded its time limit. Narrow it by a flow run or a time window, or limit it."""

    code = "query-timeout"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class NotReady(ServiceError):
    """The service is not ready."""

    code = "not-ready"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class ClientGone(Exception):
    """The client disconnected before the response was complete, so nobody needs it."""


class NothingFound(Exception):
    """The database has no row of those that a look-up names. A standby may not have it yet."""

    def __init__(self, answer: bytes) -> None:
        """`answer` is what the look-up is answered with if no other database has such a row either."""
        super().__init__()
        self.answer = answer


class ConfigurationError(Exception):
    """The service cannot start with its configuration; the message says what to do."""
