"""The state of a run, as people read it: `<Success: "Task run succeeded.">`, and the questions that it answers."""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from taskruns.models import StateType
from taskruns.printable import printable

_KIND_OF = {
    StateType.SCHEDULED: StateType.PENDING,
    StateType.PAUSED: StateType.SCHEDULED,
    StateType.RESUME: StateType.SCHEDULED,
    StateType.RETRYING: StateType.SCHEDULED,
    StateType.QUEUED: StateType.SCHEDULED,
    StateType.CANCELLING: StateType.RUNNING,
    StateType.SUCCESS: StateType.FINISHED,
    StateType.CACHED: StateType.SUCCESS,
    StateType.MAPPED: StateType.SUCCESS,
    StateType.SKIPPED: StateType.SUCCESS,
    StateType.FAILED: StateType.FINISHED,
    StateType.TIMED_OUT: StateType.FAILED,
    StateType.TRIGGER_FAILED: StateType.FAILED,
    StateType.VALIDATION_FAILED: StateType.FAILED,
    StateType.CRASHED: StateType.FAILED,
    StateType.LOOPED: StateType.FINISHED,
    StateType.CANCELLED: StateType.FINISHED,
}


class State(Struct, frozen=True, eq=False):
    """What a run is or was. States are equal if they have the same type; the name of the type is equal to them too."""

    type: StateType
    """The type of the state."""
    message: str | None = None
    """A human-readable message."""
    timestamp: datetime | None = None
    """When the run came to it; None before any state was reported."""

    def __repr__(self) -> str:
        type = printable(self.type)
        return f'<{type}: "{printable(self.message)}">' if self.message is not None else f"<{type}>"

    def __eq__(self, other: object) -> bool:
        return self.type == (other.type if isinstance(other, State) else other)

    def __ne__(self, other: object) -> bool:
        # A Struct has one of its own, which does not ask __eq__ as that of other classes does.
        return not self == other

    def __hash__(self) -> int:
        return hash(self.type)

    def is_a(self, kind: StateType | str) -> bool:
        """Whether it is of this type or of one that is a kind of it: TimedOut is a Failed, and that a Finished."""
        return any(kind == ancestor for ancestor in _kinds(self.type))

    def is_pending(self) -> bool:
        """Whether it waits: Pending, Scheduled, Paused, Resume, Retrying or Queued."""
        return self.is_a(StateType.PENDING)

    def is_scheduled(self) -> bool:
        """Whether it waits for something it knows: Scheduled, Paused, Resume, Retrying or Queued."""
        return self.is_a(StateType.SCHEDULED)

    def is_submitted(self) -> bool:
        """Whether it was handed over to be run."""
        return self.is_a(StateType.SUBMITTED)

    def is_queued(self) -> bool:
        """Whether it waits for a free place."""
        return self.is_a(StateType.QUEUED)

    def is_retrying(self) -> bool:
        """Whether it failed and waits to be tried again."""
        return self.is_a(StateType.RETRYING)

    def is_running(self) -> bool:
        """Whether it runs: Running or Cancelling."""
        return self.is_a(StateType.RUNNING)

    def is_finished(self) -> bool:
        """Whether it ended, well or not."""
        return self.is_a(StateType.FINISHED)

    def is_successful(self) -> bool:
        """Whether it ended well: Success, Cached, Mapped or Skipped."""
        return self.is_a(StateType.SUCCESS)

    def is_failed(self) -> bool:
        """Whether it ended with an error: Failed, TimedOut, TriggerFailed, ValidationFailed or Crashed."""
        return self.is_a(StateType.FAILED)

    def is_crashed(self) -> bool:
        """Whether nothing was heard of it any more; it returns to its state before if something is."""
        return self.is_a(StateType.CRASHED)

    def is_cached(self) -> bool:
        """Whether its result was there already."""
        return self.is_a(StateType.CACHED)

    def is_mapped(self) -> bool:
        """Whether it is the parent of a map."""
        return self.is_a(StateType.MAPPED)

    def is_skipped(self) -> bool:
        """Whether it was not needed."""
        return self.is_a(StateType.SKIPPED)

    def is_looped(self) -> bool:
        """Whether it ended one turn of a loop."""
        return self.is_a(StateType.LOOPED)

    def is_cancelled(self) -> bool:
        """Whether it was stopped before it ended."""
        return self.is_a(StateType.CANCELLED)


def _kinds(type: StateType | None) -> Iterator[StateType]:
    while type is not None:
        yield type
        type = _KIND_OF.get(type)
