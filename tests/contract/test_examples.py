"""Sends the examples of openapi.json to a new service: whoever makes a collection of them gets answers."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.service import Served, served
from tests.streams import is_stream

Schema = dict[str, Any]


class Example(NamedTuple):
    """The request that an operation's examples make."""

    operation: str
    method: str
    path: str
    query: dict[str, Any]
    headers: dict[str, str]
    body: Any

    def send(self, http: httpx.Client, **others: Any) -> httpx.Response:
        """Sends the request with what has to be there, and with `others`."""
        return http.request(self.method, self.path, json=self.body, **others)


def examples(document: Schema) -> Iterator[Example]:
    """The request of every operation, in the order of the document."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            parameters = operation.get("parameters", [])
            by_place: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}}
            for parameter in parameters:
                if "example" in parameter:
                    by_place[parameter["in"]][parameter["name"]] = parameter["example"]
            content = operation.get("requestBody", {}).get("content", {})
            yield Example(
                operation["operationId"],
                "HEAD" if is_stream(operation) else method.upper(),
                re.sub(r"{(\w+)}", lambda name: by_place["path"][name[1]], path),  # noqa: B023
                by_place["query"],
                by_place["header"],
                content["application/json"]["example"] if content else None,
            )


def required_query(document: Schema, operation: str) -> dict[str, str]:
    """The query parameters that an operation cannot do without, as its document writes them."""
    (found,) = (one for item in document["paths"].values() for one in item.values() if one["operationId"] == operation)
    return {
        one["name"]: ",".join(one["example"])
        for one in found.get("parameters", [])
        if one["in"] == "query" and one["required"]
    }


@pytest.fixture
def service(sqlite_url: str, tmp_path: Path) -> Iterator[Served]:
    """A service that nobody has asked for anything yet."""
    with served(sqlite_url, tmp_path) as service:
        yield service


def test_every_example_is_answered_in_the_order_of_the_document(document: Schema, service: Served) -> None:
    with service.client() as http:
        answers = {
            one.operation: one.send(http, params=required_query(document, one.operation)).status_code
            for one in examples(document)
        }
    assert {operation: status for operation, status in answers.items() if status not in (200, 201, 204)} == {}


def test_examples_grouped_by_path_find_what_they_are_about(document: Schema, service: Served) -> None:
    """Tools that make collections put what is below a path into one folder, and send all headers of the examples."""
    grouped = sorted(examples(document), key=lambda one: one.path.split("/")[1])
    with service.client() as http:
        for one in grouped:
            params = required_query(document, one.operation)
            response = one.send(http, params=params, headers=one.headers)
            # A deletion would leave nothing to the others: its example has an ETag of before.
            expected = {412} if one.method == "DELETE" else {200, 201, 204, 304}
            assert response.status_code in expected, (one.operation, response.text)


# What a parameter of an aggregate applies to: groups are sorted, days have a time and a zone, windows are compared.
OTHERS_OF_AGGREGATES = {
    "sort": {"group_by": "state"},
    "timezone": {"group_by": "day"},
    "bucket_time": {"group_by": "day"},
    "compare": {"start_time_gte": "2021-05-12T00:00:00Z"},
}


def test_every_example_of_a_query_parameter_is_taken(document: Schema, service: Served) -> None:
    with service.client() as http:
        for one in examples(document):
            if one.method == "POST":
                one.send(http).raise_for_status()
            required = required_query(document, one.operation)
            for name, example in one.query.items():
                others = OTHERS_OF_AGGREGATES.get(name, {}) if "group_by" in one.query else {}
                response = one.send(http, params={name: example, **others, **required})
                assert response.status_code == 200, (one.operation, name, response.text)
