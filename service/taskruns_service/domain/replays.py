"""Replays: what a run has to be by its history, and in what it differs."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from taskruns_service.domain.history import History, fold
from taskruns_service.domain.runs import PastState, Report, Run
from taskruns_service.domain.states import StateType
from taskruns_service.domain.transitions import advance

REPLAYED_STATES = 1000
"""The longest history that is replayed state by state: where ends are followed by others, each is a fold."""


class KeptState(NamedTuple):
    """A row of a history."""

    id: UUID
    type: str
    timestamp: datetime
    forced: bool | None
    accepted: bool
    version: int | None
    sequence: int

    @property
    def is_withdrawn(self) -> bool:
        """Whether the service said by it that it heard nothing of the run, which was heard of again."""
        return bool(self.forced) and self.type == StateType.Crashed and not self.accepted


class KeptRun(NamedTuple):
    """A row of a run, as far as its history decides it."""

    state: str
    state_id: UUID | None
    state_timestamp: datetime | None
    version: int
    run_count: int
    first_timestamp: datetime | None
    start_time: datetime | None
    end_time: datetime | None
    duration: float | None
    run_time: float | None
    queue_time: float | None


class Replay(NamedTuple):
    """The run that a history makes, with the version that each of its accepted states has."""

    run: Run
    versions: dict[UUID, int]


class Comparison(NamedTuple):
    """What is wrong with a run, and how many `changes` its version counts that are no states.

    Earlier versions of the service counted new names and tags. `changes` is None where the history does not tell: it
    comes from another service, or is longer than what is replayed.
    """

    problems: list[str]
    changes: int | None


def compare(run: KeptRun, history: Sequence[KeptState]) -> Comparison:
    """Compares a run with its history, which is in the order of its sequence."""
    types = {run.state, *(state.type for state in history)}
    if unknown := sorted(types - set(StateType)):
        return Comparison([f"there is no state type {unknown[0]!r}"], None)
    if any(state.forced is None for state in history) or (run.state_id is None and run.state_timestamp is not None):
        return Comparison(list(_problems_of_old(run, history)), None)
    withdrawn = sum(state.is_withdrawn for state in history)
    history = [state for state in history if not state.is_withdrawn]
    if len(history) > REPLAYED_STATES:
        return Comparison(list(_differences(run, fold(map(_past_state, history)))), None)
    replay = _replay(history)
    # Each that was withdrawn changed the state twice: when it came, and when the state before it came back.
    changes = run.version - replay.run.version
    problems = [*_differences(run, replay.run), *_problems_of_versions(replay, history, max(0, changes))]
    if changes < 0:
        problems.append(f"its version is {run.version}, but its history gives {replay.run.version}")
    return Comparison(problems, max(0, changes - 2 * withdrawn))


def _replay(history: Sequence[KeptState]) -> Replay:
    run, past, versions = Run(), History(), dict[UUID, int]()
    for state in history:
        past_state = _past_state(state)
        report = Report(id=state.id, type=past_state.type, timestamp=state.timestamp, force=past_state.forced)
        before, run = run, advance(run, report, now=state.timestamp, history=lambda: past).run
        past.add(past_state)
        if run.state_id is not None and run.state_id != before.state_id:
            versions[run.state_id] = run.version
    return Replay(run, versions)


def _past_state(state: KeptState) -> PastState:
    return PastState(state.timestamp, StateType[state.type], state.id, bool(state.forced))


def _differences(run: KeptRun, expected: Run) -> Iterator[str]:
    names = ["state", "state_id", "state_timestamp", "run_count", "first_timestamp"]
    if run.state != StateType.Mapped:  # whose times are those of its children
        names += ["start_time", "end_time", "duration", "run_time", "queue_time"]
    for name in names:
        stored, replayed = getattr(run, name), getattr(expected, name)
        if stored != replayed:
            yield f"its {name} is {_shown(stored)}, but its history gives {_shown(replayed)}"


def _problems_of_versions(replay: Replay, history: Sequence[KeptState], changes: int) -> Iterator[str]:
    for state in history:
        expected = replay.versions.get(state.id)
        if state.accepted != (expected is not None) or (state.version is None) != (expected is None):
            mark = "accepted" if expected is not None else "late"
            yield f"the state {state.id} should be marked {mark}"
        elif expected is not None and not expected <= (state.version or 0) <= expected + changes:
            yield f"the state {state.id} has version {state.version}, but should have {expected}"


def _problems_of_old(run: KeptRun, history: Sequence[KeptState]) -> Iterator[str]:
    """What can be told of a history that says of no state whether it was forced, since that was not kept.

    It was copied from another service, where a clock that is set back counts for nothing, or recorded by an old one.
    """
    if (latest := max((state.version or 0 for state in history), default=0)) > run.version:
        yield f"its version is {run.version}, but its history has {latest}"
    if run.state_id is None:
        return
    current = next((state for state in history if state.id == run.state_id), None)
    if current is None:
        yield f"its current state {run.state_id} is not in its history"
    elif (current.type, current.timestamp) != (run.state, run.state_timestamp):
        yield f"its state is {run.state}, but its history has {current.type}"


def _shown(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
