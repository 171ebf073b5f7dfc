# Generated from openapi.json by `make client`. Do not edit.
"""GET /ready."""

from ...models import Readiness
from ...types import Answers, Call, Json, prepare

_ANSWERS: Answers[Readiness] = {200: Json[Readiness](Readiness)}


def build() -> Call[Readiness]:
    """Check whether the service is ready.

    Check whether the database responds, accepts changes, has no known damage, and has a supported schema.

    If not, `detail` gives the reason.

    Answer: `Readiness`.
    """
    return prepare("get_readiness", "GET", "/ready", _ANSWERS)
