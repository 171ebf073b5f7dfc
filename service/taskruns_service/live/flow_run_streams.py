"""The stream of one flow run: its changes from a sequence on, and what ends it."""

import time
from collections.abc import AsyncIterator

from taskruns_service.live import events
from taskruns_service.live.hubs import CHUNK_BYTES, Hub, Summary
from taskruns_service.live.watchers import Watcher


class FlowRunStream(Watcher):
    """What one client gets of a flow run."""

    async def chunks(self, hub: Hub, summary: Summary, after: int, task_slugs: tuple[str, ...]) -> AsyncIterator[bytes]:
        """Yields what to send, for as long as the stream lasts: all that changes after a sequence.

        It begins with `summary`, the flow run as it is, or with the batches that lead there.
        """
        sent: Summary | None = None
        self.place = (after, task_slugs)
        while self.farewell is None:
            if hub.is_gone:
                yield events.GONE
                return
            chunks: tuple[bytes, ...] = ()
            if self.place[0] != hub.sequence and (batch := hub.batch(self.place)) is not None:
                self.place = (batch.sequence, task_slugs)
                chunks = batch.chunks
                if batch.is_last:
                    yield chunks[0]
                    return
            if hub.summary is not None and hub.summary.sequence >= summary.sequence:
                summary = hub.summary
            if summary is not sent and summary.sequence <= self.place[0]:
                sent = summary
                chunks = _joined(chunks, events.identified(self.place[0], summary.event))
            for chunk in chunks:
                yield chunk
            if not chunks:
                await self.wait()
                if self.is_silent(time.monotonic()):
                    yield events.HEARTBEAT
        yield self.farewell


def _joined(chunks: tuple[bytes, ...], event: bytes) -> tuple[bytes, ...]:
    """Chunks and an event after them, which costs nothing extra to send with a small one."""
    if chunks and len(chunks[-1]) + len(event) <= CHUNK_BYTES:
        return (*chunks[:-1], chunks[-1] + event)
    return (*chunks, event)
