"""A queue that is full refuses what comes, says when to come again, and loses nothing of what it has taken."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from taskruns_service.app import create_app
from tests.service import problem_of, running, settings_of

OVERLOADED = {
    "code": "overloaded",
    "detail": "Too many writes are waiting. Nothing was recorded; retry the request later.",
}


async def test_full_queue_refuses_with_retry_after(sqlite_file: Path, sqlite_url: str) -> None:
    async with running(create_app(settings_of(sqlite_url, queue_size=2))) as client:

        async def create(name: str) -> httpx.Response:
            return await client.post("/flow-runs", json={"flow_name": "f", "name": name})

        with closing(sqlite3.connect(sqlite_file, isolation_level=None)) as other:
            # Nobody can write while another connection does, so the queue stays as full as it is.
            other.execute("BEGIN IMMEDIATE")
            waiting = {asyncio.create_task(create(name), name=name) for name in "abcd"}
            refused: set[Any] = set()
            while len(refused) < 2:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                refused |= done
            for response in (task.result() for task in refused):
                assert (response.status_code, response.headers["retry-after"]) == (503, "1")
                assert problem_of(response) == OVERLOADED
            # Questions are answered all the while.
            assert (await client.get("/flow-runs")).json() == {"items": [], "next_cursor": None}
            other.execute("ROLLBACK")
        taken = [task.result() for task in (await asyncio.wait(waiting))[0]]
        assert [response.status_code for response in taken] == [201, 201]
        found = (await client.get("/flow-runs", params={"fields": "name"})).json()["items"]
        assert sorted(item["name"] for item in found) == sorted(response.json()["name"] for response in taken)
        assert (await create("later")).status_code == 201


async def test_request_larger_than_the_queue_is_taken_when_nothing_waits(sqlite_url: str) -> None:
    async with running(create_app(settings_of(sqlite_url, queue_size=1))) as client:
        flow_run = (await client.post("/flow-runs", json={"flow_name": "f"})).json()
        report = {"items": [{"task_slug": "inc", "map_index": index} for index in range(1000)]}
        response = await client.post(f"/flow-runs/{flow_run['id']}/task-runs", json=report)
        assert (response.status_code, len(response.json()["items"])) == (200, 1000)
