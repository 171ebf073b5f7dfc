"""What ends a stream, what keeps one open, and how many there may be."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import Engine, event

from taskruns_service.api.streams import EventStream
from taskruns_service.app import create_app
from taskruns_service.live import streams, watchers
from taskruns_service.live.traffic import Traffic
from taskruns_service.live.watchers import Watcher
from tests.service import call_command, running, settings_of
from tests.streams import Watched, streaming


def begin_keys(url: str, scope: str = "read") -> tuple[str, str]:
    """Makes a key; returns its id and the key."""
    done = call_command("keys", "create", "--name", "watcher", "--scope", scope, TASKRUNS_DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    key = done.stdout.split()[-1]
    return key.split("_")[1], key


async def test_streams_end_with_bye_when_the_process_stops(sqlite_url: str) -> None:
    calls: list[Any] = []
    app = create_app(settings_of(sqlite_url), on_stop=calls.append)
    async with running(app) as client, AsyncExitStack() as stack:
        watched = Watched(app, client)
        await watched.begin()
        opened = [await stack.enter_async_context(streaming(app, f"{watched.path}/events")) for _ in range(3)]
        opened.append(await stack.enter_async_context(streaming(app, "/events")))
        (stop,) = calls
        stop()
        retries = []
        for stream in opened:
            data = (await stream.named("bye")).data
            assert data["code"] == "stopping"
            retries.append(data["retry_after"])
            assert await stream.next() is None
        assert all(0.5 <= seconds <= 2.5 for seconds in retries)
        assert len(set(retries)) > 1
        async with streaming(app, f"{watched.path}/events") as late:
            assert (late.status, late.headers["retry-after"]) == (503, "1")
            assert json.loads(await late.body())["code"] == "overloaded"


async def test_there_are_so_many_streams_and_no_more(sqlite_url: str) -> None:
    app = create_app(settings_of(sqlite_url, watchers=2))
    async with running(app) as client, AsyncExitStack() as stack:
        watched = Watched(app, client)
        await watched.begin()
        await stack.enter_async_context(streaming(app, f"{watched.path}/events"))
        async with streaming(app, "/events"):
            async with streaming(app, f"{watched.path}/events") as refused:
                assert (refused.status, int(refused.headers["retry-after"]) > 0) == (503, True)
                assert json.loads(await refused.body())["code"] == "too-many-watchers"
            async with streaming(app, "/events", method="HEAD") as refused:
                assert refused.status == 503
        async with streaming(app, f"{watched.path}/events") as stream:  # the place of the one that left
            assert stream.status == 200


async def test_refused_request_leaves_its_place(sqlite_url: str) -> None:
    app = create_app(settings_of(sqlite_url, watchers=1))
    async with running(app) as client:
        watched = Watched(app, client)
        await watched.begin()
        for _ in range(3):
            async with streaming(app, f"{watched.path}/events?after_sequence=99") as refused:
                assert refused.status == 410
        async with streaming(app, f"{watched.path}/events") as stream:
            assert stream.status == 200


async def test_silent_stream_has_heartbeats(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(streams, "SWEEP_SECONDS", 0.05)
    for target in (f"{watched.path}/events", f"{watched.path}/events?logs=true", "/events"):
        async with streaming(watched.app, target) as stream:
            for _ in range(3):
                while (await stream.named("comment")).data != "hb":
                    pass


async def test_stream_does_not_last_for_ever(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(streams, "LIFETIME_SECONDS", 0.2)
    for target in (f"{watched.path}/events", "/events"):
        async with streaming(watched.app, target) as stream:
            assert (await stream.named("bye")).data["code"] == "rebalance"
            assert await stream.next() is None


async def test_stream_of_a_flow_run_that_stays_finished_ends(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(streams, "QUIET_SECONDS", 0.5)
    await watched.client.post(f"{watched.path}/states", json={"type": "Success"})
    identifier = watched.path.rpartition("/")[2]
    async with (
        streaming(watched.app, f"/events?flow_run_id={identifier}") as overview,
        streaming(watched.app, f"{watched.path}/events") as stream,
    ):
        assert (await stream.named("bye")).data["code"] == "finished"
        assert b"event: bye" not in overview.raw
        await watched.report("open")  # which is a task run that is not finished
        async with streaming(watched.app, f"{watched.path}/events?after_sequence=0") as open_:
            await open_.named("task_runs")
            await asyncio.sleep(0)
            await watched.report("open", state="Success")
            await open_.named("task_runs")
            assert (await open_.named("bye")).data["code"] == "finished"


async def test_slow_client_gets_everything_before_a_finished_flow_run_ends_its_stream(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(streams, "QUIET_SECONDS", 0.5)
    monkeypatch.setattr("taskruns_service.queries.changes.MAX_CHANGES", 10)
    await watched.report(*(f"t-{number}" for number in range(60)), state="Success")
    await watched.client.post(f"{watched.path}/states", json={"type": "Success"})
    target = f"{watched.path}/events?after_sequence=0"
    async with streaming(watched.app, target) as slow, streaming(watched.app, target) as quick:
        slow.is_read.clear()
        assert (await quick.named("bye")).data["code"] == "finished"
        slow.is_read.set()
        assert (await slow.named("bye")).data["code"] == "finished"
        assert slow.raw.count(b'"task_slug":"t-') == 60


async def test_client_that_does_not_take_the_end_of_a_stream_is_given_up() -> None:
    watchers_of_test: list[Watcher] = []
    is_ending = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"the last event"

    @asynccontextmanager
    async def begin() -> AsyncIterator[AsyncIterator[bytes]]:
        yield chunks()

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        if message.get("more_body") is False:
            is_ending.set()
            await asyncio.Event().wait()

    async def run() -> None:
        watchers_of_test.append(Watcher())
        scope: Any = {"type": "http", "path": "/events"}
        await EventStream(watchers_of_test[0], begin, Traffic())(scope, receive, send)

    task = asyncio.create_task(run())
    await is_ending.wait()
    (watcher,) = watchers_of_test
    assert watcher.is_stalled(time.monotonic() + watchers.SEND_SECONDS)
    watcher.give_up()
    await task


async def test_stream_needs_a_key_and_ends_when_it_is_revoked(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr("taskruns_service.api.key_ring.TRUST_SECONDS", 0.1)
    identifier, key = await asyncio.to_thread(begin_keys, sqlite_url)
    _, other = await asyncio.to_thread(begin_keys, sqlite_url)
    app = create_app(settings_of(sqlite_url, require_keys=True))
    async with running(app):
        async with streaming(app, "/events") as refused:
            assert refused.status == 401
        async with (
            streaming(app, "/events", {"Authorization": f"Bearer {key}"}) as stream,
            streaming(app, "/events", {"Authorization": f"Bearer {other}"}) as kept,
        ):
            assert (await stream.named("now")).data["counts"] == {}
            done = await asyncio.to_thread(call_command, "keys", "revoke", identifier, TASKRUNS_DATABASE_URL=sqlite_url)
            assert done.returncode == 0, done.stderr
            assert (await stream.named("bye")).data["code"] == "unauthenticated"
            assert await stream.next() is None
            assert b"event: bye" not in kept.raw


async def test_client_that_does_not_read_is_left(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(watchers, "SEND_SECONDS", 0.3)
    async with streaming(watched.app, f"{watched.path}/events") as stream:
        await stream.named("flow_run")
        stream.is_read.clear()
        await watched.report("t")
        assert await stream.next() is None
        assert b"event: bye" not in stream.raw


async def test_client_that_has_left_is_forgotten(watched: Watched) -> None:
    async with streaming(watched.app, f"{watched.path}/events") as stream:
        await stream.named("flow_run")
    async with streaming(watched.app, "/events") as stream:
        await stream.named("now")
    live = watched.live()
    assert (len(live.ticker.hubs), live.streams.count) == (0, 0)


@contextmanager
def statements_of_ticks() -> Iterator[list[str]]:
    """The statements that look for changes of flow runs, as they are sent."""
    statements: list[str] = []

    def note(*arguments: Any) -> None:
        text = arguments[2]
        if text.startswith("SELECT flow_run.id, flow_run.sequence \n"):
            statements.append(text)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_stream_ends_although_its_cancellation_is_lost() -> None:
    async def run(steps: list[Watcher]) -> None:
        steps.append(Watcher())
        with suppress(asyncio.CancelledError):  # as a query does that is answered at this moment
            await asyncio.Event().wait()
        await steps[0].wait()

    started: list[Watcher] = []
    task = asyncio.create_task(run(started))
    await asyncio.sleep(0)
    started[0].give_up()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nothing_is_asked_while_nobody_watches(watched: Watched) -> None:
    with statements_of_ticks() as statements:
        async with streaming(watched.app, f"{watched.path}/events") as stream:
            await stream.named("flow_run")
            await watched.report("a")
            await stream.named("task_runs")
        assert statements
        statements.clear()
        for number in range(20):
            await watched.report(f"t-{number}")
        assert len(statements) <= 1  # of a tick that had begun


async def test_all_flow_runs_are_looked_at_with_one_statement(watched: Watched) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(20):
            await watched.begin()
            stream = await stack.enter_async_context(streaming(watched.app, f"{watched.path}/events"))
            await stream.named("flow_run")
        traffic = watched.live().traffic
        with statements_of_ticks() as statements:
            before = traffic.ticks
            while traffic.ticks < before + 5:
                await watched.report("t")
            assert len(statements) <= traffic.ticks - before + 1
