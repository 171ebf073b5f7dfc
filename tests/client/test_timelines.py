"""The timeline of a flow run, as clients get it."""

from datetime import UTC, datetime, timedelta

import pytest

from taskruns import AsyncClient, Client
from taskruns.errors import InvalidRequest
from taskruns.models import StateCreate, StateType, TaskRunReport, TimelineSpans
from tests.service import Served

BEGIN = datetime(2021, 5, 12, 18, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


async def test_clients_get_the_timeline_and_windows_of_it(client: Client, service: Served) -> None:
    flow_run = client.flow_runs.create(flow_name="timeline")
    client.flow_runs.set_state(flow_run.id, type="Running", timestamp=BEGIN)
    for slug, begin in (("first", 1), ("second", 20)):
        states = [
            StateCreate(type=StateType.PENDING, timestamp=at(begin)),
            StateCreate(type=StateType.RUNNING, timestamp=at(begin + 0.25)),
            StateCreate(type=StateType.FAILED, timestamp=at(begin + 2)),
        ]
        client.flow_runs.report(flow_run.id, items=[TaskRunReport(task_slug=slug, states=states)])
    timeline = client.flow_runs.timeline(flow_run.id)
    assert (timeline.epoch_time, timeline.bins, timeline.truncated) == (BEGIN, None, False)
    assert [task.task_slug for task in timeline.tasks] == ["first", "second"]
    failed = timeline.states.index(StateType.FAILED)
    assert timeline.tasks[1].spans == TimelineSpans(
        map_index=[-1], state=[failed], queued_ms=[20_000], wait_ms=[250], duration_ms=[1750], run_count=None
    )
    for window in ({"task_slug": "second"}, {"after": at(10)}, {"after": at(10), "before": at(30)}):
        assert client.flow_runs.timeline(flow_run.id, **window).tasks == timeline.tasks[1:]
    assert client.flow_runs.timeline(flow_run.id, before=at(10)).tasks == timeline.tasks[:1]
    with pytest.raises(InvalidRequest):
        client.flow_runs.timeline(flow_run.id, after=at(10), before=at(9))
    etag = f'"{timeline.sequence}"'
    assert client.flow_runs.timeline_if_changed(flow_run.id, if_none_match=etag) is None
    async with AsyncClient(service.url) as async_client:
        assert await async_client.flow_runs.timeline(flow_run.id) == timeline
        assert await async_client.flow_runs.timeline_if_changed(flow_run.id, if_none_match=etag) is None
