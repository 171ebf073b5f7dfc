"""Liveness: whether a server that does not answer a question takes connections at all."""

import asyncio

from sqlalchemy import Engine

from taskruns_service import dialects


class Liveness:
    """Asks one server whether it is there, once for all questions that wait for it."""

    def __init__(self, engine: Engine, seconds: float) -> None:
        """After `seconds` without an answer the server gets so many seconds more to take a connection."""
        self._engine = engine
        self._seconds = seconds
        self._check: asyncio.Task[bool] | None = None

    async def wait_until_lost(self) -> None:
        """Returns when the server takes no connection; it is asked as long as somebody waits."""
        while True:
            await asyncio.sleep(self._seconds)
            if self._check is None or self._check.done():
                self._check = asyncio.create_task(dialects.answers(self._engine, self._seconds))
            if not await asyncio.shield(self._check):
                return
