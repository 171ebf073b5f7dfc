"""A day of a busy service: flow runs of four flows, one of them with a large map, for pictures and for long lists."""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

BATCH = 1000
FLOWS = {
    "etl": ("extract-1", "transform-1", "load-1"),
    "nightly-report": ("query-1", "render-1", "send-1"),
    "train-model": ("features-1", "fit-1", "evaluate-1"),
    "sync-crm": ("fetch-1", "upsert-1"),
}
MESSAGES = (
    "ConnectionResetError: [Errno 104] Connection reset by peer",
    "KeyError: 'customer_id' is not in batch {number}",
    "TimeoutError: no answer from warehouse-{number} after 30 s",
)
NAMES = ("brave", "calm", "eager", "fuzzy", "jolly", "keen", "lucid", "merry", "quiet", "swift")
ANIMALS = ("badger", "crane", "falcon", "gecko", "heron", "ibis", "lynx", "otter", "robin", "stoat")


def record(http: httpx.Client, now: datetime, *, flow_runs: int = 60, children: int = 2000, failed: int = 19) -> UUID:
    """Records the day that ends now; returns the id of the flow run with the large map, which is still running."""
    chance = random.Random(7)
    for number in range(flow_runs):
        begin = now - timedelta(hours=23.5 * (1 - number / flow_runs), seconds=chance.uniform(60, 600))
        _record_flow_run(http, chance, number, begin, is_running=number >= flow_runs - 3)
    return _record_map(http, chance, now - timedelta(minutes=42), children, failed)


def _create(http: httpx.Client, flow_name: str, name: str, **others: Any) -> str:
    answer = http.post("/flow-runs", json={"flow_name": flow_name, "name": name, **others})
    answer.raise_for_status()
    return str(answer.json()["id"])


def _report(http: httpx.Client, flow_run_id: str, items: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(items), BATCH):
        answer = http.post(f"/flow-runs/{flow_run_id}/task-runs", json={"items": items[start : start + BATCH]})
        assert answer.status_code == 200, answer.text


def _set_state(http: httpx.Client, flow_run_id: str, type_: str, at: datetime, message: str | None = None) -> None:
    state = {"type": type_, "timestamp": at.isoformat(), "message": message}
    http.post(f"/flow-runs/{flow_run_id}/states", json=state).raise_for_status()


def _states(begin: datetime, *moments: tuple[str, float], message: str | None = None) -> list[dict[str, Any]]:
    """States so many seconds after a begin; the message is of the last one."""
    states: list[dict[str, Any]] = [
        {"type": type_, "timestamp": (begin + timedelta(seconds=seconds)).isoformat()} for type_, seconds in moments
    ]
    if message is not None:
        states[-1]["message"] = message
    return states


def _record_flow_run(
    http: httpx.Client, chance: random.Random, number: int, begin: datetime, *, is_running: bool
) -> None:
    flow_name = chance.choice(list(FLOWS))
    labels = ["prod"] if chance.random() < 0.7 else ["staging"]
    flow_run_id = _create(http, flow_name, f"{chance.choice(NAMES)}-{chance.choice(ANIMALS)}-{number}", labels=labels)
    _set_state(http, flow_run_id, "Running", begin)
    fails = not is_running and chance.random() < 0.2
    slugs, seconds = FLOWS[flow_name], 1.0
    for place, slug in enumerate(slugs):
        is_last = place == len(slugs) - 1
        took = chance.lognormvariate(3, 1)
        moments = [("Pending", seconds), ("Running", seconds + 0.5)]
        message = None
        if is_last and fails:
            moments.append(("Failed", seconds + took))
            message = chance.choice(MESSAGES).format(number=number)
        elif not (is_last and is_running):
            moments.append(("Success", seconds + took))
        _report(http, flow_run_id, [{"task_slug": slug, "states": _states(begin, *moments, message=message)}])
        seconds += took
    if not is_running:
        end = begin + timedelta(seconds=seconds + 1)
        _set_state(
            http,
            flow_run_id,
            "Failed" if fails else "Success",
            end,
            f"1 of {len(slugs)} task runs failed." if fails else None,
        )


def _record_map(http: httpx.Client, chance: random.Random, begin: datetime, children: int, failed: int) -> UUID:
    flow_run_id = _create(
        http, "etl", "big-map", labels=["prod"], parameters={"day": "2026-11-30", "partitions": children}
    )
    _set_state(http, flow_run_id, "Running", begin)
    _report(
        http,
        flow_run_id,
        [
            {"task_slug": "extract-1", "states": _states(begin, ("Running", 1), ("Success", 31.5))},
            {"task_slug": "transform-1", "states": _states(begin, ("Running", 32), ("Mapped", 33))},
            {"task_slug": "load-1", "states": _states(begin, ("Pending", 33))},
        ],
    )
    _report(http, flow_run_id, list(_children(chance, begin, children, failed)))
    return UUID(flow_run_id)


def _children(chance: random.Random, begin: datetime, children: int, failed: int) -> Iterator[dict[str, Any]]:
    """The children of a map on 200 workers: some failed, and the last ones run or wait."""
    failures = set(chance.sample(range(int(children * 0.9)), failed))
    free = [33.0] * 200
    for index in range(children):
        worker = min(range(len(free)), key=free.__getitem__) if index % 7 == 0 else index % len(free)
        start, took = free[worker], chance.lognormvariate(0.5, 0.6)
        free[worker] = start + took
        moments = [("Pending", 33.0), ("Running", start)]
        message = None
        if index in failures:
            moments.append(("Failed", start + took))
            message = chance.choice(MESSAGES).format(number=index)
        elif index < children * 0.985:
            moments.append(("Success", start + took))
        elif index >= children * 0.995:
            moments.pop()
        yield {"task_slug": "transform-1", "map_index": index, "states": _states(begin, *moments, message=message)}
