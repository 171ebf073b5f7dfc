# Generated from openapi.json by `make client`. Do not edit.
"""GET /ready."""

from ...models import Health
from ...types import Answers, Call, Json, prepare

_ANSWERS: Answers[Health] = {200: Json[Health](Health)}


def build() -> Call[Health]:
    """Tell whether the service is ready for work.

    Tell whether the database answers, takes changes and has the schema that this version needs; if not,
    `detail` says why.

    Answer: `Health`.
    """
    return prepare("get_readiness", "GET", "/ready", _ANSWERS)
