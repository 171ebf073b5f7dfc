"""Where there is no stream: the same events by polling, and the stream again when there is one."""

import threading
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from uuid import uuid4

import pytest

from taskruns import Client
from taskruns.errors import FlowRunNotFound, InvalidAnswer, SequenceUnknown, Unauthenticated
from taskruns.live import FlowRunChanged, feed
from taskruns.models import LogLineReport
from tests.client.live.proxies import EVENT_STREAM, Answer, proxied
from tests.client.live.watching import Kind, report, watching
from tests.service import Served
from tests.waiting import eventually


def response(status: str, body: str = "", *headers: str) -> str:
    """A response, as text."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", body])


def problem(status: int, code: str, *headers: str) -> str:
    """A response with a problem, as text."""
    body = (
        f'{{"type":"urn:taskruns:problem:{code}","title":"t","status":{status},"detail":"d","instance":"/","code":"{code}",'
        '"request_id":"r"}'
    )
    return response(f"{status} Refused", body, "Content-Type: application/problem+json", *headers)


def keep_back(has_ended: threading.Event) -> None:
    """Sends nothing, as a proxy that collects the response."""
    has_ended.wait(60)


def stream(*events: str) -> str:
    """A stream that ends after some events, as text."""
    return EVENT_STREAM + "".join(f"{event}\n\n" for event in events)


NO_STREAM: dict[str, Answer] = {
    "an older service": problem(404, "not-found"),
    "a proxy without the path": response("404 Not Found"),
    "a path for other methods": problem(405, "method-not-allowed"),
    "a service with too many watchers": problem(503, "too-many-watchers", "Retry-After: 60"),
    "a page": response("200 OK", "<html>", "Content-Type: text/html"),
    "a compressed stream": EVENT_STREAM.replace("Connection", "Content-Encoding: gzip\r\nConnection"),
    "two streams that end at once": stream(),
    "two errors of a proxy": response("502 Bad Gateway"),
}


@pytest.mark.parametrize("answer", NO_STREAM.values(), ids=NO_STREAM)
def test_same_events_come_by_polling(answer: Answer, kind: Kind, sqlite_service: Served) -> None:
    with Client(sqlite_service.url) as client, proxied(sqlite_service.url, answer) as proxy:
        flow_run = client.flow_runs.create(flow_name="f")
        with watching(kind, proxy.url, flow_run, interval=0.05) as watch:
            eventually(lambda: watch.is_at("Pending"))
            for state in ("Running", "Success"):
                report(client, flow_run.id, state, "a-1", "b-1")
                eventually(partial(watch.has_states, {"a-1": state, "b-1": state}))
            client.flow_runs.set_state(flow_run.id, type="Success")
    assert watch.error is None
    assert watch.was_polling
    assert len(set(watch.changes)) == len(watch.changes) == 4


def test_proxy_that_buffers_is_polled_around(
    kind: Kind, sqlite_service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "FIRST_BYTE_SECONDS", 0.2)
    with Client(sqlite_service.url) as client, proxied(sqlite_service.url, keep_back) as proxy:
        flow_run = client.flow_runs.create(flow_name="f")
        with watching(kind, proxy.url, flow_run, interval=0.05) as watch:
            eventually(lambda: watch.is_at("Pending"))
            client.flow_runs.set_state(flow_run.id, type="Success")
    assert watch.error is None
    assert watch.was_polling


def test_nothing_is_lost_if_a_list_of_log_lines_fails(kind: Kind, sqlite_service: Served) -> None:
    with Client(sqlite_service.url) as client, proxied(sqlite_service.url, problem(404, "not-found")) as proxy:
        flow_run = client.flow_runs.create(flow_name="f")
        report(client, flow_run.id, "Running", "a-1")
        now = datetime.now(UTC)
        lines = [LogLineReport(id=uuid4(), message=str(number), timestamp=now) for number in range(1001)]
        for start in (0, 1000):
            client.flow_runs.report_logs(flow_run.id, items=lines[start : start + 1000])
        # The first page of lines after the task runs, and then the second one after the first.
        proxy.failing = ["/logs", "cursor="]
        with watching(kind, proxy.url, flow_run, after_sequence=0, logs=True, interval=0.05) as watch:
            eventually(lambda: watch.is_at("Pending"))
            client.flow_runs.set_state(flow_run.id, type="Success")
    assert watch.error is None
    assert proxy.failing == []
    assert watch.states == {"a-1": "Running"}
    assert sorted(watch.messages, key=str) == sorted(map(str, range(1001)))


def test_flow_run_that_does_not_exist_has_no_events(sqlite_service: Served) -> None:
    with Client(sqlite_service.url) as client, proxied(sqlite_service.url, problem(404, "not-found")) as proxy:
        flow_runs = [client.flow_runs.create(flow_name="f") for _ in range(2)]
        ids = [flow_runs[0].id, uuid4(), flow_runs[1].id]
        with Client(proxy.url) as other, other.service.events(flow_run_id=ids, interval=0.05) as events:
            seen = {event.flow_run.id for event in islice(events, 2) if isinstance(event, FlowRunChanged)}
            client.flow_runs.delete(flow_runs[0].id)
            client.flow_runs.set_state(flow_runs[1].id, type="Running")
            changed = next(events)
    assert seen == {flow_run.id for flow_run in flow_runs}
    assert isinstance(changed, FlowRunChanged)
    assert (changed.flow_run.id, changed.flow_run.state) == (flow_runs[1].id, "Running")


def test_log_lines_have_the_position_of_the_stream_that_they_go_on(sqlite_service: Served) -> None:
    line = f'{{"id":"{uuid4()}","message":"m","level":"INFO","name":null,"timestamp":"2026-01-01T00:00:00Z"'
    lines = stream(f'event: logs\ndata: {{"items":[{line},"flow_run_id":"{uuid4()}","task_run_id":null}}]}}')
    with Client(sqlite_service.url) as client, proxied(sqlite_service.url, lines) as proxy:
        flow_run = client.flow_runs.create(flow_name="f")
        with Client(proxy.url) as other, other.flow_runs.events(flow_run.id, after_sequence=5, logs=True) as events:
            assert next(events).last_event_id == "5"


def test_pages_of_changes_are_polled_to_the_end(client: Client, service: Served) -> None:
    flow_run = client.flow_runs.create(flow_name="f")
    slugs = [f"a-{number}" for number in range(2100)]
    for start in range(0, len(slugs), 1000):
        report(client, flow_run.id, "Running", *slugs[start : start + 1000])
    client.flow_runs.set_state(flow_run.id, type="Success")
    with (
        proxied(service.url, problem(404, "not-found")) as proxy,
        watching(Client, proxy.url, flow_run, after_sequence=0) as watch,
    ):
        pass
    assert watch.states == dict.fromkeys(slugs, "Running")
    assert len(watch.changes) == len(slugs)


def test_stream_takes_over_again(sqlite_service: Served, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "FIRST_POLLING", 0.1)
    refused = problem(503, "too-many-watchers")
    with Client(sqlite_service.url) as client, proxied(sqlite_service.url, refused, refused, None) as proxy:
        flow_run = client.flow_runs.create(flow_name="f")
        with watching(kind, proxy.url, flow_run, interval=0.05, logs=True) as watch:
            eventually(lambda: len(proxy.requests) == 3)
            report(client, flow_run.id, "Running", "a-1")
            eventually(lambda: watch.states == {"a-1": "Running"})
            client.flow_runs.set_state(flow_run.id, type="Success")
    assert watch.error is None
    assert watch.was_polling
    assert [request.get("last-event-id") for request in proxy.requests] == [None, "0", "0"]


def test_resync_loads_what_the_stream_left_out(sqlite_service: Served, kind: Kind) -> None:
    resync = stream('event: resync\ndata: {"sequence": 2, "reason": "behind"}')
    with Client(sqlite_service.url) as client, proxied(sqlite_service.url, resync, None) as proxy:
        flow_run = client.flow_runs.create(flow_name="f")
        report(client, flow_run.id, "Running", "a-1")
        with watching(kind, proxy.url, flow_run, after_sequence=0) as watch:
            eventually(lambda: watch.states == {"a-1": "Running"})
            client.flow_runs.set_state(flow_run.id, type="Success")
    assert watch.error is None
    assert [request["last-event-id"] for request in proxy.requests] == ["0", "2"]
    assert len(watch.changes) == 1


def test_gap_in_the_stream_is_noticed_and_filled(sqlite_service: Served, kind: Kind) -> None:
    gap = stream('id: 9\nevent: task_runs\ndata: {"from": 8, "sequence": 9, "items": []}')
    with Client(sqlite_service.url) as client, proxied(sqlite_service.url, gap, None) as proxy:
        flow_run = client.flow_runs.create(flow_name="f")
        report(client, flow_run.id, "Running", "a-1")
        with watching(kind, proxy.url, flow_run, after_sequence=0) as watch:
            eventually(lambda: watch.states == {"a-1": "Running"})
            client.flow_runs.set_state(flow_run.id, type="Success")
    assert watch.error is None


def test_goodbye_says_when_to_come_back(sqlite_service: Served, kind: Kind) -> None:
    bye = stream('event: bye\ndata: {"code": "stopping", "retry_after": 0.05}')
    with Client(sqlite_service.url) as client, proxied(sqlite_service.url, bye, bye, bye, None) as proxy:
        flow_run = client.flow_runs.create(flow_name="f")
        with watching(kind, proxy.url, flow_run) as watch:
            eventually(lambda: watch.is_at("Pending"))
            client.flow_runs.set_state(flow_run.id, type="Success")
    assert watch.error is None
    assert not watch.was_polling
    assert len(proxy.requests) == 4


ENDS = {
    "gone": ("event: gone\ndata: {}", FlowRunNotFound),
    "restored": ('event: resync\ndata: {"sequence": 3, "reason": "reset"}', SequenceUnknown),
    "not JSON": ("event: task_runs\ndata: {", InvalidAnswer),
    "no position": ('id: \u00e9\nevent: logs\ndata: {"items": []}', InvalidAnswer),
    "key revoked": ('event: bye\ndata: {"code": "unauthenticated", "retry_after": 3000}', Unauthenticated),
    "finished": ('event: bye\ndata: {"code": "finished", "retry_after": 1}', type(None)),
}


@pytest.mark.parametrize(("event", "error"), ENDS.values(), ids=ENDS)
def test_events_that_end_it(event: str, error: type, kind: Kind, sqlite_service: Served) -> None:
    with Client(sqlite_service.url) as client, proxied(sqlite_service.url, stream(event)) as proxy:
        flow_run = client.flow_runs.create(flow_name="f")
        with watching(kind, proxy.url, flow_run, after_sequence=5) as watch:
            pass
    assert type(watch.error) is error


@pytest.mark.parametrize(
    ("answer", "error"),
    [(problem(401, "unauthenticated"), Unauthenticated), (problem(410, "sequence-unknown"), SequenceUnknown)],
)
def test_refusal_is_the_error_of_other_calls(answer: str, error: type, kind: Kind, sqlite_service: Served) -> None:
    with Client(sqlite_service.url) as client, proxied(sqlite_service.url, stream(), answer) as proxy:
        flow_run = client.flow_runs.create(flow_name="f")
        with watching(kind, proxy.url, flow_run) as watch:
            pass
    assert type(watch.error) is error


def test_restored_database_is_noticed_by_polling_too(sqlite_service: Served) -> None:
    with Client(sqlite_service.url) as client, proxied(sqlite_service.url, problem(404, "not-found")) as proxy:
        flow_run = client.flow_runs.create(flow_name="f")
        with watching(Client, proxy.url, flow_run, after_sequence=100) as watch:
            pass
    assert isinstance(watch.error, SequenceUnknown)


def test_event_of_a_newer_service_is_left_out(sqlite_service: Served) -> None:
    newer = stream("event: weather\ndata: sunny", 'event: bye\ndata: {"code": "stopping", "retry_after": 0}')
    with Client(sqlite_service.url) as client, proxied(sqlite_service.url, newer, None) as proxy:
        flow_run = client.flow_runs.create(flow_name="f")
        with Client(proxy.url) as other, other.flow_runs.events(flow_run.id) as events:
            assert isinstance(next(events), FlowRunChanged)
