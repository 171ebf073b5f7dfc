"""Execution: a document and its variables in, the JSON of an answer out."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
import structlog
from graphql import ExecutionResult, GraphQLError, OperationDefinitionNode, OperationType, execute
from graphql.execution.executor import Executor
from msgspec import UNSET, Raw, Struct

from taskruns_service.conditions import InvalidValue
from taskruns_service.errors import (
    ClientGone,
    DatabaseUnavailable,
    InvalidRequest,
    OutcomeUnknown,
    Overloaded,
    ServiceError,
    VersionConflict,
)
from taskruns_service.graphql.context import Context
from taskruns_service.graphql.documents import find_operation, read_document
from taskruns_service.graphql.schema import make_schema

log = structlog.get_logger()

_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
_CODES: dict[type[Exception], str] = {
    InvalidRequest: "BAD_USER_INPUT",
    # What the original's clients look for, or its server said.
    InvalidValue: "data-exception",
    VersionConflict: "VERSION_LOCKING_ERROR",
}


class GraphQLRequest(Struct):
    """What is sent to a GraphQL service. `variables` are an object, or text that holds one, as Prefect 1 sends them."""

    query: str
    variables: dict[str, Any] | str | None = None
    operationName: str | None = None  # noqa: N815 - the name in the protocol


class Operation(NamedTuple):
    """An operation that can be carried out."""

    document: Any
    definition: OperationDefinitionNode
    variables: dict[str, Any]

    @property
    def writes(self) -> bool:
        """Whether it changes anything."""
        return self.definition.operation is not OperationType.QUERY


class Answer(NamedTuple):
    """An answer and its status."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK


class _Executor(Executor[Any]):
    """Passes on JSON that the database made, as it is: it has the fields that are selected, in their order."""

    def complete_value(
        self, return_type: Any, field_details_list: Any, info: Any, path: Any, result: Any, *rest: Any
    ) -> Any:
        if isinstance(result, Raw):
            return result
        return super().complete_value(return_type, field_details_list, info, path, result, *rest)


def read_operation(raw: bytes) -> Operation:
    """Reads the body of a request; raises BadDocument, and InvalidRequest if it is not such a body."""
    request = _decode(raw, GraphQLRequest)
    sent = request.variables
    variables = _decode(sent.encode(), dict[str, Any] | None) if isinstance(sent, str) else sent
    document = read_document(request.query)
    return Operation(document, find_operation(document, request.operationName), variables or {})


def _decode(raw: bytes, of: Any) -> Any:
    # Databases do not take the character U+0000.
    raw = _NUL.sub(rb"\1\\ufffd", raw) if b"\\u0000" in raw else raw
    try:
        return msgspec.json.decode(raw, type=of)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body should be a GraphQL request as JSON: {error}.") from None


async def carry_out(operation: Operation, context: Context) -> Answer:
    """Answers an operation. Errors of the client are in the answer; raises those that pass: Overloaded, or a database
    that is not there or may have lost a change.
    """
    name = operation.definition.name
    done: Any = execute(
        make_schema(),
        operation.document,
        context_value=context,
        variable_values=operation.variables,
        operation_name=name.value if name else None,
        executor_class=_Executor,
    )
    result: ExecutionResult = done if isinstance(done, ExecutionResult) else await done
    errors = result.errors or []
    for error in errors:
        if isinstance(error.original_error, ClientGone | Overloaded | DatabaseUnavailable | OutcomeUnknown):
            raise error.original_error
    if result.data is None and all(error.path is None for error in errors):
        return answer_errors("BAD_USER_INPUT", errors)
    told = [_told(error) for error in errors]
    return Answer(_encode(_Body(data=result.data, errors=told or UNSET)))


def answer_errors(code: str, errors: list[GraphQLError]) -> Answer:
    """The answer to what could not be begun."""
    told = [
        _Error(
            message=one.message,
            extensions={"code": code},
            locations=[one._asdict() for one in one.locations or ()] or UNSET,
        )
        for one in errors
    ]
    return Answer(_encode(_Body(errors=told)), HTTPStatus.BAD_REQUEST)


def answer_error(error: ServiceError, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    """The answer to a request that was refused as a whole."""
    return Answer(_encode(_Body(errors=[_Error(message=error.detail, extensions={"code": code_of(error)})])), status)


def code_of(error: ServiceError) -> str:
    """The code of an error: no code has `API_ERROR` in it, at which the original's client repeats a request."""
    return _CODES.get(type(error)) or _CODES.get(type(error).__mro__[1]) or error.code.upper().replace("-", "_")


class _Error(Struct, omit_defaults=True):
    message: str
    extensions: Mapping[str, str]
    path: list[str | int] | msgspec.UnsetType = UNSET
    locations: list[dict[str, int]] | msgspec.UnsetType = UNSET


class _Body(Struct):
    errors: list[_Error] | msgspec.UnsetType = UNSET
    data: dict[str, Any] | None | msgspec.UnsetType = UNSET


_encode = msgspec.json.Encoder(decimal_format="number").encode


def _told(error: GraphQLError) -> _Error:
    cause = error.original_error
    path = error.path or []
    if isinstance(cause, ServiceError):
        return _Error(message=cause.detail, path=path, extensions={"code": code_of(cause)})
    if cause is None:
        return _Error(message=error.message, path=path, extensions={"code": "BAD_USER_INPUT"})
    log.error("field failed", path=path, error=type(cause).__name__, exc_info=cause)
    return _Error(message=ServiceError().detail, path=path, extensions={"code": "INTERNAL_SERVER_ERROR"})
