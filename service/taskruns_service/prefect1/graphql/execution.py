"""Execution: a document and its variables in, the JSON of an answer out."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from inspect import isawaitable
from typing import NamedTuple

import msgspec
import structlog
from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLObjectType,
    GraphQLOutputType,
    OperationType,
)
from graphql.execution.collect_fields import FieldDetailsList
from graphql.execution.executor import Executor
from graphql.pyutils import AwaitableOrValue, Path
from msgspec import UNSET, Raw, Struct
from msgspec.json import Decoder

from taskruns_service.domain.errors import (
    ClientGone,
    DatabaseUnavailable,
    InvalidRequest,
    OutcomeUnknown,
    Overloaded,
    RefusedValue,
    ServiceError,
    VersionConflict,
)
from taskruns_service.prefect1.graph.conditions import InvalidValue
from taskruns_service.prefect1.graphql.background import Background
from taskruns_service.prefect1.graphql.caches import BoundedCache
from taskruns_service.prefect1.graphql.context import Context, Info
from taskruns_service.prefect1.graphql.documents import BadDocument, find_operation, read_document
from taskruns_service.prefect1.graphql.inputs import read_json
from taskruns_service.prefect1.graphql.schema import make_schema
from taskruns_service.prefect1.types import JsonObject

log = structlog.get_logger()

LIGHT_BYTES = 2 * 1024
"""Bodies that are read on the event loop: the worst of this size take some 20 ms."""
SCHEMA_FIELDS_MOST = 60_000
"""Twice what the questions that tools ask have: their answers are half a megabyte each."""
SCHEMA_ANSWER_BYTES = 4 * 1024 * 1024

BATCH_MOST = 25
"""Requests in one body: as many as Prefect 1's UI puts together."""

PASSING_ERRORS = (Overloaded, DatabaseUnavailable, OutcomeUnknown)
"""Those of a request that is to be sent again."""

_BATCH = re.compile(rb"\s*\[")
_schema_answers: BoundedCache[bytes, bytes] = BoundedCache(SCHEMA_ANSWER_BYTES, lambda key, body: len(key) + len(body))
_CODES: dict[type[Exception], str] = {
    InvalidRequest: "BAD_USER_INPUT",
    # What the original's clients look for, or its server said.
    InvalidValue: "data-exception",
    RefusedValue: "data-exception",
    VersionConflict: "VERSION_LOCKING_ERROR",
}


class GraphQLRequest(Struct):
    """What is sent to a GraphQL service. `variables` are an object, or text that holds one, as Prefect 1 sends them."""

    query: str
    variables: JsonObject | str | None = None
    operationName: str | None = None  # noqa: N815 - the name in the protocol


_BODY = Decoder(GraphQLRequest)
_BATCH_BODY = Decoder(list[Raw])
_VARIABLES: Decoder[JsonObject | None] = Decoder(JsonObject | None)


class Operation(NamedTuple):
    """An operation that can be carried out, with its variables as they were sent."""

    executor: Executor[None]
    variables: JsonObject
    is_heavy: bool
    """Whether it is so large that to read its parts would keep the event loop busy, or asks for the schema."""
    schema_key: bytes | None
    """What the answer is kept by if it is about the schema."""

    @property
    def writes(self) -> bool:
        """Whether it changes anything."""
        return self.executor.operation.operation is not OperationType.QUERY


