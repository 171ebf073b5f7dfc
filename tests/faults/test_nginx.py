"""Streams behind nginx with its default buffering: events come at once, and silent streams are not cut off."""

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.nginx import behind_nginx
from tests.service import Served, served
from tests.sockets import begin_flow_run, connect, read_until
from tests.waiting import eventually

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]

log = logging.getLogger(__name__)

ROUNDS = 10
FIRST_EVENT_SECONDS = 0.5
HEARTBEAT = b": hb\n\n"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    """The service with two places for streams."""
    with served(f"sqlite:///{tmp_path / 'taskruns.db'}", tmp_path, watchers=2) as service:
        yield service


def report(client: httpx.Client, path: str, slug: str) -> None:
    response = client.post(f"{path}/task-runs", json={"items": [{"task_slug": slug, "states": [{"type": "Running"}]}]})
    assert response.status_code == httpx.codes.OK, response.text


def test_events_come_at_once(service: Served, tmp_path: Path) -> None:
    with behind_nginx(service, tmp_path) as proxied, proxied.client() as client:
        path = begin_flow_run(client)
        seconds: dict[str, list[float]] = {"first event": [], "change": []}
        for number in range(ROUNDS):
            began = time.perf_counter()
            with closing(connect(proxied, f"{path}/events")) as stream:
                read_until(stream, b"event: flow_run")
                seconds["first event"].append(time.perf_counter() - began)
                began = time.perf_counter()
                report(client, path, f"t-{number}")
                read_until(stream, b"event: task_runs")
                seconds["change"].append(time.perf_counter() - began)
    for name, values in seconds.items():
        log.info("%s: median %.0f ms, longest %.0f ms", name, 1000 * sorted(values)[ROUNDS // 2], 1000 * max(values))
    # An event that nginx keeps back comes with the next heartbeat, 15 seconds later.
    assert min(seconds["first event"]) < FIRST_EVENT_SECONDS
    assert min(seconds["change"]) < FIRST_EVENT_SECONDS


def test_silent_stream_outlives_the_patience_of_nginx(
    service: Served, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    patience, heartbeats = (60, 20) if request.config.getoption("--full") else (20, 4)
    with behind_nginx(service, tmp_path, f"proxy_read_timeout {patience}s") as proxied, proxied.client() as client:
        path = begin_flow_run(client)
        with closing(connect(proxied, f"{path}/events")) as stream:
            read_until(stream, b"event: flow_run")
            for _ in range(heartbeats):
                read_until(stream, HEARTBEAT)
            report(client, path, "t")
            read_until(stream, b"event: task_runs")


def test_nginx_with_less_patience_than_a_heartbeat_takes_is_noticed(service: Served, tmp_path: Path) -> None:
    with behind_nginx(service, tmp_path, "proxy_read_timeout 5s") as proxied, proxied.client() as client:
        path = begin_flow_run(client)
        with closing(connect(proxied, f"{path}/events")) as stream, pytest.raises(AssertionError):
            read_until(stream, HEARTBEAT)


def test_client_that_leaves_nginx_leaves_the_service(service: Served, tmp_path: Path) -> None:
    with behind_nginx(service, tmp_path) as proxied, proxied.client() as client:
        path = begin_flow_run(client)
        streams: list[socket.socket] = [connect(proxied, f"{path}/events") for _ in range(2)]
        for stream in streams:
            read_until(stream, b"event: flow_run")
        assert client.get(f"{path}/events").json()["code"] == "too-many-watchers"
        for stream in streams:
            stream.close()
        eventually(lambda: service.output().count("stream ended") == len(streams))
