# Generated from openapi.json by `make client`. Do not edit.
"""GET /docs."""

from ...types import Answers, Call, prepare, text

_ANSWERS: Answers[str] = {200: text}


def build() -> Call[str]:
    """Read about the API.

    Read the documentation of the API, as a page for people.

    Answer: `str`.
    """
    return prepare("get_documentation", "GET", "/docs", _ANSWERS)
