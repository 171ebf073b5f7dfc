"""The log lines in the stream of a flow run."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from taskruns_service.live import lines as live_lines
from taskruns_service.queries import lines
from tests.streams import Stream, Watched, streaming


async def log(watched: Watched, *messages: str, seconds_ago: float = 0) -> None:
    timestamp = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat()
    items = [{"id": f"{uuid4()}", "message": message, "timestamp": timestamp} for message in messages]
    response = await watched.client.post(f"{watched.path}/logs", json={"items": items})
    assert response.status_code == 200, response.text


async def collect(stream: Stream, count: int) -> list[str]:
    """The messages of the next lines; fails if there are more in the last event."""
    found: list[Any] = []
    while len(found) < count:
        found += (await stream.named("logs")).data["items"]
    assert len({item["id"] for item in found}) == len(found) == count
    return [item["message"] for item in found]


async def test_lines_come_to_those_who_want_them(watched: Watched) -> None:
    await log(watched, "before")
    async with (
        streaming(watched.app, f"{watched.path}/events?logs=true") as stream,
        streaming(watched.app, f"{watched.path}/events") as other,
    ):
        await stream.named("flow_run")
        await log(watched, "first")
        event = await stream.named("logs")
        listed = (await watched.client.get(f"{watched.path}/logs")).json()["items"]
        assert event.data["items"] == listed[1:]
        await watched.report("t")
        await stream.named("task_runs")
        await other.named("task_runs")
        await log(watched, "second", "third")
        assert sorted(await collect(stream, 2)) == ["second", "third"]
        assert b"event: logs" not in other.raw


async def test_lines_that_were_missed_come_after_a_reconnect(watched: Watched) -> None:
    async with streaming(watched.app, f"{watched.path}/events?logs=true") as stream:
        await stream.named("flow_run")
        await log(watched, "seen")
        last = (await stream.named("logs")).id
    assert last is not None
    messages = [f"line {number}" for number in range(lines.MAX_LINES + 50)]
    await log(watched, *messages)
    async with streaming(watched.app, f"{watched.path}/events?logs=true", {"Last-Event-ID": last}) as stream:
        assert {*await collect(stream, len(messages) + 1)} == {*messages, "seen"}
        await log(watched, "then")
        assert await collect(stream, 1) == ["then"]


async def test_line_that_comes_late_is_sent_too(watched: Watched) -> None:
    async with streaming(watched.app, f"{watched.path}/events?logs=true") as stream:
        await stream.named("flow_run")
        await log(watched, "now")
        await collect(stream, 1)
        await log(watched, "of an hour ago", seconds_ago=3600)
        assert await collect(stream, 1) == ["of an hour ago"]


async def test_many_lines_of_a_moment_come_once_each(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_lines, "MAX_KNOWN", 100)
    monkeypatch.setattr(live_lines, "MAX_FOUND", 100)
    async with streaming(watched.app, f"{watched.path}/events?logs=true") as stream:
        await stream.named("flow_run")
        sent = []
        for number in range(20):
            part = [f"{number}-{place}" for place in range(30)]
            await log(watched, *part)
            sent += part
        assert sorted(await collect(stream, len(sent))) == sorted(sent)


async def test_long_lines_come_in_small_events(watched: Watched) -> None:
    last = f"{await watched.sequence()}.0"
    for _ in range(2):
        await log(watched, *("x" * 60_000 for _ in range(40)))
    async with streaming(watched.app, f"{watched.path}/events?logs=true", {"Last-Event-ID": last}) as stream:
        assert len(await collect(stream, 80)) == 80
        assert max(map(len, stream.raw.split(b"\n"))) <= live_lines.MAX_EVENT_BYTES + 1000


async def test_lines_are_not_looked_for_twice_at_a_time(watched: Watched) -> None:
    async with streaming(watched.app, f"{watched.path}/events?logs=true") as stream:
        await stream.named("flow_run")
        (hub,) = watched.live().ticker.hubs
        assert hub.lines is not None
        look = asyncio.create_task(hub.lines.look())
        await asyncio.sleep(0)
        assert not hub.lines.is_due(time.monotonic() + live_lines.LOOK_SECONDS)
        await look
