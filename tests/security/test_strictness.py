"""Nothing that a request says is ignored: compressed bodies and unknown parameters are refused on every path."""

import json

import pytest

from tests.service import Served, problem_of
from tests.streams import is_stream

NOBODY = "019064f2-5b11-7e1d-8a50-88978dabb7c1"
QUERY = json.dumps({"query": "{ hello }"}).encode()


def requests_of(service: Served) -> list[tuple[str, str]]:
    """A request to each operation of REST, and to all that GraphQL has."""
    with service.client() as http:
        paths = http.get("/openapi.json").json()["paths"]
    rest = [
        (
            "HEAD" if is_stream(operation) else method.upper(),
            path.replace("{flow_run_id}", NOBODY).replace("{task_run_id}", NOBODY),
        )
        for path, item in paths.items()
        for method, operation in item.items()
    ]
    graphql = [("POST", "/"), ("POST", "/graphql"), ("GET", "/graphql"), ("GET", "/graphql/schema")]
    return [*rest, *graphql, ("HEAD", "/docs"), ("OPTIONS", "/task-runs"), ("OPTIONS", "/graphql")]


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "deflate", "identity, gzip", "zstd", "x"])
def test_body_that_is_encoded_is_refused_on_every_path(service: Served, encoding: str) -> None:
    with service.client() as http:
        for method, path in requests_of(service):
            headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
            response = http.request(method, path, content=QUERY, headers=headers)
            assert response.status_code == 415, (method, path)
            if method != "HEAD":
                detail = "The body must not be compressed. Send it without `Content-Encoding`."
                assert problem_of(response) == {"code": "unsupported-media-type", "detail": detail}


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_body_that_says_it_is_as_it_is_is_taken(service: Served, encoding: str) -> None:
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    with service.client() as http:
        assert http.post("/graphql", content=QUERY, headers=headers).json() == {"data": {"hello": "hi"}}
        assert http.post("/flow-runs", content=b'{"flow_name": "f"}', headers=headers).status_code == 201


@pytest.mark.parametrize("query", ["colour=red", "query=%7Bhello%7D", "colour", "=", "%ff"])
def test_parameter_that_nobody_knows_is_refused_on_every_path(service: Served, query: str) -> None:
    with service.client() as http:
        for method, path in requests_of(service):
            response = http.request(method, f"{path}?{query}", content=QUERY)
            assert response.status_code == 400, (method, path)
            if method != "HEAD":
                assert problem_of(response)["code"] == "invalid-request"
