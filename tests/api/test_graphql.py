"""GraphQL over HTTP: how requests are sent, and what answers look like."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from graphql import build_client_schema, get_introspection_query

from taskruns_service.app import create_app
from taskruns_service.prefect1.graphql.sdl import make_sdl
from tests.service import running, settings_of

TASK_RUNS = [
    {
        "task_slug": f"task-{number}",
        "states": [
            {"type": "Running", "timestamp": f"2021-05-12T18:00:0{number}.5Z"},
            {"type": type_, "timestamp": f"2021-05-12T18:00:1{number}.250Z"},
        ],
    }
    for number, type_ in enumerate(["Success", "Failed", "Skipped", "Success"])
]


@pytest.fixture(scope="module")
async def graphql(common_database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application with a flow run of four task runs, for the tests that change nothing."""
    async with serving(common_database_url) as client:
        yield client


@pytest.fixture
async def own_graphql(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """The same for a test that changes something."""
    async with serving(database_url) as client:
        yield client


@asynccontextmanager
async def serving(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with running(create_app(settings_of(database_url))) as client:
        made = await client.post("/flow-runs", json={"flow_name": "etl", "parameters": {"a": [1, None]}})
        flow_run_id = made.json()["id"]
        reported = await client.post(f"/flow-runs/{flow_run_id}/task-runs", json={"items": TASK_RUNS})
        assert reported.status_code == 200, reported.text
        yield client


async def ask(client: httpx.AsyncClient, query: str, /, path: str = "/graphql", **variables: Any) -> Any:
    response = await client.post(path, json={"query": query, "variables": variables})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert "errors" not in answer, answer
    return answer["data"]


@pytest.mark.parametrize("path", ["/graphql", "/"])
@pytest.mark.parametrize("variables", [{"slug": "task-1"}, json.dumps({"slug": "task-1"})])
async def test_variables_are_an_object_or_text(graphql: httpx.AsyncClient, path: str, variables: Any) -> None:
    query = "query($slug: String) { task_run(where: {task: {slug: {_eq: $slug}}}) { state } }"
    response = await graphql.post(path, json={"query": query, "variables": variables})
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"data": {"task_run": [{"state": "Failed"}]}}


@pytest.mark.parametrize("body", [{}, {"variables": None}, {"variables": "null"}, {"variables": "{}"}])
async def test_variables_may_be_left_out(graphql: httpx.AsyncClient, body: dict[str, Any]) -> None:
    response = await graphql.post("/graphql", json={"query": "{ hello }", **body})
    assert (response.status_code, response.json()) == (200, {"data": {"hello": "hi"}})


async def test_members_have_the_names_and_the_order_of_the_query(graphql: httpx.AsyncClient) -> None:
    data = await ask(
        graphql,
        """query($yes: Boolean!) {
          runs: task_run(order_by: {start_time: asc}, limit: 1) {
            ...times
            __typename
            flow_run { parameters number: run_count id @include(if: $yes) name @skip(if: $yes) }
            ... on task_run { duration }
          }
          task_run_aggregate { aggregate { count max { duration } } nodes { state } }
        }
        fragment times on task_run { end_time start_time }""",
        yes=True,
    )
    (run,) = data["runs"]
    assert list(run) == ["end_time", "start_time", "__typename", "flow_run", "duration"]
    assert run["end_time"] == "2021-05-12T18:00:10.25+00:00"
    assert run["start_time"] == "2021-05-12T18:00:00.5+00:00"
    assert (run["__typename"], run["duration"]) == ("task_run", 9.75)
    assert list(run["flow_run"]) == ["parameters", "number", "id"]
    assert run["flow_run"]["parameters"] == {"a": [1, None]}
    assert data["task_run_aggregate"]["aggregate"] == {"count": 4, "max": {"duration": 9.75}}
    assert sorted(one["state"] for one in data["task_run_aggregate"]["nodes"]) == [
        *("Failed", "Skipped", "Success", "Success")
    ]


async def test_order_of_a_variable_is_that_in_which_it_was_sent(graphql: httpx.AsyncClient) -> None:
    query = "query($by: [task_run_order_by]) { task_run(order_by: $by) { state task_slug } }"
    for by in ([{"state": "asc", "task_slug": "desc"}], [{"state": "asc"}, {"task_slug": "desc"}]):
        found = (await ask(graphql, query, by=by))["task_run"]
        assert [one["task_slug"] for one in found] == ["task-1", "task-2", "task-3", "task-0"]
    turned = (await ask(graphql, query, by=[{"task_slug": "desc", "state": "asc"}]))["task_run"]
    assert [one["task_slug"] for one in turned] == ["task-3", "task-2", "task-1", "task-0"]


async def test_mapped_parents_have_the_times_that_rest_shows(own_graphql: httpx.AsyncClient) -> None:
    """In fields, conditions, orders and statistics."""
    (run,) = (await own_graphql.get("/flow-runs")).json()["items"]
    items = [
        {"task_slug": "map", "states": [{"type": "Mapped", "timestamp": "2021-05-12T18:00:00Z"}]},
        {"task_slug": "open", "states": [{"type": "Mapped", "timestamp": "2021-05-12T18:00:00Z"}]},
        *(
            {
                "task_slug": slug,
                "map_index": 0,
                "states": [
                    {"type": "Running", "timestamp": "2021-05-12T18:00:02Z"},
                    *([{"type": "Success", "timestamp": "2021-05-12T18:01:02Z"}] if slug == "map" else []),
                ],
            }
            for slug in ("map", "open")
        ),
    ]
    assert (await own_graphql.post(f"/flow-runs/{run['id']}/task-runs", json={"items": items})).status_code == 200
    shown = (await own_graphql.get("/task-runs?is_mapped_parent=true&sort=-end_time")).json()["items"]
    of_parents = 'state: {_eq: "Mapped"}'
    data = await ask(
        own_graphql,
        f"""{{
          all: task_run(where: {{{of_parents}}}, order_by: {{end_time: desc_nulls_last}}) {{
            id start_time end_time duration queue_time }}
          ended: task_run(where: {{{of_parents}, end_time: {{_is_null: false}}}}) {{ id }}
          open: task_run(where: {{{of_parents}, end_time: {{_is_null: true}}}}) {{ id }}
          longest: task_run(order_by: {{duration: desc_nulls_last, map_index: asc}}, limit: 1) {{ id }}
          task_run_aggregate(where: {{{of_parents}}}) {{ aggregate {{ max {{ end_time duration }} }} }} }}""",
    )
    ended, waiting = shown
    assert (ended["end_time"], ended["duration"], waiting["end_time"]) == ("2021-05-12T18:01:02.000000Z", 60.0, None)
    assert [one["id"] for one in data["all"]] == [ended["id"], waiting["id"]]
    assert data["all"][0] == {
        "id": ended["id"],
        "start_time": "2021-05-12T18:00:02+00:00",
        "end_time": "2021-05-12T18:01:02+00:00",
        "duration": 60,
        "queue_time": 2,
    }
    assert (data["ended"], data["open"]) == ([{"id": ended["id"]}], [{"id": waiting["id"]}])
    assert data["longest"] == [{"id": ended["id"]}]
    assert data["task_run_aggregate"]["aggregate"]["max"] == {"end_time": "2021-05-12T18:01:02+00:00", "duration": 60}


ORDERS: dict[str, tuple[str, list[int]]] = {
    "nulls last": ("order_by: {end_time: desc_nulls_last}", [3, 1, 0, 2]),
    "nulls first": ("order_by: {end_time: asc_nulls_first}", [2, 0, 1, 3]),
    "by a relation": ("order_by: {task: {slug: desc}}", [3, 2, 1, 0]),
    "one of each": ("distinct_on: state, order_by: {state: asc, task_slug: desc}", [1, 2, 3]),
    "a part": ("order_by: {task_slug: asc}, offset: 1, limit: 2", [1, 2]),
}


@pytest.mark.parametrize(("arguments", "listed"), ORDERS.values(), ids=ORDERS)
async def test_rows_come_in_order(graphql: httpx.AsyncClient, arguments: str, listed: list[int]) -> None:
    data = await ask(graphql, f"{{ task_run({arguments}) {{ task_slug }} }}")
    assert [one["task_slug"] for one in data["task_run"]] == [f"task-{number}" for number in listed]


async def test_aggregates_are_of_what_is_related(graphql: httpx.AsyncClient) -> None:
    data = await ask(
        graphql,
        """{ flow { project { name } tasks(order_by: {slug: asc}) { slug task_runs { state } } flow_runs {
          task_runs_aggregate { aggregate { count(columns: [state], distinct: true) avg { duration } sum { run_count }
            min { start_time } max { end_time } } } } } }""",
    )
    (flow,) = data["flow"]
    assert flow["project"] == {"name": "default"}
    states = ["Success", "Failed", "Skipped", "Success"]
    assert flow["tasks"] == [
        {"slug": f"task-{number}", "task_runs": [{"state": state}]} for number, state in enumerate(states)
    ]
    assert flow["flow_runs"][0]["task_runs_aggregate"]["aggregate"] == {
        "count": 3,
        "avg": {"duration": 9.75},
        "sum": {"run_count": 4},
        "min": {"start_time": "2021-05-12T18:00:00.5+00:00"},
        "max": {"end_time": "2021-05-12T18:00:13.25+00:00"},
    }


WHERE: dict[str, tuple[str, set[int]]] = {
    "nothing": ("{}", {0, 1, 2, 3}),
    "null": ("{state: {_eq: null}}", {0, 1, 2, 3}),
    "none of none": ("{state: {_nin: []}}", {0, 1, 2, 3}),
    "one of none": ("{state: {_in: []}}", set()),
    "not": ('{_not: {state: {_eq: "Success"}}}', {1, 2}),
    "or": ('{_or: [{state: {_eq: "Failed"}}, {task_slug: {_like: "%-3"}}]}', {1, 3}),
    "and, as one object": ('{_and: {state: {_eq: "Success"}, task_slug: {_neq: "task-0"}}}', {3}),
    "times": ('{start_time: {_gt: "2021-05-12T18:00:01.5", _lte: "2021-05-12T20:00:03.5+02:00"}}', {2, 3}),
    "nulls": ("{name: {_is_null: false}}", set()),
    "a comparison with null": ('{_not: {name: {_eq: "x"}}}', set()),
    "one of many": ('{states: {state: {_eq: "Skipped"}}}', {2}),
    "of the flow run": ('{flow_run: {flow: {name: {_ilike: "ET_"}}}}', {0, 1, 2, 3}),
    "a regular expression": ('{task_slug: {_regex: "[02]$"}}', {0, 2}),
    "one in any case": ('{task_slug: {_iregex: "TASK-[01]"}}', {0, 1}),
    "none": ('{task_slug: {_nregex: "1"}}', {0, 2, 3}),
    "none in any case": ('{task_slug: {_niregex: "TASK-1"}}', {0, 2, 3}),
    "unlike": ('{task_slug: {_nlike: "%-1"}}', {0, 2, 3}),
    "unlike in any case": ('{task_slug: {_nilike: "TASK-1"}}', {0, 2, 3}),
    "similar": ('{task_slug: {_similar: "task-(0|1)"}}', {0, 1}),
    "not similar": ('{task_slug: {_nsimilar: "task-(0|1)"}}', {2, 3}),
    "JSON": ("{flow_run: {parameters: {_contains: {a: [1]}}}}", {0, 1, 2, 3}),
    "within JSON": ("{flow_run: {parameters: {_contained_in: {a: [1, null], b: 2}}}}", {0, 1, 2, 3}),
    "one key of several": ('{flow_run: {parameters: {_has_keys_any: ["a", "b"]}}}', {0, 1, 2, 3}),
    "all keys of several": ('{flow_run: {parameters: {_has_keys_all: ["a", "b"]}}}', set()),
    "a key of JSON": ('{flow_run: {parameters: {_has_key: "b"}}}', set()),
    "the original's end": ("{end_time: {_is_null: true}}", {2}),
}


@pytest.mark.parametrize(("where", "chosen"), WHERE.values(), ids=WHERE)
async def test_conditions_choose(graphql: httpx.AsyncClient, where: str, chosen: set[int]) -> None:
    data = await ask(
        graphql,
        f"{{ task_run(where: {where}) {{ task_slug }} "
        f"task_run_aggregate(where: {where}) {{ aggregate {{ count(columns: [id], distinct: true) }} }} }}",
    )
    assert {one["task_slug"] for one in data["task_run"]} == {f"task-{number}" for number in chosen}
    assert data["task_run_aggregate"]["aggregate"]["count"] == len(chosen)


async def test_kept_count_is_the_counted_one(graphql: httpx.AsyncClient) -> None:
    query = """query($kept: task_run_bool_exp, $counted: task_run_bool_exp) {
      kept: task_run_aggregate(where: $kept) { aggregate { count } }
      counted: task_run_aggregate(where: $counted) { aggregate { count } }
    }"""
    for kept in (
        {},
        {"state": {"_eq": "Success"}},
        {"state": {"_in": ["Failed", "Skipped"]}, "task": {"slug": {"_eq": "task-1"}}},
        {"start_time": {"_gte": "2000-01-01", "_lt": "2100-01-01"}, "state": {"_eq": "Success"}},
        {"start_time": {"_gt": "2100-01-01"}},
        {"end_time": {"_lte": "2100-01-01T00:00:00+02:00"}, "task_slug": {"_eq": "task-1"}},
    ):
        counted = {"_and": [kept], "map_index": {"_gte": -1}}
        data = await ask(graphql, query, kept=kept, counted=counted)
        assert data["kept"] == data["counted"]


REFUSED: dict[str, tuple[Any, int, str]] = {
    "no JSON": (b"{", 400, "BAD_USER_INPUT"),
    "no query": ({"variables": {}}, 400, "BAD_USER_INPUT"),
    "variables of another kind": ({"query": "{ hello }", "variables": [1]}, 400, "BAD_USER_INPUT"),
    "text that holds no variables": ({"query": "{ hello }", "variables": "x"}, 400, "BAD_USER_INPUT"),
    "no document": ({"query": "{ hello"}, 400, "GRAPHQL_PARSE_FAILED"),
    "no such field": ({"query": "{ nonsense }"}, 400, "GRAPHQL_VALIDATION_FAILED"),
    "a variable that is missing": (
        {"query": "query($id: uuid!) { task_by_pk(id: $id) { id } }"},
        400,
        "BAD_USER_INPUT",
    ),
    "an id that is none": (
        {"query": 'mutation { cancel_flow_run(input: {flow_run_id: "x"}) { state } }'},
        400,
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "an id in a condition that is none": (
        {"query": '{ task_run(where: {id: {_eq: "x"}}) { id } }'},
        200,
        "data-exception",
    ),
    "a pattern that is none": ({"query": '{ task(where: {slug: {_regex: "("}}) { id } }'}, 200, "data-exception"),
    "a negative limit": ({"query": "{ task_run(limit: -1) { id } }"}, 200, "BAD_USER_INPUT"),
    "a flow that is not there": (
        {
            "query": "mutation($input: create_flow_run_input!) { create_flow_run(input: $input) { id } }",
            "variables": {"input": {"flow_id": str(UUID(int=1))}},
        },
        200,
        "BAD_USER_INPUT",
    ),
}


@pytest.mark.parametrize(("body", "status", "code"), REFUSED.values(), ids=REFUSED)
async def test_invalid_request_is_answered_with_its_error(
    graphql: httpx.AsyncClient, body: Any, status: int, code: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = await graphql.post("/graphql", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == status, response.text
    (error,) = response.json()["errors"]
    assert error["message"]
    assert error["extensions"] == {"code": code}
    assert "API_ERROR" not in response.text


async def test_error_of_one_field_leaves_the_others(graphql: httpx.AsyncClient) -> None:
    query = '{ bad: task_run(where: {id: {_eq: "x"}}) { id } good: task_run(limit: 1) { __typename } }'
    answer = (await graphql.post("/graphql", json={"query": query})).json()
    assert answer["data"] == {"bad": None, "good": [{"__typename": "task_run"}]}
    assert [error["path"] for error in answer["errors"]] == [["bad"]]


async def test_nul_is_replaced(own_graphql: httpx.AsyncClient) -> None:
    run = (await ask(own_graphql, "{ flow_run { id } }"))["flow_run"][0]["id"]
    write = "mutation($input: write_run_logs_input!) { write_run_logs(input: $input) { success } }"
    logs = {"flow_run_id": run, "message": "a\0b", "level": "INFO"}
    for variables in ({"input": {"logs": logs}}, json.dumps({"input": {"logs": {**logs, "message": "c\0d"}}})):
        response = await own_graphql.post("/graphql", json={"query": write, "variables": variables})
        assert response.json() == {"data": {"write_run_logs": {"success": True}}}
    found = (await ask(own_graphql, "{ log(order_by: {message: asc}) { message } }"))["log"]
    assert [one["message"] for one in found] == ["a\ufffdb", "c\ufffdd"]


async def test_logs_and_artifacts_that_are_sent_again_are_kept_once(own_graphql: httpx.AsyncClient) -> None:
    run = (await ask(own_graphql, "{ task_run(limit: 1) { id flow_run_id } }"))["task_run"][0]
    line = {"flow_run_id": run["flow_run_id"], "message": "m", "timestamp": "2021-05-12T18:00:00", "level": "INFO"}
    note = {"task_run_id": run["id"], "kind": "link", "data": {"link": "x"}}
    ids = set()
    for _ in range(2):
        await ask(
            own_graphql,
            "mutation($input: write_run_logs_input!) { write_run_logs(input: $input) { success } }",
            input={"logs": [line]},
        )
        made = await ask(
            own_graphql,
            "mutation($input: create_task_run_artifact_input!) { create_task_run_artifact(input: $input) { id } }",
            input=note,
        )
        ids.add(made["create_task_run_artifact"]["id"])
    data = await ask(own_graphql, "{ log_aggregate { aggregate { count } } task_run_artifact { id } }")
    assert data == {"log_aggregate": {"aggregate": {"count": 1}}, "task_run_artifact": [{"id": one} for one in ids]}


ARTIFACTS = {
    "create": "mutation($input: create_task_run_artifact_input!) { create_task_run_artifact(input: $input) { id } }",
    "update": "mutation($input: update_task_run_artifact_input!) { update_task_run_artifact(input: $input) "
    "{ success } }",
}


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", " JavaScript://x", "java\tscript:x", "data:text/html,x", "vbscript:x"]
)
async def test_link_of_an_artifact_is_no_script(own_graphql: httpx.AsyncClient, link: str) -> None:
    task_run = (await ask(own_graphql, "{ task_run(limit: 1) { id } }"))["task_run"][0]
    note = {"task_run_id": task_run["id"], "kind": "link", "data": {"link": "https://example.com"}}
    made = (await ask(own_graphql, ARTIFACTS["create"], input=note))["create_task_run_artifact"]
    bad = {"link": link}
    inputs = {"create": {**note, "data": bad}, "update": {"task_run_artifact_id": made["id"], "data": bad}}
    for name, sent in inputs.items():
        response = await own_graphql.post("/graphql", json={"query": ARTIFACTS[name], "variables": {"input": sent}})
        (error,) = response.json()["errors"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT"}
        assert "cannot have the scheme" in error["message"]
    found = await ask(own_graphql, "{ task_run_artifact { data } }")
    assert found == {"task_run_artifact": [{"data": note["data"]}]}


async def test_name_and_labels_that_a_run_has_already_are_no_change(own_graphql: httpx.AsyncClient) -> None:
    query = "{ flow_run { id } task_run(limit: 1) { id } }"
    found = await ask(own_graphql, query)
    flow_run, task_run = found["flow_run"][0], found["task_run"][0]
    changes = {
        "set_flow_run_name": {"flow_run_id": flow_run["id"], "name": "first"},
        "set_task_run_name": {"task_run_id": task_run["id"], "name": "first"},
        "set_flow_run_labels": {"flow_run_id": flow_run["id"], "labels": ["a"]},
    }
    paths = [f"/flow-runs/{flow_run['id']}", f"/task-runs/{task_run['id']}", "/flow-runs", "/task-runs"]
    for name, sent in changes.items():
        mutation = f"mutation($input: {name}_input!) {{ {name}(input: $input) {{ __typename }} }}"
        before = [(await own_graphql.get(path)).content for path in paths]
        await ask(own_graphql, mutation, input=sent)
        once = [(await own_graphql.get(path)) for path in paths]
        assert [answer.content for answer in once] != before
        await ask(own_graphql, mutation, input=sent)
        twice = [(await own_graphql.get(path)) for path in paths]
        assert [(answer.content, answer.headers.get("etag")) for answer in twice] == [
            (answer.content, answer.headers.get("etag")) for answer in once
        ]


@pytest.mark.parametrize(
    ("document", "name", "message"),
    [
        ("query A { hello } query B { hello }", "C", "`operationName` must be one of: A, B."),
        ("query A { hello } query B { hello }", None, "`operationName` must be one of: A, B."),
        (
            "{ hello }",
            "C",
            "The operation of the document has no name. Omit `operationName`, or name the operation.",
        ),
    ],
)
async def test_name_of_no_operation_is_answered_with_those_that_there_are(
    graphql: httpx.AsyncClient, document: str, name: str | None, message: str
) -> None:
    response = await graphql.post("/graphql", json={"query": document, "operationName": name})
    assert (response.status_code, response.json()["errors"]) == (
        400,
        [{"message": message, "extensions": {"code": "BAD_USER_INPUT"}}],
    )


async def test_of_members_that_come_twice_the_last_one_counts(graphql: httpx.AsyncClient) -> None:
    body = (
        b'{"query": "{ nothing }", "query": "query($n: Int, $n2: Int) { flow_run(limit: $n, offset: $n2) { name } }", '
    )
    body += b'"variables": {"n": 0, "n2": 0, "n": 1}}'
    response = await graphql.post("/graphql", content=body, headers={"content-type": "application/json"})
    assert len(response.json()["data"]["flow_run"]) == 1


async def test_schema_can_be_asked_for_in_both_ways(graphql: httpx.AsyncClient) -> None:
    response = await graphql.get("/graphql/schema")
    assert (response.status_code, response.text) == (200, make_sdl())
    answer = (await graphql.post("/graphql", json={"query": get_introspection_query()})).json()
    assert build_client_schema(answer["data"]).get_type("task_run")


async def test_browsers_get_an_explorer_that_needs_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    hint = await client.get("/graphql", headers={"Accept": "*/*"})
    assert hint.headers["content-type"].startswith("text/plain")
    assert "curl" in hint.text
    page = await client.get("/graphql", headers={"Accept": "text/html,*/*"})
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert re.findall(r"(?:src|href)=\"(?!/)|https?://|@import|url\(", page.text) == []
