"""What the pages of task runs, tasks and logs are tried with: retries, late states, results, and attacks."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx

from taskruns.type_aliases import JsonObject

TRACEBACK = """\
Traceback (most recent call last):
  File "/srv/flows/etl.py", line 21, in load
    rows = total(day) // share(day)
           ~~~~~~~~~~~^^~~~~~~~~~~~
ZeroDivisionError: division by zero"""
MESSAGE = "Unexpected error: ZeroDivisionError('division by zero')\nThe day has no share.\n  rows: 0"
SCRIPT = "<img src=x onerror=\"document.title='attacked'\"><script>document.title='attacked'</script>"
TURNED = "gnp.\u202eexe\u2066\u0007\u001b[31mred"
"""Marks that turn the text around them, a bell, and a colour of terminals."""


class Recorded(NamedTuple):
    """The ids of a flow run, and of its task runs by slug and map index."""

    flow_run_id: str
    task_run_ids: dict[tuple[str, int], str]


def state(state_type: str, at: datetime, **others: Any) -> dict[str, Any]:
    """A state as reports have it."""
    return {"type": state_type, "timestamp": at.isoformat(), **others}


def record(client: httpx.Client, flow_name: str, task_runs: Sequence[dict[str, Any]], **others: Any) -> Recorded:
    """Records a flow run with task runs, as reports have them."""
    response = client.post("/flow-runs", json={"flow_name": flow_name, **others}).raise_for_status()
    flow_run_id = response.json()["id"]
    ids: dict[tuple[str, int], str] = {}
    for start in range(0, len(task_runs), 1000):
        items = task_runs[start : start + 1000]
        response = client.post(f"/flow-runs/{flow_run_id}/task-runs", json={"items": items}).raise_for_status()
        for item, receipt in zip(items, response.json()["items"], strict=True):
            assert receipt["problem"] is None, receipt
            ids[item["task_slug"], item.get("map_index", -1)] = receipt["task_run_id"]
    return Recorded(flow_run_id, ids)


def report_state(client: httpx.Client, flow_run_id: str, state_type: str, at: datetime, **others: Any) -> None:
    """Reports a state of a flow run."""
    client.post(f"/flow-runs/{flow_run_id}/states", json=state(state_type, at, **others)).raise_for_status()


def record_failed(client: httpx.Client, flow_name: str, end: datetime, result: JsonObject) -> Recorded:
    """A flow run whose `load-1` failed in its third attempt, a day after the first; `extract-1` has the result."""
    begin = end - timedelta(seconds=90_100)

    def at(seconds: float) -> datetime:
        return begin + timedelta(seconds=seconds)

    retry = {"details": {"start_time": at(90_000).isoformat(), "traceback": TRACEBACK}}
    load = [
        state("Pending", at(0)),
        state("Running", at(12)), state("Retrying", at(40), message="Retrying after try 1 of 3.", **retry),
        state("Running", at(60)), state("Retrying", at(100), message="Retrying after try 2 of 3.", **retry),
        state("Running", at(90_000)),
        state("Failed", at(90_064.5), message=MESSAGE, details={"traceback": TRACEBACK}),
    ]  # fmt: skip
    children = [
        {
            "task_slug": "inc-1",
            "map_index": index,
            "states": [state("Running", at(1 + index)), state("Success", at(3 + index))],
        }
        for index in range(3)
    ]
    task_runs: list[dict[str, Any]] = [
        {"task_slug": "extract-1", "tags": ["nightly", "rows"], "states": [
            state("Running", at(0)), state("Success", at(2), message="Read 3 rows.", result=result),
        ]},
        {"task_slug": "inc-1", "states": [state("Mapped", at(1))]},
        *children,
        {"task_slug": "load-1", "name": "load the day", "states": load},
    ]  # fmt: skip
    recorded = record(client, flow_name, task_runs, name=f"{flow_name}-failed")
    late = {"task_run_id": recorded.task_run_ids["load-1", -1], **state("Running", at(50), message="It came late.")}
    client.post("/task-runs/states", json={"items": [late]}).raise_for_status()
    report_state(client, recorded.flow_run_id, "Running", at(0))
    report_state(client, recorded.flow_run_id, "Failed", at(90_070), message="1 of 6 task runs failed.")
    return recorded


def record_earlier(client: httpx.Client, flow_name: str, end: datetime, count: int, hours: float) -> list[Recorded]:
    """Flow runs before `end`, each with a `load-1` that takes longer than the one before; each seventh failed."""
    recorded: list[Recorded] = []
    for number in range(count):
        begin = end - timedelta(hours=hours * (count - number) / count)
        is_failed = number % 7 == 3
        end_time = begin + timedelta(seconds=5 + number % 23 * (1 + number % 5))
        message = f"Row {number} has no share." if is_failed else None
        states = [
            state("Pending", begin),
            state("Running", begin + timedelta(seconds=1)),
            state("Failed" if is_failed else "Success", end_time, message=message),
        ]
        load = {"task_slug": "load-1", "states": states}
        recorded.append(record(client, flow_name, [load], name=f"{flow_name}-{number}"))
    return recorded


def record_running(client: httpx.Client, flow_name: str, now: datetime) -> Recorded:
    """A flow run that goes on: `wait-1` runs, `later-1` waits for its turn."""
    details = {"start_time": (now + timedelta(hours=1)).isoformat()}
    task_runs = [
        {"task_slug": "wait-1", "states": [state("Running", now - timedelta(seconds=75))]},
        {"task_slug": "later-1", "states": [state("Scheduled", now, details=details)]},
    ]
    recorded = record(client, flow_name, task_runs, name=f"{flow_name}-running")
    report_state(client, recorded.flow_run_id, "Running", now - timedelta(seconds=80))
    client.post(f"/flow-runs/{recorded.flow_run_id}/heartbeats").raise_for_status()
    return recorded


def record_attack(client: httpx.Client, now: datetime) -> Recorded:
    """A flow run of which everything that others write is an attack, or as long as it can be."""
    long_name = (TURNED + SCRIPT + "x" * 255)[:255]
    message = f"{SCRIPT}\n{TURNED}\n" + "é" * 65_000
    own = {"type": "Own<b>Result", "x": SCRIPT, "location": "l"}
    value = {"type": "ConstantResult", "value": {"a": SCRIPT}}
    stored = {"type": "S3Result", "bucket": "b", "location": f"{'k' * 500}/<b>.pickle"}
    task_runs = [
        {"task_slug": SCRIPT[:200], "name": long_name, "tags": [SCRIPT[:200], TURNED, "t" * 255], "states": [
            state("Running", now), state("Failed", now + timedelta(seconds=1), message=message, details={
                "traceback": SCRIPT + "\n" + TRACEBACK, "more": SCRIPT,
            }),
        ]},
        {"task_slug": "stored-1", "states": [state("Running", now), state("Success", now, result=stored)]},
        {"task_slug": "own-1", "states": [state("Success", now, result=own)]},
        {"task_slug": "value-1", "states": [state("Success", now, result=value)]},
    ]  # fmt: skip
    recorded = record(client, SCRIPT[:200], task_runs, name=long_name, parameters={"x": SCRIPT})
    task_run_id = recorded.task_run_ids[SCRIPT[:200], -1]
    add_artifacts(client, task_run_id, [
        ("link", {"link": "ftp://example.com/x"}), ("link", {"link": "//example.com/<b>"}),
        ("link", {"link": "https://example.com/report?x=<b>"}),
        ("markdown", {"markdown": f"# Report\n{SCRIPT}\n[x](javascript:1)"}),
    ])  # fmt: skip
    report_lines(client, recorded.flow_run_id, [
        (now, "ERROR", SCRIPT, task_run_id), (now, "INFO", TURNED, task_run_id),
        (now, "WARNING", "y" * 65_536, task_run_id),
    ])  # fmt: skip
    return recorded


def add_artifacts(client: httpx.Client, task_run_id: str, artifacts: Sequence[tuple[str, dict[str, str]]]) -> None:
    """Adds artifacts to a task run, as engines of Prefect 1 do."""
    mutation = "mutation($input: create_task_run_artifact_input!) { create_task_run_artifact(input: $input) { id } }"
    for kind, data in artifacts:
        variables = {"input": {"task_run_id": task_run_id, "kind": kind, "data": data}}
        response = client.post("/graphql", json={"query": mutation, "variables": variables})
        assert response.json().get("errors") is None, response.text


def record_lines(client: httpx.Client, recorded: Recorded, task_slug: str, end: datetime, count: int) -> None:
    """The log of a task run: a line each second, each ninth an error, each fiftieth of several lines."""
    task_run_id = recorded.task_run_ids[task_slug, -1]
    lines = []
    for number in range(count):
        message = f"Row {number} is odd:\n{TRACEBACK}" if number % 50 == 49 else f"Read row {number}."
        at = end - timedelta(seconds=count - number)
        lines.append((at, "ERROR" if number % 9 == 8 else "INFO", message, task_run_id))
    report_lines(client, recorded.flow_run_id, lines)


def report_lines(
    client: httpx.Client, flow_run_id: str, lines: Sequence[tuple[datetime, str, str, str | None]]
) -> None:
    """Reports log lines: their time, level, message, and task run."""
    items = [
        {
            "id": _line_id(flow_run_id, at, number),
            "timestamp": at.isoformat(),
            "level": level,
            "name": "etl",
            "message": message,
            **({"task_run_id": task_run_id} if task_run_id else {}),
        }
        for number, (at, level, message, task_run_id) in enumerate(lines)
    ]
    for start in range(0, len(items), 1000):
        client.post(f"/flow-runs/{flow_run_id}/logs", json={"items": items[start : start + 1000]}).raise_for_status()


def _line_id(flow_run_id: str, at: datetime, number: int) -> str:
    milliseconds = int(at.astimezone(UTC).timestamp() * 1000)
    return f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7000-8000-{flow_run_id[-4:]}{number:08x}"
