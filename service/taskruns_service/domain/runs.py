"""Runs: what states make of a task run or a flow run, and the states that are reported of it."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from taskruns_service.domain.json_values import JsonObject
from taskruns_service.domain.states import PLACES, StateType
from taskruns_service.domain.times import read_time


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A state that somebody reports, as `advance` reads it. Without a timestamp it is as of its arrival."""

    id: UUID
    type: StateType
    timestamp: datetime | None
    id_is_new: bool = False
    """Whether the service made the id just now, so that it cannot be in a history."""
    message: str | None = None
    result: JsonObject | None = None
    details: JsonObject = {}
    expected_version: int | None = None
    expected_sequence: int | None = None
    force: bool = False

    @property
    def start_time(self) -> datetime | None:
        """When a state that waits, such as Scheduled or Retrying, is due; None where the details say nothing of it."""
        if not self.details:
            return None
        text = self.details.get("start_time")
        try:
            return read_time(text) if isinstance(text, str) else None
        except (ValueError, OverflowError):
            return None


class PastState(NamedTuple):
    """A state in the history of a run, as far as it decides what the run is.

    A state that was `forced` follows whatever was before it: its report insisted, or had no timestamp, so that it
    came after all that was known when it arrived. A Crashed state that was forced is the service's own, said of a
    silent run: reports cannot force one.
    """

    timestamp: datetime
    type: StateType
    id: UUID
    forced: bool = False

    @property
    def is_silence(self) -> bool:
        """Whether the service said it because it heard nothing of the run."""
        return self.forced and self.type is StateType.Crashed

    @property
    def order(self) -> tuple[datetime, int, UUID]:
        """The place in a history: by timestamp, then by type as in the state model, then by id."""
        return self.timestamp, PLACES[self.type], self.id


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What states decide about a task run or a flow run. Version 0 means that nothing was reported yet.

    `version` counts how often the current state changed, `first_timestamp` is the earliest timestamp of any state.
    `run_time` is the sum of the attempts that have ended, in seconds; None until one has.
    """

    version: int = 0
    state: StateType = StateType.Pending
    state_id: UUID | None = None
    state_message: str | None = None
    state_timestamp: datetime | None = None
    state_start_time: datetime | None = None
    result: JsonObject | None = None
    run_count: int = 0
    first_timestamp: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    run_time: float | None = None
    attempt_start_time: datetime | None = None
    """When the latest attempt began, while it goes on or the run has the end of it; rows do not have it."""

    @property
    def duration(self) -> float | None:
        """Seconds from the earliest Running to the end, 0 if clocks differ and the end is first; None without both."""
        return seconds_between(self.start_time, self.end_time)

    @property
    def queue_time(self) -> float | None:
        """Seconds from the earliest state to the earliest Running; None until it ran."""
        return seconds_between(self.first_timestamp, self.start_time)


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds from a start to an end, 0 if clocks differ and the end is first; None without both."""
    if start is None or end is None:
        return None
    return (end - start).total_seconds() if end > start else 0.0
