# Generated from openapi.json by `make client`. Do not edit.
"""GET /ready."""

from ...models import Readiness
from ...types import Answers, Call, Json, prepare

_ANSWERS: Answers[Readiness] = {200: Json[Readiness](Readiness)}


def build() -> Call[Readiness]:
    """Tell whether the service is ready for work.

    Tell whether the database answers, takes changes, has no known damage and has a schema that this version can
    use.

    If not, `detail` says why.

    Answer: `Readiness`.
    """
    return prepare("get_readiness", "GET", "/ready", _ANSWERS)
