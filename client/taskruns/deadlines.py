"""Deadlines of the synchronous client.

httpx bounds each wait for the network, so that a peer which sends a byte now and then keeps a call for ever. A stream
of this module waits until the deadline at most, be it for a connection, a header or a piece of the body. asyncio needs
none of it: there a call can be cancelled.
"""

import ssl
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from math import inf
from typing import Any

import httpcore
import httpx

from taskruns.tls import ssl_context

_LEAST_SECONDS = 0.001
"""No time at all would mean not to wait, which is another error."""
_WRITE_BYTES = 1 << 14
_end: ContextVar[float] = ContextVar("taskruns_deadline", default=inf)


@contextmanager
def deadline_after(seconds: float) -> Generator[None, None, None]:
    """Bounds all that this thread does with the network inside, with a client of `http_client`."""
    token = _end.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _end.reset(token)


def http_client(limits: httpx.Limits) -> httpx.Client:
    """An HTTP client that knows the deadlines, also where the environment names a proxy."""
    client = httpx.Client(limits=limits, verify=ssl_context())
    # httpx has no argument for it. Should the names change one day, deadlines are only checked between two pieces.
    with suppress(AttributeError):
        for transport in (client._transport, *client._mounts.values()):  # pyright: ignore[reportPrivateUsage]
            if isinstance(transport, httpx.HTTPTransport):
                transport._pool._network_backend = _Backend()  # pyright: ignore[reportPrivateUsage]
    return client


def _in_time(timeout: float | None) -> float | None:
    if (end := _end.get()) == inf:
        return timeout
    remaining = max(_LEAST_SECONDS, end - time.monotonic())
    return remaining if timeout is None else min(timeout, remaining)


class _Stream(httpcore.NetworkStream):
    """A connection whose waits end at the deadline."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _in_time(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # The whole buffer may take as long as each part of it that the peer takes at a time.
        size = len(buffer) if _end.get() == inf else _WRITE_BYTES
        for start in range(0, len(buffer), size or 1):
            self._inner.write(buffer[start : start + size], _in_time(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _in_time(timeout)))

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    """Makes such connections."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(super().connect_tcp(host, port, _in_time(timeout), local_address, socket_options))
