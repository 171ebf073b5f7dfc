"""What a GraphQL request may be: each limit is refused with what to do, before it costs anything."""

import base64
import gzip
import re
import time
from importlib.resources import files
from typing import Any

import pytest
from graphql import build_client_schema, get_introspection_query

from taskruns_service.prefect1.graphql.documents import BadDocument, read_document
from tests.questions import GraphQL

ANY = "query($where: task_run_bool_exp) { task_run(where: $where, limit: 1) { id } }"
DOUBLING = "".join(f"fragment f{n} on task_run {{ ...f{n + 1} ...f{n + 1} }} " for n in range(60))
SCHEMA_FIELDS = "types { fields { args { type { name } } } }"

DOCUMENTS: dict[str, tuple[str, str]] = {
    "of 8 MB": ("{ hello " + "#" * 8_000_000 + "\n}", "65536 bytes"),
    "of many bytes in few characters": ("{ hello #" + "€" * 30_000 + "\n}", "65536 bytes"),
    "of many fields of one name": ("{ task_run { " + "id " * 14_000 + "} }", "500 fields"),
    "of many names of types": (
        "{ task_run { " + " ".join(f"a{n}: __typename" for n in range(3_000)) + "} }",
        "500 fields",
    ),
    "of fragments that nobody uses": (
        "{ hello } " + " ".join(f"fragment f{n} on task_run {{ {'id ' * 200} }}" for n in range(20)),
        "500 fields",
    ),
    "of fragments that double": (
        "{ task_run { ...f0 } } " + DOUBLING + "fragment f60 on task_run { id }",
        "500 fields",
    ),
    "of a fragment with itself": ("{ task_run { ...f } } fragment f on task_run { ...f }", "uses itself"),
    "of two fragments in a circle": (
        "{ task_run { ...f } } fragment f on task_run { ...g } fragment g on task_run { ...f }",
        "uses itself",
    ),
    "of many fragments": (
        "{ task_run { ...f0 } } "
        + " ".join(f"fragment f{n} on task_run {{ ...f{n + 1} }}" for n in range(1_000))
        + " fragment f1000 on task_run { id }",
        "100 operations",
    ),
    "of many operations": (" ".join(f"query q{n} {{ hello }}" for n in range(1_000)), "100 operations"),
    "of deep lists": (
        "{ task_run(where: {map_index: {_in: " + "[" * 5_000 + "]" * 5_000 + "}}) { id } }",
        "nested too deeply",
    ),
    "of deep selections": ("{ task_run " + "{ flow_run " * 5_000 + "}" * 5_001, "nested too deeply"),
    "of many statements": ("{ " + " ".join(f"a{n}: hello" for n in range(101)) + " }", "100 root fields"),
    "of the schema by many names": (
        "{ __schema { " + " ".join(f"a{n}: types {{ name }}" for n in range(400)) + " } }",
        "500 fields",
    ),
    "of the schema in a circle": (
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
        "introspection depth",
    ),
    "of the schema beside other things": ("{ __schema { types { name } } hello }", "separate request"),
}


