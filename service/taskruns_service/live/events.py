"""Encodes events as `text/event-stream`, once for all clients that receive them."""

from msgspec.json import encode

HELLO = b": hello\nretry: 1000\n\n"
"""The first bytes of a stream, sent at once so that proxies and browsers see that it works."""
HEARTBEAT = b": hb\n\n"
GONE = b"event: gone\ndata: {}\n\n"
CHUNK_BYTES = 64 * 1024
"""How much is sent at a time, so that clients that do not read hold little memory."""


def event(name: str, data: str | bytes, identifier: object = None) -> bytes:
    """Encodes an event with JSON as its data. Without an identifier, the client keeps the last one that it has seen."""
    text = data if isinstance(data, bytes) else data.encode()
    # JSON has line breaks between its tokens only, and a line of the stream ends at each of them.
    text = text.replace(b"\n", b" ").replace(b"\r", b" ")
    return b"%bevent: %b\ndata: %b\n\n" % (_identifier_line(identifier), name.encode(), text)


def identified(identifier: object, encoded: bytes) -> bytes:
    """Adds an identifier to an event that has none."""
    return _identifier_line(identifier) + encoded


def without_identifier(encoded: bytes) -> bytes:
    """Removes the identifier with which an event begins."""
    return encoded.partition(b"\n")[2] if encoded.startswith(b"id: ") else encoded


def bookmark(identifier: object) -> bytes:
    """Encodes an identifier alone, which moves the position of a client without an event."""
    return _identifier_line(identifier) + b"\n"


def task_runs_event(after: int, sequence: int, items: str) -> bytes:
    """The task runs that changed after one sequence, up to another; a bookmark if there are none.

    `items` is a JSON list without its brackets.
    """
    if not items:
        return bookmark(sequence)
    return event("task_runs", f'{{"from":{after},"sequence":{sequence},"items":[{items}]}}', sequence)


def resync_event(sequence: int, reason: str) -> bytes:
    """Encodes the event that tells a client to load the flow run again, and to resume after a sequence."""
    return event("resync", encode({"sequence": sequence, "reason": reason}))


def bye_event(code: str, retry_after: float) -> bytes:
    """Encodes the event that ends a stream, with the seconds to wait before the next one."""
    return event("bye", encode({"code": code, "retry_after": round(retry_after, 2)}))


def chunks_of(encoded: bytes) -> tuple[bytes, ...]:
    """The bytes of an event, in the order in which they are sent."""
    if len(encoded) <= CHUNK_BYTES:
        return (encoded,)
    return tuple(encoded[start : start + CHUNK_BYTES] for start in range(0, len(encoded), CHUNK_BYTES))


def joined(chunks: tuple[bytes, ...], event: bytes) -> tuple[bytes, ...]:
    """Appends an event to chunks, in the last one if there is room: a small event then costs no extra send."""
    if chunks and len(chunks[-1]) + len(event) <= CHUNK_BYTES:
        return (*chunks[:-1], chunks[-1] + event)
    return (*chunks, *chunks_of(event))


def _identifier_line(identifier: object) -> bytes:
    return b"" if identifier is None else f"id: {identifier}\n".encode()
