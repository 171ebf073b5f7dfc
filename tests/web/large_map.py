"""A flow run with one map of 100,000 children, of which 419 failed, as the pages must be able to show it."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import httpx

CHILDREN = 100_000
WORKERS = 200
BEGIN = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)
MESSAGES = {
    "KeyError: 'price'": 300,
    "TimeoutError: no answer from 10.0.0.{} after 30 s": 100,
    "ValueError: row {} has no share": 19,
}
"""What failed children say, and how many of them."""
FAILURES = sum(MESSAGES.values())


def record_large_map(client: httpx.Client, children: int = CHILDREN) -> UUID:
    """Records the flow run in bulk reports, and returns its id; of fewer children, as many fail."""
    created = client.post("/flow-runs", json={"flow_name": "nightly-prices", "name": "big-map"})
    flow_run_id = UUID(created.raise_for_status().json()["id"])
    task_runs = _task_runs(children)
    while items := list(islice(task_runs, 1000)):
        client.post(f"/flow-runs/{flow_run_id}/task-runs", json={"items": items}).raise_for_status()
    return flow_run_id


def milliseconds(timestamp: str) -> float:
    """A time of the API in milliseconds since 1970."""
    return datetime.fromisoformat(timestamp).timestamp() * 1000


def failed_children(children: int = CHILDREN) -> dict[int, str]:
    """The message of each failed child, by map index; the same ones each time."""
    messages = [message.format(number) for message, count in MESSAGES.items() for number in range(count)]
    indexes = random.Random(419).sample(range(children), len(messages))
    return dict(zip(indexes, messages, strict=True))


def _task_runs(children: int) -> Iterator[dict[str, Any]]:
    """Reports of the task runs: `extract`, the map `transform` on 200 workers, and `load`, which did not run."""
    chance = random.Random(1)
    failed = failed_children(children)
    yield {"task_slug": "extract-1", "states": _states(0, 0.2, 4, "Success")}
    yield {"task_slug": "transform-1", "states": [_state("Mapped", 4.2)]}
    free = [4.5 + worker * 0.004 for worker in range(WORKERS)]
    for index in range(children):
        worker = index % WORKERS
        begin, duration = free[worker], min(chance.lognormvariate(0, 0.6), 20)
        free[worker] = begin + duration + 0.02
        type_ = "Failed" if index in failed else "Success"
        states = _states(4.3, begin, begin + duration, type_, failed.get(index))
        yield {"task_slug": "transform-1", "map_index": index, "states": states}
    end = _state("TriggerFailed", max(free), "Upstream failed.")
    yield {"task_slug": "load-1", "states": [_state("Pending", 4.3), end]}


def _states(queued: float, begin: float, end: float, type_: str, message: str | None = None) -> list[dict[str, Any]]:
    return [_state("Pending", queued), _state("Running", begin), _state(type_, end, message)]


def _state(type_: str, seconds: float, message: str | None = None) -> dict[str, Any]:
    timestamp = (BEGIN + timedelta(seconds=seconds)).isoformat()
    return {"type": type_, "timestamp": timestamp, **({"message": message} if message else {})}
