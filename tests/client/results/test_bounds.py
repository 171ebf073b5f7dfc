"""Bounds: what is too large is refused before it fills memory, and what was changed before it is loaded."""

import bz2
import gzip
import hashlib
import lzma
import os
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from taskruns import models, results
from taskruns.results import (
    CompressedSerializer,
    DigestMismatch,
    InvalidReference,
    JSONSerializer,
    PandasSerializer,
    ResultTooLarge,
    ResultUnreadable,
)
from tests.client.results.canary import Canary
from tests.client.results.conftest import Make
from tests.client.results.references import served

MIB = 1 << 20
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "bz2": bz2.compress,
    "gzip": gzip.compress,
    "lzma": lzma.compress,
    "zlib": zlib.compress,
}


def compressed(path: Path, data: bytes, name: str, inner: str = "JSONSerializer") -> models.ResultReference:
    """Writes a file as it is, and returns a reference that says that it is compressed."""
    path.write_bytes(data)
    serializer = {"type": "CompressedSerializer", "format": name, "serializer": {"type": inner}}
    return served({"type": "LocalResult", "location": str(path), "serializer": serializer})


# Sizes


def test_result_may_have_as_many_bytes_as_the_caller_takes_and_no_more(make: Make) -> None:
    storage = make(serializer=JSONSerializer())
    reference = storage.write("x" * 98)
    for read in (storage.read, results.load):
        assert read(reference, max_bytes=100) == "x" * 98
        with pytest.raises(ResultTooLarge, match="more than 99 bytes"):
            read(reference, max_bytes=99)


def test_size_is_bounded_where_a_file_does_not_tell_it() -> None:
    reference = served({"type": "LocalResult", "location": "/proc/self/maps", "serializer": {"type": "JSONSerializer"}})
    with pytest.raises(ResultTooLarge):
        results.load(reference, max_bytes=10)


def test_value_in_the_reference_is_bounded() -> None:
    reference = results.PrefectResult().write("é" * 100)
    with pytest.raises(ResultTooLarge):
        results.load(reference, max_bytes=100)


