"""The formats that results are compressed with: in pieces, so that what unpacks to far too much never fills memory."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple, Protocol

_PIECE = 1 << 20
# The presets of xz need up to 65 MiB to unpack; a header may ask for 4 GiB.
_LZMA_MEMORY = 128 << 20


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Inflate:
    """zlib's decompressor, with the interface that those of bz2 and lzma have."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class _Format(NamedTuple):
    extension: str
    compressor: Callable[[], _Compressor]
    decompressor: Callable[[], _Decompressor]


_GZIP, _ZLIB = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS
FORMATS = {
    "bz2": _Format(".bz2", bz2.BZ2Compressor, bz2.BZ2Decompressor),
    "gzip": _Format(".gz", lambda: zlib.compressobj(wbits=_GZIP), lambda: _Inflate(_GZIP)),
    "lzma": _Format(".xz", lzma.LZMACompressor, lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)),
    "zlib": _Format(".zz", lambda: zlib.compressobj(wbits=_ZLIB), lambda: _Inflate(_ZLIB)),
}


def compressed(source: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Yields what `source` has in the format `name`."""
    compressor = FORMATS[name].compressor()
    for piece in source:
        yield compressor.compress(piece)
    yield compressor.flush()


def unpacked(file: IO[bytes], name: str) -> Iterator[bytes]:
    """Yields what a file in the format `name` holds, up to 1 MiB at a time.

    Raises EOFError if it is truncated, ValueError if something follows, and the format's own errors.
    """
    decompressor = FORMATS[name].decompressor()
    while not decompressor.eof:
        data = file.read(_PIECE) if decompressor.needs_input else b""
        piece = decompressor.decompress(data, _PIECE)
        if not (data or piece or decompressor.eof):
            raise EOFError("it is truncated")
        yield piece
    if decompressor.unused_data or file.read(1):
        raise ValueError("it has data after its end")
