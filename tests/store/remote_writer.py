"""Remote writers: two processes, as replicas of the service are, that write what tests submit, in turn."""

import asyncio
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import UUID

from taskruns_service.storage.command import execute_commands
from taskruns_service.storage.database import Database
from taskruns_service.storage.writer import Apply, Writer
from tests.store.factories import opened

CAPACITY = 10_000
START_SECONDS = 180


class RemoteWriter(Writer):
    """A writer that writes nothing itself: each submission goes to the next of the sockets."""

    def __init__(self, database: Database, apply: Apply, sockets: Sequence[Path]) -> None:
        super().__init__(database, apply, capacity=CAPACITY)
        self._sockets = cycle(sockets)

    async def submit(self, items: Sequence[Any], partitions: Sequence[UUID]) -> list[Any]:
        """Has items written by a process, and gives its answer."""
        reader, writer = await asyncio.open_unix_connection(next(self._sockets))
        writer.write(pickle.dumps((items, partitions)))
        writer.write_eof()
        answer = pickle.loads(await reader.read())
        writer.close()
        if isinstance(answer, Exception):
            raise answer
        outcomes: list[Any] = answer
        return outcomes


@contextmanager
def remote_writers(url: str, folder: Path) -> Iterator[list[Path]]:
    """Two processes that write into the database at `url` until the block ends; gives their sockets in `folder`."""
    sockets = [folder / "first", folder / "second"]
    program = [sys.executable, "-m", "tests.store.remote_writer", url]
    processes = [subprocess.Popen([*program, str(socket)], stdin=subprocess.DEVNULL) for socket in sockets]
    try:
        deadline = time.monotonic() + START_SECONDS
        while not all(socket.exists() for socket in sockets):
            if any(process.poll() is not None for process in processes) or time.monotonic() > deadline:
                raise RuntimeError("The writers did not start.")
            time.sleep(0.05)
        yield sockets
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


async def write(url: str, socket: Path) -> None:
    """Writes into the database what comes in on the socket, for ever: a submission for each connection."""
    async with opened(url) as database, Writer(database, execute_commands, capacity=CAPACITY).running() as own:

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            items, partitions = pickle.loads(await reader.read())
            try:
                answer: Any = await own.submit(items, partitions)
            except Exception as error:  # it is raised where it was asked
                answer = error
            writer.write(pickle.dumps(answer))
            writer.close()

        server = await asyncio.start_unix_server(answer, socket)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], Path(sys.argv[2])))
