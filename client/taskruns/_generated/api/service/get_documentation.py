# Generated from openapi.json by `make client`. Do not edit.
"""GET /docs."""

from ...types import Answers, Call, nothing, prepare, text

_ANSWERS: Answers[str] = {200: text}


def build() -> Call[str]:
    """Read the API documentation.

    Get the documentation of the API as an HTML page.

    Answer: `str`.
    """
    return prepare("get_documentation", "GET", "/docs", _ANSWERS)


_ANSWERS_IF_CHANGED: Answers[str | None] = {200: text, 304: nothing}


def build_if_changed(*, if_none_match: str) -> Call[str | None]:
    """Read the API documentation.

    Get the documentation of the API as an HTML page.

    Args:
        if_none_match: The ETags that you have; if one of them is current, the status is 304.

    Answer: `str | None`; None if nothing has changed.
    """
    return prepare("get_documentation", "GET", "/docs", _ANSWERS_IF_CHANGED, headers=[("If-None-Match", if_none_match)])
