"""Storms: clients that watch a flow run while connections are cut, workers killed and PostgreSQL restarted."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import httpx

from tests.pictures import Picture
from tests.postgres import PostgresServer
from tests.processes import kill, workers_of
from tests.service import Served
from tests.sockets import begin_flow_run
from tests.streams import events_in
from tests.waiting import eventually

READERS = 4
SECONDS = 60
UNTIL_NEXT_FAULT = 1.5
PAGE = 1_000

Fault = Callable[[], None]


class Storm(NamedTuple):
    """What happens to a service while it is watched."""

    seed: int
    task_runs: int
    """How many task runs change at random."""
    cuts: int
    """How many connections are cut at least."""
    faults: Sequence[Fault]


class Reader(threading.Thread):
    """A client that watches a flow run, cuts its connection at random, and comes back where it was."""

    def __init__(self, service: Served, path: str, seed: int) -> None:
        super().__init__(daemon=True)
        self.picture = Picture()
        self.picture.start(0)
        self.cuts = 0
        self.longest_gap = 0.0
        """Seconds without an event."""
        self.error: BaseException | None = None
        self.is_done = threading.Event()
        self._service = service
        self._path = path
        self._generator = random.Random(seed)
        self._last_event = time.monotonic()

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
                now = time.monotonic()
                self.longest_gap, self._last_event = max(self.longest_gap, now - self._last_event), now
                if number == until_cut or self.is_done.is_set():
                    self.cuts += 1
                    return


def killing(service: Served, generator: random.Random) -> Fault:
    """A fault: a worker is killed."""

    def fault() -> None:
        eventually(lambda: bool(workers_of(service)), SECONDS)
        kill(generator.choice(workers_of(service)))

    return fault


def restarting(server: PostgresServer) -> Fault:
    """A fault: PostgreSQL restarts."""
    return server.restart


def watch_through(storm: Storm, service: Served, path: str | None = None) -> list[Reader]:
    """Watches a flow run through a storm; returns the readers, each of which has the task runs as the list has them.

    Raises AssertionError if one of them has missed a change or got one twice.
    """
    with service.client() as client:
        path = path or begin_flow_run(client)
        readers = [Reader(service, path, 100 * storm.seed + number) for number in range(READERS)]
        is_over = threading.Event()
        writer = threading.Thread(target=_report, args=[service, path, is_over, storm], daemon=True)
        for thread in (*readers, writer):
            thread.start()
        for fault in storm.faults:
            _wait_for_changes(readers)
            fault()
            time.sleep(UNTIL_NEXT_FAULT)  # the supervisor waits longer and longer if workers die one after another
        eventually(lambda: _any_failed(readers) or sum(reader.cuts for reader in readers) >= storm.cuts, SECONDS)
        is_over.set()
        writer.join()
        flow_run: dict[str, Any] = {}
        eventually(lambda: _is_read(client, path, flow_run), SECONDS)
        eventually(
            lambda: _any_failed(readers) or all(reader.picture.sequence == flow_run["sequence"] for reader in readers),
            SECONDS,
        )
        items = _listed(client, path)
    for reader in readers:
        reader.is_done.set()
        if reader.error is not None:
            raise reader.error
        reader.picture.compare(items)
    return readers


def _report(service: Served, path: str, is_over: threading.Event, storm: Storm) -> None:
    """Changes task runs at random, whatever becomes of the requests."""
    generator = random.Random(storm.seed)
    with service.client() as client:
        while not is_over.is_set():
            items = [
                {"task_slug": f"t-{generator.randrange(storm.task_runs)}", "states": [{"type": state}]}
                for state in generator.choices(["Running", "Retrying"], k=generator.randrange(1, 6))
            ]
            with suppress(httpx.HTTPError):
                client.post(f"{path}/task-runs", json={"items": items})


def _wait_for_changes(readers: list[Reader]) -> None:
    """Waits until a reader has seen some more."""
    before = readers[0].picture.sequence
    eventually(lambda: _any_failed(readers) or readers[0].picture.sequence > before + 20, SECONDS)


def _any_failed(readers: list[Reader]) -> bool:
    return any(reader.error is not None for reader in readers)


def _is_read(client: httpx.Client, path: str, flow_run: dict[str, Any]) -> bool:
    """Whether the service answers again; keeps the flow run."""
    with suppress(httpx.HTTPError):
        response = client.get(path)
        if response.status_code == httpx.codes.OK:
            flow_run.update(response.json())
            return True
    return False


def _listed(client: httpx.Client, path: str) -> list[Any]:
    """All task runs of a flow run."""
    items: list[Any] = []
    while True:
        after = items[-1]["sequence"] if items else 0
        parameters = {"sort": "sequence", "after_sequence": after, "limit": PAGE}
        page = client.get(f"{path}/task-runs", params=parameters).raise_for_status().json()["items"]
        items += page
        if len(page) < PAGE:
            return items
