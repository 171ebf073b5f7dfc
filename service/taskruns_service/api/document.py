"""The OpenAPI document, made from what the handlers declare and from the Structs that check requests.

Litestar reads documents off signatures, where strict parameters, named unions, error codes and scopes can not be told.
"""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from taskruns_service import __version__, models
from taskruns_service.api.operations import Operation, Scope, operation_of
from taskruns_service.api.problems import MEDIA_TYPE
from taskruns_service.errors import ServiceError
from taskruns_service.references import ResultReference, Serializer
from taskruns_service.states import STATE_TYPES, StateGroup, StateType

Schema = dict[str, Any]

UNIONS: dict[str, tuple[Any, str]] = {
    "ResultReference": (ResultReference, "Where a result is kept and how it was written, by its type."),
    "Serializer": (Serializer, "How a result was written, by its type."),
}
TAGS = {
    "flow runs": "Runs of flows: their states and their task runs.",
    "service": "The service itself.",
    "task runs": "What each task of a flow did in one flow run: states, results, counts.",
}
DESCRIPTION = """\
Records the task runs of workflow runs and answers questions about them: what ran, in what state it is, how long it
took, where its result is, how many succeeded.

Times are RFC 3339; they are read with any offset and answered in UTC. Durations are in seconds. Errors are problems
(RFC 9457) whose `code` says what went wrong. New members, states, result types and codes may be added: read what you do
not know as something else. All names are at most 255 characters long, a state at most 1 MB, a body 1 MiB (bulk: 8 MiB
and 1,000 items); JSON nests 100 levels deep at most."""
PATH_PARAMETERS = {
    "flow_run_id": models.FlowRunId,
    "task_run_id": models.TaskRunId,
}
HEADERS: dict[str, Schema] = {
    "ETag": {"description": "The version of the answer.", "schema": {"type": "string"}, "example": '"3"'},
    "Location": {"description": "The path of the flow run.", "schema": {"type": "string", "format": "uri-reference"}},
    "Retry-After": {"description": "Seconds after which to try again.", "schema": {"type": "integer", "minimum": 0}},
    "WWW-Authenticate": {"description": "How to authenticate.", "schema": {"type": "string"}},
    "X-Request-Id": {"description": "The id of the request, as in the log.", "schema": {"type": "string"}},
}
CONDITIONS: dict[str, Schema] = {
    "If-Match": {
        "description": "Do it only if the run still has this ETag (of a flow run: this sequence).",
        "pattern": r'^(\*|(W/)?"\d{1,18}(\.\d{1,18})?")$',
    },
    "If-None-Match": {
        "description": "ETags that you have; if nothing has changed since, the answer is 304.",
        "pattern": r'^(\*|(W/)?"[!#-~]{0,100}"( *, *(W/)?"[!#-~]{0,100}"){0,99})$',
    },
}


def make_document(handlers: Sequence[HTTPRouteHandler]) -> bytes:
    """The document as sorted and indented JSON that ends with a newline: the same bytes every time."""
    declared = [(handler, found) for handler in handlers if (found := operation_of(handler))]
    paths: dict[str, Schema] = {}
    for handler, operation in declared:
        (path,) = handler.paths
        (method,) = handler.http_methods
        description = _paragraphs(handler.fn.__doc__ or "")
        path_item = paths.setdefault(re.sub(r":\w+}", "}", path), {})
        path_item[method.lower()] = _operation(operation, path, description)
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
        "security": [{"apiKey": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas([operation for _, operation in declared]),
            "headers": HEADERS,
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "trk_<id>_<secret>",
                    "description": "An API key of scope `read` or `write`; on loopback none is needed.",
                }
            },
        },
    }
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n"


def _operation(operation: Operation, path: str, description: str) -> Schema:
    scope = "" if operation.scope is Scope.public else f"\n\nNeeds an API key of scope `{operation.scope}`."
    made: Schema = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": description + scope,
        "tags": [operation.tag],
        "security": [] if operation.scope is Scope.public else [{"apiKey": []}],
        "responses": _answers(operation) | _problems(operation),
    }
    parameters = [
        *(_path_parameter(name) for name in re.findall(r"{(\w+):", path)),
        *(parameter.document() for parameter in operation.parameters),
        *(_header_parameter(name) for name in operation.conditional),
    ]
    if parameters:
        made["parameters"] = parameters
    if operation.body is not None:
        made["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _reference(operation.body), "example": operation.body_example}},
        }
    return made


