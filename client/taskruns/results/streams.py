"""How bytes move: in pieces, counted, hashed and bounded, so that memory stays flat however large a result is."""

import hashlib
import io
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Any, Protocol

from taskruns.results.errors import ResultTooLarge

DEFAULT_MAX_BYTES = 1 << 30
"""How many bytes a result may have, as it lies there and unpacked, if the caller does not say."""
_PIECE = 1 << 20
_IN_MEMORY = 64 << 20


class Sink(Protocol):
    """What values are written to."""

    def write(self, data: Any, /) -> int:
        """Takes bytes; returns how many."""
        ...


class Measured(io.RawIOBase):
    """A file to write to that passes all on to another one, and knows how much it was and what its digest is."""

    def __init__(self, file: Sink, algorithm: str = "sha256") -> None:
        """Passes on to `file`, which stays open."""
        self._file = file
        self._algorithm = algorithm
        self._hash = hashlib.new(algorithm, usedforsecurity=False)
        self.size = 0

    def writable(self) -> bool:
        """Whether it can be written to."""
        return True

    def write(self, data: Any, /) -> int:
        """Passes data on; returns the number of its bytes."""
        view = memoryview(data)
        self._file.write(view)
        self._hash.update(view)
        self.size += view.nbytes
        return view.nbytes

    @property
    def digest(self) -> str:
        """The digest of all so far, such as `sha256:…`."""
        return f"{self._algorithm}:{self._hash.hexdigest()}"


def spooled_file() -> IO[bytes]:
    """Returns a file to write and read again: in memory while it is small, and on disk from 64 MiB on."""
    return tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Yields what is left in a file, up to 1 MiB at a time."""
    while piece := file.read(_PIECE):
        yield piece


def move(source: Iterable[bytes], target: Sink, max_bytes: int, name: str) -> None:
    """Writes pieces to a file; raises ResultTooLarge, which says `name`, before there are more than `max_bytes`."""
    remaining = max_bytes
    for piece in source:
        remaining -= len(piece)
        if remaining < 0:
            raise too_large(name, max_bytes)
        target.write(piece)


def too_large(name: str, max_bytes: int) -> ResultTooLarge:
    """The error for a result with more bytes than the caller takes."""
    return ResultTooLarge(f"{name} has more than {max_bytes} bytes, the maximum to read: pass a larger `max_bytes`.")
