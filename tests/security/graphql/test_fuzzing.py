"""No input is answered with a fault of the service's own: odd values of every kind in every place that takes one."""

import base64
import gzip
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
import pytest
from graphql import GraphQLInputObjectType, get_named_type
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from taskruns_service.prefect1.graph.conditions import COMPARISONS
from taskruns_service.prefect1.graph.entities import ENTITIES
from taskruns_service.prefect1.graphql.schema import make_schema
from tests.questions import FLOW, GraphQL

UUID_TEXT = "019064f2-5a3c-7e1d-9a26-72754b7ea174"
NUMBERS = [0, -1, 2**31, 2**53, 2**63, 2**70, 10**400, 1.5, 1e308]
TEXTS = [
    *("", "a", "\0", "\ud7ff", "x" * 40, "x" * 300, UUID_TEXT, "true", "nan", "-inf", "1e5"),
    *("%\\", "\\", "(", "[a", "(?P<n>a)", "(?:a)", "*", "a{1000}{1000}", "\\1(a)"),
    *("0001-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2021-05-12T18:00:00"),
]
SHAPES: list[Any] = [
    *([], [1], ["a"], [None], [[1]], [{}], ["a", 1, None], {}, {"a": 1}, {"": ""}, {"a": "\0"}),
    *({"slug": 1}, {"labels": 5}, {"type": ["x"]}, {"type": "Scheduled", "start_time": 5, "_result": {"type": ["a"]}}),
    {"type": "Running", "start_time": "9999-12-31T23:59:59-12:00", "message": 5},
]
ODD: list[Any] = [None, True, False, *NUMBERS, *TEXTS, *SHAPES]

