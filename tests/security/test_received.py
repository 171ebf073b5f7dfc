"""Whatever is received has a bound in time and in size, before anybody is asked for a key."""

import json
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from uuid import uuid4

import httpx
import pytest

from tests.security.conftest import Serve
from tests.security.memory import memory_of
from tests.service import Served
from tests.waiting import eventually

MIB = 2**20
HEAD = "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"


def connect(service: Served) -> socket.socket:
    """A connection to a service, to be closed by whoever asked for it."""
    return socket.create_connection(("127.0.0.1", httpx.URL(service.url).port or 0), timeout=60)


def read_to_end(connection: socket.socket) -> bytes:
    """All that the service sends until it closes the connection."""
    received = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(MIB):
            received += part
    return received


def is_closed(connection: socket.socket) -> bool:
    """Whether the service has closed a connection, on which it has not sent anything."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    finally:
        connection.settimeout(60)


@contextmanager
def many_connections(service: Served, count: int) -> Iterator[list[socket.socket]]:
    """So many connections on which nothing is sent."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, count + 1000)), hard))
    with ExitStack() as stack:
        yield [stack.enter_context(closing(connect(service))) for _ in range(count)]


def half_sent(path: str, size: int) -> bytes:
    """A request of a body of this size, with the first half of it."""
    return HEAD.format(path=path, size=size).encode() + b" " * (size // 2)


def answers(service: Served) -> bool:
    """Whether a new connection gets an answer soon."""
    with suppress(httpx.TimeoutException), httpx.Client(timeout=3) as http:
        return http.get(f"{service.url}/health").status_code == 200
    return False


@pytest.fixture(scope="module")
def impatient(serve: Serve) -> Iterator[Served]:
    """A service with few connections that waits for a second."""
    with serve(receive_timeout=1, connections=16, body_memory=8, log_level="error") as service:
        yield service


def test_idle_connections_do_not_keep_others_out(service: Served) -> None:
    with many_connections(service, 1100):
        eventually(lambda: answers(service))


BEGINNINGS = {
    "nothing": b"",
    "half a head": b"GET /health HTTP/1.1\r\nHost: local",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "half a body": half_sent("/flow-runs", 100),
    "half a body over GraphQL": half_sent("/graphql", 100),
    "half a body nowhere": half_sent("/nowhere", 100),
}


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_connection_that_sends_no_more_is_closed(impatient: Served, beginning: str) -> None:
    with closing(connect(impatient)) as connection:
        connection.sendall(BEGINNINGS[beginning])
        answer = read_to_end(connection)
    assert answer == b"" or answer.split()[1] in (b"408", b"404", b"400"), answer


def test_connection_is_kept_for_a_while_and_then_closed(impatient: Served) -> None:
    with closing(connect(impatient)) as connection:
        for _ in range(2):
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(MIB).startswith(b"HTTP/1.1 200 OK")
        assert read_to_end(connection) == b""


def test_late_body_is_told_that_it_is_late(impatient: Served) -> None:
    with closing(connect(impatient)) as connection:
        connection.sendall(half_sent("/flow-runs", 100))
        head, _, body = read_to_end(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["code"] == "request-timeout"


@pytest.mark.parametrize("beginning", ["half a head", "half a body"])
def test_dripping_is_no_way_to_stay(impatient: Served, beginning: str) -> None:
    with closing(connect(impatient)) as connection:
        connection.sendall(BEGINNINGS[beginning])

        def drips_until_closed() -> bool:
            time.sleep(0.1)
            try:
                connection.send(b"a")
            except OSError:
                return True
            with suppress(BlockingIOError):
                return bool(connection.recv(MIB, socket.MSG_DONTWAIT)) or is_closed(connection)
            return False

        eventually(drips_until_closed)


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_unfinished_requests_keep_others_out_only_for_a_while(impatient: Served, beginning: str) -> None:
    with many_connections(impatient, 16) as connections:
        for connection in connections:
            connection.sendall(BEGINNINGS[beginning])
        eventually(lambda: answers(impatient))


def test_clients_that_never_read_keep_others_out_only_for_a_while(impatient: Served) -> None:
    with many_connections(impatient, 16) as connections:
        for connection in connections:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setblocking(False)
            with suppress(BlockingIOError):
                connection.send(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
        eventually(lambda: answers(impatient))


def test_head_has_a_bound(service: Served) -> None:
    with closing(connect(service)) as connection:
        connection.sendall(b"GET /health?")
        with suppress(OSError):
            for _ in range(10 * MIB // 1024):
                connection.sendall(b"a" * 1024)
        answer = read_to_end(connection)
    assert answer == b"" or answer.split()[1] in (b"400", b"414", b"431"), answer[:100]


def test_bodies_have_a_bound_together(serve: Serve) -> None:
    run = uuid4()
    with serve(body_memory=8, log_level="error") as service, service.client() as http, ExitStack() as stack:
        assert http.post("/flow-runs", json={"flow_name": "f", "id": str(run)}).status_code == 201

        def takes_large_body() -> bool:
            headers = {"content-type": "application/json"}
            answer = http.post(f"/flow-runs/{run}/task-runs", content=b" " * 3 * MIB, headers=headers)
            return (answer.status_code, answer.json()["code"]) != (503, "overloaded")

        def is_refused_beside_others() -> bool:
            connection = stack.enter_context(closing(connect(service)))
            connection.sendall(half_sent(f"/flow-runs/{run}/task-runs", 7 * MIB))
            return not takes_large_body()

        assert takes_large_body()
        eventually(is_refused_beside_others)
        small = {"items": [{"task_slug": "name", "states": [{"type": "Running"}]}]}
        assert http.post(f"/flow-runs/{run}/task-runs", json=small).status_code == 200
        stack.close()
        eventually(takes_large_body)


@pytest.mark.attack
def test_half_sent_bodies_take_little_memory(serve: Serve) -> None:
    with serve(log_level="error") as service:
        before = memory_of(service)
        with many_connections(service, 100) as connections:
            for connection in connections:
                connection.settimeout(5)
                with suppress(OSError):
                    connection.sendall(HEAD.format(path="/graphql", size=8 * MIB).encode() + b" " * (8 * MIB - 1))
            held = memory_of(service) - before
        assert held < 200 * MIB, f"{held / MIB:.0f} MiB"
