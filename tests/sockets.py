"""Plain connections to a served service: streams whose bytes a test reads when it likes, or never."""

import ctypes
import socket
import struct
from urllib.parse import urlsplit

import httpx

from tests.service import Served

SECONDS = 30
"""How long to wait for what must come, which is longer than a stream is silent."""
_ATTACH_FILTER = 26
"""Linux's `SO_ATTACH_FILTER`, which Python's `socket` lacks."""
_DROP_ALL = struct.pack("=HBBI", 0x06, 0, 0, 0)
"""A program of one instruction for Linux's packet filter: keep no byte of a packet."""


def begin_flow_run(client: httpx.Client) -> str:
    """Creates a flow run; returns its path."""
    return f"/flow-runs/{client.post('/flow-runs', json={'flow_name': 'etl'}).json()['id']}"


def connect(service: Served, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> socket.socket:
    """Sends a request, as of a stream, and reads nothing."""
    url = urlsplit(service.url)
    connection = socket.create_connection((url.hostname, url.port))
    connection.settimeout(SECONDS)
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1") + body)
    return connection


def read_until(connection: socket.socket, text: bytes) -> bytes:
    """Reads until a text has come; fails at the end of the stream."""
    received = b""
    while text not in received:
        part = connection.recv(65_536)
        assert part, received
        received += part
    return received


def read_to_the_end(connection: socket.socket) -> bytes:
    """Reads until the service closes the connection."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def vanish(connection: socket.socket) -> None:
    """Drops all packets that arrive on a connection, as if its end had lost its power: none is acknowledged."""
    program = ctypes.create_string_buffer(_DROP_ALL)
    connection.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program)))
