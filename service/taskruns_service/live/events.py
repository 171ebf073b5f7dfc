"""Events as the wire has them: `text/event-stream`, encoded once for all who get them."""

from msgspec.json import encode

HELLO = b": hello\nretry: 1000\n\n"
"""The first bytes of a stream, sent at once so that proxies and browsers see that there is one."""
HEARTBEAT = b": hb\n\n"
GONE = b"event: gone\ndata: {}\n\n"


def event(name: str, data: str | bytes, identifier: object = None) -> bytes:
    """An event with JSON as its data; without an identifier the client keeps the one that it has seen last."""
    text = data if isinstance(data, bytes) else data.encode()
    # JSON has line breaks between its tokens only, and a line of the stream ends at each of them.
    text = text.replace(b"\n", b" ").replace(b"\r", b" ")
    return b"%bevent: %b\ndata: %b\n\n" % (_identifier_line(identifier), name.encode(), text)


def identified(identifier: object, encoded: bytes) -> bytes:
    """An event that has no identifier with one."""
    return _identifier_line(identifier) + encoded


def without_identifier(encoded: bytes) -> bytes:
    """An event that begins with its identifier without it."""
    return encoded.partition(b"\n")[2] if encoded.startswith(b"id: ") else encoded


def bookmark(identifier: object) -> bytes:
    """What says how far a client is without an event."""
    return _identifier_line(identifier) + b"\n"


def task_runs_event(after: int, sequence: int, items: str) -> bytes:
    """The task runs that changed after one sequence, up to another; a bookmark if there are none.

    `items` is a JSON list without its brackets.
    """
    if not items:
        return bookmark(sequence)
    return event("task_runs", f'{{"from":{after},"sequence":{sequence},"items":[{items}]}}', sequence)


def resync_event(sequence: int, reason: str) -> bytes:
    """What tells a client to load everything, up to a sequence at least, and to come back with that sequence."""
    return event("resync", encode({"sequence": sequence, "reason": reason}))


def bye_event(code: str, retry_after: float) -> bytes:
    """What tells a client that the stream ends, and after how many seconds it may come back."""
    return event("bye", encode({"code": code, "retry_after": round(retry_after, 2)}))


def _identifier_line(identifier: object) -> bytes:
    return b"" if identifier is None else f"id: {identifier}\n".encode()
