"""Holds openapi.json to the service that it describes, and to what makes a document good to generate clients from."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from taskruns_service.api import HANDLERS
from taskruns_service.api.operations import operation_of
from taskruns_service.app import create_app
from taskruns_service.domain.errors import NotReady, ServiceError
from tests.service import run_command, running, settings_of

ROOT = Path(__file__).parents[2]
METHODS = {"get", "post", "patch", "delete"}
# What paths that have no operation answer with.
FRAMEWORK_WIDE = {"not-found", "method-not-allowed"}
# Answers whose members are those that were asked for, or that help.
PARTIAL = {"TaskRunFields", "FlowRunFields", "Measures", "GroupKey", "Problem", "ItemProblem", "Fault"}
SHARED = {"StateType"}
ENUMERATIONS = {"LogLevel", "StateType"}

Schema = dict[str, Any]


def errors_of(kind: type[ServiceError]) -> Iterator[type[ServiceError]]:
    """An error and all that are derived from it."""
    yield kind
    for derived in kind.__subclasses__():
        yield from errors_of(derived)


# To clients of REST, an error without a code of its own is the one that it is derived from.
ERRORS = sorted(
    {error for error in errors_of(ServiceError) if "code" in vars(error)}, key=lambda error: (error.status, error.code)
)


def operations_of(document: Schema) -> list[tuple[str, Schema]]:
    """All operations, each with its method and path."""
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def references(value: Any) -> set[str]:
    """The names of the schemas that a part of the document refers to by itself."""
    if isinstance(value, list):
        return set().union(*map(references, value))
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"].rpartition("/")[2]} if "/schemas/" in str(value.get("$ref", "")) else set()
    return own.union(*map(references, value.values()))


def reachable(document: Schema, value: Any) -> set[str]:
    """The names of the schemas that a part of the document needs in the end."""
    found: set[str] = set()
    new = references(value)
    while new:
        found |= new
        new = set().union(*(references(document["components"]["schemas"][name]) for name in new)) - found
    return found


def answers(document: Schema) -> set[str]:
    """The schemas that answers are made of."""
    return reachable(document, [operation["responses"] for _, operation in operations_of(document)])


def requests(document: Schema) -> set[str]:
    """The schemas that bodies are made of."""
    return reachable(document, [operation.get("requestBody", {}) for _, operation in operations_of(document)])


def test_committed_document_is_what_the_service_writes() -> None:
    assert run_command("openapi").stdout.encode() == (ROOT / "openapi.json").read_bytes()


async def test_committed_document_is_what_the_service_serves(client: httpx.AsyncClient) -> None:
    response = await client.get("/openapi.json")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.content == (ROOT / "openapi.json").read_bytes()


def test_document_is_sorted_and_ends_with_a_newline(document: Schema) -> None:
    """Paths and their methods are in the order in which their examples can be sent."""

    def by_name(part: Any) -> Any:
        return {name: by_name(part[name]) for name in sorted(part)} if isinstance(part, dict) else part

    arranged = {
        name: {path: {method: by_name(operation) for method, operation in item.items()} for path, item in part.items()}
        if name == "paths"
        else by_name(part)
        for name, part in sorted(document.items())
    }
    written = msgspec.json.format(msgspec.json.encode(arranged), indent=2) + b"\n"
    assert written == (ROOT / "openapi.json").read_bytes()


def test_document_is_valid(document: Schema) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_handler_is_in_the_document(document: Schema) -> None:
    declared = {operation.id for handler in HANDLERS if (operation := operation_of(handler))}
    assert len(declared) == len(HANDLERS)
    assert {operation["operationId"] for _, operation in operations_of(document)} == declared


def test_every_operation_is_told_about(document: Schema) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for place, operation in operations_of(document):
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", operation["operationId"]), place
        assert re.fullmatch(r"[A-Z][^.]{4,49}", operation["summary"]), place
        assert operation["description"].rstrip().endswith("."), place
        assert set(operation["tags"]) < tags, place
        assert len(operation["tags"]) == 1, place
        assert operation["security"] in ([], [{"apiKey": []}, {}]), place


async def test_document_demands_a_key_where_the_service_does(sqlite_url: str) -> None:
    async with running(create_app(settings_of(sqlite_url, require_keys=True))) as client:
        document = (await client.get("/openapi.json")).json()
    assert document["security"] == [{"apiKey": []}]
    for place, operation in operations_of(document):
        assert operation["security"] in ([], [{"apiKey": []}]), place


def test_every_parameter_is_told_about(document: Schema) -> None:
    for place, operation in operations_of(document):
        names = [(parameter["name"], parameter["in"]) for parameter in operation.get("parameters", [])]
        assert len(set(names)) == len(names), place
        for parameter in operation.get("parameters", []):
            assert parameter["description"].endswith("."), (place, parameter["name"])
            if parameter["in"] == "path":
                assert parameter["required"], (place, parameter["name"])
                assert parameter["example"], (place, parameter["name"])


def test_every_text_and_number_that_is_sent_is_bounded(document: Schema) -> None:
    def check(schema: Schema, place: str) -> None:
        kinds = schema.get("type")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        if "string" in kinds and not {"enum", "const"} & schema.keys():
            bounded = {"maxLength", "pattern"} & schema.keys() or schema.get("format") in ("uuid", "date-time")
            assert bounded, place
        if {"integer", "number"} & set(kinds):
            assert {"minimum", "maximum"} <= schema.keys(), place
        if "array" in kinds:
            assert "maxItems" in schema, place
            check(schema["items"], f"{place}[]")
        for name, member in schema.get("properties", {}).items():
            check(member, f"{place}.{name}")

    for name in requests(document):
        check(document["components"]["schemas"][name], name)
    for place, operation in operations_of(document):
        for parameter in operation.get("parameters", []):
            check(parameter["schema"], f"{place} {parameter['name']}")


def test_every_body_has_an_example_that_is_taken() -> None:
    for handler in HANDLERS:
        operation = operation_of(handler)
        if operation is not None and operation.body is not None:
            # strict: as if it came as JSON
            msgspec.json.decode(msgspec.json.encode(operation.body_example), type=operation.body)


def test_every_error_is_a_problem(document: Schema) -> None:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for place, operation in operations_of(document):
        for status, answer in operation["responses"].items():
            assert "X-Request-Id" in answer["headers"], (place, status)
            assert answer["description"], (place, status)
            if int(status) >= 400:
                assert answer["content"] == problem, (place, status)
        statuses = set(operation["responses"])
        assert {"400", "500"} <= statuses, place
        assert {"401"} <= statuses or not operation["security"], place
        assert {"413", "415"} <= statuses or "requestBody" not in operation, place
        assert any(status.startswith("2") for status in statuses), place


def test_every_error_is_declared_by_an_operation(document: Schema) -> None:
    declared = {
        (code, int(status))
        for _, operation in operations_of(document)
        for status, answer in operation["responses"].items()
        if int(status) >= 400
        for code in re.findall(r"^- `([a-z-]+)`: .+\.$", answer["description"], re.MULTILINE)
    }
    assert declared == {(error.code, int(error.status)) for error in ERRORS if error.code not in FRAMEWORK_WIDE}


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in ERRORS]
    assert len(set(codes)) == len(codes)
    for error in ERRORS:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.code)
        assert {"code", "status"} <= vars(error).keys(), error
        assert error.status >= 400
        assert (error.__doc__ or "").strip().endswith((".", "…`.")), error


def test_every_error_is_documented() -> None:
    table = re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \| (.+) \|$", (ROOT / "docs/errors.md").read_text(), re.MULTILINE)
    assert table == [(f"{error.status:d}", error.code, " ".join((error.__doc__ or "").split())) for error in ERRORS]


def test_readiness_is_the_only_one_that_is_not_ready(document: Schema) -> None:
    found = [
        operation["operationId"]
        for _, operation in operations_of(document)
        if f"`{NotReady.code}`" in operation["responses"].get("503", {}).get("description", "")
    ]
    assert found == ["get_readiness"]


def test_answers_have_all_their_members(document: Schema) -> None:
    for name in answers(document):
        schema = document["components"]["schemas"][name]
        if name not in PARTIAL:
            assert set(schema.get("required", [])) == set(schema.get("properties", {})), name
        assert "additionalProperties" not in schema, name


def parts_of(value: Any, place: str = "") -> Iterator[tuple[str, Schema]]:
    """All objects of a part of the document with their places, examples aside."""
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from parts_of(one, f"{place}/{index}")
    if isinstance(value, dict):
        yield place, value
        for name, one in value.items():
            if name not in ("example", "examples"):
                yield from parts_of(one, f"{place}/{name}")


def kinds_of(schema: Schema) -> set[str]:
    """The types that a schema allows."""
    kind = schema.get("type", ())
    return {kind} if isinstance(kind, str) else set(kind) if isinstance(kind, list) else set()


def test_moments_are_named_alike(document: Schema) -> None:
    moments = {
        name
        for schema in document["components"]["schemas"].values()
        for name, member in schema.get("properties", {}).items()
        if member.get("format") == "date-time"
    }
    by_what_the_service_did = {"created", "updated", "received", "last_heartbeat", "newest_flow_run_created"}
    by_when_they_are = {name for name in moments if re.search(r"(^|_)time(stamp)?$", name)}
    assert {"timestamp", "start_time", "state_timestamp"} < by_when_they_are
    assert moments - by_what_the_service_did - by_when_they_are == {"hour", "day", "week", "bucket"}


def test_cursor_of_every_page_has_one_name(document: Schema) -> None:
    schemas = document["components"]["schemas"]
    lists = {name: one for name, one in schemas.items() if name.endswith("Page") or name == "TaskRunResult"}
    assert len(lists) > 5
    assert [name for name, one in lists.items() if "next_cursor" not in one["required"]] == []


def test_free_form_objects_take_any_member(document: Schema) -> None:
    """Generators make a type without members of an object that says nothing about them."""
    free = [(place, one) for place, one in parts_of(document) if "object" in kinds_of(one) and "properties" not in one]
    assert len(free) > 10
    assert [place for place, one in free if "additionalProperties" not in one] == []


def test_no_member_has_a_default(document: Schema) -> None:
    """Generators demand a member that has a default of whoever writes the object."""
    schemas = document["components"]["schemas"]
    assert [place for place, one in parts_of(schemas) if "default" in one] == []
    assert schemas["StateCreate"]["required"] == ["type"]
    assert "Default: `false`." in schemas["StateCreate"]["properties"]["force"]["description"]


def test_texts_that_are_sent_have_no_nul(document: Schema) -> None:
    schemas = {name: document["components"]["schemas"][name] for name in requests(document)}
    parameters = [operation.get("parameters", []) for _, operation in operations_of(document)]
    texts = [
        (place, one)
        for place, one in parts_of([schemas, parameters])
        if "string" in kinds_of(one) and not one.keys() & {"enum", "const", "format"}
    ]
    assert len(texts) > 20
    for place, schema in texts:
        assert not re.search(schema["pattern"], "a\0b"), place
    assert re.search(schemas["StateCreate"]["properties"]["message"]["pattern"], "two\nlines")


def test_every_answer_of_an_operation_has_one_schema(document: Schema) -> None:
    for place, operation in operations_of(document):
        schemas = {
            str(content["schema"])
            for status, answer in operation["responses"].items()
            for content in answer.get("content", {}).values()
            if int(status) < 400
        }
        assert len(schemas) <= 1, place
        assert not any("anyOf" in schema or "oneOf" in schema for schema in schemas), place


@pytest.mark.parametrize("name", ["list_flow_run_fields", "list_task_run_fields", "list_flow_run_task_run_fields"])
def test_fields_are_the_members_of_the_items(document: Schema, name: str) -> None:
    schemas = document["components"]["schemas"]
    (operation,) = (one for _, one in operations_of(document) if one["operationId"] == name)
    (fields,) = (one for one in operation["parameters"] if one["name"] == "fields")
    assert (fields["required"], fields["style"], fields["explode"]) == (True, "form", False)
    assert fields["schema"]["type"] == "array"
    enumeration = schemas[fields["schema"]["items"]["$ref"].rpartition("/")[2]]
    page = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    item = schemas[page]["properties"]["items"]["items"]["$ref"].rpartition("/")[2]
    assert enumeration["enum"] == sorted(schemas[item]["properties"])


def test_constants_of_enumerations_have_names_of_their_own(document: Schema) -> None:
    """In Go, all constants of a package are in one namespace; generators write them in capitals."""
    names = [
        name.upper()
        for schema in document["components"]["schemas"].values()
        if "enum" in schema
        for name in schema.get("x-enum-varnames", schema["enum"])
    ]
    assert len(names) > 50
    assert [name for name in names if names.count(name) > 1] == []


def test_links_lead_to_operations_with_ids_that_answers_have(document: Schema) -> None:
    schemas = document["components"]["schemas"]
    places = {operation["operationId"]: place for place, operation in operations_of(document)}
    linked = set()
    for place, operation in operations_of(document):
        for answer in operation["responses"].values():
            for name, link in answer.get("links", {}).items():
                assert link["operationId"] == name != operation["operationId"], place
                ((parameter, expression),) = link["parameters"].items()
                assert re.findall(r"{(\w+)}", places[name]) == [parameter], place
                schema = answer["content"]["application/json"]["schema"]
                for step in expression.removeprefix("$response.body#/").split("/"):
                    schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
                    schema = schema["items"] if step == "0" else schema["properties"][step]
                assert schema["format"] == "uuid", (place, name)
                linked.add(name)
    assert linked == {name for name, place in places.items() if "{" in place and not place.startswith("DELETE")}


def test_requests_take_nothing_else(document: Schema) -> None:
    for name in requests(document) - ENUMERATIONS:
        assert document["components"]["schemas"][name]["additionalProperties"] is False, name


def test_requests_and_answers_change_independently(document: Schema) -> None:
    assert requests(document) & answers(document) == SHARED


def test_every_schema_is_needed_and_told_about(document: Schema) -> None:
    schemas = document["components"]["schemas"]
    parameters = reachable(document, [operation.get("parameters", []) for _, operation in operations_of(document)])
    assert set(schemas) == requests(document) | answers(document) | parameters
    for name, schema in schemas.items():
        assert schema["description"].rstrip(), name
        assert not re.search(r"\n {2,}", schema["description"]), name


@pytest.mark.parametrize("union", ["ResultReference", "Serializer"])
def test_union_is_told_apart_by_its_type(document: Schema, union: str) -> None:
    schemas = document["components"]["schemas"]
    schema = schemas[union]
    assert schema["discriminator"]["propertyName"] == "type"
    members = {tag: reference.rpartition("/")[2] for tag, reference in schema["discriminator"]["mapping"].items()}
    assert {arm["$ref"].rpartition("/")[2] for arm in schema["oneOf"]} == set(members.values())
    for tag, name in members.items():
        assert schemas[name]["properties"]["type"] == {"const": tag, "type": "string"}
        assert "type" in schemas[name]["required"]


def test_no_union_is_nameless(document: Schema) -> None:
    def check(schema: Any, place: str) -> None:
        if isinstance(schema, list):
            for index, one in enumerate(schema):
                check(one, f"{place}/{index}")
        elif isinstance(schema, dict):
            arms = [*schema.get("oneOf", []), *schema.get("anyOf", []), *schema.get("allOf", [])]
            null = {"type": "null"}
            assert not arms or "discriminator" in schema or (len(arms) == 2 and null in arms), place
            for name, one in schema.items():
                check(one, f"{place}/{name}")

    check(document["components"]["schemas"], "schemas")


def test_ids_have_examples(document: Schema) -> None:
    for name, schema in document["components"]["schemas"].items():
        for member in ("id", "flow_run_id", "task_run_id"):
            found = schema.get("properties", {}).get(member, {})
            if found.get("type") == "string":
                assert found["examples"], (name, member)
