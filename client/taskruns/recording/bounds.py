"""What the service takes of a report: names, texts and JSON that are not within these bounds it would refuse."""

import logging
from collections.abc import Mapping
from math import isfinite
from typing import Any, cast

import msgspec

NAME_MOST = 255
NAMES_MOST = 100
MESSAGE_MOST = 10_000
"""How many characters a text has that a message quotes."""
WHOLE_MESSAGE_MOST = 2 * MESSAGE_MOST
PARAMETER_MOST = 100_000
"""How many bytes of JSON a parameter may have; of a longer one the beginning of its repr is kept."""
PARAMETERS_MOST = 800_000
"""How many bytes of JSON all parameters may have: a body has 1 MiB at most, and labels up to 153 kB of it."""
SHORTENED_LEAST = 1000
"""Parameters that are smaller are not shortened; those that do not fit then are left out."""
LEVELS_MOST = 100
"""How many levels deep JSON may nest."""
INTEGER_BITS_MOST = 1024
"""How many bits a whole number may have, so that it can be read as a float too."""
CHARACTER_BYTES = 6
"""How many bytes of JSON a character may have: `\\u001f`."""
_log = logging.getLogger("taskruns")


def check_names(subject: str, *names: str, most: int = NAME_MOST) -> None:
    """Raises ValueError for a name that the service would refuse, and with it all that is reported under it."""
    for name in names:
        if not 0 < len(name) <= most:
            raise ValueError(f"{subject} must have 1 to {most} characters; this one has {len(name)}.")
        if "\0" in name or any("\ud800" <= sign <= "\udfff" for sign in name):
            raise ValueError(f"{subject} cannot contain NUL or surrogates: {name!r}.")
    if len(names) > NAMES_MOST:
        raise ValueError(f"{subject} is one of at most {NAMES_MOST}; these are {len(names)}.")


def safe_repr(value: object, most: int = MESSAGE_MOST) -> str:
    """The repr of a value as a text that the service takes."""
    try:
        return safe_text(repr(value), most)
    except Exception:
        return f"{type(value).__name__} (its repr raised an error)"[:most]


def safe_text(text: str, most: int = MESSAGE_MOST) -> str:
    """A text that the service takes: never too long, without NUL and broken surrogates."""
    return _storable(text[:most])[:most]


def safe_json(value: Any, levels: int = LEVELS_MOST) -> Any:
    """A value as JSON that the service takes. What JSON cannot say, or nests deeper, is its repr in its place."""
    try:
        return _plain(msgspec.to_builtins(value, str_keys=True, enc_hook=repr), levels)
    except Exception:  # also that of a repr
        return safe_repr(value)


def safe_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a flow run as the service takes them: the longest are shortened until all fit into a body."""
    values = {safe_text(str(name)): value for name, value in parameters.items()}
    kept = {name: safe_json(value, LEVELS_MOST - 1) for name, value in values.items()}
    sizes = {name: _size({name: value}) for name, value in kept.items()}
    most = PARAMETER_MOST
    while most == PARAMETER_MOST or (_exceeds(sizes) and most > SHORTENED_LEAST):
        for name in [name for name, size in sizes.items() if size > most]:
            kept[name] = safe_repr(values[name], min(MESSAGE_MOST, most // CHARACTER_BYTES))
            sizes[name] = _size({name: kept[name]})
        most //= 2
    size = 0
    for name in list(kept):
        size += sizes[name]
        if size > PARAMETERS_MOST:
            del kept[name]
    if left_out := len(values) - len(kept):
        _log.warning("The service accepts no more parameters: %d of %d are not recorded.", left_out, len(values))
    return kept


def _exceeds(sizes: Mapping[str, int]) -> bool:
    return sum(sizes.values()) > PARAMETERS_MOST


def _size(value: Any) -> int:
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
            return int(value) if value.bit_length() < INTEGER_BITS_MOST else safe_repr(value)
        case _ if levels == 0:
            return safe_repr(value)
        case dict():
            return _plain_members(cast(dict[str, Any], value), levels - 1)
        case _:
            return [_plain(item, levels - 1) for item in value]


def _plain_members(members: dict[str, Any], levels: int) -> dict[str, Any]:
    return {_storable(name): _plain(member, levels) for name, member in members.items()}


def _storable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode().replace("\x00", "\\x00")
