"""The OpenAPI document, made from what the handlers declare and from the Structs that check requests.

Litestar reads documents off signatures, where strict parameters, named unions, error codes and scopes cannot be told.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from types import UnionType
from typing import Any, NamedTuple

import msgspec
from litestar.handlers import HTTPRouteHandler

from taskruns_service import __version__, schemas
from taskruns_service.api.links import links_of
from taskruns_service.api.operations import Operation, Scope, operation_of
from taskruns_service.api.problems import MEDIA_TYPE
from taskruns_service.domain.errors import ServiceError
from taskruns_service.domain.json_values import JsonObject
from taskruns_service.domain.log_levels import LogLevel
from taskruns_service.domain.results import ResultReference, Serializer
from taskruns_service.domain.states import STATE_TYPES, StateGroup, StateType
from taskruns_service.queries.parameters import WITHOUT_NUL

Schema = JsonObject

UNIONS: dict[str, tuple[UnionType, str]] = {
    "ResultReference": (
        ResultReference,
        "Where a result is stored and how it was serialized; `type` says which kind it is.",
    ),
    "Serializer": (Serializer, "How a result was serialized; `type` says which serializer wrote it."),
}
OTHER_ENUMERATIONS = (
    StateGroup,
    LogLevel,
    schemas.FlowRunField,
    schemas.TaskRunField,
    schemas.HitKind,
    schemas.ResyncReason,
    schemas.ByeCode,
)
"""Those whose constants have their name in front: in Go all share one namespace, where `running` is `Running` again."""
TAGS = {
    "flow runs": "Runs of flows, with their states and their task runs.",
    "task runs": "The runs of a flow's tasks in one flow run, with their states, results, and counts.",
    "service": "The service itself, and searches of all that it has.",
}
DESCRIPTION = """\
Records the task runs of workflow runs and answers questions about them: what ran, its state, how long it took,
where its result is, and how many succeeded.

