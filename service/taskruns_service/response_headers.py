"""Headers that every response has, so that a browser neither guesses, keeps, frames nor passes on what it gets."""

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]

DEFAULTS: Headers = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


_NAMES = frozenset(name for name, _ in DEFAULTS)


def with_defaults(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers of a response, and the defaults for those that it does not have; names are in lower case."""
    own = list(headers)
    names = {name for name, _ in own}
    if names.isdisjoint(_NAMES):  # as of nearly all responses
        return own + DEFAULTS
    return own + [default for default in DEFAULTS if default[0] not in names]
