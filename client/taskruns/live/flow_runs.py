"""The stream of one flow run, and the lists that say the same."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct

from taskruns._generated.api.flow_runs import get_flow_run, list_flow_run_logs, list_flow_run_task_runs
from taskruns._generated.types import Call, Json, prepare
from taskruns.errors import InvalidAnswer, InvalidArgument, SequenceUnknown
from taskruns.limits import MAX_PAGE_SIZE
from taskruns.live.connection import Connection
from taskruns.live.events import FlowRunChanged, FlowRunEvent, LogLinesAdded, TaskRunsChanged
from taskruns.live.feed import Behind
from taskruns.live.log_window import OVERLAP, LogWindow
from taskruns.live.parser import Message
from taskruns.live.problems import problem
from taskruns.live.summaries import summary_of
from taskruns.methods import page_at
from taskruns.models import FlowRunSummary, LogLine, LogPage, StateType, TaskRun, TaskRunsEvent
from taskruns.states import State

HEADERS = (*(("Accept", "text/event-stream"), ("Accept-Encoding", "identity"), ("Cache-Control", "no-store")),)
"""What every request for a stream has. A compressed stream would be one that is buffered."""
_EVENT_ID = re.compile(r"([0-9]{1,19})[!-~]*")


class _LogLines(Struct, frozen=True):
    items: list[LogLine]


_read_task_runs = Json[TaskRunsEvent](TaskRunsEvent)
_read_flow_run = Json[FlowRunSummary](FlowRunSummary)
_read_lines = Json[_LogLines](_LogLines)


class FlowRunSource:
    """The changes of one flow run from a position on: as a stream, or as the lists of what has changed since."""

    can_poll = True

    def __init__(
        self, flow_run_id: UUID | str, position: str | None, task_slugs: str | Sequence[str], *, logs: bool
    ) -> None:
        """`position` is a sequence, or the last event id of another stream; None begins at the present.

        Raises:
            InvalidArgument: If it is not one of these.
        """
        self.last_event_id = position
        """The position: where to resume."""
        self.is_finished = False
        self._flow_run_id = flow_run_id
        self._task_slugs = [task_slugs] if isinstance(task_slugs, str) else list(task_slugs)
        self._logs = logs
        self._lines = LogWindow(datetime.now(UTC) - OVERLAP)
        self._flow_run: FlowRunSummary | None = None
        self._polled: FlowRunSummary | None = None
        self._has_task_runs = False
        self._next_lines: Call[LogPage] | None = None
        if position is not None and not _EVENT_ID.fullmatch(position):
            raise InvalidArgument(f"last_event_id is {position[:80]!r}: pass the last_event_id of an event.")
        try:
            self.path = self.call().path
        except ValueError as cause:
            raise InvalidArgument(str(cause)) from cause

    @property
    def _sequence(self) -> int:
        """The sequence up to which all changes were read."""
        match = _EVENT_ID.fullmatch(self.last_event_id or "0")
        assert match is not None
        return int(match[1])

    def call(self) -> Call[object]:
        """The call that opens the stream at the present position."""
        return prepare(
            "watch_flow_run",
            "GET",
            "/flow-runs/{flow_run_id}/events",
            {},
            segments=[("flow_run_id", self._flow_run_id)],
            params=[("task_slug", self._task_slugs), ("logs", self._logs or None)],
            headers=[*HEADERS, ("Last-Event-ID", self.last_event_id)],
        )

    def has_sequence(self, sequence: int) -> bool:
        """Whether the flow run still has the position, if it is at a sequence."""
        return self._sequence <= sequence

    def read(self, message: Message) -> list[FlowRunEvent]:
        """The events in a message that are new.

        Raises:
            Behind: If the stream left something out.
            InvalidAnswer: If its data is not what it has to be.
        """
        events: list[FlowRunEvent] = []
        match message.event:
            case "task_runs":
                batch = message.decode(_read_task_runs)
                if self.last_event_id is not None and batch.from_ > self._sequence:
                    raise Behind
                events += self._task_runs_event(batch.items, batch.sequence, message.last_event_id)
            case "flow_run":
                events += self._flow_run_event(message.decode(_read_flow_run), message.last_event_id)
            case "logs":
                items = self._lines.new(message.decode(_read_lines).items)
                # Log lines have no id: the first event of a stream that goes on may be without one.
                position = message.last_event_id or self.last_event_id or ""
                events += [LogLinesAdded(last_event_id=position, items=items)] if items else []
            case _:  # a bookmark, or an event of a newer service
                pass
        if message.last_event_id:
            self._move(message.last_event_id)
        return events

    # Each step below sends one request at most, and last: a step that fails has moved nothing, so nothing is lost.

    async def catch_up(self, connection: Connection) -> tuple[list[FlowRunEvent], bool]:
        """Polls one page of log lines, of which the stream has later ones only."""
        if not self._logs:
            return [], True
        call = self._next_lines or list_flow_run_logs.build(
            self._flow_run_id, after=self._lines.begin(), limit=MAX_PAGE_SIZE
        )
        self._next_lines = None  # if this page fails, its list begins again, with what came late
        page = await connection.send(call)
        self._next_lines = None if page.next_cursor is None else page_at(call, page.next_cursor)
        items = self._lines.new(page.items)
        events: list[FlowRunEvent] = []
        if items:
            events.append(LogLinesAdded(last_event_id=self.last_event_id or "", items=items))
        return events, self._next_lines is None

    async def poll(self, connection: Connection) -> tuple[list[FlowRunEvent], bool]:
        """Polls the flow run, and if it has changed, a page of its task runs; then a page of log lines."""
        if self._polled is None:
            self._polled = await self._poll_flow_run(connection)
            if self._polled is None:
                return await self.catch_up(connection)
            if self.last_event_id is None:
                self._move(str(self._polled.sequence))
                return self._flow_run_event(self._polled, str(self._sequence)), False
            if not self.has_sequence(self._polled.sequence):
                raise problem(
                    SequenceUnknown, f"The flow run is back at the sequence {self._polled.sequence}.", self.path
                )
        if not self._has_task_runs:
            return await self._poll_task_runs(connection), False
        events, is_complete = await self.catch_up(connection)
        if is_complete:
            # All changes up to its sequence were on the pages, or are excluded by the filter.
            self._move(str(max(self._sequence, self._polled.sequence)))
            events += self._flow_run_event(self._polled, str(self._sequence))
            self._polled, self._has_task_runs = None, False
        return events, is_complete

    async def _poll_flow_run(self, connection: Connection) -> FlowRunSummary | None:
        # With an ETag, even of nothing, it is not a standby that answers, which may not have come so far.
        sequence = -1 if self._flow_run is None else self._flow_run.sequence
        call = get_flow_run.build_if_changed(self._flow_run_id, if_none_match=f'"{sequence}"')
        changed = await connection.send(call)
        return None if changed is None else summary_of(changed)

    async def _poll_task_runs(self, connection: Connection) -> list[FlowRunEvent]:
        page = await connection.send(
            list_flow_run_task_runs.build(
                self._flow_run_id,
                task_slug=self._task_slugs or None,
                sort="sequence",
                after_sequence=self._sequence,
                limit=MAX_PAGE_SIZE,
            )
        )
        self._has_task_runs = page.next_cursor is None
        if not page.items:
            return []
        sequence = page.items[-1].sequence
        events = self._task_runs_event(page.items, sequence, str(sequence))
        self._move(str(sequence))
        return events

    def _move(self, last_event_id: str) -> None:
        if not _EVENT_ID.fullmatch(last_event_id):
            raise InvalidAnswer(f"An event of the stream has the id {last_event_id[:80]!r}, which is not a position.")
        self.last_event_id = last_event_id

    def _task_runs_event(self, task_runs: Sequence[TaskRun], sequence: int, event_id: str) -> list[FlowRunEvent]:
        items = [task_run for task_run in task_runs if task_run.sequence > self._sequence]
        return [TaskRunsChanged(last_event_id=event_id, sequence=sequence, items=items)] if items else []

    def _flow_run_event(self, flow_run: FlowRunSummary, event_id: str) -> list[FlowRunEvent]:
        if self._flow_run is not None and flow_run.sequence <= self._flow_run.sequence:
            return []
        self._flow_run = flow_run
        self.is_finished = State(flow_run.state).is_finished() and all(
            State(StateType(state)).is_finished() for state, count in flow_run.task_run_counts.items() if count
        )
        return [FlowRunChanged(last_event_id=event_id, flow_run=flow_run)]


def position_of(after_sequence: int | None, last_event_id: str | None) -> str | None:
    """The position that arguments of `events` say; None for the present.

    Raises:
        InvalidArgument: If there are two, or it is negative.
    """
    if after_sequence is None:
        return last_event_id
    if last_event_id is not None or after_sequence < 0:
        raise InvalidArgument("Pass either last_event_id, or an after_sequence of 0 or more.")
    return str(after_sequence)
