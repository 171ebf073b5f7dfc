"""The storages that keep nothing anywhere: the reference has the value itself."""

import json
from typing import Any, Unpack

from msgspec import Struct

from taskruns import models
from taskruns.results.errors import InvalidReference, ResultNotWritten
from taskruns.results.loading import load
from taskruns.results.locations import Fields
from taskruns.results.references import constant
from taskruns.results.streams import DEFAULT_MAX_BYTES


class PrefectResult(Struct, frozen=True):
    """Sends results to the service, as JSON text in the reference itself: for small values that may be seen there."""

    def write(self, value: object, /, **fields: Unpack[Fields]) -> models.ResultReference:
        """Returns the reference that has a value; raises ResultNotWritten for one that JSON cannot say."""
        if value is None:
            return constant(None)
        return models.PrefectResult(
            digest=None, location=_json(value), serializer=models.JSONSerializer(), size=None, uri=None
        )

    def read(self, reference: models.ResultReference, /, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Any:
        """Returns the value that a reference has; raises InvalidReference for one of another type."""
        if not isinstance(reference, models.PrefectResult | models.ConstantResult):
            raise InvalidReference(f"{self!r} has no {reference.type}.")
        return load(reference, max_bytes=max_bytes)

    def exists(self, at: models.ResultReference | str, /, **fields: Unpack[Fields]) -> bool:
        """Whether a reference has a value."""
        return isinstance(at, models.ConstantResult) or (isinstance(at, models.PrefectResult) and bool(at.location))


class ConstantResult(Struct, frozen=True):
    """Keeps nothing: the result is always this value, which the reference has, and which has to be JSON."""

    value: Any

    def __post_init__(self) -> None:
        """Raises ResultNotWritten if JSON cannot say the value."""
        _json(self.value)

    def write(self, value: object, /, **fields: Unpack[Fields]) -> models.ResultReference:
        """Returns the reference that has the value; raises ResultNotWritten for any other one but None."""
        if value is not None and _json(value) != _json(self.value):
            raise ResultNotWritten(f"The result is always {self.value!r}, but this one differs.")
        return constant(None if value is None else self.value)

    def read(self, reference: models.ResultReference, /, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Any:
        """Returns the value that a reference has; raises InvalidReference for one of another type."""
        if not isinstance(reference, models.ConstantResult):
            raise InvalidReference(f"{self!r} has no {reference.type}.")
        return reference.value

    def exists(self, at: models.ResultReference | str, /, **fields: Unpack[Fields]) -> bool:
        """Whether a reference has a value."""
        return isinstance(at, models.ConstantResult)


def _json(value: object) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ResultNotWritten(f"JSON cannot represent a value of type {type(value).__name__}: {error}") from error
