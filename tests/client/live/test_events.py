"""The events of flow runs: each change once, in order, from any position, over lost connections and restarts."""

import asyncio
import threading
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from taskruns import AsyncClient, Client
from taskruns.errors import (
    ConnectionFailed,
    FlowRunNotFound,
    InvalidArgument,
    ProblemError,
    SequenceUnknown,
    Unauthenticated,
)
from taskruns.live import FlowRunChanged, LogLinesAdded, NowChanged, TaskRunsChanged
from taskruns.models import LogLineReport
from tests.client.faults import refusing
from tests.client.live.proxies import EVENT_STREAM, proxied
from tests.client.live.watching import Kind, report, watching
from tests.postgres import free_port
from tests.service import Served, call_command, served
from tests.waiting import eventually


def test_changes_come_as_they_happen(client: Client, kind: Kind, service: Served) -> None:
    flow_run = client.flow_runs.create(flow_name="f")
    with watching(kind, service.url, flow_run) as watch:
        eventually(lambda: watch.is_at("Pending"))
        for state in ("Running", "Success"):
            report(client, flow_run.id, state, "a-1", "b-1")
            eventually(partial(watch.has_states, {"a-1": state, "b-1": state}))
        client.flow_runs.set_state(flow_run.id, type="Success")
    assert watch.error is None
    assert len(set(watch.changes)) == len(watch.changes) == 4
    assert not watch.was_polling


def test_any_position_can_be_resumed(client: Client) -> None:
    flow_run = client.flow_runs.create(flow_name="f")
    report(client, flow_run.id, "Running", "a-1", "b-1", "c-1")
    with client.flow_runs.events(flow_run.id, after_sequence=0) as events:
        first, second = next(events), next(events)
    assert isinstance(first, TaskRunsChanged)
    assert isinstance(second, FlowRunChanged)
    assert [item.task_slug for item in first.items] == ["a-1", "b-1", "c-1"]
    report(client, flow_run.id, "Success", "b-1")
    resumed = (
        client.flow_runs.events(flow_run.id, last_event_id=first.last_event_id),
        client.flow_runs.events(flow_run.id, after_sequence=first.sequence),
    )
    for later_events in resumed:
        with later_events as events:
            changed = next(events)
        assert isinstance(changed, TaskRunsChanged)
        assert [(item.task_slug, item.state) for item in changed.items] == [("b-1", "Success")]


def test_filter_leaves_out_other_tasks_and_log_lines_come_if_they_are_wanted(client: Client) -> None:
    flow_run = client.flow_runs.create(flow_name="f")
    with client.flow_runs.events(flow_run.id, task_slug="b-1", logs=True) as events:
        next(events)
        report(client, flow_run.id, "Running", "a-1", "b-1")
        line = LogLineReport(id=uuid4(), message="hello", timestamp=datetime.now(UTC))
        client.flow_runs.report_logs(flow_run.id, items=[line])
        lines: list[str | None] = []
        slugs: list[str] = []
        while not (lines and slugs):
            match next(events):
                case TaskRunsChanged(items=items):
                    slugs += [item.task_slug for item in items]
                case LogLinesAdded(items=items):
                    lines += [item.message for item in items]
    assert (slugs, lines) == (["b-1"], ["hello"])


def test_position_that_the_flow_run_never_had_is_an_error(client: Client) -> None:
    flow_run = client.flow_runs.create(flow_name="f")
    with pytest.raises(SequenceUnknown), client.flow_runs.events(flow_run.id, after_sequence=100) as events:
        next(events)


INVALID: list[dict[str, Any]] = [
    {"after_sequence": -1},
    {"last_event_id": "a\n"},
    {"after_sequence": 1, "last_event_id": "1"},
    {"flow_run_id": ".."},
    {"interval": 0.0},
    {"patience": float("nan")},
]


@pytest.mark.parametrize("arguments", INVALID, ids=str)
def test_arguments_that_are_not_valid_are_refused_before_anything_is_sent(arguments: dict[str, Any]) -> None:
    with Client() as client, pytest.raises(InvalidArgument):
        client.flow_runs.events(**{"flow_run_id": uuid4(), **arguments})


def test_flow_run_that_does_not_exist_or_is_deleted_is_an_error(client: Client, kind: Kind, service: Served) -> None:
    with pytest.raises(FlowRunNotFound), client.flow_runs.events(uuid4()) as events:
        next(events)
    flow_run = client.flow_runs.create(flow_name="f")
    with watching(kind, service.url, flow_run) as watch:
        eventually(lambda: bool(watch.events))
        client.flow_runs.delete(flow_run.id)
    assert isinstance(watch.error, FlowRunNotFound)


def test_iterator_ends_at_its_timeout(client: Client) -> None:
    flow_run = client.flow_runs.create(flow_name="f")
    with client.flow_runs.events(flow_run.id, timeout=0.2) as events:
        assert [type(event) for event in events] == [FlowRunChanged]


