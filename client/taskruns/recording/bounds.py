"""What the service takes of a report: names, texts and JSON that are not within these bounds it would refuse."""

import logging
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, cast

import msgspec

from taskruns.type_aliases import JsonObject

MAX_NAME_LENGTH = 255
MAX_NAMES = 100
MAX_QUOTED_LENGTH = 10_000
"""How many characters a text has that a message quotes."""
MAX_MESSAGE_LENGTH = 2 * MAX_QUOTED_LENGTH
MAX_PARAMETER_BYTES = 100_000
"""How many bytes of JSON a parameter may have; of a longer one the beginning of its repr is kept."""
MAX_PARAMETERS_BYTES = 800_000
"""How many bytes of JSON all parameters may have: a body has 1 MiB at most, and labels up to 153 kB of it."""
MIN_SHORTENED_BYTES = 1000
"""Parameters that are smaller are not shortened; those that do not fit then are left out."""
MAX_LEVELS = 100
"""How many levels deep JSON may nest."""
MAX_INTEGER_BITS = 1024
"""How many bits a whole number may have, so that it can be read as a float too."""
MAX_CHARACTER_BYTES = 6
"""How many bytes of JSON a character may have: `\\u001f`."""
_log = logging.getLogger("taskruns")


def check_flow_run(
    flow_name: str, name: str | None, labels: Sequence[str], idempotency_key: str | None, heartbeat: float | None
) -> None:
    """Raises ValueError for what a flow run cannot be called or found by, and for an interval that is not positive."""
    check_names("The name of a flow", flow_name)
    check_names("The name of a flow run", *(() if name is None else (name,)))
    check_names("A label", *labels)
    check_names("An idempotency key", *(() if idempotency_key is None else (idempotency_key,)))
    if heartbeat is not None and not heartbeat > 0:
        raise ValueError(f"heartbeat must be a positive number of seconds or None, but it is {heartbeat!r}.")


def check_names(subject: str, *names: str, max_length: int = MAX_NAME_LENGTH) -> None:
    """Raises ValueError for a name that the service would refuse, and with it all that is reported under it."""
    for name in names:
        if not 0 < len(name) <= max_length:
            raise ValueError(f"{subject} must have 1 to {max_length} characters; this one has {len(name)}.")
        if "\0" in name or any("\ud800" <= sign <= "\udfff" for sign in name):
            raise ValueError(f"{subject} cannot contain NUL or surrogates: {name!r}.")
    if len(names) > MAX_NAMES:
        raise ValueError(f"{subject} is one of at most {MAX_NAMES}; these are {len(names)}.")


def safe_repr(value: object, max_length: int = MAX_QUOTED_LENGTH) -> str:
    """The repr of a value as a text that the service takes."""
    try:
        return safe_text(repr(value), max_length)
    except Exception:
        return f"{type(value).__name__} (its repr raised an error)"[:max_length]


def safe_text(text: str, max_length: int = MAX_QUOTED_LENGTH) -> str:
    """A text that the service takes: never too long, without NUL and broken surrogates."""
    return _storable(text[:max_length])[:max_length]


def shortened(text: str, max_length: int) -> str:
    """The beginning and the end of a text that has more characters, and how many are missing between them."""
    surplus = len(text) - max_length
    if surplus <= 0:
        return text
    half = max_length // 2
    return f"{text[:half]}… [{surplus:,} characters left out] …{text[-half:]}"


def safe_json(value: object, levels: int = MAX_LEVELS) -> object:
    """A value as JSON that the service takes. What JSON cannot say, or nests deeper, is its repr in its place."""
    try:
        return _plain(msgspec.to_builtins(value, str_keys=True, enc_hook=repr), levels)
    except Exception:  # also that of a repr
        return safe_repr(value)


def safe_parameters(parameters: Mapping[str, object]) -> JsonObject:
    """The parameters of a flow run as the service takes them: the longest are shortened until all fit into a body."""
    values = {safe_text(str(name)): value for name, value in parameters.items()}
    members = {name: safe_json(value, MAX_LEVELS - 1) for name, value in values.items()}
    sizes = {name: _size({name: value}) for name, value in members.items()}
    max_length = MAX_PARAMETER_BYTES
    while max_length == MAX_PARAMETER_BYTES or (_exceeds(sizes) and max_length > MIN_SHORTENED_BYTES):
        for name in [name for name, size in sizes.items() if size > max_length]:
            members[name] = safe_repr(values[name], min(MAX_QUOTED_LENGTH, max_length // MAX_CHARACTER_BYTES))
            sizes[name] = _size({name: members[name]})
        max_length //= 2
    size = 0
    for name in list(members):
        size += sizes[name]
        if size > MAX_PARAMETERS_BYTES:
            del members[name]
    if left_out := len(values) - len(members):
        _log.warning("The service accepts no more parameters: %d of %d are not recorded.", left_out, len(values))
    return members


def _exceeds(sizes: Mapping[str, int]) -> bool:
    return sum(sizes.values()) > MAX_PARAMETERS_BYTES


def _size(value: object) -> int:
    return len(msgspec.json.encode(value))


def _plain(value: Any, levels: int) -> Any:
    match value:
        case None | bool():
            return value
        case str():
            return _storable(value)
        case float():
            return float(value) if isfinite(value) else str(float(value))
        case int():
            return int(value) if value.bit_length() < MAX_INTEGER_BITS else safe_repr(value)
        case _ if levels == 0:
            return safe_repr(value)
        case dict():
            return _plain_members(cast(JsonObject, value), levels - 1)
        case _:
            return [_plain(item, levels - 1) for item in value]


def _plain_members(members: JsonObject, levels: int) -> JsonObject:
    return {_storable(name): _plain(member, levels) for name, member in members.items()}


def _storable(text: str) -> str:
    if text.isascii():  # as most texts are, of which Python knows it
        return text.replace("\x00", "\\x00")
    return text.encode(errors="backslashreplace").decode().replace("\x00", "\\x00")
