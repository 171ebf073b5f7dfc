"""Server-sent events, as the HTML standard defines them (section 9.2.6), made of bytes as they come in."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from msgspec import Struct

from taskruns.errors import AnswerTooLarge, InvalidAnswer
from taskruns.printable import escape_causes

T = TypeVar("T")

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_ENDS = (b"\r", b"\n")


class Message(Struct, frozen=True):
    """An event as the service sent it."""

    event: str
    """Its type; `message` if it has none."""
    data: str
    """Its data; empty if it only moves the position."""
    last_event_id: str
    """The last id that the stream had: where to resume after this event."""

    def decode(self, read: Callable[[bytes], T]) -> T:
        """Returns its data as `read` makes it of JSON.

        Raises:
            InvalidAnswer: If it is not what the service's document promises.
        """
        try:
            return read(self.data.encode())
        except (ValueError, RecursionError) as cause:
            escape_causes(cause)
            sentence = f"An event of the stream, {self.event!r}, has unexpected data: {cause}"
            raise InvalidAnswer(f"{sentence} Check that the service is not older than this client.") from cause


class Parser:
    """Reads one stream. A line ends with CR, LF or CRLF; invalid UTF-8 is replaced, as in browsers."""

    def __init__(self, max_bytes: int) -> None:
        """`max_bytes` is the maximum size of an event with all its lines, which bounds what is kept in memory."""
        self._max_bytes = max_bytes
        self._size = 0
        self._line: list[bytes] = []
        self._is_first_line = True
        self._ends_with_cr = False
        self._event = ""
        self._data: list[str] = []
        self._last_event_id = ""
        self._has_id = False

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """Yields the events that end in a chunk; keeps the beginning of the next one.

        Raises:
            AnswerTooLarge: If an event exceeds its maximum size.
        """
        if not chunk:
            return
        # A CR ends its line at once, so that no event waits for the next chunk; the LF of a CRLF may be there.
        start = 1 if self._ends_with_cr and chunk.startswith(b"\n") else 0
        self._ends_with_cr = chunk.endswith(b"\r")
        for piece in chunk[start:].splitlines(keepends=True):
            self._size += len(piece)
            if self._size > self._max_bytes:
                raise AnswerTooLarge(
                    f"An event of the stream has more than {self._max_bytes} bytes. Set a larger `max_answer_bytes` "
                    f"(TASKRUNS_MAX_ANSWER_BYTES)."
                )
            self._line.append(piece)
            if not piece.endswith(_LINE_ENDS):
                continue
            line = b"".join(self._line).rstrip(b"\r\n")
            self._line.clear()
            if self._is_first_line:
                line, self._is_first_line = line.removeprefix(_BYTE_ORDER_MARK), False
            if line:
                self._read_field(line)
            else:
                yield from self._dispatch()

    def _read_field(self, line: bytes) -> None:
        name, _, rest = line.partition(b":")
        value = rest.removeprefix(b" ").decode(errors="replace")
        match name:
            case b"":  # a comment
                self._size -= len(line)
            case b"event":
                self._event = value
            case b"data":
                self._data.append(value)
            case b"id" if "\0" not in value:
                self._last_event_id, self._has_id = value, True
            case _:  # such as `retry`, which is for browsers
                pass

    def _dispatch(self) -> Iterator[Message]:
        if self._data or self._has_id:
            yield Message(self._event or "message", "\n".join(self._data), self._last_event_id)
        self._event, self._data, self._has_id, self._size = "", [], False, 0
