"""The stream of several flow runs, and of what all are doing. Each event is a snapshot: there is no position."""

from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from taskruns._generated.api.flow_runs import get_flow_run
from taskruns._generated.types import Call, Json, prepare
from taskruns.errors import FlowRunNotFound
from taskruns.live.connection import Connection
from taskruns.live.events import FlowRunChanged, NowChanged, ServiceEvent
from taskruns.live.flow_runs import HEADERS
from taskruns.live.parser import Message
from taskruns.live.summaries import summary_of
from taskruns.models import FlowRunSummary

_read_flow_run = Json[FlowRunSummary](FlowRunSummary)
_read_now = Json[NowChanged](NowChanged)


class ServiceSource:
    """The summaries of some flow runs, and of all there is at present."""

    is_finished = False
    """Flow runs that are finished stay on a page."""

    def __init__(self, flow_run_ids: Sequence[UUID | str] | UUID | str, *, now: bool) -> None:
        """`now` asks for `NowChanged` as well, which no list says; it is all there is without any flow run."""
        self._ids = [str(flow_run_ids)] if isinstance(flow_run_ids, UUID | str) else list(map(str, flow_run_ids))
        self.can_poll = not now and bool(self._ids)
        self._sequences: dict[UUID, int] = {}
        self._now: NowChanged | None = None
        self._etags = dict.fromkeys(self._ids, '"-1"')
        self._due: list[str] = []
        self.path = self.call().path

    def call(self) -> Call[object]:
        """The call that opens the stream."""
        topic = None if self.can_poll else "now"
        params = [("topic", topic), ("flow_run_id", self._ids)]
        return prepare("watch_flow_runs", "GET", "/events", {}, params=params, headers=HEADERS)

    def has_sequence(self, sequence: int) -> bool:
        """Whether the position is one of the service: there is none."""
        return True

    def read(self, message: Message) -> list[ServiceEvent]:
        """The events in a message that are new.

        Raises:
            InvalidAnswer: If its data is not what it has to be.
        """
        match message.event:
            case "flow_run":
                return self._flow_run_events(message.decode(_read_flow_run))
            case "now" if (now := message.decode(_read_now)) != self._now:
                self._now = now
                return [now]
            case _:  # of a newer service
                return []

    async def catch_up(self, connection: Connection) -> tuple[list[ServiceEvent], bool]:
        """Polls nothing: the stream begins with what came since the last poll."""
        return [], True

    async def poll(self, connection: Connection) -> tuple[list[ServiceEvent], bool]:
        """Polls the next flow run."""
        self._due = self._due or list(self._ids)
        events: list[ServiceEvent] = []
        if self._due:
            flow_run_id = self._due[-1]
            call = get_flow_run.build_if_changed(flow_run_id, if_none_match=self._etags[flow_run_id])
            # The stream ignores flow runs that do not exist, too.
            with suppress(FlowRunNotFound):
                if (flow_run := await connection.send(call)) is not None:
                    self._etags[flow_run_id] = f'"{flow_run.sequence}"'
                    events += self._flow_run_events(summary_of(flow_run))
            self._due.pop()
        return events, not self._due

    def _flow_run_events(self, flow_run: FlowRunSummary) -> list[ServiceEvent]:
        if flow_run.sequence <= self._sequences.get(flow_run.id, -1):
            return []
        self._sequences[flow_run.id] = flow_run.sequence
        return [FlowRunChanged(last_event_id="", flow_run=flow_run)]
