"""Headers that every response has, so that a browser neither guesses, keeps, frames nor passes on what it gets."""

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]

OF_DATA: Headers = [
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
]
OF_PAGES: Headers = [
    *OF_DATA,
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
]
_NAMES = frozenset(name for name, _ in OF_PAGES)
JSON = (b"content-type", b"application/json")
"""The header of data."""


def with_defaults(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers of a response, and the defaults for those that it does not have; names are in lower case.

    Data has fewer: browsers show it as text, if at all, and each header costs a look-up a hundredth.
    """
    own = list(headers)
    if own and own[0] is JSON:  # as of `as_json`, which sets none of them
        return own + OF_DATA
    defaults = OF_DATA if JSON in own else OF_PAGES
    names = {name for name, _ in own}
    if names.isdisjoint(_NAMES):  # as of nearly all responses
        return own + defaults
    return own + [default for default in defaults if default[0] not in names]
