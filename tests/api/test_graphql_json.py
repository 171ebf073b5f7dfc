"""JSON in GraphQL: parts of it at a path, and conditions that compare it, alike on both databases."""

from typing import Any

import pytest

from tests.etl import PARAMETERS
from tests.questions import GraphQL

PATHS = {
    "$.a.b[1]": ["two", None, None, None, None],
    "a.b": [[1, "two"], None, None, None, None],
    ".a": [{"b": [1, "two"]}, 1, 1.0, True, None],
    '["a"]["b"][0]': [1, None, None, None, None],
    "c": [None] * 5,
    "$": PARAMETERS,
}


@pytest.mark.parametrize("path", PATHS)
async def test_json_is_read_at_a_path(common_etl: GraphQL, path: str) -> None:
    query = """query($path: String) {
      flow_run(order_by: {name: asc}) { part: parameters(path: $path) whole: parameters(path: null) flow { name } }
    }"""
    data = await common_etl.data(query, path=path)
    assert [run["part"] for run in data["flow_run"]] == PATHS[path]
    assert [run["whole"] for run in data["flow_run"]] == PARAMETERS


@pytest.mark.parametrize("path", ["", "a..b", "a[", "a[b]", "a[-1]", '$["a\\"b"]', "a]", "a" * 1001, "a" + ".a" * 200])
async def test_path_that_is_none_is_refused(common_etl: GraphQL, path: str) -> None:
    code, message = await common_etl.error("query($path: String) { flow_run { parameters(path: $path) } }", path=path)
    assert code == "BAD_USER_INPUT"
    assert "`path` must be a path such as" in message


JSON_CONDITIONS: dict[str, tuple[dict[str, Any], set[int]]] = {
    "the same object": ({"_eq": {"a": {"b": [1, "two"]}}}, {0}),
    "the items in another order": ({"_eq": {"a": {"b": ["two", 1]}}}, set()),
    "a number, however it is written": ({"_eq": {"a": 1}}, {2}),
    "the members in another order": ({"_eq": {"c": None, "a": 1}}, {1}),
    "a boolean is no number": ({"_eq": {"a": True}}, {3}),
    "the empty object": ({"_eq": {}}, {4}),
    "another": ({"_neq": {}}, {0, 1, 2, 3}),
    "one of several": ({"_in": [{}, {"a": True}, 5]}, {3, 4}),
    "none of several": ({"_nin": [{}, {"a": True}]}, {0, 1, 2}),
    "one of none": ({"_in": []}, set()),
    "none of none": ({"_nin": []}, {0, 1, 2, 3, 4}),
    "null restricts nothing": ({"_eq": None, "_in": None}, {0, 1, 2, 3, 4}),
}


@pytest.mark.parametrize(("condition", "numbers"), JSON_CONDITIONS.values(), ids=JSON_CONDITIONS)
async def test_json_is_compared(common_etl: GraphQL, condition: dict[str, Any], numbers: set[int]) -> None:
    query = "query($is: jsonb_comparison_exp) { flow_run(where: {parameters: $is}) { name } }"
    assert {int(run["name"]) for run in (await common_etl.data(query, **{"is": condition}))["flow_run"]} == numbers


async def test_lists_of_texts_are_compared_as_json(common_etl: GraphQL) -> None:
    query = "query($labels: jsonb) { flow_run(where: {labels: {_eq: $labels}}, order_by: {name: asc}) { name } }"
    assert await common_etl.data(query, labels=["a"]) == {"flow_run": [{"name": "1"}]}
    assert await common_etl.data(query, labels=[]) == {"flow_run": [{"name": "0"}]}
