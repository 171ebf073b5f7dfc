"""Watches flow runs with a client of either kind, in a thread of its own, and changes them meanwhile."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from taskruns import AsyncClient, Client
from taskruns.live import FlowRunChanged, FlowRunEvent, LogLinesAdded, TaskRunsChanged
from taskruns.models import FlowRun, StateCreate, StateType, TaskRunReport

Kind = type[Client] | type[AsyncClient]


class Watch:
    """The events of a flow run so far, and the picture that they make."""

    def __init__(self) -> None:
        self.events: list[FlowRunEvent] = []
        self.error: Exception | None = None
        self.was_polling = False

    @property
    def changes(self) -> list[tuple[Any, int]]:
        """The ids and sequences of all task runs that came, in the order in which they did."""
        return [
            (item.id, item.sequence)
            for event in self.events
            if isinstance(event, TaskRunsChanged)
            for item in event.items
        ]

    @property
    def states(self) -> dict[str, str]:
        """The state of each task run, as the events left it."""
        items = [item for event in self.events if isinstance(event, TaskRunsChanged) for item in event.items]
        return {item.task_slug: item.state.value for item in items}

    @property
    def messages(self) -> list[str | None]:
        """The messages of all log lines that came."""
        return [line.message for event in self.events if isinstance(event, LogLinesAdded) for line in event.items]

    def has_states(self, states: dict[str, str]) -> bool:
        """Whether the task runs are in these states."""
        return self.states == states

    def is_at(self, state: str) -> bool:
        """Whether the last event of the flow run itself has a state."""
        states = [event.flow_run.state for event in self.events if isinstance(event, FlowRunChanged)]
        return bool(states) and states[-1] == state


def report(client: Client, flow_run_id: UUID, state: str, *slugs: str) -> None:
    """Reports a state of some task runs."""
    states = [StateCreate(type=StateType(state))]
    client.flow_runs.report(flow_run_id, items=[TaskRunReport(task_slug=slug, states=states) for slug in slugs])


@contextmanager
def watching(kind: Kind, url: str, flow_run: FlowRun, *, api_key: str | None = None, **options: Any) -> Iterator[Watch]:
    """Watches a flow run until it is a Success, or until the iterator ends or fails."""
    watch, is_stopped = Watch(), threading.Event()

    def note(event: FlowRunEvent, is_polling: bool) -> bool:
        watch.events.append(event)
        watch.was_polling |= is_polling
        return is_stopped.is_set() or watch.is_at("Success")

    def run() -> None:
        with Client(url, api_key=api_key) as client, client.flow_runs.events(flow_run.id, **options) as events:
            for event in events:
                if note(event, events.is_polling):
                    return

    async def run_async() -> None:
        async with (
            AsyncClient(url, api_key=api_key) as client,
            client.flow_runs.events(flow_run.id, **options) as events,
        ):
            async for event in events:
                if note(event, events.is_polling):
                    return

    def main() -> None:
        try:
            run() if kind is Client else asyncio.run(run_async())
        except Exception as error:
            watch.error = error

    thread = threading.Thread(target=main, daemon=True)
    thread.start()
    try:
        yield watch
        thread.join(60)
        assert not thread.is_alive()
    finally:
        is_stopped.set()
