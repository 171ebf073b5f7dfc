# Generated from openapi.json by `make client`. Do not edit.
"""GET /openapi.json."""

from typing import Any

from ...types import Answers, Call, Json, prepare

_ANSWERS: Answers[dict[str, Any]] = {200: Json[dict[str, Any]](dict[str, Any])}


def build() -> Call[dict[str, Any]]:
    """Get this document.

    Get the OpenAPI document of this service.

    Answer: `dict[str, Any]`.
    """
    return prepare("get_openapi", "GET", "/openapi.json", _ANSWERS)