def _header_parameter(name: str) -> Schema:
    condition = CONDITIONS[name]
    schema = {"type": "string", "examples": ['"3"'], **condition}
    return {"name": name, "in": "header", "required": False, "description": condition["description"], "schema": schema}


def _path_parameter(name: str) -> Schema:
    schema = msgspec.json.schema(PATH_PARAMETERS[name])
    documented = {"name": name, "in": "path", "required": True, "description": schema["description"]}
    return {**documented, "example": schema.pop("examples")[0], "schema": schema}


def _answers(operation: Operation) -> Schema:
    answers = {}
    for status, answer in operation.answers.items():
        made: Schema = {"description": answer.description, "headers": _headers("X-Request-Id", *answer.headers)}
        if answer.body is str:
            made["content"] = {"text/html": {"schema": {"type": "string"}}}
        elif answer.chosen is not None:
            either = [_reference(answer.body), _reference(answer.chosen)]
            made["content"] = {"application/json": {"schema": {"anyOf": either}}}
        elif answer.body is not None:
            made["content"] = {"application/json": {"schema": _reference(answer.body)}}
        answers[str(status)] = made
    return answers


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
            "content": {MEDIA_TYPE: {"schema": _reference(models.Problem)}},
        }
        for status, errors in by_status.items()
    }


def _headers(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _reference(of: Any) -> Schema:
    if isinstance(of, type) and issubclass(of, msgspec.Struct):
        return {"$ref": f"#/components/schemas/{of.__name__}"}
    return {"type": "object", "additionalProperties": True}


def _schemas(operations: Iterable[Operation]) -> Schema:
    """The schemas of all Structs that go over the wire, as msgspec checks them, in a form that generators read."""
    types: list[Any] = [models.Problem, StateType, StateGroup]
    for operation in operations:
        types += [operation.body] if operation.body else []
        types += [one for answer in operation.answers.values() for one in (answer.body, answer.chosen) if one]
    structs = [one for one in types if hasattr(one, "__name__") and one.__module__ != "builtins"]
    _, components = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    schemas = {name: _tidy(schema) for name, schema in components.items()}
    for schema in schemas.values():
        schema["description"] = _paragraphs(schema["description"])
    for name, (union, description) in UNIONS.items():
        (schema,), _ = msgspec.json.schema_components([union], ref_template="#/components/schemas/{name}")
        schemas[name] = {"title": name, "description": description, **_one_of(schema)}
    sentences = "".join(f"\n- `{info.type}`: {info.sentence}" for info in STATE_TYPES)
    schemas["StateType"]["description"] += "\n" + sentences
    return schemas


def _tidy(schema: Any) -> Any:
    """A schema of msgspec's with its unions named, its enums typed, and what may be null said the short way."""
    if isinstance(schema, list):
        return [_tidy(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    schema = _named_unions(schema)
    made = {key: _tidy(value) for key, value in schema.items() if (key, value) != ("default", None)}
    match made.get("anyOf"):
        case [{"type": str(kind)} as first, {"type": "null"}] | [{"type": "null"}, {"type": str(kind)} as first]:
            del made["anyOf"]
            made = {**first, **made, "type": [kind, "null"]}
        case [{"$ref": _} as first, {"type": "null"}] | [{"type": "null"}, {"$ref": _} as first]:
            del made["anyOf"]
            made["oneOf"] = [first, {"type": "null"}]
    if isinstance(values := made.get("enum"), list):
        made["type"] = "string"
        if len(values) == 1:
            made["const"] = made.pop("enum")[0]
    return made


def _named_unions(schema: Schema) -> Schema:
    """Puts the name of a union in the place of its members; null may be among them."""
    arms = [*schema.get("anyOf", ()), *(arm for inner in schema.get("anyOf", ()) for arm in inner.get("anyOf", ()))]
    references = {arm["$ref"].rpartition("/")[2] for arm in arms if "$ref" in arm}
    for name, (union, _) in UNIONS.items():
        if references == {member.__name__ for member in union.__args__}:
            kept = {key: value for key, value in schema.items() if key not in ("anyOf", "discriminator")}
            null = [arm for arm in arms if arm == {"type": "null"}]
            return {**kept, "anyOf": [{"$ref": f"#/components/schemas/{name}"}, *null]}
    return schema


def _one_of(schema: Schema) -> Schema:
    return {"oneOf": schema["anyOf"], "discriminator": schema["discriminator"]}


def _paragraphs(docstring: str) -> str:
    """A docstring with the lines of each paragraph joined."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in docstring.split("\n\n")).strip()
