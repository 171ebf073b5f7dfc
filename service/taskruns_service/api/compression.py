"""Compression: which clients take gzip, and what a response is then.

Why not by Litestar's middleware: docs/decisions/0027-responses-are-compressed-when-asked.md.
"""

import asyncio
import re
import zlib
from collections import OrderedDict
from functools import lru_cache
from typing import NamedTuple

from litestar.types import Scope

from taskruns_service.api.response_headers import Headers

MIN_BYTES = 4 * 1024
"""What is smaller saves less than a packet."""
MAX_INLINE_BYTES = 32 * 1024
"""What is larger takes more than about half a millisecond, for which the event loop is not kept."""
MAX_HEADER_BYTES = 300
_LEVEL = 1
_ENTRY_BYTES = 1024
"""What an entry of the cache takes beside its key and its body."""
_ACCEPT_ENCODING = b"Accept-Encoding"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_WEIGHT = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")


class Representation(NamedTuple):
    """A body with its headers."""

    body: bytes
    headers: Headers


async def negotiated(scope: Scope, body: bytes, headers: Headers) -> Representation:
    """A body of at least `MIN_BYTES` as the client takes it; what is encoded already stays as it is."""
    names = {name for name, _ in headers}
    if b"content-encoding" in names:
        return Representation(body, headers)
    if not accepts_gzip(scope):
        return Representation(body, varying(headers))
    return await gzipped(body, headers)


async def gzipped(body: bytes, headers: Headers) -> Representation:
    """A body as gzip, made in a thread if it is large.

    Its ETag is weak, since the body as it is has the same (RFC 9110, 8.8.1).
    """
    compressed = await asyncio.to_thread(_compress, body) if len(body) > MAX_INLINE_BYTES else _compress(body)
    encoded = [
        (name, b"%d" % len(compressed) if name == b"content-length" else b"W/" + value if name == b"etag" else value)
        for name, value in headers
    ]
    return Representation(compressed, varying([*encoded, (b"content-encoding", b"gzip")]))


def varying(headers: Headers) -> Headers:
    """Headers that say that the response depends on the Accept-Encoding of the request."""
    others = [value for name, value in headers if name == b"vary" and value != _ACCEPT_ENCODING]
    return [
        *(header for header in headers if header[0] != b"vary"),
        (b"vary", b", ".join([*others, _ACCEPT_ENCODING])),
    ]


def accepts_gzip(scope: Scope) -> bool:
    """Whether a client takes gzip, and would not rather have the body as it is (RFC 9110, 12.5.3)."""
    header = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding")
    return len(header) <= MAX_HEADER_BYTES and _accepts_gzip(header)


@lru_cache(256)
def _accepts_gzip(header: bytes) -> bool:
    weights: dict[str, float] = {}
    for coding in header.decode("latin-1").lower().split(","):
        name, *parameters = (part.strip() for part in coding.split(";"))
        weights[name] = _weight(parameters)
    others = weights.get("*", 0.0)
    gzip = weights.get("gzip", weights.get("x-gzip", others))
    return gzip > 0 and gzip >= weights.get("identity", others)


def _weight(parameters: list[str]) -> float:
    """How much a client wants a coding, from 0 to 1; what cannot be read is not wanted."""
    if not parameters:
        return 1.0
    match = _WEIGHT.fullmatch(";".join(parameters))
    return float(match[1]) if match else 0.0


def _compress(body: bytes) -> bytes:
    return zlib.compress(body, _LEVEL, wbits=_GZIP_WINDOW)


class RepresentationCache:
    """The representations that were used last, up to a number of bytes in memory."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._representations: OrderedDict[bytes, Representation] = OrderedDict()

    def get(self, key: bytes) -> Representation | None:
        """The representation that was kept under a key."""
        if key not in self._representations:
            return None
        self._representations.move_to_end(key)
        return self._representations[key]

    def keep(self, key: bytes, representation: Representation) -> None:
        """Keeps a representation in place of those that were not used for longest."""
        self._remove(key)
        if _size(key, representation) > self._max_bytes:
            return
        self._representations[key] = representation
        self._bytes += _size(key, representation)
        while self._bytes > self._max_bytes:
            self._remove(next(iter(self._representations)))

    def _remove(self, key: bytes) -> None:
        if (representation := self._representations.pop(key, None)) is not None:
            self._bytes -= _size(key, representation)


def _size(key: bytes, representation: Representation) -> int:
    return len(key) + len(representation.body) + _ENTRY_BYTES
