"""Liveness: whether a server that does not answer a question is there, and knows of the question."""

import asyncio
from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from taskruns_service.storage import dialects
from taskruns_service.storage.attempts import NO_ANSWER_IN_TIME
from taskruns_service.storage.connections import Connections


class Liveness:
    """Asks one server whether it is there, once for all questions that wait for it."""

    def __init__(
        self, engine: Engine, connections: Sequence[Connections], seconds: float, note: Callable[[str], None]
    ) -> None:
        """After `seconds` without an answer the server gets so many seconds more to take a connection and answer there.

        `connections` are all that may wait for it; `note` writes into the log why they are left.
        """
        self._engine = engine
        self._connections = connections
        self._seconds = seconds
        self._note = note
        self._check: asyncio.Task[bool] | None = None

    async def wait_until_lost(self) -> None:
        """Returns when the server does not answer; it is asked as long as somebody waits.

        What waits on a connection that only the server's side of has gone silent is ended, and asked on another one.
        """
        while True:
            await asyncio.sleep(self._seconds)
            if self._check is None or self._check.done():
                self._check = asyncio.create_task(self._answers())
            if not await asyncio.shield(self._check):
                return

    async def _answers(self) -> bool:
        waiting = [connection for connections in self._connections for connection in connections.waiting(self._seconds)]
        try:
            silent = await dialects.find_silent(self._engine, waiting, self._seconds)
        except OSError:
            return False
        if silent:
            self._note(NO_ANSWER_IN_TIME)
            for connections in self._connections:
                connections.renew()  # the others would be silent as well
        for connection in silent:
            connection.terminate()
        return True
