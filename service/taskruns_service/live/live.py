"""Live updates of one process: its streams and the state that they share."""

import asyncio

from taskruns_service.live.overviews import Now
from taskruns_service.live.streams import FindScope, Streams
from taskruns_service.live.ticker import Ticker
from taskruns_service.live.traffic import Traffic
from taskruns_service.storage.database import Database


class Live:
    """The live updates of one process."""

    def __init__(self, database: Database, *, limit: int, is_shared: bool, find_scope: FindScope | None) -> None:
        """`limit` is the number of streams that may be open, `is_shared` whether other processes use the database.

        `find_scope` is None if the service requires no keys.
        """
        self.traffic = Traffic()
        self.ticker = Ticker(database, self.traffic, is_shared=is_shared)
        self.now = Now(database, self.traffic)
        self.streams = Streams(limit, self.traffic, self.ticker.hubs, find_scope)
        database.after_commit = self.ticker.hint

    async def run(self) -> None:
        """Detects changes and ends streams, forever."""
        await asyncio.gather(self.ticker.run(), self.now.run(), self.streams.run())
