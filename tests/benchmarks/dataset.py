"""The rows of one database to ask about, and the requests that ask the service about it."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from taskruns_service.domain.states import StateType
from taskruns_service.queries import paging
from taskruns_service.storage.dialects import utc_text
from tests.benchmarks import data
from tests.benchmarks.load import Ask, Batches

KNOWN = 2000
PAGE = 100
DEEP = 10_000
RETRIES = ({"type": "Failed", "message": "Connection refused."}, {"type": "Running", "message": "Starting task run."})
"""What task runs are reported to be in turn, so that each of these many reports is one that users send."""


class Dataset(NamedTuple):
    """One database: some of what is in it."""

    task_runs: int
    task_run_ids: list[str]
    """Of whole flow runs from all over the table, those of a flow run together."""
    flow_run_ids: list[str]
    second_page: str
    """A cursor: where the second page of the successful task runs begins."""
    deep_page: str
    deep: int
    """The number of the page that `deep_page` leads to."""
    last_hour: str
    """The moment since which there are as many task runs in every database, about 4,000."""
    new: Batches
    """Task runs that are not there yet."""


async def look(url: str, task_runs: int) -> Dataset:
    """Looks for things to ask about in a database of PostgreSQL's."""
    connection = await data.connect(url)
    try:
        flow_runs = [
            str(row[0])
            for row in await connection.fetch("SELECT id FROM flow_run ORDER BY md5(id::text) LIMIT $1", KNOWN // PAGE)
        ]
        ids = await connection.fetch(
            "SELECT id FROM task_run WHERE flow_run_id = ANY ($1) ORDER BY flow_run_id, id", flow_runs
        )
        deep = min(DEEP, task_runs * 9 // 10 // PAGE - 1)
        before = "SELECT id FROM task_run WHERE state = 'Success' ORDER BY id DESC OFFSET $1 LIMIT 1"
        ends = [await connection.fetchval(before, page * PAGE - 1, timeout=600) for page in (1, deep - 1)]
        largest = await connection.fetch("SELECT id FROM flow_run ORDER BY created DESC LIMIT 50")
        last_hour = await connection.fetchval("SELECT max(start_time) - interval '1 hour' FROM flow_run")
    finally:
        await connection.close()
    second, last = (cursor(end) for end in ends)
    receivers = [str(row[0]) for row in largest]
    return Dataset(
        task_runs=task_runs,
        task_run_ids=[str(row[0]) for row in ids],
        flow_run_ids=flow_runs,
        second_page=second,
        deep_page=last,
        deep=deep,
        last_hour=utc_text(last_hour),
        new=Batches(lambda number: new(receivers, number)),
    )


def cursor(task_run_id: UUID) -> str:
    """A cursor for the page of successful task runs after this one, as the service would have given it."""
    question = paging.question_of("task runs", {"state": [StateType.Success]}, "-created")
    return paging.write_cursor(question, (str(task_run_id),))


def new(flow_run_ids: list[str], number: int) -> Ask:
    """A request that registers a task run that was not there."""
    item = {"task_slug": f"task-{number % 10}", "map_index": 1000 + number}
    return Ask(f"/flow-runs/{flow_run_ids[number % len(flow_run_ids)]}/task-runs", {"items": [item]})


def query(path: str, **parameters: Any) -> Ask:
    """A GET request with a query string."""
    return Ask(f"{path}?{urlencode(parameters, doseq=True)}")


def by_id(dataset: Dataset) -> list[Ask]:
    """One task run by id, another one each time."""
    return [Ask(f"/task-runs/{identifier}") for identifier in dataset.task_run_ids]


def of_flow_run(dataset: Dataset) -> list[Ask]:
    """The 100 task runs of a flow run, of another one each time."""
    return [Ask(f"/flow-runs/{identifier}/task-runs") for identifier in dataset.flow_run_ids]


def successful(dataset: Dataset, after: str) -> list[Ask]:
    """A page of the successful task runs of all flow runs."""
    return [query("/task-runs", state="Success", cursor=after)]


def last_day() -> str:
    """The moment since which there are 100,000 task runs."""
    return (datetime.now(UTC) - timedelta(days=1)).isoformat().replace("+00:00", "Z")


def slow_slugs() -> list[Ask]:
    """The 95th percentile of the durations of a day, by task slug."""
    return [query("/task-runs/aggregate", group_by="task_slug", measure="p95_duration", start_time_gte=last_day())]


def transitions(dataset: Dataset, items: int) -> list[Ask]:
    """Reports of states, so many in a request: neighbours belong to one flow run, as when that reports what it did."""
    ids = dataset.task_run_ids
    if items == 1:
        return [Ask(f"/task-runs/{identifier}/states", state) for state in RETRIES for identifier in ids]
    parts = [ids[start : start + items] for start in range(0, len(ids), items)]
    return [
        Ask("/task-runs/states", {"items": [{"task_run_id": identifier, **state} for identifier in part]})
        for state in RETRIES
        for part in parts
    ]
