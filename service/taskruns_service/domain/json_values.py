"""JSON as it is decoded."""

from typing import Any

JsonObject = dict[str, Any]
"""A JSON object with members that clients choose: it is kept as it was sent."""
