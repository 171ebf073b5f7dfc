"""A service with task runs in every state that their pages show, to look at and not to change."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from taskruns.results import JSONSerializer, LocalResult, wire
from tests.service import served
from tests.web.task_runs import data
from tests.web.task_runs.data import Recorded

FLOW = "etl"
LINES = 3000


class TaskRuns(NamedTuple):
    """The service, and what is recorded there."""

    url: str
    failed: Recorded
    running: Recorded
    attack: Recorded
    folder: Path
    """Where results are."""

    def page_of(self, recorded: Recorded, task_slug: str, map_index: int = -1) -> str:
        """The address of the page of a task run."""
        return f"{self.url}/ui/task-runs/{recorded.task_run_ids[task_slug, map_index]}"


@pytest.fixture(scope="package")
def task_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TaskRuns]:
    """The service with its task runs."""
    folder = tmp_path_factory.mktemp("task-runs")
    with (
        served(f"sqlite:///{folder / 'taskruns.db'}", folder, log_level="error") as service,
        service.client() as client,
    ):
        now = datetime.now(UTC)
        result = wire(LocalResult(folder, location="rows.json", serializer=JSONSerializer()).write([1, 2, 3]))
        data.record_earlier(client, FLOW, now, count=40, hours=100)
        failed = data.record_failed(client, FLOW, now, result)
        data.record_lines(client, failed, "load-1", now, LINES)
        yield TaskRuns(
            service.url, failed, data.record_running(client, "nightly", now), data.record_attack(client, now), folder
        )


def report(url: str, flow_run_id: str, task_slug: str, *states: dict[str, object]) -> None:
    """Reports states of a task run."""
    item = {"task_slug": task_slug, "states": list(states)}
    httpx.post(f"{url}/flow-runs/{flow_run_id}/task-runs", json={"items": [item]}).raise_for_status()
