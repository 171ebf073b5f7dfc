"""What makes a running service slow: questions without an end, locks, and clients that hold them."""

import asyncio
import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from urllib.parse import urlsplit

import asyncpg
import httpx
from sqlalchemy import make_url

from tests.service import Served

# For each task run of a flow run SQLite reads all of them, and for each of those all of them again.
ENDLESS = '{ task_run(where: {flow_run: {task_runs: {flow_run: {task_runs: {name: {_eq: "no"}}}}}}) { id } }'


def is_sqlite(service: Served) -> bool:
    """Tells which database a service has."""
    return service.database_url.startswith("sqlite")


async def create_task_runs(client: httpx.AsyncClient, count: int = 1000) -> list[str]:
    """Creates a flow run with task runs; returns the ids of those."""
    flow_run = (await client.post("/flow-runs", json={"flow_name": "slow"})).json()
    items = [{"task_slug": "inc", "map_index": index} for index in range(count)]
    reported = await client.post(f"/flow-runs/{flow_run['id']}/task-runs", json={"items": items})
    return [item["task_run_id"] for item in reported.json()["items"]]


@asynccontextmanager
async def slow_query(service: Served) -> AsyncIterator[str]:
    """Yields a GraphQL query that takes longer than any test: on PostgreSQL because somebody has locked a table."""
    if is_sqlite(service):
        yield ENDLESS
    else:
        async with table_lock(service, "agent"):
            yield "{ agent { id } }"


@asynccontextmanager
async def table_lock(service: Served, table: str) -> AsyncIterator[None]:
    """Locks a table of PostgreSQL until the block ends."""
    connection = await asyncpg.connect(service.database_url.replace("+asyncpg", ""))
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


@asynccontextmanager
async def agents_locked(service: Served) -> AsyncIterator[None]:
    """Keeps everybody from registering agents until the block ends; on SQLite, from writing anything."""
    if is_sqlite(service):
        with closing(sqlite3.connect(str(make_url(service.database_url).database), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
    else:
        async with table_lock(service, "agent"):
            yield


def graphql(query: str) -> bytes:
    """Returns a GraphQL request as it goes over the wire."""
    body = json.dumps({"query": query})
    head = f"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n{body}".encode()


@contextmanager
def held(service: Served, request: bytes, count: int) -> Iterator[None]:
    """Sends a request over so many connections, and closes those at the end of the block without an answer."""
    url = urlsplit(service.url)
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((url.hostname, url.port)))
            connection.sendall(request)
        yield


async def until(check: Callable[[], Awaitable[bool]], seconds: float = 120) -> None:
    """Waits until something is so; fails when it is not after so long."""
    async with asyncio.timeout(seconds):
        while True:
            if await check():
                return
            await asyncio.sleep(0.05)
