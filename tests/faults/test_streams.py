"""Streams while connections are cut, workers are killed and PostgreSQL is restarted: nothing is missing or double."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.pictures import Picture
from tests.postgres import PostgresServer
from tests.processes import kill, workers_of
from tests.service import Served, served
from tests.streams import events_in
from tests.waiting import eventually

READERS = 4
TASK_RUNS = 40
SECONDS = 60
UNTIL_NEXT_FAULT = 1.5


class Reader(threading.Thread):
    """A client that watches a flow run, cuts its connection at random, and comes back where it was."""

    def __init__(self, service: Served, path: str, seed: int) -> None:
        super().__init__(daemon=True)
        self.picture = Picture()
        self.picture.start(0)
        self.cuts = 0
        self.error: BaseException | None = None
        self.is_done = threading.Event()
        self._service = service
        self._path = path
        self._generator = random.Random(seed)

    def run(self) -> None:
        """Reads until it is told to end, or finds something wrong."""
        try:
            with self._service.client() as client:
                while not self.is_done.is_set():
                    with suppress(httpx.HTTPError):
                        self._read(client)
                    time.sleep(0.02)
        except BaseException as error:  # the test raises it
            self.error = error

    def _read(self, client: httpx.Client) -> None:
        headers = {} if self.picture.last_id is None else {"Last-Event-ID": self.picture.last_id}
        target = f"{self._path}/events?after_sequence=0"
        until_cut = self._generator.randrange(1, 8)
        with client.stream("GET", target, headers=headers, timeout=20) as response:
            if response.status_code != httpx.codes.OK:
                assert response.status_code == httpx.codes.SERVICE_UNAVAILABLE, response.read()
                return
            for number, event in enumerate(events_in(response.iter_lines())):
                self.picture.take(event)
                if number == until_cut or self.is_done.is_set():
                    self.cuts += 1
                    return


def report(service: Served, path: str, is_over: threading.Event, seed: int) -> None:
    """Changes task runs at random, whatever becomes of the requests."""
    generator = random.Random(seed)
    with service.client() as client:
        while not is_over.is_set():
            items = [
                {"task_slug": f"t-{generator.randrange(TASK_RUNS)}", "states": [{"type": state}]}
                for state in generator.choices(["Running", "Retrying"], k=generator.randrange(1, 6))
            ]
            with suppress(httpx.HTTPError):
                client.post(f"{path}/task-runs", json={"items": items})


def faults_of(service: Served, server: PostgresServer | None, generator: random.Random) -> Iterator[None]:
    """Does one fault after another: a worker is killed, or PostgreSQL restarted."""
    while True:
        if server is not None and generator.random() < 0.5:
            server.restart()
        else:
            kill(generator.choice(workers_of(service)))
        yield


@pytest.fixture
def service(
    request: pytest.FixtureRequest, tmp_path: Path, server: PostgresServer
) -> Iterator[tuple[Served, PostgresServer | None]]:
    """The service on SQLite in one process, and on PostgreSQL in two behind one port."""
    if request.param == "sqlite":
        with served(f"sqlite:///{tmp_path / 'taskruns.db'}", tmp_path, synchronous="NORMAL") as service:
            yield service, None
    else:
        url = request.getfixturevalue("url")
        with served(url, tmp_path, "--workers", "2") as service:
            yield service, server


@pytest.mark.parametrize(
    ("service", "seed"), [("sqlite", 0), ("postgres", 0), ("postgres", 1), ("postgres", 2)], indirect=["service"]
)
def test_nothing_is_missing_or_double_whatever_fails(service: tuple[Served, PostgresServer | None], seed: int) -> None:
    running, server = service
    with running.client() as client:
        path = f"/flow-runs/{client.post('/flow-runs', json={'flow_name': 'etl'}).json()['id']}"
        readers = [Reader(running, path, 100 * seed + number) for number in range(READERS)]
        is_over = threading.Event()
        writer = threading.Thread(target=report, args=[running, path, is_over, seed], daemon=True)
        for thread in (*readers, writer):
            thread.start()
        faults = faults_of(running, server, random.Random(seed))
        for _ in range(3):
            wait_for_changes(readers)
            next(faults)
            time.sleep(UNTIL_NEXT_FAULT)  # the supervisor waits longer and longer if workers die one after another
        eventually(lambda: any_failed(readers) or sum(reader.cuts for reader in readers) > READERS, SECONDS)
        is_over.set()
        writer.join()
        flow_run: dict[str, Any] = {}
        eventually(lambda: is_read(client, path, flow_run), SECONDS)
        eventually(
            lambda: any_failed(readers) or all(reader.picture.sequence == flow_run["sequence"] for reader in readers),
            SECONDS,
        )
        items = client.get(f"{path}/task-runs", params={"limit": 1000}).json()["items"]
    for reader in readers:
        reader.is_done.set()
        if reader.error is not None:
            raise reader.error
        reader.picture.compare(items)


def wait_for_changes(readers: list[Reader]) -> None:
    """Waits until a reader has seen some more."""
    before = readers[0].picture.sequence
    eventually(lambda: any_failed(readers) or readers[0].picture.sequence > before + 20, SECONDS)


def any_failed(readers: list[Reader]) -> bool:
    return any(reader.error is not None for reader in readers)


def is_read(client: httpx.Client, path: str, flow_run: dict[str, Any]) -> bool:
    """Whether the service answers again; keeps the flow run."""
    with suppress(httpx.HTTPError):
        response = client.get(path)
        if response.status_code == httpx.codes.OK:
            flow_run.update(response.json())
            return True
    return False
