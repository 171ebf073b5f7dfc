"""Inputs: JSON as clients send it, and members of it, checked before anything is made of them."""

import base64
import binascii
import re
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from msgspec.json import Decoder

from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.prefect1.types import JsonObject
from taskruns_service.schemas import JSON_DEPTH, NAME_LENGTH, check_depth

T = TypeVar("T")

FLOW_BYTES = 8 * 1024 * 1024
DOCUMENT_BYTES = 1_000_000
"""The bytes of one JSON document that a run, an artifact or a line of a log keeps."""
NESTED_VALUES = 250_000
"""Objects and lists in one body: to make so many takes 50 ms, in which Python runs nothing else."""
LEVEL_LENGTH = 32

MARKS_BATCH_SIZE = 65_536

PATH_LENGTH = 1000

_STEP = re.compile(
    r"""\.(?P<key>[^.\[\]"'\\]+)|\[(?P<place>[0-9]{1,9})\]|\[(?P<quote>["'])(?P<quoted>[^"'\\]+)(?P=quote)\]"""
)
_PATH = re.compile(r"""\$(?:\.[^.\[\]"'\\]+|\[[0-9]{1,9}\]|\[(?:"[^"'\\]+"|'[^"'\\]+')\])*""")
_NUL = rb"\u0000"
_NO_TEXT = b"\xff"
_OTHERS = bytes(set(range(256)) - set(b'"{['))


_ANY: Decoder[object] = Decoder()


def read_json(raw: bytes, decoder: Decoder[T]) -> T:
    """Reads a body, or JSON that it has as text; the character U+0000 is replaced, since databases do not take it.

    Raises InvalidRequest.
    """
    if _nested(raw) > NESTED_VALUES:
        raise InvalidRequest(f"The body can have at most {NESTED_VALUES} objects and lists. Send several requests.")
    try:
        return decoder.decode(_replace_nul(raw) if _NUL in raw else raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body must be a GraphQL request as JSON: {error}.") from None


def _nested(raw: bytes) -> int:
    """How many objects and lists JSON has. In linear time, and in pieces between which other threads get their turn."""
    count = raw.count(b"{") + raw.count(b"[")
    if count <= NESTED_VALUES:
        return count
    # Texts may have braces too: what is left is those, and the quotes around texts.
    marks = raw.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _OTHERS)
    count, in_text = 0, 0
    for start in range(0, len(marks), MARKS_BATCH_SIZE):
        parts = marks[start : start + MARKS_BATCH_SIZE].split(b'"')
        count += sum(map(len, parts[in_text::2]))
        in_text ^= (len(parts) - 1) % 2
    return count


def _replace_nul(raw: bytes) -> bytes:
    """Replaces the escape of U+0000 where its backslash is not itself escaped, in linear time."""
    if _NO_TEXT in raw:
        return raw  # it is not UTF-8 and will be refused
    return raw.replace(rb"\\", _NO_TEXT).replace(_NUL, rb"\ufffd").replace(_NO_TEXT, rb"\\")


def unpack_flow(text: str) -> object:
    """What base64 of gzip of JSON holds; raises InvalidRequest."""
    try:
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        raw = unpacker.decompress(base64.b64decode(text, validate=True), FLOW_BYTES)
    except (binascii.Error, zlib.error, ValueError):
        raise InvalidRequest(
            "`serialized_flow` must be the flow's JSON, compressed with gzip and encoded as Base64."
        ) from None
    if not unpacker.eof:
        raise InvalidRequest(f"The flow is truncated, or larger than {FLOW_BYTES} bytes.")
    return read_json(raw, _ANY)


def read_document(value: T, name: str, bytes_most: int = DOCUMENT_BYTES) -> T:
    """JSON that is kept as it is; raises InvalidRequest for what is too deep or too large."""
    try:
        if isinstance(value, dict | list):
            check_depth(value)
    except ValueError:
        raise InvalidRequest(f"`{name}` can nest at most {JSON_DEPTH} levels deep.") from None
    if len(msgspec.json.encode(value)) > bytes_most:
        raise InvalidRequest(f"`{name}` can have at most {bytes_most} bytes.")
    return value


def read_object(value: object, name: str, bytes_most: int = DOCUMENT_BYTES) -> JsonObject:
    """A JSON object that is kept as it is; raises InvalidRequest."""
    if not isinstance(value, dict):
        raise InvalidRequest(f"`{name}` must be a JSON object.")
    return read_document(value, name, bytes_most)


def read_name(value: str, name: str = "name", length: int = NAME_LENGTH) -> str:
    """A text as long as its column; raises InvalidRequest."""
    if not 1 <= len(value) <= length:
        raise InvalidRequest(f"`{name}` must have 1 to {length} characters.")
    return value


def read_optional_name(value: str | None, name: str) -> str | None:
    """A text as long as its column, or none; raises InvalidRequest."""
    return value if value is None or not value else read_name(value, name)


def read_path(path: str) -> list[str | int]:
    """The keys and places of a path into JSON, such as `$.items[0]["a key"]`; raises InvalidRequest."""
    whole = path if path.startswith("$") else f"${path}" if path.startswith(("[", ".")) else f"$.{path}"
    steps = list(_STEP.finditer(whole, 1)) if len(whole) <= PATH_LENGTH and _PATH.fullmatch(whole) else None
    if steps is None or len(steps) > JSON_DEPTH:
        raise InvalidRequest(
            f"`path` must be a path such as `$.items[0].name`, with at most {PATH_LENGTH} characters and {JSON_DEPTH} "
            f"steps, and without quotation marks and backslashes in its keys; this is `{path[:100]}`."
        )
    return [int(step["place"]) if step["place"] else step["key"] or step["quoted"] for step in steps]


def read_labels(values: Sequence[str] | None) -> list[str] | None:
    """Labels; raises InvalidRequest."""
    return None if values is None else [read_name(value, "labels") for value in values]


def read_moment(value: datetime | None, name: str) -> datetime | None:
    """A moment that databases and clients can keep and count from; raises InvalidRequest."""
    if value is not None and not 1970 <= value.astimezone(UTC).year < 9999:
        raise InvalidRequest(f"`{name}` must be between the years 1970 and 9998 (UTC).")
    return value


def read_list(values: Sequence[T], name: str, most: int) -> Sequence[T]:
    """A list of at most so many; raises InvalidRequest."""
    if len(values) > most:
        raise InvalidRequest(f"`{name}` can have at most {most} items; this has {len(values)}. Send several requests.")
    return values
