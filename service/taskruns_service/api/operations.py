"""Operations: what each handler declares about itself, for the checks before it and for the OpenAPI document alike."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Literal

from litestar import route
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from msgspec import Struct

from taskruns_service.domain.errors import (
    BodyTooLarge,
    DatabaseUnavailable,
    Forbidden,
    HostNotAllowed,
    InvalidRequest,
    OriginNotAllowed,
    OutcomeUnknown,
    Overloaded,
    QueryTimeout,
    RequestTimeout,
    ServiceError,
    Unauthenticated,
    UnsupportedMediaType,
)
from taskruns_service.queries.parameters import Parameter, Parameters

BODY_BYTES = 1024 * 1024
BULK_BODY_BYTES = 8 * 1024 * 1024
READ_ERRORS = (Overloaded, QueryTimeout, DatabaseUnavailable)
"""What every operation that reads the database may answer."""
WRITE_ERRORS = (Overloaded, DatabaseUnavailable, OutcomeUnknown)
"""What every operation that changes the database may answer."""


class Scope(StrEnum):
    """What an API key must allow."""

    public = "public"
    read = "read"
    write = "write"


class Answer(Struct, frozen=True):
    """A success: what it means, and what its body holds."""

    description: str
    body: type | None = None
    headers: tuple[str, ...] = ()
    events: Mapping[str, type] = {}
    """What a stream sends: the data of each event, by the name of the event."""


class Operation(Struct, frozen=True, kw_only=True):
    """All that a client must know to use one handler."""

    id: str
    summary: str
    tag: str
    scope: Scope
    answers: dict[int, Answer]
    errors: tuple[type[ServiceError], ...] = ()
    parameters: Parameters = Parameters()
    body: type | None = None
    body_example: object = None
    body_bytes: int = BODY_BYTES
    conditional: tuple[Literal["If-Match", "If-None-Match", "Last-Event-ID"], ...] = ()

    def all_errors(self) -> tuple[type[ServiceError], ...]:
        """Its own errors and those that come with what it takes."""
        access = () if self.scope is Scope.public else (Unauthenticated, Forbidden)[: 1 + (self.scope is Scope.write)]
        origin = (OriginNotAllowed,) if self.scope is Scope.write else ()
        body = () if self.body is None else (RequestTimeout, BodyTooLarge)
        everywhere = (HostNotAllowed, UnsupportedMediaType)
        return (InvalidRequest, *access, *origin, *everywhere, *body, *self.errors, ServiceError)


Handler = Callable[..., object]


def operation(
    method: Literal["GET", "POST", "PATCH", "DELETE"],
    path: str,
    *,
    parameters: Iterable[Parameter] = (),
    **declared: Any,
) -> Callable[[Handler], HTTPRouteHandler]:
    """Makes a handler of a function and declares the operation that it is; its docstring is the description."""
    declaration = Operation(parameters=Parameters(parameters), **declared)

    def decorate(function: Handler) -> HTTPRouteHandler:
        decorator = route(
            path,
            http_method=method,
            # What Litestar would assume; every response says its own.
            status_code=HTTPStatus.OK,
            opt={"operation": declaration},
            request_max_body_size=declaration.body_bytes,
        )
        return decorator(function)

    return decorate


def operation_of(handler: BaseRouteHandler) -> Operation | None:
    """What a handler declared; None for those that Litestar adds, such as the one for OPTIONS."""
    declared = handler.opt.get("operation")
    return declared if isinstance(declared, Operation) else None
