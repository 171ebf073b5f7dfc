"""Writers and readers of a service under faults, and the ledger of what was answered, which the database must hold."""

import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from tests.service import Served, run_command
from tests.waiting import eventually

WRITERS = 4
READERS = 2
PAUSE = 0.05
"""Seconds after which a refused request is sent again."""
SECONDS = 120
"""What it may take on a busy machine until the service records and answers again."""
ACCEPTED = ("created", "recorded", "late", "duplicate")


@dataclass
class Answers:
    """The answers to one kind of request since the last reset."""

    statuses: Counter[int] = field(default_factory=Counter)
    longest: float = 0.0
    """Seconds that a request waited for its answer."""
    successes: list[float] = field(default_factory=list)
    """When, as `time.time` has it."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, began: float, status: int) -> None:
        """Notes the answer to a request that began then; 0 for a request without one."""
        now = time.time()
        with self.lock:
            self.statuses[status] += 1
            self.longest = max(self.longest, now - began)
            if 200 <= status < 300:
                self.successes.append(now)

    def failures(self) -> dict[int, int]:
        """How often there was an answer other than success and 503, by its status."""
        return {status: count for status, count in self.statuses.items() if not 200 <= status < 300 and status != 503}

    def refusals(self) -> int:
        """How often the service said that it was unavailable."""
        return self.statuses[httpx.codes.SERVICE_UNAVAILABLE]

    def longest_gap(self, end: float) -> float:
        """The longest time between two successes, in seconds."""
        moments = [*self.successes, end]
        return max((after - before for before, after in pairwise(moments)), default=0.0)

    def first_after(self, moment: float) -> float:
        """The seconds until the first success after a moment."""
        return min(success for success in self.successes if success > moment) - moment


class Load:
    """What writers and readers see of a service, from one fault to the next."""

    def __init__(self, service: Served, ledger: Path) -> None:
        self._service = service
        self._is_over = threading.Event()
        self._ledger = ledger.open("a")
        self._lock = threading.Lock()
        self.acknowledged: list[str] = []
        """The ids of the states that the service said it had recorded."""
        self.writes, self.reads = Answers(), Answers()
        with service.client() as client:
            self.flow_runs = [
                str(client.post("/flow-runs", json={"flow_name": "ledger"}).raise_for_status().json()["id"])
                for _ in range(WRITERS)
            ]
        targets = [*[self._write] * WRITERS, *[self._read] * READERS]
        self._threads = [threading.Thread(target=target, args=[n], daemon=True) for n, target in enumerate(targets)]

    def reset(self) -> None:
        """Begins to count anew."""
        self.acknowledged, self.writes, self.reads = [], Answers(), Answers()

    def start(self) -> None:
        """Begins."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends, once each request has its answer."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        self._ledger.close()

    def wait_for_writes(self, moment: float) -> None:
        """Waits until the service has recorded something after a moment."""
        eventually(lambda: any(success > moment for success in self.writes.successes[-1:]), SECONDS)

    def wait_for_reads(self, count: int) -> None:
        """Waits until so many more reads have been answered."""
        wanted = len(self.reads.successes) + count
        eventually(lambda: len(self.reads.successes) >= wanted, SECONDS)

    def _write(self, number: int) -> None:
        path = f"/flow-runs/{self.flow_runs[number]}/task-runs"
        with self._service.client() as client:
            for written in self._until_over():
                items = [
                    {"task_slug": f"t-{written % 20}-{n}", "states": [{"id": str(uuid4()), "type": state}]}
                    for n, state in enumerate(["Running", "Retrying", "Running"])
                ]
                self._report(client, path, items)

    def _report(self, client: httpx.Client, path: str, items: list[dict[str, Any]]) -> None:
        """Reports until the service has recorded it, with the same ids."""
        for _ in self._until_over():
            answer = self._request(self.writes, partial(client.post, path, json={"items": items}))
            if answer is not None and answer.is_success:
                assert {item["outcome"] for item in answer.json()["items"]} <= {*ACCEPTED}, answer.text
                identifiers = [state["id"] for item in items for state in item["states"]]
                with self._lock:
                    self._ledger.write(json.dumps({"at": time.time(), "states": identifiers}) + "\n")
                    self._ledger.flush()
                    self.acknowledged += identifiers
                return
            time.sleep(PAUSE)

    def _read(self, number: int) -> None:
        flow_run = self.flow_runs[number % WRITERS]
        paths = (f"/flow-runs/{flow_run}", f"/flow-runs/{flow_run}/task-runs?limit=20")
        with self._service.client() as client:
            for read in self._until_over():
                self._request(self.reads, partial(client.get, paths[read % 2]))
                time.sleep(PAUSE)

    def _request(self, answers: Answers, send: Callable[[], httpx.Response]) -> httpx.Response | None:
        began = time.time()
        try:
            answer = send()
        except httpx.HTTPError:
            answers.add(began, 0)
            return None
        answers.add(began, answer.status_code)
        return answer

    def _until_over(self) -> Iterator[int]:
        number = 0
        while not self._is_over.is_set():
            yield number
            number += 1


@contextmanager
def loaded(service: Served, ledger: Path) -> Iterator[Load]:
    """Runs writers and readers until the block ends."""
    load = Load(service, ledger)
    load.start()
    try:
        yield load
    finally:
        load.stop()


async def value_at(url: str, query: str, *parameters: object) -> Any:
    """The first value that a query gives in a PostgreSQL database."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(query, *parameters)
    finally:
        await connection.close()


async def lost_states(url: str, acknowledged: list[str]) -> list[str]:
    """The states that were acknowledged and that a database does not have."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            recorded = [identifier for (identifier,) in connection.execute("SELECT id FROM task_run_state")]
    else:
        query = "SELECT array_agg(id::text) FROM task_run_state WHERE id = ANY($1::uuid[])"
        recorded = await value_at(url, query, acknowledged) or []
    return sorted({*acknowledged} - {*recorded})


def problems_in(url: str) -> str:
    """What `taskruns-service check` finds wrong with the database; empty if it is as it should be."""
    check = run_command("check", TASKRUNS_DATABASE_URL=url)
    return "" if check.returncode == 0 else check.stdout + check.stderr
