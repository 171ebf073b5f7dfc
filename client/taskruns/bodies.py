"""The body of an answer within bounds: how many bytes it may have, and how long it may take to come in."""

import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TypeAlias

import httpx

from taskruns.errors import AnswerTooLarge, InvalidAnswer
from taskruns.printable import excerpt

CODING = "gzip"
"""The only coding that is asked for and decompressed: with zlib, which says when it would make too much of it."""
_CheckTime: TypeAlias = Callable[[], None] | None
_CHUNK_BYTES = 1 << 16


def bound(response: httpx.Response, max_bytes: int, check_time: _CheckTime) -> None:
    """Bounds the body of a response that is not read yet; reading it raises what `BoundedBody` does.

    Raises InvalidAnswer for a coding that was not asked for, and AnswerTooLarge if the header says so already.
    """
    coding, length, is_chunked = b"", b"", False
    # One pass over the header costs less than a look-up.
    for name, value in response.headers.raw:
        match name.lower():
            case b"content-encoding":
                coding += value.strip().lower()
            case b"content-length":
                length = value
            case b"transfer-encoding":
                is_chunked = True
            case _:
                pass
    is_zipped = coding == CODING.encode()
    if not is_zipped and coding not in (b"", b"identity"):
        coding_text = excerpt(coding.decode("latin-1"))
        raise InvalidAnswer(f"{response.url} responded with the encoding {coding_text!r} instead of {CODING}.")
    # Python refuses to read numbers of thousands of digits.
    if length.isdigit() and (len(length) > len(str(max_bytes)) or int(length) > max_bytes):
        raise _too_large(response.url, max_bytes)
    # httpx reads no more than the length that it was told, unless there are chunks: they go before a length.
    if is_zipped or is_chunked or not length or check_time is not None:
        response.stream = BoundedBody(response, max_bytes, check_time, is_zipped=is_zipped)
        if is_zipped:
            del response.headers["Content-Encoding"]


class BoundedBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a response, decompressed.

    Reading it raises AnswerTooLarge before there are more than `max_bytes` of it, and what `check_time` raises, which
    is called for each piece that comes in.
    """

    def __init__(self, response: httpx.Response, max_bytes: int, check_time: _CheckTime, *, is_zipped: bool) -> None:
        """Takes over from the response's own stream."""
        self._stream = response.stream
        self._url = response.url
        self._max_bytes = self._bytes_left = max_bytes
        self._check_time = check_time
        self._unzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS) if is_zipped else None

    def __iter__(self) -> Iterator[bytes]:
        assert isinstance(self._stream, httpx.SyncByteStream)
        for chunk in self._stream:
            yield from self._pieces(chunk)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._stream, httpx.AsyncByteStream)
        async for chunk in self._stream:
            for piece in self._pieces(chunk):
                yield piece

    def close(self) -> None:
        """Closes the stream of a synchronous response."""
        assert isinstance(self._stream, httpx.SyncByteStream)
        self._stream.close()

    async def aclose(self) -> None:
        """Closes the stream of an asynchronous response."""
        assert isinstance(self._stream, httpx.AsyncByteStream)
        await self._stream.aclose()

    def _pieces(self, chunk: bytes) -> Iterable[bytes]:
        if self._check_time is not None:
            self._check_time()
        return (self._counted(chunk),) if self._unzip is None else self._unzipped(chunk)

    def _unzipped(self, chunk: bytes) -> Iterator[bytes]:
        assert self._unzip is not None
        try:
            # What follows the end of the compressed data is dropped.
            while chunk and not self._unzip.eof:
                yield self._counted(self._unzip.decompress(chunk, _CHUNK_BYTES))
                chunk = self._unzip.unconsumed_tail
        except zlib.error as error:
            raise InvalidAnswer(f"The response from {self._url} is not valid {CODING}: {error}.") from error

    def _counted(self, piece: bytes) -> bytes:
        self._bytes_left -= len(piece)
        if self._bytes_left < 0:
            raise _too_large(self._url, self._max_bytes)
        return piece


def _too_large(url: httpx.URL, max_bytes: int) -> AnswerTooLarge:
    """The error for an answer with more bytes than the client takes."""
    return AnswerTooLarge(
        f"The response from {url} has more than {max_bytes} bytes. Request less at a time, with a smaller `limit` or "
        f"fewer fields, or set a larger `max_answer_bytes` (TASKRUNS_MAX_ANSWER_BYTES)."
    )