@pytest.mark.parametrize("name", COMPRESS)
def test_bomb_is_refused_and_memory_stays_flat(name: str, tmp_path: Path) -> None:
    reference = compressed(tmp_path / "bomb", COMPRESS[name](bytes(64 * MIB)), name)
    tracemalloc.start()
    try:
        with pytest.raises(ResultTooLarge, match=f"more than {8 * MIB} bytes"):
            results.load(reference, max_bytes=8 * MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 24 * MIB


def test_large_result_goes_through_in_pieces(tmp_path: Path) -> None:
    value = os.urandom(96 * MIB)
    storage = results.LocalResult(tmp_path)
    reference = storage.write(value)
    tracemalloc.start()
    try:
        assert storage.read(reference) == value
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The value itself, and what is held before it goes to disk; never both of the whole.
    assert peak < (96 + 64 + 16) * MIB


def test_lzma_may_not_ask_for_gigabytes(tmp_path: Path) -> None:
    header = b"\x5d" + (0xFFFFFFFF).to_bytes(4, "little") + b"\xff" * 8
    with pytest.raises(ResultUnreadable, match=r"[Mm]emory"):
        results.load(compressed(tmp_path / "greedy", header + bytes(100), "lzma"))


def test_frame_that_says_that_it_is_huge_is_refused(tmp_path: Path) -> None:
    storage = results.LocalResult(tmp_path, serializer=PandasSerializer("parquet"))
    reference = storage.write(pd.DataFrame({"a": [7] * 10 * MIB}))
    assert isinstance(reference, models.LocalResult)
    assert reference.size
    assert reference.size < MIB
    with pytest.raises(ResultTooLarge):
        results.load(reference, max_bytes=MIB)
    assert len(results.load(reference)) == 10 * MIB


# Damage


@pytest.mark.parametrize("name", COMPRESS)
def test_compressed_result_has_to_be_whole(name: str, tmp_path: Path) -> None:
    whole = COMPRESS[name](b'"' + b"x" * 5000 + b'"')
    assert results.load(compressed(tmp_path / "whole", whole, name)) == "x" * 5000
    for broken in (whole[:-5], whole[: len(whole) // 2], b"", whole + b"more", whole + whole, b"x" + whole):
        with pytest.raises(ResultUnreadable, match=rf"CompressedSerializer.*{name}.*{tmp_path}"):
            results.load(compressed(tmp_path / "broken", broken, name))


@pytest.mark.parametrize(
    ("data", "serializer"),
    [
        (b"{", {"type": "JSONSerializer"}),
        (b"\xff", {"type": "JSONSerializer"}),
        (b"[" * 100_000, {"type": "JSONSerializer"}),
        (b"9" * 10_000, {"type": "JSONSerializer"}),
        (b"yesterday", {"type": "DateTimeSerializer"}),
        (b"x", {"type": "PandasSerializer", "file_type": "parquet"}),
        (b"x", {"type": "PandasSerializer", "file_type": "feather"}),
        (b"", {"type": "PandasSerializer", "file_type": "csv"}),
        (b"\x80\x05x", {"type": "PickleSerializer"}),
        (b"gARgarbage", {"type": "PickleSerializer"}),
        (b"cnothing\nto_import\n.", {"type": "PickleSerializer"}),
        (b"", {"type": "PickleSerializer"}),
    ],
)
def test_what_a_serializer_can_not_read_is_told_with_the_place(
    data: bytes, serializer: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(data)
    reference = served({"type": "LocalResult", "location": f"{tmp_path}/file", "serializer": serializer})
    with pytest.raises(ResultUnreadable, match=rf"{serializer['type']}.*{tmp_path}/file") as caught:
        results.load(reference, trust=True)
    assert caught.value.__cause__


def test_reference_whose_value_is_no_json_is_told() -> None:
    reference = msgspec.structs.replace(results.PrefectResult().write(1), location="{")
    with pytest.raises(ResultUnreadable, match="not JSON"):
        results.load(reference)


# Digests


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512", "blake2b"])
def test_digest_is_verified(algorithm: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"[1]")
    digest = f"{algorithm}:{hashlib.new(algorithm, b'[1]').hexdigest()}"
    given = {"type": "LocalResult", "location": f"{tmp_path}/file", "serializer": {"type": "JSONSerializer"}}
    assert results.load(served({**given, "digest": digest, "size": 3})) == [1]
    assert results.load(served({**given, "digest": digest.upper()})) == [1]
    with pytest.raises(DigestMismatch, match="had 4 when"):
        results.load(served({**given, "size": 4}))
    (tmp_path / "file").write_bytes(b"[2]")
    with pytest.raises(DigestMismatch, match=digest):
        results.load(served({**given, "digest": digest}))


@pytest.mark.parametrize("digest", ["md5:00", "crc32:00", "sha256", "00", ":", "shake_128:00"])
def test_digest_that_nobody_can_verify_is_an_error(digest: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"[1]")
    given = {"type": "LocalResult", "location": f"{tmp_path}/file", "serializer": {"type": "JSONSerializer"}}
    with pytest.raises((InvalidReference, DigestMismatch)):
        results.load(served({**given, "digest": digest}))


def test_changed_pickle_is_not_executed_even_if_trusted(make: Make, canary: Canary) -> None:
    storage = make()
    reference = storage.write(canary)
    changed = make(location="changed").write({1})
    with pytest.raises(DigestMismatch):
        results.load(msgspec.structs.replace(reference, digest=changed.digest), trust=True)
    with pytest.raises(DigestMismatch):
        storage.read(msgspec.structs.replace(reference, size=1))
    assert not canary.executed


def test_compression_is_of_what_the_inner_serializer_writes(tmp_path: Path) -> None:
    for name, read in {"bz2": bz2, "gzip": gzip, "lzma": lzma, "zlib": zlib}.items():
        reference = results.LocalResult(tmp_path, serializer=CompressedSerializer(JSONSerializer(), name)).write([1])
        assert isinstance(reference, models.LocalResult)
        assert read.decompress(Path(tmp_path, str(reference.location)).read_bytes()) == b"[1]"
