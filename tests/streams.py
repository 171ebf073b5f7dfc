"""Streams of events as clients read them: parsed as browsers do, from the application itself or from a socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from uuid import UUID

import httpx
from litestar.types import ASGIApp
from sqlalchemy import Connection, delete, update

from taskruns_service.live.live import Live
from taskruns_service.storage.database import Database
from taskruns_service.storage.tables import flow_run, task_run

SECONDS = 120
"""How long to wait for what must come."""


def is_stream(operation: Mapping[str, Any]) -> bool:
    """Whether an operation of the document answers with a stream; a test that asks all asks for its head."""
    return "text/event-stream" in operation["responses"].get("200", {}).get("content", {})


class Event(NamedTuple):
    """One event, or a comment, which has no data."""

    name: str
    id: str | None
    data: Any

    @property
    def sequences(self) -> list[int]:
        """The sequences of the task runs in it."""
        return [item["sequence"] for item in self.data["items"]]


class Parser:
    """Makes events of lines (of what follows an empty line)."""

    def __init__(self) -> None:
        self.last_id: str | None = None
        self._name, self._data = "message", ""

    def read(self, line: str) -> Event | None:
        """The event that a line ends; a comment is one by itself, and so is a new id without data."""
        if line.startswith(":"):
            return Event("comment", self.last_id, line[1:].strip())
        if line:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "id":
                self.last_id = value
            elif field == "event":
                self._name = value
            elif field == "data":
                self._data += value
            return None
        name, data = self._name, self._data
        self._name, self._data = "message", ""
        return Event(name, self.last_id, json.loads(data)) if data else Event("bookmark", self.last_id, None)


def events_in(lines: Iterable[str]) -> Iterator[Event]:
    """Yields all events of a stream, without comments and without what comes before the first event."""
    parser = Parser()
    for line in lines:
        event = parser.read(line)
        if event is not None and event.name != "comment" and (event.name != "bookmark" or event.id is not None):
            yield event


class Stream:
    """An open stream of an application in the test's own process."""

    def __init__(self, status: int, headers: dict[str, str], messages: "asyncio.Queue[Any]") -> None:
        self.status = status
        self.headers = headers
        self.is_read = asyncio.Event()
        """Whether the client takes what is sent to it."""
        self.is_read.set()
        self.raw = b""
        """All that has come."""
        self._messages = messages
        self._parser = Parser()
        self._lines: list[str] = []
        self._rest = b""

    async def next(self, *, comments: bool = False) -> Event | None:
        """The next event; None at the end of the stream."""
        while True:
            while self._lines:
                event = self._parser.read(self._lines.pop(0))
                if event is None or (event.name == "bookmark" and event.id is None):
                    continue
                if comments or event.name != "comment":
                    return event
            async with asyncio.timeout(SECONDS):
                message = await self._messages.get()
            if message is None:
                return None
            self.raw += message
            *lines, self._rest = (self._rest + message).split(b"\n")
            self._lines += [line.decode() for line in lines]

    async def named(self, name: str) -> Event:
        """The next event with a name, whatever comes before it."""
        while (event := await self.next(comments=name == "comment")) is not None:
            if event.name == name:
                return event
        raise AssertionError(f"The stream ended without {name}: {self.raw!r}")

    async def body(self) -> bytes:
        """All that comes until the end."""
        while await self.next() is not None:
            pass
        return self.raw


@asynccontextmanager
async def streaming(
    app: ASGIApp, target: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> AsyncIterator[Stream]:
    """Opens a stream of an application, and leaves as a client does that closes its connection."""
    path, _, query = target.partition("?")
    raw_headers = [(b"host", b"localhost")]
    raw_headers += [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": raw_headers,
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "state": {},
    }
    is_gone = asyncio.Event()
    messages: asyncio.Queue[Any] = asyncio.Queue()
    begun: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def receive() -> Any:
        await is_gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            begun.set_result(message)
            return
        await stream_of_test[0].is_read.wait()
        if message.get("body"):
            messages.put_nowait(message["body"])

    stream_of_test: list[Stream] = []

    async def run() -> None:
        try:
            await asgi(scope, receive, send)
        finally:
            messages.put_nowait(None)

    asgi: Any = app
    task = asyncio.create_task(run())
    stream_of_test.append(Stream(0, {}, messages))
    await asyncio.wait([task, begun], return_when=asyncio.FIRST_COMPLETED, timeout=SECONDS)
    if not begun.done():
        await task
    start = begun.result()
    (stream,) = stream_of_test
    stream.status = start["status"]
    stream.headers = {name.decode(): value.decode() for name, value in start["headers"]}
    try:
        yield stream
    finally:
        is_gone.set()
        stream.is_read.set()
        async with asyncio.timeout(SECONDS):
            await task


class Watched:
    """An application with a flow run to watch."""

    def __init__(self, app: ASGIApp, client: httpx.AsyncClient) -> None:
        self.app = app
        self.client = client
        self.path = ""

    async def begin(self) -> None:
        response = await self.client.post("/flow-runs", json={"flow_name": "etl"})
        self.path = f"/flow-runs/{response.json()['id']}"

    async def report(self, *slugs: str, state: str = "Running", **members: Any) -> None:
        items = [{"task_slug": slug, "states": [{"type": state}], **members} for slug in slugs]
        response = await self.client.post(f"{self.path}/task-runs", json={"items": items})
        assert response.status_code == 200, response.text

    def live(self) -> Live:
        """The live updates of the application."""
        app: Any = self.app
        live: Live = app._app._app.state.live
        return live

    def database(self) -> Database:
        """The database of the application."""
        app: Any = self.app
        database: Database = app._app._app.state.database
        return database

    async def rewind(self, sequence: int) -> None:
        """Takes the flow run back to a sequence, as a backup does that is restored."""

        def restore(connection: Connection) -> None:
            flow_run_id = UUID(self.path.rpartition("/")[2])
            later = (task_run.c.flow_run_id == flow_run_id, task_run.c.sequence > sequence)
            connection.execute(delete(task_run).where(*later))
            connection.execute(update(flow_run).where(flow_run.c.id == flow_run_id).values(sequence=sequence))

        await self.database().write(restore)

    async def sequence(self) -> int:
        return int((await self.client.get(self.path)).json()["sequence"])

    async def listed(self) -> dict[str, Any]:
        items = (await self.client.get(f"{self.path}/task-runs", params={"limit": 1000})).json()["items"]
        return {item["id"]: item for item in items}
