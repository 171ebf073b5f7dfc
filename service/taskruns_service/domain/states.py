"""States: the 22 types of the field, and the groups that they belong to, as data."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class StateType(StrEnum):
    """The type of a state. Later versions can add types: handle an unknown type by its group."""

    Pending = "Pending"
    Scheduled = "Scheduled"
    Paused = "Paused"
    Resume = "Resume"
    Retrying = "Retrying"
    Queued = "Queued"
    Submitted = "Submitted"
    ClientFailed = "ClientFailed"
    Running = "Running"
    Cancelling = "Cancelling"
    Finished = "Finished"
    Success = "Success"
    Cached = "Cached"
    Mapped = "Mapped"
    Skipped = "Skipped"
    Failed = "Failed"
    TimedOut = "TimedOut"
    TriggerFailed = "TriggerFailed"
    ValidationFailed = "ValidationFailed"
    Crashed = "Crashed"
    Looped = "Looped"
    Cancelled = "Cancelled"


class StateGroup(StrEnum):
    """A group of states: pending, running, or finished. Some finished states are also successful or failed."""

    pending = "pending"
    running = "running"
    finished = "finished"
    successful = "successful"
    failed = "failed"


class TypeInfo(NamedTuple):
    """One row of the state model: the type that `parent` generalises, and a sentence for people."""

    type: StateType
    parent: StateType | None
    sentence: str


_T = StateType
STATE_TYPES: tuple[TypeInfo, ...] = (
    TypeInfo(_T.Pending, None, "Waits to run."),
    TypeInfo(_T.Scheduled, _T.Pending, "Waits for its scheduled time."),
    TypeInfo(_T.Paused, _T.Scheduled, "Waits for a person to resume it."),
    TypeInfo(_T.Resume, _T.Scheduled, "Was paused and can continue."),
    TypeInfo(_T.Retrying, _T.Scheduled, "Failed and waits for another attempt."),
    TypeInfo(_T.Queued, _T.Scheduled, "Waits for a free slot."),
    TypeInfo(_T.Submitted, None, "Was submitted for execution."),
    TypeInfo(_T.ClientFailed, None, "Could not be started by the client that was to run it."),
    TypeInfo(_T.Running, None, "Is running."),
    TypeInfo(_T.Cancelling, _T.Running, "Is running and was asked to stop."),
    TypeInfo(_T.Finished, None, "Ended."),
    TypeInfo(_T.Success, _T.Finished, "Ended successfully."),
    TypeInfo(_T.Cached, _T.Success, "Ended successfully, and its result can be reused."),
    TypeInfo(_T.Mapped, _T.Success, "Created one child for each item; the children do the work."),
    TypeInfo(_T.Skipped, _T.Success, "Was not needed."),
    TypeInfo(_T.Failed, _T.Finished, "Ended with an error."),
    TypeInfo(_T.TimedOut, _T.Failed, "Exceeded its time limit."),
    TypeInfo(_T.TriggerFailed, _T.Failed, "Never ran, because the runs it depends on did not end as it requires."),
    TypeInfo(_T.ValidationFailed, _T.Failed, "Returned a result that failed its own validation."),
    TypeInfo(_T.Crashed, _T.Failed, "Was heard of no more; the next report or heartbeat brings it back."),
    TypeInfo(_T.Looped, _T.Finished, "Ended one iteration of a loop."),
    TypeInfo(_T.Cancelled, _T.Finished, "Was stopped before it finished."),
)
_PARENTS = {info.type: info.parent for info in STATE_TYPES}


def descendants(type_: StateType) -> frozenset[StateType]:
    """A type and all that it generalises: `Failed` has `TimedOut`, `Crashed` and two more."""

    def ancestors(state: StateType | None) -> Iterable[StateType]:
        while state is not None:
            yield state
            state = _PARENTS[state]

    return frozenset(state for state in StateType if type_ in ancestors(state))


GROUPS: dict[StateGroup, frozenset[StateType]] = {
    StateGroup.pending: descendants(_T.Pending) | {_T.Submitted, _T.ClientFailed},
    StateGroup.running: descendants(_T.Running),
    StateGroup.finished: descendants(_T.Finished),
    StateGroup.successful: descendants(_T.Success),
    StateGroup.failed: descendants(_T.Failed),
}
FINISHED = GROUPS[StateGroup.finished]
MAY_RUN_AGAIN = GROUPS[StateGroup.failed] | {_T.Looped}
"""Ends after which another attempt may begin."""
DIES_WITH_PROCESS = GROUPS[StateGroup.running] | GROUPS[StateGroup.pending] - {
    _T.Scheduled,
    _T.Paused,
    _T.Resume,
    _T.ClientFailed,
}
"""What a task run is in while the process of its flow run takes care of it, and not a clock, a person or another."""
PLACES = {type_: place for place, type_ in enumerate(StateType)}
"""The order of the state model, which decides between states of one moment."""
_WORST_FIRST: tuple[frozenset[StateType], ...] = (
    GROUPS[StateGroup.failed],
    frozenset({_T.ClientFailed, _T.Cancelled}),
    frozenset({_T.Retrying}),
    GROUPS[StateGroup.running],
    GROUPS[StateGroup.pending],
    FINISHED,
)


def worst(types: Iterable[StateType]) -> StateType:
    """The type among several that needs attention first: what failed, was cancelled, retries, runs, waits, succeeded.

    Types that are alike in this have the order of the state model. Raises ValueError if there are none.
    """

    def place(type_: StateType) -> tuple[int, int]:
        return next(rank for rank, types_ in enumerate(_WORST_FIRST) if type_ in types_), PLACES[type_]

    return min(types, key=place)
