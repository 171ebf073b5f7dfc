"""Streams of a service that runs in processes of its own: its end, its time-outs and clients that are gone."""

import json
import os
import signal
from contextlib import ExitStack, closing
from pathlib import Path

import httpx

from taskruns_service.live.watchers import HEARTBEAT_SECONDS
from tests.processes import workers_of
from tests.service import Served, served
from tests.sockets import begin_flow_run, connect, read_to_the_end, read_until, vanish
from tests.streams import Event, events_in
from tests.waiting import eventually

STREAMS = 200


def test_all_streams_get_bye_when_the_service_stops(service: Served) -> None:
    with service.client() as client, ExitStack() as stack:
        path = begin_flow_run(client)
        connections = [stack.enter_context(closing(connect(service, f"{path}/events"))) for _ in range(STREAMS)]
        for connection in connections:
            read_until(connection, b"event: flow_run")
        answer = client.post(f"{path}/task-runs", json={"items": [{"task_slug": "t", "states": [{"type": "Running"}]}]})
        assert answer.status_code == 200
        assert service.stop() == 0
        assert "Killing" not in service.output()
        for connection in connections:
            rest = read_to_the_end(connection)
            assert b'"code":"stopping"' in rest
            assert rest.endswith(b"0\r\n\r\n")  # it ended as it should


def test_silent_stream_outlives_the_time_for_idle_connections(sqlite_url: str, tmp_path: Path) -> None:
    with served(sqlite_url, tmp_path, receive_timeout=1) as service, service.client() as client:
        path = begin_flow_run(client)
        with closing(connect(service, f"{path}/events")) as stream:
            read_until(stream, b"event: flow_run")
            for _ in range(3):
                with closing(connect(service, "/health")) as idle:
                    while idle.recv(65_536):  # until the service closes it
                        pass
            client.post(f"{path}/task-runs", json={"items": [{"task_slug": "t", "states": [{"type": "Running"}]}]})
            read_until(stream, b"event: task_runs")


def test_place_of_a_client_that_is_gone_is_free_again(sqlite_url: str, tmp_path: Path) -> None:
    with served(sqlite_url, tmp_path, watchers=1) as service, service.client() as client:
        path = begin_flow_run(client)
        with closing(connect(service, f"{path}/events")) as stream:
            read_until(stream, b"event: flow_run")
            assert client.get(f"{path}/events").json()["code"] == "too-many-watchers"

        def is_free() -> bool:
            with client.stream("GET", f"{path}/events") as response:
                return response.status_code == httpx.codes.OK

        eventually(is_free)


def test_client_that_vanishes_leaves_before_a_second_heartbeat_is_due(sqlite_url: str, tmp_path: Path) -> None:
    with served(sqlite_url, tmp_path) as service, service.client() as client:
        path = begin_flow_run(client)
        with (
            closing(connect(service, f"{path}/events")) as vanished,
            closing(connect(service, f"{path}/events")) as present,
        ):
            for stream in (vanished, present):
                read_until(stream, b"event: flow_run")
            vanish(vanished)
            eventually(lambda: "stream ended" in service.output(), seconds=2 * HEARTBEAT_SECONDS)
            assert service.output().count("stream ended") == 1
            client.post(f"{path}/task-runs", json={"items": [{"task_slug": "t", "states": [{"type": "Running"}]}]})
            read_until(present, b"event: task_runs")


def test_change_in_one_process_reaches_the_streams_of_the_other(postgres_url: str, tmp_path: Path) -> None:
    with (
        served(postgres_url, tmp_path, "--workers", "2") as service,
        service.client() as client,
        ExitStack() as stack,
    ):
        path = begin_flow_run(client)
        connections = [stack.enter_context(closing(connect(service, f"{path}/events"))) for _ in range(20)]
        for connection in connections:
            read_until(connection, b"event: flow_run")
        for number in range(5):
            item = {"task_slug": f"t-{number}", "states": [{"type": "Running"}]}
            client.post(f"{path}/task-runs", json={"items": [item]})
            for connection in connections:
                read_until(connection, f'"task_slug":"t-{number}"'.encode())


def test_log_has_a_line_when_a_stream_begins_and_one_when_it_ends(sqlite_url: str, tmp_path: Path) -> None:
    with served(sqlite_url, tmp_path) as service, service.client() as client:
        path = begin_flow_run(client)
        with client.stream("GET", f"{path}/events") as response:
            first: Event = next(events_in(response.iter_lines()))
            assert first.name == "flow_run"
            eventually(lambda: "stream began" in service.output())
        eventually(lambda: "stream ended" in service.output())
        lines = [json.loads(line) for line in service.output().splitlines() if "stream " in line]
        assert [line["path"] for line in lines] == [f"{path}/events"] * 2
        assert len({line["request_id"] for line in lines}) == 1


def test_stream_ends_when_its_worker_is_told_to_stop(sqlite_url: str, tmp_path: Path) -> None:
    with served(sqlite_url, tmp_path) as service, service.client() as client:
        path = begin_flow_run(client)
        with closing(connect(service, f"{path}/events")) as stream:
            read_until(stream, b"event: flow_run")
            (worker,) = workers_of(service)
            os.kill(worker, signal.SIGTERM)
            read_until(stream, b'"code":"stopping"')