VARIANTS_MOST = 300
EXAMPLES = settings(
    max_examples=150,
    derandomize=True,  # the same examples each time
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def refuse_fault(response: httpx.Response, sent: Any) -> None:
    """Fails for an answer that says that something is wrong with the service."""
    assert response.status_code < 500, (response.text, sent)
    assert "INTERNAL_SERVER_ERROR" not in response.text, (response.text, sent)


FIELDS = {
    "task_run": ["id", "name", "map_index", "duration", "start_time", "tags", "serialized_state", "tenant_id"],
    "flow_run": ["parameters", "auto_scheduled", "times_resurrected"],
    "flow": ["settings", "schedule", "project_id"],
    "tenant": ["settings", "info"],
    "message": ["read", "content", "user_id", "created"],
}
"""A field of each scalar, and of each way in which one is kept or computed."""


@pytest.mark.parametrize(("entity", "field"), [(entity, field) for entity in FIELDS for field in FIELDS[entity]])
async def test_no_comparison_with_any_value_is_a_fault(graphql: GraphQL, entity: str, field: str) -> None:
    query = f"query($where: {entity}_bool_exp) {{ {entity}(where: $where, limit: 1) {{ id }} }}"
    for operator in COMPARISONS[ENTITIES[entity].fields[field].scalar]:
        for value in ODD:
            where = {field: {operator: value}}
            refuse_fault(await graphql.post(query, where=where), where)


@pytest.mark.parametrize("entity", ENTITIES)
async def test_every_field_may_be_sorted_grouped_and_counted_by(graphql: GraphQL, entity: str) -> None:
    other = next(iter(ENTITIES[entity].fields))
    for field in ENTITIES[entity].fields:
        for query in (
            f"{{ {entity}(distinct_on: {field}, order_by: {{ {field}: desc }}, limit: 1) {{ {field} }} }}",
            f"{{ {entity}_aggregate {{ aggregate {{ count(columns: [{field}, {other}], distinct: true) }} }} }}",
        ):
            assert await graphql.data(query)


@cache
def mutations() -> dict[str, GraphQLInputObjectType]:
    """The type of the input of each mutation."""
    mutation_type = make_schema().mutation_type
    assert mutation_type is not None
    return {name: field.args["input"].type.of_type for name, field in mutation_type.fields.items()}


def _regular(kind: GraphQLInputObjectType, ids: dict[str, str]) -> dict[str, Any]:
    """An input that is as it should be."""
    values: dict[str, Any] = {
        **ids,
        "name": "n",
        "slug": "s",
        "kind": "k",
        "level": "INFO",
        "message": "m",
        "state": {"type": "Running"},
        "states": ["Failed"],
        "type": "WEBHOOK",
        "labels": ["a"],
        "confirm": True,
        "serialized_flow": FLOW,
        "serialized_tasks": FLOW["tasks"],
        "serialized_edges": FLOW["edges"],
    }
    regular: dict[str, Any] = {}
    for name, field in kind.fields.items():
        item = get_named_type(field.type)
        if isinstance(item, GraphQLInputObjectType):
            regular[name] = [_regular(item, ids)]
        elif name in values:
            regular[name] = values[name]
    return regular


def _variants(value: Any) -> Iterator[Any]:
    """What a value becomes where one member of it, at any depth, is odd or missing."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield {key: other for key, other in value.items() if key != name}
            yield from ({**value, name: variant} for variant in [*ODD, *_variants(inner)])
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from ([*value[:place], variant, *value[place + 1 :]] for variant in [*ODD, *_variants(inner)])


@pytest.mark.parametrize("name", [name for name in mutations() if not name.startswith("create_flow_from")])
async def test_no_member_of_a_mutation_is_a_fault(graphql: GraphQL, name: str) -> None:
    kind = mutations()[name]
    regular = _regular(kind, graphql.ids)
    odd_members = [{**regular, member: value} for member in kind.fields for value in ODD]
    query = f"mutation($input: {kind.name}!) {{ {name}(input: $input) {{ __typename }} }}"
    variants = [*odd_members, *_variants(regular)]
    for variant in variants[:: 1 + len(variants) // VARIANTS_MOST]:
        refuse_fault(await graphql.post(query, input=variant), variant)


@pytest.mark.parametrize("direction", ["downstream", "upstream"])
async def test_no_argument_of_a_traversal_is_a_fault(graphql: GraphQL, direction: str) -> None:
    query = f"""query($args: utility_{direction}_tasks_args!) {{
      utility_{direction}_tasks(args: $args) {{ depth task {{ slug }} }}
    }}"""
    for value in [*ODD, "{", "{}", "{,}", '{"a"}', "{" + UUID_TEXT + "}", "{" + UUID_TEXT + ",}", [UUID_TEXT] * 3]:
        for args in ({"start_task_ids": value}, {"start_task_ids": [graphql.ids["task_id"]], "depth_limit": value}):
            refuse_fault(await graphql.post(query, args=args), args)


async def test_no_path_into_json_is_a_fault(graphql: GraphQL) -> None:
    query = "query($path: String) { flow(limit: 3) { serialized_flow(path: $path) settings(path: $path) } }"
    for path in [*ODD, "$", ".", "$.", "[0]", "[00]", "[999999999]", "a.0", "é", "$.$", "a b", "['a']", "[']", "#-1"]:
        refuse_fault(await graphql.post(query, path=path), path)


PACKED = [
    *(b"", b"null", b"[]", b'{"name": 1}', b'{"name": "\\u0000"}', b'{"name": "a", "tasks": 5}', b"1e999"),
    *(b"{" * 1000, b"\xff", b'{"name": "a", "tasks": [{"slug": "a", "trigger": 5}]}'),
]


async def test_no_packed_flow_is_a_fault(graphql: GraphQL) -> None:
    kind = mutations()["create_flow_from_compressed_string"]
    query = f"mutation($input: {kind.name}!) {{ create_flow_from_compressed_string(input: $input) {{ id }} }}"
    packed = [base64.b64encode(gzip.compress(raw)).decode() for raw in PACKED]
    for text in [*packed, "!", "YQ==", "a", "é", "", packed[3][:-9]]:
        members = {"project_id": graphql.ids["project_id"], "serialized_flow": text}
        refuse_fault(await graphql.post(query, input=members), members)


JSON = st.recursive(
    st.sampled_from(ODD) | st.text(max_size=20) | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def conditions(entity: str, levels: int = 3) -> st.SearchStrategy[dict[str, Any]]:
    """Conditions on an entity that the schema takes, with any values."""

    def compare(field: str) -> st.SearchStrategy[dict[str, Any]]:
        operators = sorted(COMPARISONS[ENTITIES[entity].fields[field].scalar])
        return st.dictionaries(st.sampled_from(operators), JSON, max_size=2).map(lambda found: {field: found})

    plain = st.sampled_from(sorted(ENTITIES[entity].fields)).flatmap(compare)
    if levels == 0:
        return plain

    def relate(name: str) -> st.SearchStrategy[dict[str, Any]]:
        target = ENTITIES[entity].relations[name].target
        return conditions(target, levels - 1).map(lambda found: {name: found})

    several = st.lists(st.deferred(lambda: conditions(entity, levels - 1)), max_size=3)
    connected = st.tuples(st.sampled_from(["_and", "_or", "_not"]), several).map(
        lambda found: {found[0]: found[1][0] if found[0] == "_not" and found[1] else found[1]}
    )
    return plain | connected | st.sampled_from(sorted(ENTITIES[entity].relations)).flatmap(relate)


def _with_condition(entity: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return conditions(entity).map(lambda where: (entity, where))


@EXAMPLES
@given(question=st.sampled_from(["task_run", "flow_run", "flow"]).flatmap(_with_condition))
async def test_no_condition_is_a_fault(graphql: GraphQL, question: tuple[str, dict[str, Any]]) -> None:
    entity, where = question
    query = f"query($where: {entity}_bool_exp) {{ {entity}(where: $where, limit: 2) {{ id }} }}"
    refuse_fault(await graphql.post(query, where=where), where)


@EXAMPLES
@given(body=st.fixed_dictionaries({"query": st.just("query($a: JSON) { hello }")}, optional={"variables": JSON}))
async def test_no_body_is_a_fault(graphql: GraphQL, body: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json"}
    refuse_fault(await graphql.client.post("/graphql", content=json.dumps(body).encode(), headers=headers), body)


FILTERS = ["state", "task_slug", "task_slug_prefix", "name_contains", "flow_run_id", "flow_name", "map_index", "tag"]
FILTERS += [
    "run_count_gte",
    "start_time_gte",
    "end_time_lt",
    "duration_gte",
    "has_result",
    "after_sequence",
    "state_group",
]
QUERY_TEXTS = st.sampled_from([text for text in TEXTS if text.isprintable()] + [str(number) for number in NUMBERS])


@EXAMPLES
@given(
    path=st.sampled_from(["/task-runs", "/flow-runs", "/task-runs/aggregate"]),
    filters=st.dictionaries(st.sampled_from(FILTERS), QUERY_TEXTS | st.text(max_size=10), max_size=3),
)
async def test_no_filter_is_a_fault(graphql: GraphQL, path: str, filters: dict[str, str]) -> None:
    refuse_fault(await graphql.client.get(path, params=filters), filters)
