"""No input of REST is an error of the service: odd hosts, paths, headers, values, and bodies that break off."""

import json
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from taskruns_service.app import create_app
from tests.security.conftest import Serve
from tests.service import Served, call_command, problem_of, running, settings_of
from tests.streams import is_stream

NOBODY = "019064f2-5b11-7e1d-8a50-88978dabb7c1"
WAIT_SECONDS = 120
LOCAL = b"127.0.0.1"
JSON = b"Content-Type: application/json"
CHUNKED = b"Transfer-Encoding: chunked"


def connect(service: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", httpx.URL(service.url).port or 0), timeout=WAIT_SECONDS)


def message(start: bytes, *headers: bytes, host: bytes = LOCAL, body: bytes = b"") -> bytes:
    return b"\r\n".join([start, b"Host: " + host, b"Connection: close", *headers, b"", body])


def exchange(service: Served, content: bytes, *, ends: bool = False) -> bytes:
    """What the service answers to these bytes; `ends` ends them where they are."""
    with connect(service) as connection:
        connection.sendall(content)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except ConnectionResetError:
            pass
        return received


def status_of(answer: bytes) -> int:
    """The status of an answer, 0 for a connection that was closed without one."""
    return int(answer.split(b" ", 2)[1]) if answer else 0


@contextmanager
def without_errors(service: Served) -> Iterator[None]:
    """Holds that the service logs no error meanwhile."""
    before = len(service.output())
    yield
    # The last line may still be on its way, but an error is logged before it is answered.
    lines = service.output()[before:].splitlines()
    assert [line for line in lines if '"level":"error"' in line or "Traceback" in line] == []


@pytest.fixture
def quiet_service(service: Served) -> Iterator[Served]:
    """A service for all tests of the module, which logs no error in any of them."""
    with without_errors(service):
        yield service


HOSTS = [
    *(b"a:99999999", b"[::1", b"a:b", b"a:-1", b"[", b"]", b"a b", b"", b"\xff", b"a:80:80", b"a,b", b"127.0.0.1:"),
    *(b"user@127.0.0.1", b"[::1]:x", b"[v1.a]", b"127.0.0.1:" + b"9" * 5000, b"a/../b", b"a?b", b"a#b", b"a\\b"),
]
PATHS = ["/health", "/docs", "/graphql", "/graphql/schema", "/task-runs", "/nowhere", f"/flow-runs/{NOBODY}"]


@pytest.mark.parametrize("path", PATHS)
def test_host_that_is_none_is_no_error(quiet_service: Served, path: str) -> None:
    for host in HOSTS:
        for accept in (b"text/html", b"*/*"):
            content = message(b"GET " + path.encode() + b" HTTP/1.1", b"Accept: " + accept, host=host)
            assert 200 <= status_of(exchange(quiet_service, content)) < 500, (path, host)


BROKEN: dict[str, tuple[Sequence[bytes], bytes]] = {
    "a size that is none": ([CHUNKED], b"zz\r\nabc\r\n0\r\n\r\n"),
    "a size below zero": ([CHUNKED], b"-1\r\nabc"),
    "a chunk that is too long": ([CHUNKED], b"3\r\nabcdef0\r\n\r\n"),
    "a second chunk that is none": ([CHUNKED], b"1\r\n{\r\nzz\r\n"),
    "a chunk that breaks off": ([CHUNKED], b"10\r\nabc"),
    "a body that breaks off": ([b"Content-Length: 100"], b"{"),
    "a length that is none": ([b"Content-Length: x"], b"{}"),
    "two lengths": ([b"Content-Length: 2", b"Content-Length: 3"], b"{} "),
    "a length and chunks": ([b"Content-Length: 2", CHUNKED], b"0\r\n\r\n"),
    "another coding": ([b"Transfer-Encoding: gzip, chunked"], b"0\r\n\r\n"),
}
BODIED = [
    *("POST /flow-runs", "POST /graphql", "POST /", "POST /task-runs/states"),
    *(f"POST /flow-runs/{NOBODY}/states", f"PATCH /task-runs/{NOBODY}", f"POST /flow-runs/{NOBODY}/task-runs"),
]


@pytest.mark.parametrize("kind", BROKEN)
def test_body_that_breaks_off_is_the_fault_of_its_sender(quiet_service: Served, kind: str) -> None:
    headers, body = BROKEN[kind]
    for operation in BODIED:
        content = message(f"{operation} HTTP/1.1".encode(), JSON, *headers, body=body)
        assert status_of(exchange(quiet_service, content, ends=True)) in (0, 400), operation


def test_client_that_goes_away_is_no_error(serve: Serve) -> None:
    with serve() as service, without_errors(service):
        for operation in BODIED:
            for header, body in ((b"Content-Length: 100000", b"{" * 70_000), (CHUNKED, b"ff\r\n{")):
                with connect(service) as connection:
                    connection.sendall(message(f"{operation} HTTP/1.1".encode(), JSON, header, body=body))
        # Every request ends in a line of the log.
        deadline = time.monotonic() + WAIT_SECONDS
        while service.output().count('"method":"P') < 2 * len(BODIED):
            assert time.monotonic() < deadline, service.output()
            time.sleep(0.05)
        with service.client() as http:
            assert http.get("/ready").status_code == 200


TARGETS = [
    *(b"/%00", b"/%ff", b"/flow-runs/%00", b"/" + b"a" * 60_000, b"/flow-runs/" + b"%ff" * 200, b"//", b"/../.."),
    *(b"/%2e%2e/%2e", b"/flow-runs//states", b"/task-runs/%0a", b"/docs/", b"/health;x", b"/health%00", b"*"),
    *(b"/\xff", b"/h%e9alth", b"/%", b"/%zz", b"http://a:99999999/health", b"http://[::1/health", b"", b"?", b"#"),
    *(b"/task-runs?cursor=%ff", b"/task-runs?%ff=1", b"/task-runs?=", b"/task-runs?&&&", b"/task-runs?limit"),
    *(b"/task-runs?" + b"&".join([b"a"] * 20_000), b"/task-runs?" + b"a" * 60_000, b"/task-runs?limit=" + b"9" * 5000),
]
METHODS = [b"GET", b"get", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"BREW", b"PUT", b"PRI", b"A" * 300, b"G\0T", b""]


def test_target_that_is_odd_is_no_error(quiet_service: Served) -> None:
    for target in TARGETS:
        for version in (b"HTTP/1.1", b"HTTP/1.0"):
            assert status_of(exchange(quiet_service, message(b" ".join([b"GET", target, version])))) < 500, target
    for method in METHODS:
        for target in (b"/health", b"/graphql", b"/nowhere", b"/%ff", b"/", b"/task-runs"):
            assert status_of(exchange(quiet_service, message(method + b" " + target + b" HTTP/1.1"))) < 500, (
                method,
                target,
            )


HEADERS = [
    *(
        b"If-None-Match",
        b"If-Match",
        b"Content-Type",
        b"Authorization",
        b"X-Request-Id",
        b"Accept",
        b"Expect",
        b"Range",
    ),
    *(b"X-Taskruns-Position", b"Content-Encoding", b"Content-Length", b"Transfer-Encoding", b"Cookie", b"Upgrade"),
    *(b"X-Forwarded-Host", b"X-Prefect-Agent-Id", b"X-Prefect-Core-Version", b"Accept-Encoding", b"Origin", b"TE"),
]
HEADER_VALUES = [
    *(b"", b"9" * 5000, b"\xff\xfe", b'"', b"W/", b"*", b'"1", *', b"\xb2", b'"' + b"9" * 5000 + b'"', b"-1", b"0x10"),
    *(b",", b'"a" "b"', b'"' + b'", "'.join([b"1"] * 500) + b'"', b"\t", b"application/json; charset=x; charset=y"),
]
FRAMING = (b"Content-Length", b"Transfer-Encoding")
"""The headers that say where a body ends."""
OPERATIONS = [
    *(
        (f"GET /flow-runs/{NOBODY}/task-runs", b""),
        ("GET /task-runs?limit=1", b""),
        (f"DELETE /flow-runs/{NOBODY}", b""),
    ),
    *((f"PATCH /task-runs/{NOBODY}", b'{"name":"x"}'), (f"POST /task-runs/{NOBODY}/states", b'{"type":"Running"}')),
    *(("POST /flow-runs", b'{"flow_name":"f"}'), ("POST /graphql", b'{"query":"{hello}"}'), ("GET /graphql", b"")),
]


@pytest.mark.parametrize("name", HEADERS, ids=lambda name: name.decode())
def test_header_that_is_odd_is_no_error(quiet_service: Served, name: bytes) -> None:
    for value in HEADER_VALUES:
        for times in (1, 2):
            for operation, body in OPERATIONS:
                own = {b"Content-Type": b"application/json", b"Content-Length": str(len(body)).encode()} if body else {}
                own.pop(b"Content-Length" if name == b"Transfer-Encoding" else name, None)
                headers = [b": ".join(one) for one in [*own.items(), *([(name, value)] * times)]]
                content = message(f"{operation} HTTP/1.1".encode(), *headers, body=body)
                # Without an end, the service would wait for the rest of a body; with one, it answers nobody.
                status = status_of(exchange(quiet_service, content, ends=name in FRAMING))
                assert status < 500, (value[:40], operation)
                assert status > 0 or name in FRAMING, (value[:40], operation)


def test_headers_of_one_name_are_one_list(service: Served) -> None:
    """What is in the second of them is not overlooked."""
    with service.client() as http:
        flow_run = http.post("/flow-runs", json={"flow_name": "f"})
        path = f"/flow-runs/{flow_run.json()['id']}"
        tag = http.get(path).headers["etag"]
        twice = [("If-None-Match", '"other"'), ("If-None-Match", tag)]
        assert http.get(path, headers=twice).status_code == 304
        two_types = [("Content-Type", "application/json"), ("Content-Type", "text/plain")]
        assert http.post("/flow-runs", content=b'{"flow_name": "f"}', headers=two_types).status_code == 415


@pytest.fixture
def migrated_url(postgres_url: str) -> str:
    """The URL of a PostgreSQL database with the schema."""
    assert call_command("migrate", TASKRUNS_DATABASE_URL=postgres_url).returncode == 0
    return postgres_url


POSITIONS = ["9" * 5000, "9" * 19, "9" * 20, "-1", "+1", "1.0", "\xb2", "", " ", "0x1", "1, 2"]


async def test_position_that_is_none_is_refused(migrated_url: str) -> None:
    async with running(create_app(settings_of(migrated_url, read_database_url=migrated_url))) as client:
        for position in POSITIONS:
            for path in ("/task-runs", f"/flow-runs/{NOBODY}"):
                response = await client.get(path, headers={b"X-Taskruns-Position": position.encode("latin-1")})
                assert response.status_code == 400, position
                (fault,) = problem_of(response)["errors"]
                assert fault["header"] == "X-Taskruns-Position"


TEXTS = [
    *("", " ", "null", "NaN", "-inf", "1e999", "1e-999", "9" * 5000, "-" + "9" * 30, "0x10", "1_000", "1.5", "true"),
    *("%00", "%ff", "%ed%a0%80", "\u202e", "\U0001f4a9" * 60, "'", '"', "\\", "%25", "a,b", "--", "-", ",", "*"),
    *("2147483648", "9223372036854775807", "9223372036854775808", "-1", "2021-05-12T24:00:00Z", "0001-01-01T00:00:00Z"),
    *("9999-12-31T23:59:59-23:59", "0002-01-01T00:00:00%2B23:59", "9998-12-31T23:59:59-23:59", "2021-05-12T18:00:60Z"),
    *("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "{" + NOBODY + "}"),
]
VALUES: list[Any] = [
    *(None, True, 0, -1, 1.5, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**400, 1e308, "", "\0", "x" * 70_000, [], {}),
    *(
        [[]],
        {"": None},
        ["x"] * 1001,
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "\ud7ff\uffff\ufffe",
        NOBODY,
    ),
    *({"type": "LocalResult", "location": "\U0001f4a9" * 1025}, {"type": []}, {"type": "S3Result", "location": [1]}),
]


def replaced(value: Any, odd: Any) -> Iterator[Any]:
    """A value with each of its parts in turn, and itself, replaced by an odd one."""
    yield odd
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in members:
        for other in replaced(part, odd):
            whole = dict(value) if isinstance(value, dict) else list(value)
            whole[name] = other
            yield whole


def test_value_that_is_odd_is_no_error(quiet_service: Served) -> None:
    """Of each operation each parameter and each member of the body, in turn."""
    with quiet_service.client() as http:
        flow_run = http.post("/flow-runs", json={"flow_name": "f"}).json()["id"]
        items = [{"task_slug": "a", "states": [{"type": "Running"}]}]
        task_run = http.post(f"/flow-runs/{flow_run}/task-runs", json={"items": items}).json()["items"][0][
            "task_run_id"
        ]
        paths = http.get("/openapi.json").json()["paths"]
    texts = [quote(text, safe="%") for text in TEXTS]
    with closing(HTTPConnection("127.0.0.1", httpx.URL(quiet_service.url).port, timeout=WAIT_SECONDS)) as connection:
        for template, methods in paths.items():
            path = template.replace("{flow_run_id}", flow_run).replace("{task_run_id}", task_run)
            for method, operation in methods.items():
                if method == "delete":
                    continue
                method = "HEAD" if is_stream(operation) else method  # noqa: PLW2901
                for parameter in operation.get("parameters", ()):
                    for text in texts if parameter["in"] == "query" else ():
                        target = f"{path}?{parameter['name']}={text}"
                        status, answer = send(connection, method, target)
                        assert status < 500, (method, target, answer)
                if "requestBody" in operation:
                    example = operation["requestBody"]["content"]["application/json"]["example"]
                    for odd in VALUES:
                        for body in replaced(example, odd):
                            status, answer = send(connection, method, path, json.dumps(body))
                            assert status < 500, (method, path, body, answer)


def send(connection: HTTPConnection, method: str, target: str, body: str | None = None) -> tuple[int, bytes]:
    """The status and the body of an answer: ten thousand of them take httpx longer than the service."""
    headers = {} if body is None else {"Content-Type": "application/json"}
    connection.request(method.upper(), target, body, headers)
    response = connection.getresponse()
    return response.status, response.read()
