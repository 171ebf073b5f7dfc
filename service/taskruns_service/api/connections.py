"""Listening sockets and their connections: what the server itself can neither limit nor close."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

RETRY_SECONDS = 0.02
_OPEN_FILES = Path("/proc/self/fd")


def limit_unread_time(seconds: float) -> None:
    """Makes the system close connections whose client reads nothing of an answer for this long, on Linux.

    Clients that never read would otherwise keep connections for as long as they like. The server opens its listener
    after it has loaded the application, so this waits for it; connections have the options of their listener.
    """
    while _OPEN_FILES.exists():
        is_listening = False
        for opened in _sockets():
            if opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))
                is_listening = True
        if is_listening:
            return
        time.sleep(RETRY_SECONDS)


def close_connections(port: int) -> None:
    """Closes all connections of clients to a port of this process, whatever is still on its way, on Linux."""
    for opened in _sockets():
        with suppress(OSError):  # closed by now, or not connected
            if opened.getsockname()[1] == port:
                opened.shutdown(socket.SHUT_RDWR)


def _sockets() -> Iterator[socket.socket]:
    """Yields copies of the TCP sockets of this process; each is closed when the next one is asked for."""
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
