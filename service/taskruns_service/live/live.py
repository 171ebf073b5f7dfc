"""Live updates of one process: its streams, and what they share."""

import asyncio

from taskruns_service.live.overviews import Now
from taskruns_service.live.streams import FindScope, Streams
from taskruns_service.live.ticker import Ticker
from taskruns_service.live.traffic import Traffic
from taskruns_service.storage.database import Database


class Live:
    """The live updates of one process."""

    def __init__(self, database: Database, *, limit: int, is_shared: bool, find_scope: FindScope | None) -> None:
        """`limit` is how many streams there may be, `is_shared` whether other processes serve from the same database.

        `find_scope` is None where no keys are needed.
        """
        self.traffic = Traffic()
        self.ticker = Ticker(database, self.traffic, is_shared=is_shared)
        self.now = Now(database, self.traffic)
        self.streams = Streams(limit, self.traffic, self.ticker.hubs, find_scope)
        database.after_commit = self.ticker.hint

    async def run(self) -> None:
        """Keeps the streams going, for ever."""
        await asyncio.gather(self.ticker.run(), self.now.run(), self.streams.run())