@pytest.mark.parametrize(
    "answer",
    [EVENT_STREAM, EVENT_STREAM + 'event: bye\ndata: {"code": "stopping", "retry_after": 30}\n\n'],
    ids=["a silent stream", "a long wait"],
)
def test_other_thread_ends_the_wait_for_an_event(answer: str, sqlite_service: Served) -> None:
    with proxied(sqlite_service.url, answer) as proxy, Client(proxy.url) as client:
        proxy.holds_streams = True
        events = client.flow_runs.events(uuid4(), after_sequence=0)
        thread = threading.Thread(target=list, args=[events], daemon=True)
        thread.start()
        eventually(lambda: client.position.was_reached)
        events.close()
        thread.join(10)
        assert not thread.is_alive()


def test_step_that_is_cancelled_can_be_taken_again(sqlite_service: Served) -> None:
    async def main() -> None:
        async with AsyncClient(sqlite_service.url) as client:
            flow_run = await client.flow_runs.create(flow_name="f")
            async with client.flow_runs.events(flow_run.id) as events:
                await anext(events)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(events), 0.1)
                await client.flow_runs.set_state(flow_run.id, type="Running")
                changed = await anext(events)
                assert isinstance(changed, FlowRunChanged)
                assert changed.flow_run.state == "Running"

    asyncio.run(main())


def test_several_flow_runs_and_what_all_are_doing(client: Client) -> None:
    flow_runs = [client.flow_runs.create(flow_name="f") for _ in range(2)]
    with client.service.events(flow_run_id=[flow_run.id for flow_run in flow_runs], now=True) as events:
        seen: list[object] = []
        while len(seen) < 3:
            event = next(events)
            seen.append(type(event) if isinstance(event, NowChanged) else event.flow_run.id)
        assert {*seen} == {NowChanged, *(flow_run.id for flow_run in flow_runs)}
        client.flow_runs.set_state(flow_runs[1].id, type="Running")
        while not isinstance(event := next(events), FlowRunChanged):
            pass
        assert (event.flow_run.id, event.flow_run.state) == (flow_runs[1].id, "Running")


@pytest.mark.slow
def test_service_may_come_and_go(kind: Kind, tmp_path: Path) -> None:
    database, port = f"sqlite:///{tmp_path / 'taskruns.db'}", free_port()
    with served(database, tmp_path, port=port) as first, Client(first.url) as client:
        flow_run = client.flow_runs.create(flow_name="f")
        watcher = watching(kind, first.url, flow_run)
        watch = watcher.__enter__()
        eventually(lambda: bool(watch.events))
    with served(database, tmp_path, port=port) as second, Client(second.url) as client:
        report(client, flow_run.id, "Running", "a-1")
        client.flow_runs.set_state(flow_run.id, type="Success")
        watcher.__exit__(None, None, None)
    assert watch.error is None
    assert watch.states == {"a-1": "Running"}


@pytest.mark.slow
def test_service_that_stays_away_is_an_error_after_some_patience(kind: Kind, tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path / 'taskruns.db'}", tmp_path) as service, Client(service.url) as client:
        flow_run = client.flow_runs.create(flow_name="f")
        watcher = watching(kind, service.url, flow_run, patience=0.2)
        watch = watcher.__enter__()
        eventually(lambda: bool(watch.events))
    watcher.__exit__(None, None, None)
    assert watch.error is not None
    assert not isinstance(watch.error, ProblemError)


def test_service_that_was_never_reached_is_an_error_at_once(kind: Kind) -> None:
    flow_run = uuid4()

    def ask(url: str) -> None:
        with Client(url, max_retries=0) as client, client.flow_runs.events(flow_run) as events:
            next(events)

    async def ask_async(url: str) -> None:
        async with AsyncClient(url, max_retries=0) as client, client.flow_runs.events(flow_run) as events:
            await anext(events)

    with refusing() as url, pytest.raises(ConnectionFailed):
        asyncio.run(ask_async(url)) if kind is AsyncClient else ask(url)


@pytest.mark.slow
def test_key_that_is_revoked_ends_it(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'taskruns.db'}"
    assert call_command("migrate", TASKRUNS_DATABASE_URL=database).returncode == 0
    created = call_command("keys", "create", "--name", "watcher", "--scope", "write", TASKRUNS_DATABASE_URL=database)
    key = next(word for word in created.stdout.split() if word.startswith("trk_"))
    with served(database, tmp_path, require_keys="true") as service, Client(service.url, api_key=key) as client:
        flow_run = client.flow_runs.create(flow_name="f")
        with watching(Client, service.url, flow_run, api_key=key) as watch:
            eventually(lambda: bool(watch.events))
            revoked = call_command("keys", "revoke", key.split("_")[1], TASKRUNS_DATABASE_URL=database)
            assert revoked.returncode == 0, revoked.stderr
    assert isinstance(watch.error, Unauthenticated)
