"""Every error is a problem (RFC 9457) that says what is wrong and where, and tells nothing else."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Request, get, post

from taskruns_service.api import HANDLERS
from taskruns_service.app import create_app
from taskruns_service.domain.states import StateGroup, StateType
from tests.service import problem_of, running, settings_of

JSON = {"content-type": "application/json"}
NOWHERE = UUID("019064f2-5b11-7e1d-8a50-88978dabb7c1")


def invalid(*faults: dict[str, str]) -> dict[str, Any]:
    """The problem of a request with these faults."""
    detail = " ".join(f"{next(iter(fault.values()))}: {fault['detail']}".removeprefix(": ") for fault in faults)
    return {"code": "invalid-request", "detail": detail, "errors": list(faults)}


def at(pointer: str, detail: str) -> dict[str, str]:
    return {"pointer": pointer, "detail": detail}


def of(parameter: str, detail: str) -> dict[str, str]:
    return {"parameter": parameter, "detail": detail}


async def test_unknown_path_is_not_found(client: httpx.AsyncClient) -> None:
    for path in ("/nowhere", "/flow-runs/1/nowhere", "/task-runs/aggregate/more", "/%ff", "/graphql/nowhere"):
        response = await client.get(path)
        assert response.status_code == 404
        assert problem_of(response) == {"code": "not-found", "detail": "There is nothing at this path."}


async def test_malformed_id_is_refused_with_its_right_form(client: httpx.AsyncClient) -> None:
    for kind, path in (
        *(("flow", path) for path in ("/flow-runs/b9bfdd4d", "/flow-runs/%00", "/flow-runs/b9/task-runs")),
        *(("task", path) for path in ("/task-runs/b9bfdd4d", "/task-runs/b9/states", "/task-runs/b9/result")),
    ):
        response = await client.get(path)
        assert response.status_code == 400, path
        assert problem_of(response) == invalid(of(f"{kind}_run_id", "It must be a UUID, as returned by the service."))


async def test_misspelt_type_is_refused_with_the_nearest(client: httpx.AsyncClient) -> None:
    allowed = f"It must be one of {', '.join(StateType)}."
    for path, body in (
        (f"/task-runs/{NOWHERE}/states", lambda state: state),
        (f"/flow-runs/{NOWHERE}/states", lambda state: state),
        ("/task-runs/states", lambda state: {"items": [{"task_run_id": str(NOWHERE), **state}]}),
        (f"/flow-runs/{NOWHERE}/task-runs", lambda state: {"items": [{"task_slug": "a", "states": [state]}]}),
    ):
        for text in ("Sucess", "SUCCESS", "success"):
            detail = problem_of(await client.post(path, json=body({"type": text})))["detail"]
            assert detail.endswith(f"Invalid enum value '{text}'. Did you mean Success? {allowed}"), path
        for text in ("x" * 1000, "a\nb", ""):
            detail = problem_of(await client.post(path, json=body({"type": text})))["detail"]
            assert detail.endswith(f" {allowed}"), path
            assert "Did you mean" not in detail, path


async def test_misspelt_word_of_a_query_is_refused_with_the_nearest(client: httpx.AsyncClient) -> None:
    for query, detail in (
        ("state=failed", f"Did you mean Failed? It must be one of {', '.join(StateType)}."),
        ("state_group=finnished", f"Did you mean finished? It must be one of {', '.join(StateGroup)}."),
        ("state=" + "x" * 5000, f"It must be one of {', '.join(StateType)}."),
    ):
        problem = problem_of(await client.get(f"/task-runs?{query}"))
        assert problem == invalid(of(query.partition("=")[0], detail))
    problem = problem_of(await client.get("/task-runs?start_time_gtee=2021-05-12T18:00:00Z"))
    assert problem["detail"].startswith(
        "start_time_gtee: This operation has no parameter of this name. Did you mean start_time_gte? "
        "Its parameters are state, "
    )


async def test_browser_is_led_to_the_pages_and_others_to_the_reference(client: httpx.AsyncClient) -> None:
    for accept, path in (("text/html", "/ui/"), ("*/*", "/docs")):
        response = await client.get("/", headers={"accept": accept}, follow_redirects=True)
        assert (response.status_code, response.url.path) == (200, path)
    icon = await client.get("/favicon.ico")
    assert (icon.status_code, icon.headers["content-type"], icon.content[:4]) == (200, "image/x-icon", b"\0\0\1\0")


async def test_unknown_run_is_not_found(client: httpx.AsyncClient) -> None:
    of_flow_run = {"code": "flow-run-not-found", "detail": "There is no flow run with this id."}
    of_task_run = {"code": "task-run-not-found", "detail": "There is no task run with this id."}
    state = {"type": "Running"}
    report = {"items": [{"task_slug": "name"}]}
    expected: list[tuple[str, str, Any, dict[str, str]]] = [
        ("GET", f"/flow-runs/{NOWHERE}", None, of_flow_run),
        ("DELETE", f"/flow-runs/{NOWHERE}", None, of_flow_run),
        ("GET", f"/flow-runs/{NOWHERE}/states", None, of_flow_run),
        ("POST", f"/flow-runs/{NOWHERE}/states", state, of_flow_run),
        ("GET", f"/flow-runs/{NOWHERE}/task-runs", None, of_flow_run),
        ("POST", f"/flow-runs/{NOWHERE}/task-runs", report, of_flow_run),
        ("GET", f"/flow-runs/{NOWHERE}/tasks", None, of_flow_run),
        ("GET", f"/flow-runs/{NOWHERE}/timeline", None, of_flow_run),
        ("GET", f"/task-runs/{NOWHERE}", None, of_task_run),
        ("PATCH", f"/task-runs/{NOWHERE}", {"name": "x"}, of_task_run),
        ("GET", f"/task-runs/{NOWHERE}/states", None, of_task_run),
        ("POST", f"/task-runs/{NOWHERE}/states", state, of_task_run),
        ("GET", f"/task-runs/{NOWHERE}/attempts", None, of_task_run),
        ("GET", f"/task-runs/{NOWHERE}/neighbours", None, of_task_run),
        ("GET", f"/task-runs/{NOWHERE}/artifacts", None, of_task_run),
        ("GET", f"/task-runs/{NOWHERE}/result", None, of_task_run),
    ]
    for method, path, body, problem in expected:
        response = await client.request(method, path, json=body)
        assert (response.status_code, problem_of(response)) == (404, problem)


NUL = "Text cannot contain the character U+0000, which databases do not store."
BAD_BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "truncated": (b"{", at("", "The body is not JSON: Input data was truncated.")),
    "not an object": (b"[]", at("", "Expected `object`, got `array`.")),
    "wrong type": (b'{"flow_name": 3}', at("/flow_name", "Expected `str`, got `int`.")),
    "wrong type deeper down": (
        b'{"flow_name": "f", "labels": ["a", null]}',
        at("/labels/1", "Expected `str`, got `null`."),
    ),
    "missing field": (b"{}", at("", "Object missing required field `flow_name`.")),
    "unknown field": (b'{"flow_name": "f", "flow": 1}', at("", "Object contains unknown field `flow`.")),
    "bad id": (b'{"flow_name": "f", "id": "1"}', at("/id", "Invalid UUID.")),
    "escaped NUL": (b'{"flow_name": "f\\u0000"}', at("", NUL)),
    "escaped NUL after a backslash": (b'{"flow_name": "f\\\\\\u0000"}', at("", NUL)),
    "escaped NUL in free JSON": (b'{"flow_name": "f", "context": {"a": ["\\u0000"]}}', at("", NUL)),
    "escaped NUL in a name": (b'{"flow_name": "f", "context": {"\\u0000": 1}}', at("", NUL)),
    "raw NUL": (
        b'{"flow_name": "f\x00"}',
        at("", "The body is not JSON: JSON is malformed: invalid character (byte 16)."),
    ),
    "invalid UTF-8": (b'{"flow_name": "f\xff"}', at("", "The body is not JSON: it is not UTF-8.")),
    "invalid UTF-8 in a name": (b'{"f\xff": "f"}', at("", "The body is not JSON: it is not UTF-8.")),
    "nested too deep": (
        b'{"flow_name": "f", "context": {"a": ' + b"[" * 100 + b"]" * 100 + b"}}",
        at("", "JSON can nest at most 100 levels deep."),
    ),
    "nested out of reach": (
        b'{"flow_name": "f", "context": {"a": ' + b"[" * 300_000 + b"]" * 300_000 + b"}}",
        at("", "The body is nested too deeply."),
    ),
    "nested objects out of reach": (
        b'{"flow_name": "f", "context": ' + b'{"a":' * 100_000,
        at("", "The body is nested too deeply."),
    ),
}


@pytest.mark.parametrize("kind", BAD_BODIES)
async def test_bad_body_is_refused_with_its_place(client: httpx.AsyncClient, kind: str) -> None:
    content, fault = BAD_BODIES[kind]
    response = await client.post("/flow-runs", content=content, headers=JSON)
    assert response.status_code == 400
    assert problem_of(response) == invalid(fault)


@pytest.mark.parametrize("text", [b"\\ud800", b"\\ud800x", b"\\udc00", b"\\ud800\\ud800"])
async def test_lone_surrogate_is_refused(client: httpx.AsyncClient, text: bytes) -> None:
    response = await client.post("/flow-runs", content=b'{"flow_name": "f' + text + b'"}', headers=JSON)
    problem = problem_of(response)
    assert (response.status_code, problem["code"]) == (400, "invalid-request")
    assert problem["errors"] == [at("", problem["detail"])]


async def test_escaped_backslash_before_u0000_is_text(client: httpx.AsyncClient) -> None:
    response = await client.post("/flow-runs", content=b'{"flow_name": "f\\\\u0000"}', headers=JSON)
    assert (response.status_code, response.json()["flow_name"]) == (201, "f\\u0000")


async def test_place_in_a_bulk_body_names_the_item(client: httpx.AsyncClient) -> None:
    items = [{"task_run_id": str(NOWHERE), "type": "Running"}, {"task_run_id": str(NOWHERE), "type": "Going"}]
    response = await client.post("/task-runs/states", json={"items": items})
    assert response.status_code == 400
    allowed = f"It must be one of {', '.join(StateType)}."
    assert problem_of(response) == invalid(at("/items/1/type", f"Invalid enum value 'Going'. {allowed}"))

    report = {"items": [{"task_slug": "a", "states": [{"type": "Running"}, {"type": "Failed", "timestamp": "soon"}]}]}
    response = await client.post(f"/flow-runs/{NOWHERE}/task-runs", json=report)
    assert problem_of(response) == invalid(at("/items/0/states/1/timestamp", "Invalid RFC3339 encoded datetime."))


async def test_missing_body_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/flow-runs", headers=JSON)
    assert response.status_code == 400
    detail = "The body is missing. It must be a JSON object."
    assert problem_of(response) == {"code": "invalid-request", "detail": detail}


async def test_body_does_not_come_back(client: httpx.AsyncClient) -> None:
    name = "unknown" * 10_000
    response = await client.post("/flow-runs", json={"flow_name": "f", name: 1})
    assert response.status_code == 400
    assert problem_of(response)["code"] == "invalid-request"
    assert len(response.content) < 2_000


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("limit=0", of("limit", "It must be a whole number from 1 to 1000.")),
        ("limit=null", of("limit", "It must be a whole number from 1 to 1000.")),
        ("limit=1&limit=2", of("limit", "It can be sent once.")),
        ("&".join(["map_index=1"] * 101), of("map_index", "It can be sent at most 100 times.")),
        ("flow_run_id=1", of("flow_run_id", "It must be a UUID.")),
        ("task_slug=%00", of("task_slug", "It must be text of 1 to 255 characters.")),
        ("task_slug=", of("task_slug", "It must be text of 1 to 255 characters.")),
        ("is_mapped_child=1", of("is_mapped_child", "It must be true or false.")),
        ("duration_gte=nan", of("duration_gte", "It must be a nonnegative number of seconds.")),
        ("duration_gte=inf", of("duration_gte", "It must be a nonnegative number of seconds.")),
        ("map_index=99999999999999999999", of("map_index", "It must be a whole number from -1 to 2147483647.")),
        ("sort=updated", of("sort", "`updated` is not a sort key that can come first across flow runs. The keys are "
        "created, start_time, end_time, duration, run_time, queue_time, with a leading `-` for descending order.")),
        ("sort=created,created", of("sort", "It contains a key twice.")),
    ],
)  # fmt: skip
async def test_bad_parameter_is_refused_by_name(client: httpx.AsyncClient, query: str, fault: dict[str, str]) -> None:
    response = await client.get(f"/task-runs?{query}")
    assert response.status_code == 400
    assert problem_of(response) == invalid(fault)


@pytest.mark.parametrize("moment", ["2021-05-12", "2021-05-12T18:00:00", "1620842400", "0001-01-01T00:00:00Z", "now"])
async def test_moment_without_offset_is_refused(client: httpx.AsyncClient, moment: str) -> None:
    response = await client.get("/task-runs", params={"start_time_gte": moment})
    assert response.status_code == 400
    (fault,) = problem_of(response)["errors"]
    assert fault["parameter"] == "start_time_gte"
    assert fault["detail"].startswith("It must be an RFC 3339 time with an offset")


async def test_every_bad_parameter_is_named(client: httpx.AsyncClient) -> None:
    response = await client.get("/task-runs?limit=0&state=Going&colour=red")
    assert response.status_code == 400
    problem = problem_of(response)
    assert [fault["parameter"] for fault in problem["errors"]] == ["limit", "state", "colour"]
    assert problem["errors"][2]["detail"].startswith(
        "This operation has no parameter of this name. Its parameters are state, "
    )


async def test_operation_without_parameters_takes_none(client: httpx.AsyncClient) -> None:
    for path in ("/health", "/openapi.json", f"/flow-runs/{NOWHERE}", f"/task-runs/{NOWHERE}"):
        response = await client.get(f"{path}?colour=red")
        assert response.status_code == 400
        detail = "This operation takes no parameters, but the request has `colour`."
        assert problem_of(response) == {"code": "invalid-request", "detail": detail}


async def test_query_that_is_not_utf8_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.get("/task-runs?task_slug=%ff")
    problem = problem_of(response)
    assert (response.status_code, problem["code"]) == (400, "invalid-request")
    assert problem["detail"].startswith("The query string cannot be read")


async def test_foreign_cursor_is_refused(client: httpx.AsyncClient) -> None:
    flow_run = (await client.post("/flow-runs", json={"flow_name": "f"})).json()["id"]
    path = f"/flow-runs/{flow_run}/task-runs"
    await client.post(path, json={"items": [{"task_slug": slug} for slug in ("a", "b")]})
    cursor = (await client.get(path, params={"limit": 1})).json()["next_cursor"]
    for asked in ("limit=1&sort=-created", "task_slug=b", "state=Pending"):
        response = await client.get(f"{path}?{asked}&cursor={cursor}")
        assert (response.status_code, problem_of(response)["code"]) == (400, "invalid-cursor")
    for spoilt in ("x", cursor[:-2], cursor + "A", "%00", "AAAA" * 500):
        response = await client.get(path, params={"limit": 1, "cursor": spoilt})
        assert (response.status_code, problem_of(response)["code"]) == (400, "invalid-cursor")


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_body_that_is_not_json_is_unsupported(client: httpx.AsyncClient, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    response = await client.post("/flow-runs", content=b'{"flow_name": "f"}', headers=headers)
    assert response.status_code == 415
    detail = "The body must be JSON. Send it with `Content-Type: application/json`."
    assert problem_of(response) == {"code": "unsupported-media-type", "detail": detail}


async def test_json_with_a_charset_is_json(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    response = await client.post("/flow-runs", content=b'{"flow_name": "f"}', headers=headers)
    assert response.status_code == 201


async def in_chunks(size: int) -> AsyncIterator[bytes]:
    """A body of this size that does not say how long it is."""
    for start in range(0, size, 65_536):
        yield b" " * min(65_536, size - start)


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/flow-runs", 1024 * 1024),
        (f"/task-runs/{NOWHERE}/states", 1024 * 1024),
        ("/task-runs/states", 8 * 1024 * 1024),
        (f"/flow-runs/{NOWHERE}/task-runs", 8 * 1024 * 1024),
    ],
)
async def test_body_above_the_limit_is_too_large(client: httpx.AsyncClient, path: str, limit: int) -> None:
    detail = f"The body exceeds the {limit} bytes that this operation accepts."
    for content in (b" " * (limit + 1), in_chunks(limit + 1)):
        response = await client.post(path, content=content, headers=JSON)
        assert response.status_code == 413
        assert problem_of(response) == {"code": "body-too-large", "detail": detail, "limit": limit}
    response = await client.post(path, content=b" " * limit, headers=JSON)
    assert response.status_code == 400


async def test_other_methods_are_refused_with_those_that_are_taken(client: httpx.AsyncClient) -> None:
    for template, item in (await client.get("/openapi.json")).json()["paths"].items():
        path = template.replace("{flow_run_id}", str(NOWHERE)).replace("{task_run_id}", str(NOWHERE))
        taken = {method.upper() for method in item} | {"OPTIONS"} | ({"HEAD"} if "get" in item else set())
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - taken:
            response = await client.request(method, path)
            assert (response.status_code, response.headers["allow"]) == (405, ", ".join(sorted(taken))), (method, path)
            if method != "HEAD":
                detail = "This path does not allow this method. The Allow header lists the methods that it allows."
                assert problem_of(response) == {"code": "method-not-allowed", "detail": detail}
        response = await client.options(path)
        assert (response.status_code, response.headers["allow"]) == (204, ", ".join(sorted(taken)))


@pytest.mark.parametrize("host", [b"[", b"a b", b"\xff", b"a/../b", b""])
async def test_bad_host_is_no_error_of_the_service(client: httpx.AsyncClient, host: bytes) -> None:
    response = await client.get("/health", headers=[(b"host", host)])
    assert response.status_code == 400
    detail = "A request needs exactly one Host header, with a host name and an optional port."
    assert problem_of(response) == {"code": "invalid-request", "detail": detail}


async def test_request_id_is_taken_over_if_it_is_plain(client: httpx.AsyncClient) -> None:
    for path in ("/health", "/nowhere"):
        response = await client.get(path, headers={"x-request-id": "Run-7.a_b"})
        assert response.headers["x-request-id"] == "Run-7.a_b"
    for wild in ("two words", "a\x00b", "a" * 129, "", "ö"):
        response = await client.get("/health", headers=[(b"x-request-id", wild.encode())])
        assert UUID(response.headers["x-request-id"]).version == 4


async def test_failure_tells_nothing_of_itself(sqlite_url: str) -> None:
    @get("/fail")
    async def fail() -> None:
        raise RuntimeError("the secret of the exception")

    @post("/fail-late")
    async def fail_late(request: Request[Any, Any, Any]) -> None:
        raise ValueError(f"the body is {await request.body()!r}")

    async with running(create_app(settings_of(sqlite_url), handlers=(*HANDLERS, fail, fail_late))) as client:
        for response in (
            await client.get("/fail"),
            await client.post("/fail-late", json={"secret": "the secret of the body"}),
        ):
            assert response.status_code == 500
            assert problem_of(response) == {
                "code": "internal-error",
                "detail": "The service failed. Look for the id of the request in its log.",
            }
            assert "secret" not in response.text
        assert (await client.get("/health")).status_code == 200


async def test_of_members_that_come_twice_the_last_one_counts(client: httpx.AsyncClient) -> None:
    body = b'{"flow_name": "a", "flow_name": "b", "parameters": {"x": 1, "x": {"y": 2, "y": 3}}}'
    answer = await client.post("/flow-runs", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["flow_name"], answer.json()["parameters"]) == (201, "b", {"x": {"y": 3}})
