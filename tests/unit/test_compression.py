"""Compression: which Accept-Encoding asks for gzip, and which representations are kept."""

import gzip
import os

import pytest

from taskruns_service.api.compression import (
    MAX_HEADER_BYTES,
    MAX_INLINE_BYTES,
    Representation,
    RepresentationCache,
    accepts_gzip,
    gzipped,
    negotiated,
)


def accepts(*values: str) -> bool:
    headers = [(b"accept-encoding", value.encode("latin-1")) for value in values]
    return accepts_gzip({"type": "http", "headers": [(b"host", b"gzip"), *headers]})  # type: ignore[arg-type]


GZIP = [
    "gzip",
    "GZip",
    "x-gzip",
    "gzip, deflate, br, zstd",
    "br;q=1.0, gzip;q=0.8, *;q=0.1",
    "gzip;q=0.001",
    "gzip ; q=0.5",
    "*",
    "*;q=0.5",
    "*;q=0, gzip",
    "identity;q=0, gzip;q=0.1",
    "identity;q=0.5, gzip;q=0.5",
    "identity;q=0, *",
    ", gzip,",
    "gzip;Q=0.5",
]
PLAIN = [
    "",
    "identity",
    "br",
    "deflate, br, zstd",
    "gzip;q=0",
    "gzip;q=0.000",
    "gzip;q=0, *",
    "*;q=0",
    "identity, gzip;q=0.5",
    "gzip;q=0.5, *;q=0.6",
    "*, gzip;q=0",
    "gzip;q=2",
    "gzip;q=-1",
    "gzip;q=nan",
    "gzip;q=0.0001",
    "gzip;q=",
    "gzip;level=1",
    "gzipped",
    "notgzip",
    "g zip",
    "gzip;q=1;q=0.5;",
    "\xff",
]


@pytest.mark.parametrize("value", GZIP)
def test_gzip_is_asked_for(value: str) -> None:
    assert accepts(value)


@pytest.mark.parametrize("value", PLAIN)
def test_gzip_is_not_asked_for(value: str) -> None:
    assert not accepts(value)


def test_several_headers_are_one_list() -> None:
    assert not accepts()
    assert accepts("br", "gzip")
    assert not accepts("gzip;q=0", "*")
    assert not accepts("identity", "gzip;q=0.9")


def test_header_that_is_too_long_asks_for_nothing() -> None:
    assert accepts("gzip," + "a" * (MAX_HEADER_BYTES - 5))
    assert not accepts("gzip," + "a" * (MAX_HEADER_BYTES - 4))


@pytest.mark.parametrize("size", [0, MAX_INLINE_BYTES, MAX_INLINE_BYTES + 1])
async def test_compressed_body_has_its_own_length_and_a_weak_etag(size: int) -> None:
    body = b"a" * size
    plain = [(b"content-length", b"%d" % size), (b"etag", b'"7"'), (b"vary", b"Accept")]
    compressed, headers = await gzipped(body, plain)
    assert gzip.decompress(compressed) == body
    assert headers == [
        (b"content-length", b"%d" % len(compressed)),
        (b"etag", b'W/"7"'),
        (b"content-encoding", b"gzip"),
        (b"vary", b"Accept, Accept-Encoding"),
    ]


async def test_what_is_encoded_stays_as_it_is() -> None:
    scope = {"type": "http", "headers": [(b"accept-encoding", b"gzip")]}
    headers = [(b"content-encoding", b"br")]
    assert await negotiated(scope, b"x", headers) == (b"x", headers)  # type: ignore[arg-type]


def kept(size: int) -> Representation:
    return Representation(os.urandom(size), [])


def test_cache_forgets_what_was_not_used_for_longest() -> None:
    cache = RepresentationCache(10_000)
    first, second, third = kept(3000), kept(3000), kept(3000)
    cache.keep(b"1", first)
    cache.keep(b"2", second)
    assert cache.get(b"1") is first
    cache.keep(b"3", third)
    assert [cache.get(key) for key in (b"1", b"2", b"3")] == [first, None, third]


def test_cache_keeps_one_representation_for_a_key() -> None:
    cache = RepresentationCache(10_000)
    for _ in range(5):
        newest = kept(5000)
        cache.keep(b"1", newest)
        assert cache.get(b"1") is newest


def test_cache_keeps_nothing_larger_than_itself() -> None:
    cache = RepresentationCache(10_000)
    small = kept(1000)
    cache.keep(b"small", small)
    cache.keep(b"large", kept(10_000))
    assert (cache.get(b"small"), cache.get(b"large")) == (small, None)


def test_cache_counts_its_keys() -> None:
    cache = RepresentationCache(100_000)
    for number in range(100):
        cache.keep(b"%d" % number * 20_000, kept(1))
    assert sum(cache.get(b"%d" % number * 20_000) is not None for number in range(100)) < 5
