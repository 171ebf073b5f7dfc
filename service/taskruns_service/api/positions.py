"""Positions: which requests a standby may answer, and what their clients have seen before."""

from taskruns_service.api.operations import Scope, operation_of
from taskruns_service.api.requests import AnyRequest
from taskruns_service.dialects import END_OF_LOG
from taskruns_service.errors import Fault, InvalidRequest
from taskruns_service.front import POSITION


def may_be_behind(request: AnyRequest) -> bool:
    """Whether a standby may answer: not what a change answers with, nor whether the service is ready.

    With If-None-Match a client says which version it saw, which may have come from another server: the primary tells
    whether that is the newest, at the price of one look-up.
    """
    declared = operation_of(request.route_handler)
    asks = request.method == "GET" and declared is not None and declared.scope is Scope.read
    return asks and "if-none-match" not in request.headers


def position_seen(request: AnyRequest) -> int | None:
    """The position that an earlier answer had, if the client sends it back; raises InvalidRequest."""
    if (given := request.headers.get(POSITION)) is None:
        return None
    if not (given.isascii() and given.isdigit() and int(given) <= END_OF_LOG):
        fault = Fault(header=POSITION, detail="It should be the number that an earlier answer had.")
        raise InvalidRequest(faults=(fault,))
    return int(given)