class Answer(NamedTuple):
    """An answer and its status."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    is_incomplete: bool = False
    """Whether a temporary condition stopped the request, so that what follows it is not executed."""


class _TooMuchSchema(BaseException):
    """More is asked of the schema than is answered. It passes by what turns exceptions into errors of fields."""


class _Executor(Executor[None]):
    """Passes on JSON that the database made, as it is: it has the fields that are selected, in their order."""

    _schema_fields = 0

    def complete_value(
        self,
        return_type: GraphQLOutputType,
        field_details_list: FieldDetailsList,
        info: Info,
        path: Path,
        result: object,
        *rest: None,
    ) -> AwaitableOrValue[object]:
        if isinstance(result, Raw):
            return result
        return super().complete_value(return_type, field_details_list, info, path, result, *rest)

    def handle_field_error(
        self, raw_error: Exception, return_type: GraphQLOutputType, field_details_list: FieldDetailsList, path: Path
    ) -> None:
        if isinstance(raw_error, PASSING_ERRORS):
            self.context_value.budget.stop(
                "An earlier field of the request was abandoned, so this one was not executed."
            )
        super().handle_field_error(raw_error, return_type, field_details_list, path)

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: object,
        field_details_list: FieldDetailsList,
        path: Path,
        position_context: None,
    ) -> AwaitableOrValue[object]:
        if parent_type.name.startswith("__"):
            self._schema_fields += 1
            if self._schema_fields > SCHEMA_FIELDS_MOST:
                raise _TooMuchSchema
        return super().execute_field(parent_type, source, field_details_list, path, position_context)


def is_batch(raw: bytes) -> bool:
    """Whether a body has a list of requests, as Prefect 1's UI sends them."""
    return _BATCH.match(raw) is not None


async def receive_batch(raw: bytes, background: Background) -> list[bytes]:
    """The requests in the body of a batch; raises InvalidRequest and Overloaded."""
    if len(raw) <= LIGHT_BYTES:
        return _read_batch(raw)
    return await background.run(_read_batch, raw)


def _read_batch(raw: bytes) -> list[bytes]:
    batch = read_json(raw, _BATCH_BODY)
    if not 1 <= len(batch) <= BATCH_MOST:
        raise InvalidRequest(f"A batch can have 1 to {BATCH_MOST} requests; this one has {len(batch)}.")
    return [bytes(part) for part in batch]


async def receive_operation(raw: bytes, background: Background, *, in_batch: bool = False) -> Operation:
    """Reads the body of a request, in the background if it is large, or one of many.

    Raises BadDocument, InvalidRequest if it is not such a body, and Overloaded.
    """
    if len(raw) <= LIGHT_BYTES and not in_batch:
        return read_operation(raw)
    return await background.run(read_operation, raw)


def read_operation(raw: bytes) -> Operation:
    """Reads the body of a request; raises BadDocument, and InvalidRequest if it is not such a body."""
    request = read_json(raw, _BODY)
    raw_variables = request.variables
    if isinstance(raw_variables, str):
        raw_variables = read_json(raw_variables.encode(), _VARIABLES)
    variables = raw_variables or {}
    document = read_document(request.query)
    definition = find_operation(document.node, request.operationName)
    try:
        executor = _Executor.build(
            make_schema(),
            document.node,
            raw_variable_values=variables,
            operation_name=definition.name.value if definition.name else None,
        )
    except RecursionError:
        raise InvalidRequest("The variables are nested too deeply.") from None
    if isinstance(executor, list):
        raise BadDocument("BAD_USER_INPUT", executor)
    introspects = document.introspects(definition)
    return Operation(
        executor,
        variables,
        is_heavy=introspects or len(raw) > LIGHT_BYTES,
        schema_key=msgspec.json.encode([request.query, request.operationName, variables]) if introspects else None,
    )


async def carry_out(operation: Operation, context: Context) -> Answer:
    """Answers an operation; errors of the client are in the answer.

    Raises those that pass (Overloaded, DatabaseUnavailable, OutcomeUnknown), unless a mutation before it was carried
    out: to repeat the whole request would do that again.
    """
    if operation.schema_key and (body := _schema_answers.find(operation.schema_key)):
        return Answer(body)
    try:
        return await _carry_out(operation, context)
    finally:
        # It holds itself, and with it all that was sent: the garbage collector comes seldom.
        vars(operation.executor).clear()