@pytest.mark.parametrize(("text", "reason"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_document_beyond_a_limit_is_refused_at_once(text: str, reason: str) -> None:
    began = time.process_time()
    with pytest.raises(BadDocument) as refused:
        read_document(text)
    assert any(reason in error.message for error in refused.value.errors), refused.value.errors
    assert time.process_time() - began < 5  # seconds: each took from half a minute to for ever, or 8 MB of parsing


INTROSPECTION = {
    "plain": get_introspection_query(),
    "everything": get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
    ),
}


@pytest.mark.parametrize("query", INTROSPECTION.values(), ids=INTROSPECTION)
async def test_tools_can_ask_for_the_schema_as_often_as_they_like(graphql: GraphQL, query: str) -> None:
    answers = [await graphql.data(query) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert build_client_schema(answers[0]).get_type("task_run")


async def test_explorer_can_ask_for_the_types(graphql: GraphQL) -> None:
    page = files("taskruns_service.prefect1.graphql").joinpath("explorer.html").read_text()
    types = re.search(r"const TYPES = `(.*?)`", page, re.DOTALL)
    assert types
    assert (await graphql.data(types[1]))["__schema"]["queryType"] == {"name": "Query"}


SCHEMA = {
    "by names of types": f"{{ __schema {{ {' '.join(f'a{n}: {SCHEMA_FIELDS}' for n in range(80))} }} }}",
    "by names of schemas": f"{{ {' '.join(f'a{n}: __schema {{ {SCHEMA_FIELDS} }}' for n in range(70))} }}",
    "by a fragment": f"{{ {' '.join(f'a{n}: __schema {{ ...f }}' for n in range(70))} }} "
    f"fragment f on __Schema {{ {SCHEMA_FIELDS} }}",
}


@pytest.mark.parametrize("query", SCHEMA.values(), ids=SCHEMA)
async def test_work_on_the_schema_is_bounded(graphql: GraphQL, query: str) -> None:
    code, message = await graphql.error(query)
    assert (code, "60000 fields" in message) == ("GRAPHQL_VALIDATION_FAILED", True)


def _nested(levels: int, inner: Any) -> Any:
    for level in range(levels):
        inner = {"flow_run" if (levels - level) % 2 else "task_runs": inner}
    return inner


CONDITIONS: dict[str, tuple[Any, str]] = {
    "alternatives": ({"_or": [{"map_index": {"_eq": n}} for n in range(1_000)]}, "800 comparisons"),
    "relations": ({"_or": [{"flow_run": {"name": {"_eq": "a"}}} for n in range(400)]}, "800 comparisons"),
    "values": ({"map_index": {"_in": [1] * 50_001}}, "50000 values"),
    "levels": (_nested(10, {"version": {"_gt": 0}}), "8 levels"),
    "levels of not": ({"_not": {"_not": {"_not": {}}}}, ""),
    "a long pattern": ({"name": {"_like": "%a" * 501}}, "1000 characters"),
    "a pattern that ends in its escape": ({"name": {"_like": "a\\"}}, "escape"),
    "a similar one": ({"name": {"_similar": "a\\\\\\"}}, "escape"),
    "JSON of many values": ({"flow_run": {"parameters": {"_contains": [1] * 101}}}, "100 values"),
    "JSON of many bytes": ({"flow_run": {"parameters": {"_contained_in": ["x" * 70_000]}}}, "65536 bytes"),
    "many keys": ({"tags": {"_has_keys_any": ["a"] * 101}}, "100 values"),
    "a key that is none": ({"tags": {"_has_key": ["a"]}}, "A key must be text"),
    "a key of keys that is none": ({"tags": {"_has_keys_all": ["a", 1]}}, "A key must be text"),
    "a number beyond its column": ({"map_index": {"_eq": 2**31}}, "integer"),
    "a number beyond all columns": ({"sequence": {"_eq": "9" * 5_000}}, ""),
    "no number": ({"duration": {"_gt": "nan"}}, "double precision"),
}


@pytest.mark.parametrize(("where", "reason"), CONDITIONS.values(), ids=CONDITIONS)
async def test_condition_beyond_a_limit_is_refused(graphql: GraphQL, where: Any, reason: str) -> None:
    response = await graphql.post(ANY, where=where)
    answer = response.json()
    if not reason:
        assert response.status_code in (200, 400)
        return
    (error,) = answer["errors"]
    assert error["extensions"]["code"] in ("BAD_USER_INPUT", "data-exception")
    assert reason in error["message"]


ACCEPTED: dict[str, Any] = {
    "alternatives": {"_or": [{"map_index": {"_eq": n - 1}} for n in range(390)]},
    "many values of each type": {
        "map_index": {"_in": [*range(-1, 40_000)]},
        "state": {"_nin": ["x"] * 200},
        "created": {"_in": ["2021-05-12T18:00:00Z"] * 200},
        "duration": {"_nin": [0.5] * 200},
    },
    "levels": _nested(7, {"version": {"_gt": 0}}),
    "levels of not": {"_not": {"_not": {"_or": [{"_not": {"map_index": {"_lt": -1}}}, {"name": {"_eq": "a"}}]}}},
    "a pattern with an escape": {"task_slug": {"_like": "a\\-%"}},
}


@pytest.mark.parametrize("where", ACCEPTED.values(), ids=ACCEPTED)
async def test_condition_within_the_limits_is_answered(graphql: GraphQL, where: Any) -> None:
    assert "task_run" in await graphql.data(ANY, where=where)


async def test_long_list_chooses_as_a_short_one_does(graphql: GraphQL) -> None:
    query = "query($where: task_run_bool_exp) { task_run(where: $where) { id } }"
    others = [f"00000000-0000-7000-8000-{n:012}" for n in range(500)]
    identifier = graphql.ids["task_run_id"]
    run = {"flow_run_id": {"_eq": graphql.ids["flow_run_id"]}}
    for operator in ("_in", "_nin"):
        short = await graphql.data(query, where={**run, "id": {operator: [identifier]}})
        long = await graphql.data(query, where={**run, "id": {operator: [identifier, *others]}})
        assert sorted(row["id"] for row in long["task_run"]) == sorted(row["id"] for row in short["task_run"])
        assert len(long["task_run"]) == 1


_HARD = (
    '(where: {_not: {_or: [{parameters: {_has_key: "a"}}, {name: {_nlike: "x"}}]}},'
    " order_by: {versions_aggregate: {count: desc}}, limit: 2)"
)
_DISTINCT = '(distinct_on: [name, storage], where: {flow_runs: {name: {_neq: ""}}})'
DEEP = {
    "lists": "{ flow(limit: 2) " + "{ id versions " * 5 + "{ id }" + " }" * 6,
    "lists with conditions": "{ flow(limit: 2) " + f"{{ id versions{_HARD} " * 5 + "{ id }" + " }" * 6,
    "distinct rows": "{ flow(limit: 2) " + f"{{ id versions{_DISTINCT} " * 5 + "{ id }" + " }" * 6,
    "aggregates": "{ flow(limit: 2) "
    + "{ versions_aggregate { aggregate { count } nodes " * 2
    + "{ versions { id } }"
    + " } }" * 2
    + " }",
}


@pytest.mark.parametrize("query", DEEP.values(), ids=DEEP)
async def test_seven_levels_are_answered_as_documented(graphql: GraphQL, query: str) -> None:
    assert (await graphql.data(query))["flow"]


async def test_flow_that_unpacks_to_too_much_is_refused(graphql: GraphQL) -> None:
    bomb = gzip.compress(b'{"name": "a", "x": "' + b"0" * 100_000_000 + b'"}')
    code, message = await graphql.error(
        "mutation($input: create_flow_from_compressed_string_input!) "
        "{ create_flow_from_compressed_string(input: $input) { id } }",
        input={"project_id": graphql.ids["project_id"], "serialized_flow": base64.b64encode(bomb).decode()},
    )
    assert (code, "8388608 bytes" in message) == ("BAD_USER_INPUT", True)


@pytest.mark.parametrize(
    ("pattern", "operator"), [("(?P<n>a)", "_regex"), ("(", "_regex"), ("*", "_iregex"), ("a{99999}", "_regex")]
)
async def test_expression_that_the_engine_refuses_is_explained(graphql: GraphQL, pattern: str, operator: str) -> None:
    """RE2 takes some that PostgreSQL refuses, and the reverse: each is checked by the one that runs it."""
    response = await graphql.post(ANY, where={"task_slug": {operator: pattern}})
    for error in response.json().get("errors", ()):
        assert error["extensions"]["code"] == "data-exception"
        assert "egular expression" in error["message"]
