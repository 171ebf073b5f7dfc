"""Listening sockets and their connections: what the server itself can neither limit nor close."""

import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROBE_SECONDS = 5
"""How long a client may send no packet until the system asks whether it is still there, which it then repeats."""
GONE_SECONDS = 14
"""A client whose system has acknowledged nothing for this long is gone: it has not answered at least two probes."""
LOOK_SECONDS = 4
RETRY_SECONDS = 0.02
_OPEN_FILES = Path("/proc/self/fd")
_ESTABLISHED = 1
_TCP_INFO = struct.Struct("=B55xI")
"""Linux's `tcp_info`: the state of a connection, and the milliseconds since its last acknowledgement."""


def watch_connections(port: int, unread_seconds: float) -> None:
    """Closes the connections of clients that are gone or that read nothing, forever, on Linux.

    Clients that read nothing of an answer would otherwise keep connections for as long as they like; the system closes
    them after `unread_seconds`. A client that loses its power or its network says nothing, and a stream that has
    nothing to send would not notice.
    """
    while _OPEN_FILES.exists() and not _prepare_listeners(unread_seconds):
        time.sleep(RETRY_SECONDS)  # the server opens its listener after it has loaded the application
    while _OPEN_FILES.exists():
        time.sleep(LOOK_SECONDS)
        for connection in _connections(port):
            if _is_gone(connection):
                _close(connection)


def close_connections(port: int) -> None:
    """Closes all connections of clients to a port of this process, whatever is still on its way, on Linux."""
    for connection in _connections(port):
        _close(connection)


def _prepare_listeners(unread_seconds: float) -> bool:
    """Sets options that connections have from their listener; returns whether there is a listener."""
    is_listening = False
    for opened in _sockets():
        if opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(unread_seconds * 1000))
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBE_SECONDS)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_SECONDS)
            is_listening = True
    return is_listening


def _is_gone(connection: socket.socket) -> bool:
    information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    state, milliseconds = _TCP_INFO.unpack(information)
    return bool(state == _ESTABLISHED and milliseconds >= GONE_SECONDS * 1000)


def _close(connection: socket.socket) -> None:
    with suppress(OSError):  # closed by now, or not connected
        connection.shutdown(socket.SHUT_RDWR)


def _connections(port: int) -> Iterator[socket.socket]:
    """Yields copies of the sockets of this process that have a port, its listeners among them."""
    return (opened for opened in _sockets() if opened.getsockname()[1] == port)


def _sockets() -> Iterator[socket.socket]:
    """Yields copies of the TCP sockets of this process; each is closed when the next one is requested."""
    for entry in _OPEN_FILES.iterdir() if _OPEN_FILES.exists() else ():
        try:
            if not entry.readlink().name.startswith("socket:"):
                continue
            opened = socket.socket(fileno=os.dup(int(entry.name)))
        except OSError:  # closed by now
            continue
        with opened:
            if opened.family in (socket.AF_INET, socket.AF_INET6) and opened.type == socket.SOCK_STREAM:
                yield opened