async def _carry_out(operation: Operation, context: Context) -> Answer:
    executor = operation.executor
    executor.context_value = context
    try:
        # One statement after another, so that it is known what the next one may still answer.
        done = await context.prepare(executor.execute_operation, serially=True)
        result = await done if isawaitable(done) else done
        assert isinstance(result, ExecutionResult)  # the schema has no @defer and @stream
    except _TooMuchSchema:
        message = f"An introspection query can return at most {SCHEMA_FIELDS_MOST} fields; this one returns more."
        return answer_errors("GRAPHQL_VALIDATION_FAILED", [GraphQLError(message)])
    except RecursionError:
        return answer_errors("BAD_USER_INPUT", [GraphQLError("The request is nested too deeply.")])
    errors = result.errors or []
    is_incomplete = False
    for error in errors:
        if isinstance(error.original_error, (ClientGone, *PASSING_ERRORS)):
            is_incomplete = operation.writes and _has_answers(result)
            if not is_incomplete or isinstance(error.original_error, ClientGone):
                raise error.original_error
    if result.data is None and all(error.path is None for error in errors):
        return answer_errors("BAD_USER_INPUT", errors)
    messages = [_error_of(error) for error in errors]
    body = _encode(_Body(data=result.data, errors=messages or UNSET))
    if operation.schema_key and not messages:
        _schema_answers.keep(operation.schema_key, body)
    return Answer(body, is_incomplete=is_incomplete)


def _has_answers(result: ExecutionResult) -> bool:
    """Whether a mutation was carried out: all of them answer with objects, or with null beside an error."""
    failed = {error.path[0] for error in result.errors or () if error.path}
    return any(
        isinstance(answer, Mapping) or (answer is None and name not in failed)
        for name, answer in (result.data or {}).items()
    )


def answer_batch(answers: Sequence[Answer]) -> Answer:
    """The answers to the requests of a batch as a list, in their order."""
    return Answer(b"[" + b",".join(answer.body for answer in answers) + b"]")


def answer_errors(code: str, errors: list[GraphQLError]) -> Answer:
    """The answer to what could not be begun."""
    messages = [
        _Error(
            message=error.message,
            extensions={"code": code},
            locations=[location._asdict() for location in error.locations or ()] or UNSET,
        )
        for error in errors
    ]
    return Answer(_encode(_Body(errors=messages)), HTTPStatus.BAD_REQUEST)


def answer_error(error: ServiceError, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    """The answer to a request that was refused as a whole."""
    body = _encode(_Body(errors=[_Error(message=error.detail, extensions=_extensions(error))]))
    return Answer(body, status, is_incomplete=isinstance(error, PASSING_ERRORS))


def code_of(error: ServiceError) -> str:
    """The code of an error: no code has `API_ERROR` in it, at which the original's client repeats a request."""
    return next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), "") or error.code.upper().replace(
        "-", "_"
    )


def _extensions(error: ServiceError) -> dict[str, str | int]:
    """The code; of an error that passes also the status and Retry-After with which it would be answered alone."""
    extensions: dict[str, str | int] = {"code": code_of(error)}
    if isinstance(error, PASSING_ERRORS):
        extensions["status"] = error.status
        if "retry_after" in error.members:
            extensions["retry_after"] = error.members["retry_after"]
    return extensions


class _Error(Struct, omit_defaults=True):
    message: str
    extensions: Mapping[str, str | int]
    path: list[str | int] | msgspec.UnsetType = UNSET
    locations: list[dict[str, int]] | msgspec.UnsetType = UNSET


class _Body(Struct):
    errors: list[_Error] | msgspec.UnsetType = UNSET
    data: JsonObject | None | msgspec.UnsetType = UNSET


_encode = msgspec.json.Encoder(decimal_format="number").encode


def _error_of(error: GraphQLError) -> _Error:
    cause = error.original_error
    path = error.path or []
    if isinstance(cause, ServiceError):
        return _Error(message=cause.detail, path=path, extensions=_extensions(cause))
    if cause is None:
        return _Error(message=error.message, path=path, extensions={"code": "BAD_USER_INPUT"})
    log.error("field failed", path=path, error=type(cause).__name__, exc_info=cause)
    return _Error(message=ServiceError().detail, path=path, extensions={"code": "INTERNAL_SERVER_ERROR"})
