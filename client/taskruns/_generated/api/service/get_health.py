# Generated from openapi.json by `make client`. Do not edit.
"""GET /health."""

from ...models import Health
from ...types import Answers, Call, Json, prepare

_ANSWERS: Answers[Health] = {200: Json[Health](Health)}


def build() -> Call[Health]:
    """Tell whether the process is alive.

    Tell whether the process answers. It does not ask the database, so that nobody restarts it for that.

    Answer: `Health`.
    """
    return prepare("get_health", "GET", "/health", _ANSWERS)
