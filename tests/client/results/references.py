"""References for the tests, as the service hands them out."""

from typing import Any

import msgspec

from taskruns import models
from taskruns_service.domain.results import read_reference


def served(given: dict[str, Any]) -> models.ResultReference:
    """Returns the reference that the service makes of a given one, as the client decodes it."""
    read: models.ResultReference = msgspec.convert(msgspec.to_builtins(read_reference(given)), models.ResultReference)
    return read
