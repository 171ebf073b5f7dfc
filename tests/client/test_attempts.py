"""The attempts of a task run, as clients and views get them."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from taskruns import AsyncClient, AsyncTaskRunView, Client, TaskRunView
from taskruns.errors import TaskRunNotFound
from taskruns.models import StateCreate, StateType, TaskRunAttempt, TaskRunAttempts, TaskRunReport
from tests.service import Served

BEGIN = datetime(2021, 5, 12, 18, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


async def test_client_and_views_get_the_attempts_up_to_now(client: Client, service: Served) -> None:
    flow_run = client.flow_runs.create(flow_name="attempts")
    steps = [(StateType.RUNNING, 0), (StateType.RETRYING, 2.5), (StateType.RUNNING, 60)]
    states = [StateCreate(type=type_, timestamp=at(seconds), message=f"At {seconds}.") for type_, seconds in steps]
    client.flow_runs.report(flow_run.id, items=[TaskRunReport(task_slug="a-1", states=states)])
    view = TaskRunView.from_task_slug("a-1", flow_run.id, client=client)
    client.task_runs.set_state(view.task_run_id, type="Success", timestamp=at(61), message="At 61.")
    expected = TaskRunAttempts(
        task_run_id=view.task_run.id,
        items=[
            TaskRunAttempt(
                number=1,
                state=StateType.RETRYING,
                message="At 2.5.",
                start_time=at(0),
                end_time=at(2.5),
                duration=2.5,
                is_current=False,
            ),
            TaskRunAttempt(
                number=2,
                state=StateType.SUCCESS,
                message="At 61.",
                start_time=at(60),
                end_time=at(61),
                duration=1,
                is_current=True,
            ),
        ],
        run_time=3.5,
        truncated=False,
    )
    assert view.get_attempts() == client.task_runs.attempts(view.task_run_id) == expected
    async with AsyncClient(service.url) as async_client:
        async_view = await AsyncTaskRunView.from_task_run_id(view.task_run_id, client=async_client)
        assert await async_view.get_attempts() == await async_client.task_runs.attempts(view.task_run_id) == expected


def test_attempts_of_no_task_run_are_not_found(client: Client) -> None:
    with pytest.raises(TaskRunNotFound):
        client.task_runs.attempts(uuid4())
