# Generated from openapi.json by `make client`. Do not edit.
"""GET /health."""

from ...models import Health
from ...types import Answers, Call, Json, prepare

_ANSWERS: Answers[Health] = {200: Json[Health](Health)}


def build() -> Call[Health]:
    """Check whether the process is alive.

    Check whether the process responds.

    This does not query the database, so that a database failure does not restart the process.

    Answer: `Health`.
    """
    return prepare("get_health", "GET", "/health", _ANSWERS)