Times are RFC 3339: requests can use any offset, responses use UTC. Durations are in seconds. Errors are problem details
(RFC 9457), and `code` identifies the error. Later versions can add members, states, result types, and codes: handle
unknown ones as "other". Names have at most 255 characters, a state at most 1 MB, a body at most 1 MiB (bulk: 8 MiB and
1,000 items), and JSON at most 100 levels of nesting."""
PATH_PARAMETERS = {
    "flow_run_id": schemas.FlowRunId,
    "task_run_id": schemas.TaskRunId,
}
HEADERS: dict[str, Schema] = {
    "ETag": {"description": "The version of the response body.", "schema": {"type": "string"}, "example": '"3"'},
    "Location": {"description": "The path of the flow run.", "schema": {"type": "string", "format": "uri-reference"}},
    "Retry-After": {
        "description": "The number of seconds to wait before a retry.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {"description": "How to authenticate.", "schema": {"type": "string"}},
    "X-Request-Id": {"description": "The id of the request, which the log also shows.", "schema": {"type": "string"}},
}
CONDITIONS: dict[str, Schema] = {
    "If-Match": {
        "description": "Apply the change only if the run still has this ETag (for a flow run, this sequence).",
        "pattern": r'^(\*|(W/)?"\d{1,18}(\.\d{1,18})?")$',
        "example": "*",
    },
    "Last-Event-ID": {
        "description": "The `id` of the last event that you have seen; the stream goes on after it.",
        "pattern": r"^[0-9]{1,18}(\.[0-9]{1,17})?$",
        "example": "0",
    },
    "If-None-Match": {
        "description": "The ETags that you have; if one of them is current, the status is 304.",
        "pattern": r'^(\*|(W/)?"[!#-~]{0,100}"( *, *(W/)?"[!#-~]{0,100}"){0,99})$',
        "example": '"3"',
    },
}
OLD_ETAG = '"0"'
"""The example of what a deletion depends on: one that goes through would leave nothing to the examples after it."""


class Declared(NamedTuple):
    """An operation and where it is."""

    method: str
    path: str
    operation: Operation
    description: str


@cache
def make_document(handlers: tuple[HTTPRouteHandler, ...], *, needs_keys: bool = False) -> bytes:
    """The document as indented JSON that ends with a newline: the same bytes every time, made once.

    Paths and methods have the order of the handlers, so that examples that need a run come after those that make it;
    all else is sorted. Where the service asks for keys, `needs_keys`, none of the operations may go without.
    """
    declared = [_declared(handler, operation) for handler in handlers if (operation := operation_of(handler))]
    targets = [(declaration.path, declaration.operation) for declaration in declared if declaration.method != "DELETE"]
    keys: list[Schema] = [{"apiKey": []}] if needs_keys else [{"apiKey": []}, {}]
    paths: dict[str, dict[str, msgspec.Raw]] = {}
    for declaration in declared:
        path_item = paths.setdefault(re.sub(r":\w+}", "}", declaration.path), {})
        path_item[declaration.method.lower()] = _sorted(_operation(declaration, keys, targets))
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Task runs",
            "version": __version__,
            "summary": "Record and look up the task runs of workflow runs.",
            "description": DESCRIPTION,
            "contact": {"name": "The developers of task runs"},
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:4200", "description": "The service on this machine."}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "security": keys,
        "paths": paths,
        "components": {
            "headers": HEADERS,
            "schemas": _schemas([declaration.operation for declaration in declared]),
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "trk_<id>_<secret>",
                    "description": "An API key with the scope `read` or `write`. Loopback addresses need no key, "
                    "unless the service is configured to require keys there too.",
                }
            },
        },
    }
    parts = {name: part if name == "paths" else _sorted(part) for name, part in sorted(document.items())}
    return msgspec.json.format(msgspec.json.encode(parts), indent=2) + b"\n"


def _sorted(part: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(part, order="sorted"))


def _declared(handler: HTTPRouteHandler, operation: Operation) -> Declared:
    (path,) = handler.paths
    (method,) = handler.http_methods
    return Declared(method, path, operation, _paragraphs(handler.fn.__doc__ or ""))


def _operation(declared: Declared, keys: list[Schema], targets: Sequence[tuple[str, Operation]]) -> Schema:
    method, path, operation, description = declared
    is_public = operation.scope is Scope.public
    access = "" if is_public else f"\n\nIf the service requires API keys, use one with the scope `{operation.scope}`."
    document: Schema = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": description + access,
        "tags": [operation.tag],
        "security": [] if is_public else keys,
        "responses": _answers(operation, targets) | _problems(operation),
    }
    parameters = [
        *(_path_parameter(name) for name in re.findall(r"{(\w+):", path)),
        *(parameter.document() for parameter in operation.parameters if parameter.is_documented),
        *(_header_parameter(name, method) for name in operation.conditional),
    ]
    if parameters:
        document["parameters"] = parameters
    if operation.body is not None:
        document["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _reference(operation.body), "example": operation.body_example}},
        }
    return document


def _header_parameter(name: str, method: str) -> Schema:
    condition = CONDITIONS[name]
    example = OLD_ETAG if method == "DELETE" else condition["example"]
    documented = {"name": name, "in": "header", "required": False, "description": condition["description"]}
    schema = {"type": "string", "description": condition["description"], "pattern": condition["pattern"]}
    return {**documented, "example": example, "schema": schema}


def _path_parameter(name: str) -> Schema:
    schema = msgspec.json.schema(PATH_PARAMETERS[name])
    documented = {"name": name, "in": "path", "required": True, "description": schema["description"]}
    return {**documented, "example": schema.pop("examples")[0], "schema": schema}


def _answers(operation: Operation, targets: Sequence[tuple[str, Operation]]) -> Schema:
    answers = {}
    for status, answer in operation.answers.items():
        document: Schema = {"description": answer.description, "headers": _headers("X-Request-Id", *answer.headers)}
        if answer.body is str:
            document["content"] = {"text/html": {"schema": {"type": "string"}}}
        elif answer.events:
            document["content"] = {"text/event-stream": _stream(answer.events)}
        elif answer.body is not None:
            document["content"] = {"application/json": {"schema": _reference(answer.body)}}
        if links := links_of(answer.body, operation, targets):
            document["links"] = links
        answers[str(status)] = document
    return answers


def _stream(events: Mapping[str, type]) -> Schema:
    """A stream. OpenAPI 3.1 has no words for events: they stand as members of what the text holds, by name."""
    content = {"type": "object", "properties": {name: _reference(type_) for name, type_ in events.items()}}
    return {
        "schema": {
            "type": "string",
            "description": "Server-sent events. `contentSchema` has the schema of the data of each, by its name.",
            "contentSchema": content,
        }
    }


def _problems(operation: Operation) -> Schema:
    by_status: dict[HTTPStatus, list[type[ServiceError]]] = {}
    for error in operation.all_errors():
        by_status.setdefault(error.status, []).append(error)
    extra = {HTTPStatus.UNAUTHORIZED: ["WWW-Authenticate"], HTTPStatus.SERVICE_UNAVAILABLE: ["Retry-After"]}
    return {
        str(int(status)): {
            "description": "\n".join(
                f"- `{error.code}`: {' '.join((error.__doc__ or '').split())}" for error in errors
            ),
            "headers": _headers("X-Request-Id", *extra.get(status, [])),
            "content": {MEDIA_TYPE: {"schema": _reference(schemas.Problem)}},
        }
        for status, errors in by_status.items()
    }


def _headers(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _reference(type_: object) -> Schema:
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return {"$ref": f"#/components/schemas/{type_.__name__}"}
    return {"type": "object", "additionalProperties": True}


def _schemas(operations: Sequence[Operation]) -> Schema:
    """The schemas of all Structs that go over the wire, as msgspec checks them, in a form that generators read."""
    bodies = [operation.body for operation in operations if operation.body]
    answers = [answer.body for operation in operations for answer in operation.answers.values() if answer.body]
    answers += [
        type_ for operation in operations for answer in operation.answers.values() for type_ in answer.events.values()
    ]
    structs = [body for body in answers if hasattr(body, "__name__") and body.__module__ != "builtins"]
    components = _components([schemas.Problem, StateType, *OTHER_ENUMERATIONS, *structs])
    components |= {name: _request_schema(schema) for name, schema in _components(bodies).items()}
    for schema in components.values():
        schema["description"] = _paragraphs(schema["description"])
    for name, (union, description) in UNIONS.items():
        (schema,), _ = msgspec.json.schema_components([union], ref_template="#/components/schemas/{name}")
        components[name] = {"title": name, "description": description, **_one_of(schema)}
    sentences = "".join(f"\n- `{info.type}`: {info.sentence}" for info in STATE_TYPES)
    components["StateType"]["description"] += "\n" + sentences
    for enumeration in OTHER_ENUMERATIONS:
        schema = components[enumeration.__name__]
        prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enumeration.__name__).upper()
        schema["x-enum-varnames"] = [f"{prefix}_{value.upper()}" for value in schema["enum"]]
    return components


def _components(types: Sequence[object]) -> Schema:
    _, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    return {name: _tidy(schema) for name, schema in components.items()}


def _request_schema(schema: Any) -> Any:
    """A schema of what clients send: what it is without a member in words, and the characters that texts may have.

    A `default` makes generators give a member to whoever leaves it out, and demand it of whoever writes it.
    """
    if isinstance(schema, list):
        return [_request_schema(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    request_schema = {
        key: value if key in ("example", "examples") else _request_schema(value) for key, value in schema.items()
    }
    if "default" in request_schema and "description" in request_schema:
        value = msgspec.json.encode(request_schema.pop("default")).decode()
        request_schema["description"] += f" Default: `{value}`."
    if "string" in _types(request_schema) and not request_schema.keys() & {"enum", "const", "format"}:
        request_schema.setdefault("pattern", WITHOUT_NUL)
    return request_schema


def _types(schema: Schema) -> Sequence[str]:
    kind = schema.get("type", ())
    return [kind] if isinstance(kind, str) else kind


def _tidy(schema: Any) -> Any:
    """A schema of msgspec's with its unions named, its enums typed, and what may be null said the short way."""
    if isinstance(schema, list):
        return [_tidy(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    schema = _named_unions(schema)
    tidied = {key: _tidy(value) for key, value in schema.items() if (key, value) != ("default", None)}
    match tidied.get("anyOf"):
        case [{"type": str(kind)} as first, {"type": "null"}] | [{"type": "null"}, {"type": str(kind)} as first]:
            del tidied["anyOf"]
            tidied = {**first, **tidied, "type": [kind, "null"]}
        case [{"$ref": _} as first, {"type": "null"}] | [{"type": "null"}, {"$ref": _} as first]:
            del tidied["anyOf"]
            tidied["oneOf"] = [first, {"type": "null"}]
    if "object" in _types(tidied) and "properties" not in tidied:
        tidied.setdefault("additionalProperties", True)
    if isinstance(values := tidied.get("enum"), list):
        tidied["type"] = "string"
        if len(values) == 1:
            tidied["const"] = tidied.pop("enum")[0]
    return tidied


def _named_unions(schema: Schema) -> Schema:
    """Puts the name of a union in the place of its members; null may be among them."""
    arms = [*schema.get("anyOf", ()), *(arm for inner in schema.get("anyOf", ()) for arm in inner.get("anyOf", ()))]
    references = {arm["$ref"].rpartition("/")[2] for arm in arms if "$ref" in arm}
    for name, (union, _) in UNIONS.items():
        if references == {member.__name__ for member in union.__args__}:
            annotations = {key: value for key, value in schema.items() if key not in ("anyOf", "discriminator")}
            null = [arm for arm in arms if arm == {"type": "null"}]
            return {**annotations, "anyOf": [{"$ref": f"#/components/schemas/{name}"}, *null]}
    return schema


def _one_of(schema: Schema) -> Schema:
    return {"oneOf": schema["anyOf"], "discriminator": schema["discriminator"]}


def _paragraphs(docstring: str) -> str:
    """A docstring with the lines of each paragraph joined."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in docstring.split("\n\n")).strip()
