# Generated from openapi.json by `make client`. Do not edit.
"""GET /openapi.json."""

from typing import Any

from ...types import Answers, Call, Json, nothing, prepare

_ANSWERS: Answers[dict[str, Any]] = {200: Json[dict[str, Any]](dict[str, Any])}


def build() -> Call[dict[str, Any]]:
    """Get this document.

    Get the OpenAPI document of this service.

    Answer: `dict[str, Any]`.
    """
    return prepare("get_openapi", "GET", "/openapi.json", _ANSWERS)


_ANSWERS_IF_CHANGED: Answers[dict[str, Any] | None] = {200: Json[dict[str, Any]](dict[str, Any]), 304: nothing}


def build_if_changed(*, if_none_match: str) -> Call[dict[str, Any] | None]:
    """Get this document.

    Get the OpenAPI document of this service.

    Args:
        if_none_match: The ETags that you have; if one of them is current, the status is 304.

    Answer: `dict[str, Any] | None`; None if nothing has changed.
    """
    return prepare(
        "get_openapi", "GET", "/openapi.json", _ANSWERS_IF_CHANGED, headers=[("If-None-Match", if_none_match)]
    )
