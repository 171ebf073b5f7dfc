"""References as a state carries them: what this package makes of a result that was written, and what goes over HTTP."""

import msgspec

from taskruns import models
from taskruns.type_aliases import JsonObject


def constant(value: object) -> models.ConstantResult:
    """Returns the reference that is a value itself."""
    return models.ConstantResult(digest=None, location=None, serializer=None, size=None, uri=None, value=value)


def wire(reference: models.ResultReference) -> JsonObject:
    """Returns the JSON object for the `result` of a state: without nulls and the `uri` that the service makes."""
    match reference:
        case models.CustomResult():
            return reference.given
        case models.ConstantResult():
            return {"type": reference.type, "value": msgspec.to_builtins(reference.value)}
        case _:
            members: JsonObject = msgspec.to_builtins(reference)
            wire_members = {name: value for name, value in members.items() if value is not None and name != "uri"}
            if reference.serializer is not None:
                wire_members["serializer"] = _wire_serializer(reference.serializer)
            return wire_members


def _wire_serializer(serializer: models.Serializer) -> JsonObject:
    match serializer:
        case models.CustomSerializer():
            return serializer.given
        case models.CompressedSerializer(serializer=inner) if inner is not None:
            return _without_nulls(serializer) | {"serializer": _wire_serializer(inner)}
        case _:
            return _without_nulls(serializer)


def _without_nulls(serializer: models.Serializer) -> JsonObject:
    members: JsonObject = msgspec.to_builtins(serializer)
    return {name: value for name, value in members.items() if value is not None}
