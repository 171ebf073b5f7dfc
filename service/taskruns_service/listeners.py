"""Listening sockets: the limits that the server itself cannot set on its connections."""

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
        if listeners := list(_listeners()):
            for listener in listeners:
                with listener:
                    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))
            return
        time.sleep(RETRY_SECONDS)


def _listeners() -> Iterator[socket.socket]:
    """Copies of the sockets on which this process listens for TCP connections."""
    for entry in _OPEN_FILES.iterdir():
        with suppress(OSError):  # closed by now
            if not entry.readlink().name.startswith("socket:"):
                continue
            opened = socket.socket(fileno=os.dup(int(entry.name)))
            is_tcp = opened.family in (socket.AF_INET, socket.AF_INET6)
            if is_tcp and opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                yield opened
            else:
                opened.close()
