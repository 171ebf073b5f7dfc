"""The stream of several flow runs, and of all runs at a glance."""

import asyncio
from uuid import uuid4

from taskruns_service.live.watchers import Watcher
from tests.streams import Watched, streaming


async def test_flow_runs_come_as_they_are_and_when_they_have_changed(watched: Watched) -> None:
    first = watched.path.rpartition("/")[2]
    await watched.begin()
    second = watched.path.rpartition("/")[2]
    target = f"/events?flow_run_id={first}&flow_run_id={second}&flow_run_id={uuid4()}&flow_run_id={first}"
    async with streaming(watched.app, target) as stream:
        assert [(await stream.named("flow_run")).data["id"] for _ in range(2)] == [first, second]
        await watched.report("t", state="Success")
        event = await stream.named("flow_run")
        assert event.data["id"] == second
        assert event.data["task_run_counts"] == {"Success": 1}
        await watched.client.delete(watched.path)
        watched.path = f"/flow-runs/{first}"
        await watched.report("t")
        assert (await stream.named("flow_run")).data["id"] == first
        assert b"event: now" not in stream.raw


async def test_all_runs_at_a_glance_come_when_they_have_changed(watched: Watched) -> None:
    await watched.report("a", state="Success")
    async with streaming(watched.app, "/events") as stream, streaming(watched.app, "/events?topic=now") as other:
        first = await stream.named("now")
        created = (await watched.client.get(watched.path)).json()["created"]
        assert first.data == {
            "counts": {"Success": 1},
            "running_flow_runs": 0,
            "failures": [],
            "newest_flow_run_created": created,
        }
        assert await other.named("now") == first
        await watched.report("b", state="Failed")
        await watched.client.post(f"{watched.path}/states", json={"type": "Running"})
        event = await stream.named("now")
        while not event.data["running_flow_runs"]:
            event = await stream.named("now")
        (failure,) = (await watched.client.get("/task-runs", params={"state": "Failed"})).json()["items"]
        assert event.data["failures"] == [failure]
        assert event.data["counts"] == {"Failed": 1, "Success": 1}
        assert event.id != first.id


async def test_topic_and_flow_runs_share_a_stream(watched: Watched) -> None:
    identifier = watched.path.rpartition("/")[2]
    async with streaming(watched.app, f"/events?topic=now&flow_run_id={identifier}") as stream:
        assert (await stream.named("flow_run")).data["id"] == identifier
        await stream.named("now")
        await watched.report("t")
        names = {(await stream.named("flow_run")).name, (await stream.named("now")).name}
        assert names == {"flow_run", "now"}


async def test_what_was_read_for_a_client_that_has_left_is_not_kept(watched: Watched) -> None:
    now = watched.live().now
    with now.watched(Watcher()):
        look = asyncio.create_task(now.look())
        await asyncio.sleep(0)
    await look
    assert now.chunks == ()
