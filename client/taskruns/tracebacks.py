"""The traceback of the error that a run failed with, which the recorder keeps in the details of the state."""

from collections.abc import AsyncIterable, Callable, Iterable
from itertools import islice

from taskruns.models import FlowRun, TaskRun
from taskruns.models import State as HistoryState
from taskruns.states import State

STATES_PAGE_SIZE = 100
"""How many states are requested at once: each may have a traceback of 16 KiB."""
MAX_STATES = 10_000
"""How many states of a run are looked at, the oldest."""


def find_traceback(run: TaskRun | FlowRun, list_states: Callable[..., Iterable[HistoryState]]) -> str | None:
    """The traceback of the error that led a run to its Failed or Retrying state; None if it has none.

    `list_states` lists the history of a run by its id.
    """
    if not _may_have_traceback(run):
        return None
    states = islice(list_states(run.id, limit=STATES_PAGE_SIZE), MAX_STATES)
    return next((text for state in states if (text := _traceback_in(state, run)) is not None), None)


async def find_traceback_async(
    run: TaskRun | FlowRun, list_states: Callable[..., AsyncIterable[HistoryState]]
) -> str | None:
    """The same for asyncio."""
    if not _may_have_traceback(run):
        return None
    count = 0
    async for state in list_states(run.id, limit=STATES_PAGE_SIZE):
        count += 1
        if (text := _traceback_in(state, run)) is not None or count == MAX_STATES:
            return text
    return None


def _may_have_traceback(run: TaskRun | FlowRun) -> bool:
    state = State(run.state)
    return state.is_failed() or state.is_retrying()


def _traceback_in(state: HistoryState, run: TaskRun | FlowRun) -> str | None:
    """The traceback in a state of a run's history, if that is the current state of the run and has one."""
    is_current = (state.type, state.timestamp) == (run.state, run.state_timestamp)
    text = state.details.get("traceback") if is_current and state.details else None
    return text if isinstance(text, str) else None
