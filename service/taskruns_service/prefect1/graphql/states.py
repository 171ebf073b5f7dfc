"""A state as Prefect 1 writes it, read as a report."""

from collections.abc import Iterator
from uuid import UUID

import msgspec

from taskruns_service.domain.errors import InvalidRequest
from taskruns_service.domain.ids import new_id
from taskruns_service.domain.results import check_places
from taskruns_service.domain.runs import Report
from taskruns_service.domain.states import StateType
from taskruns_service.prefect1.types import JsonObject
from taskruns_service.schemas import JSON_DEPTH, STATE_BYTES, check_depth

TYPES = [type_ for type_ in StateType if type_ is not StateType.Crashed]
"""The types that Prefect 1 knows."""


def read_state(value: object, run_id: UUID) -> Report:
    """A report of the state as of its arrival. All that it has is kept as it is; raises InvalidRequest.

    It insists, since in Prefect 1 no state is final. Its id tells what is in it, so that it is known when it is sent
    again.
    """
    if not isinstance(value, dict):
        raise InvalidRequest("A state must be a JSON object.")
    encoded = msgspec.json.encode(value)
    if len(encoded) > STATE_BYTES:
        raise InvalidRequest("State payload is too large.")
    try:
        check_depth(value)
    except ValueError:
        raise InvalidRequest(f"A state can nest at most {JSON_DEPTH} levels deep.") from None
    try:
        for reference in _references(value):
            check_places(reference)
    except ValueError as error:
        raise InvalidRequest(f"The state was not recorded: {error}.") from None
    if (kind := value.get("type")) not in TYPES:
        raise InvalidRequest(f"There is no state type {kind!r}. The types are {', '.join(TYPES)}.")
    details = dict(value)
    del details["type"]
    message = details.pop("message", None) if isinstance(value.get("message"), str | None) else None
    result = details.pop("_result") if isinstance(value.get("_result"), dict) else None
    return Report(
        id=new_id(run_id, content=run_id.bytes + encoded),
        id_is_new=True,
        type=StateType(kind),
        timestamp=None,
        message=message,
        result=result,
        details=details,
        force=True,
    )


def _references(state: JsonObject) -> Iterator[JsonObject]:
    """The references in a state: to its result, to cached inputs, and those of the state within it."""
    inputs = state.get("cached_inputs")
    for reference in (state.get("_result"), *(inputs.values() if isinstance(inputs, dict) else ())):
        if isinstance(reference, dict):
            yield reference
    if isinstance(inner := state.get("state"), dict):
        yield from _references(inner)
