"""Fifty lost connections: the client's picture is the list, and nothing comes twice."""

import random
from datetime import UTC, datetime
from uuid import uuid4

from taskruns import Client
from taskruns.models import LogLineReport
from tests.client.live.proxies import proxied
from tests.client.live.watching import Kind, report, watching
from tests.service import Served
from tests.waiting import eventually


def test_nothing_is_lost_or_repeated_over_fifty_cuts(kind: Kind, sqlite_service: Served) -> None:
    chance, client = random.Random(50), Client(sqlite_service.url)
    flow_run = client.flow_runs.create(flow_name="f")
    slugs = [f"task-{number}" for number in range(40)]
    with client, proxied(sqlite_service.url) as proxy, watching(kind, proxy.url, flow_run, logs=True) as watch:
        eventually(lambda: bool(watch.events))
        for number in range(50):
            state = chance.choice(["Running", "Queued", "Retrying"])
            report(client, flow_run.id, state, *chance.sample(slugs, 5))
            line = LogLineReport(id=uuid4(), message=str(number), timestamp=datetime.now(UTC))
            client.flow_runs.report_logs(flow_run.id, items=[line])
            eventually(lambda: proxy.cut() > 0 or watch.error is not None)
        eventually(lambda: len(watch.messages) == 50 or watch.error is not None)
        client.flow_runs.set_state(flow_run.id, type="Success")
        states = {item.task_slug: item.state for item in client.flow_runs.task_runs(flow_run.id)}
    assert watch.error is None
    assert watch.states == states
    assert len(set(watch.changes)) == len(watch.changes)
    assert [sequence for _, sequence in watch.changes] == sorted(sequence for _, sequence in watch.changes)
    assert sorted(watch.messages, key=str) == sorted(map(str, range(50)))
