"""The stream of a flow run: what it sends, where it begins, and that nothing comes twice or is missing."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlalchemy import event as events

from taskruns_service.live import hubs
from tests.streams import Stream, Watched, streaming


async def collect(stream: Stream, sequence: int) -> dict[str, Any]:
    """What a client has of the task runs once it has all up to a sequence; fails if anything comes twice."""
    seen: set[tuple[str, int]] = set()
    task_runs: dict[str, Any] = {}
    last = None
    while last is None or last < sequence:
        event = await stream.named("task_runs")
        assert last in (None, event.data["from"])
        assert event.sequences == sorted(event.sequences)
        assert all(event.data["from"] < number <= event.data["sequence"] for number in event.sequences)
        last = event.data["sequence"]
        assert event.id == f"{last}"
        for item in event.data["items"]:
            assert (item["id"], item["sequence"]) not in seen
            seen.add((item["id"], item["sequence"]))
            task_runs[item["id"]] = item
    return task_runs


async def test_stream_begins_at_the_present_and_sends_what_changes(watched: Watched) -> None:
    await watched.report("before")
    async with streaming(watched.app, f"{watched.path}/events") as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "no-store, no-transform"
        assert stream.headers["x-accel-buffering"] == "no"
        first = await stream.next()
        assert first is not None
        assert stream.raw.startswith(b": hello\nretry: 1000\n\n")
        assert (first.name, first.data["sequence"]) == ("flow_run", await watched.sequence())
        assert first.id == f"{first.data['sequence']}"
        await watched.report("t", state="Success")
        event = await stream.named("task_runs")
        assert [item["task_slug"] for item in event.data["items"]] == ["t"]
        assert event.data["items"] == [
            task_run for task_run in (await watched.listed()).values() if task_run["task_slug"] == "t"
        ]
        summary = await stream.named("flow_run")
        assert summary.data["task_run_counts"] == {"Running": 1, "Success": 1}
        assert summary.data["sequence"] == event.data["sequence"] == await watched.sequence()


async def test_any_sequence_can_be_resumed_after(watched: Watched) -> None:
    for round_ in range(4):
        await watched.report(*(f"t-{number}" for number in range(round_, round_ + 3)), state="Success")
    last = await watched.sequence()
    for after in range(last):
        async with streaming(watched.app, f"{watched.path}/events?after_sequence={after}") as stream:
            expected = {key: item for key, item in (await watched.listed()).items() if item["sequence"] > after}
            assert await collect(stream, last) == expected


async def test_last_event_id_goes_before_the_parameter(watched: Watched) -> None:
    await watched.report("a")
    seen = await watched.sequence()
    await watched.report("b")
    headers = {"Last-Event-ID": f"{seen}"}
    async with streaming(watched.app, f"{watched.path}/events?after_sequence=0", headers) as stream:
        event = await stream.named("task_runs")
        assert [item["task_slug"] for item in event.data["items"]] == ["b"]


async def test_changes_of_a_thousand_task_runs_are_one_event(watched: Watched) -> None:
    async with streaming(watched.app, f"{watched.path}/events") as stream:
        await stream.named("flow_run")
        await watched.report(*(f"t-{number}" for number in range(1000)))
        event = await stream.named("task_runs")
        assert len(event.data["items"]) == 1000


async def test_events_have_a_thousand_task_runs_at_most(watched: Watched) -> None:
    for start in (0, 900, 1800):
        await watched.report(*(f"t-{number}" for number in range(start, start + 900)))
    async with streaming(watched.app, f"{watched.path}/events?after_sequence=0") as stream:
        assert len(await collect(stream, await watched.sequence())) == 2700
        assert max(len(json.loads(line[6:])["items"]) for line in stream.raw.split(b"\n") if b'"from"' in line) == 1000


async def test_large_task_runs_come_in_small_events(watched: Watched) -> None:
    items = [
        {"task_slug": f"t-{number}", "states": [{"type": "Running", "message": "x" * 60_000}]} for number in range(60)
    ]
    await watched.client.post(f"{watched.path}/task-runs", json={"items": items})
    async with streaming(watched.app, f"{watched.path}/events?after_sequence=0") as stream:
        assert len(await collect(stream, await watched.sequence())) == 60
        assert max(map(len, stream.raw.split(b"\n"))) < 2**20 + 1000


async def test_large_task_runs_are_read_about_once(watched: Watched) -> None:
    items = [
        {"task_slug": f"t-{number}", "states": [{"type": "Running", "message": "x" * 60_000}]} for number in range(60)
    ]
    await watched.client.post(f"{watched.path}/task-runs", json={"items": items})
    statements: list[str] = []

    def note(*arguments: Any) -> None:
        if "WITH changes AS" in arguments[2]:
            statements.append(arguments[2])

    events.listen(Engine, "before_cursor_execute", note)
    try:
        async with streaming(watched.app, f"{watched.path}/events?after_sequence=0") as stream:
            await collect(stream, await watched.sequence())
    finally:
        events.remove(Engine, "before_cursor_execute", note)
    batches = stream.raw.count(b"event: task_runs")
    assert len(statements) <= batches + 2


async def test_reader_of_two_tasks_gets_bookmarks_for_the_others(watched: Watched) -> None:
    async with streaming(watched.app, f"{watched.path}/events?task_slug=a&task_slug=b") as stream:
        await stream.named("flow_run")
        await watched.report("other")
        bookmark = await stream.named("bookmark")
        assert bookmark.id == f"{await watched.sequence()}"
        await watched.report("a", "other")
        event = await stream.named("task_runs")
        assert [item["task_slug"] for item in event.data["items"]] == ["a"]


async def test_task_runs_have_the_chosen_members_with_their_identity(watched: Watched) -> None:
    target = f"{watched.path}/events?after_sequence=0"
    async with (
        streaming(watched.app, f"{target}&fields=state,task_slug") as chosen,
        streaming(watched.app, f"{target}&fields=task_slug&fields=state&task_slug=b") as other,
        streaming(watched.app, target) as whole,
    ):
        await watched.report("a", "b")
        items = (await whole.named("task_runs")).data["items"]
        names = ("id", "task_slug", "state", "sequence")
        expected = [{name: item[name] for name in names} for item in items]
        assert (await chosen.named("task_runs")).data["items"] == expected
        assert (await other.named("task_runs")).data["items"] == expected[1:]
    async with streaming(watched.app, f"{target}&fields=state,colour") as refused:
        assert refused.status == 400


async def test_whoever_is_too_far_behind_is_told_to_load_everything(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskruns_service.queries.changes.MAX_BEHIND", 20)
    await watched.report(*(f"t-{number}" for number in range(30)))
    async with streaming(watched.app, f"{watched.path}/events?after_sequence=0") as stream:
        event = await stream.named("resync")
        assert event.data == {"sequence": await watched.sequence(), "reason": "behind"}
        assert await stream.next() is None
    headers = {"Last-Event-ID": f"{event.data['sequence']}"}
    async with streaming(watched.app, f"{watched.path}/events", headers) as stream:
        await watched.report("t-1", state="Success")
        assert len((await stream.named("task_runs")).data["items"]) == 1


async def test_deleted_flow_run_ends_the_stream(watched: Watched) -> None:
    async with streaming(watched.app, f"{watched.path}/events") as stream:
        await stream.named("flow_run")
        await watched.client.delete(watched.path)
        assert (await stream.named("gone")).data == {}
        assert await stream.next() is None


async def test_finished_flow_run_does_not_end_the_stream(watched: Watched) -> None:
    await watched.report("t", state="Success")
    await watched.client.post(f"{watched.path}/states", json={"type": "Success"})
    async with streaming(watched.app, f"{watched.path}/events") as stream:
        assert (await stream.named("flow_run")).data["state"] == "Success"
        await watched.report("late", state="Success")
        assert (await stream.named("task_runs")).data["items"][0]["task_slug"] == "late"


@pytest.mark.parametrize(
    ("target", "headers", "status", "code"),
    [
        (f"/flow-runs/{UUID(int=0)}/events", {}, 404, "flow-run-not-found"),
        ("{path}/events?after_sequence=1000000", {}, 410, "sequence-unknown"),
        ("{path}/events?after_sequence=-1", {}, 400, "invalid-request"),
        ("{path}/events?colour=red", {}, 400, "invalid-request"),
        ("{path}/events", {"Last-Event-ID": "abc"}, 400, "invalid-request"),
        ("{path}/events", {"Last-Event-ID": "1000000"}, 410, "sequence-unknown"),
        ("/events?topic=weather", {}, 400, "invalid-request"),
        ("/events?flow_run_id=1", {}, 400, "invalid-request"),
    ],
)
async def test_errors_are_problems_before_the_first_byte(
    watched: Watched, target: str, headers: dict[str, str], status: int, code: str
) -> None:
    async with streaming(watched.app, target.format(path=watched.path), headers) as stream:
        assert (stream.status, stream.headers["content-type"]) == (status, "application/problem+json")
        assert json.loads(await stream.body())["code"] == code


async def test_head_of_a_stream_has_headers_and_ends(watched: Watched) -> None:
    async with streaming(watched.app, f"{watched.path}/events", method="HEAD") as stream:
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert await stream.body() == b""


async def test_watchers_at_different_sequences_get_the_same_in_the_end(watched: Watched) -> None:
    await watched.report("t-0")
    async with asyncio.timeout(60), streaming(watched.app, f"{watched.path}/events?after_sequence=0") as slow:
        slow.is_read.clear()
        for number in range(80):  # more than a hub keeps
            await watched.report(f"t-{number % 7}", state="Running" if number % 2 else "Retrying")
        async with streaming(watched.app, f"{watched.path}/events?after_sequence=0") as quick:
            last = await watched.sequence()
            expected = await watched.listed()
            assert await collect(quick, last) == expected
        slow.is_read.set()
        assert await collect(slow, last) == expected


async def test_summary_that_is_due_travels_with_the_next_change(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "SUMMARY_SECONDS", 3_600)
    database, ticker = watched.database(), watched.live().ticker

    def hint_when_summaries_are_due() -> None:
        monkeypatch.setattr(hubs, "SUMMARY_SECONDS", 0)
        ticker.hint()

    async with streaming(watched.app, f"{watched.path}/events") as stream:
        await stream.named("flow_run")
        await watched.report("without-a-summary")
        await stream.named("task_runs")
        monkeypatch.setattr(database, "after_commit", hint_when_summaries_are_due)
        await watched.report("with-a-summary")
        event = await stream.next()
        assert event is not None
        assert event.name == "task_runs"
        assert (await stream.named("flow_run")).data["sequence"] == event.data["sequence"]


async def test_restored_flow_run_is_read_anew(watched: Watched) -> None:
    await watched.report("before")
    backup = await watched.sequence()
    await watched.report("lost", "lost too")
    lost = await watched.sequence()
    flow_run_id = watched.path.rpartition("/")[2]
    async with streaming(watched.app, f"/events?flow_run_id={flow_run_id}") as overview:
        async with streaming(watched.app, f"{watched.path}/events?after_sequence=0") as stream:
            await collect(stream, lost)
            await watched.rewind(backup)
            assert (await stream.named("resync")).data == {"sequence": backup, "reason": "reset"}
            assert await stream.next() is None
        while (await overview.named("flow_run")).data["sequence"] != backup:
            pass
        for number in range(4):  # past the sequence that it had before
            await watched.report(f"new-{number}")
        for after in (0, lost):
            target = f"{watched.path}/events?after_sequence={after}"
            listed = {key: item for key, item in (await watched.listed()).items() if item["sequence"] > after}
            async with streaming(watched.app, target) as stream:
                assert await collect(stream, await watched.sequence()) == listed
