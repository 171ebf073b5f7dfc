"""The tasks of a flow run, as clients and views get them."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from taskruns import AsyncClient, AsyncFlowRunView, Client, FlowRunView
from taskruns.errors import FlowRunNotFound
from taskruns.models import FlowRunTask, StateCreate, StateType, TaskRunReport
from tests.service import Served

BEGIN = datetime(2021, 5, 12, 18, 0, tzinfo=UTC)


def task_run(map_index: int, *steps: tuple[StateType, float]) -> TaskRunReport:
    states = [StateCreate(type=type_, timestamp=BEGIN + timedelta(seconds=seconds)) for type_, seconds in steps]
    return TaskRunReport(task_slug="inc-1", map_index=map_index, states=states)


async def test_client_and_views_get_the_tasks_up_to_now(client: Client, service: Served) -> None:
    flow_run = client.flow_runs.create(flow_name="tasks")
    view = FlowRunView.from_flow_run_id(flow_run.id, client=client)
    receipt = client.flow_runs.report(
        flow_run.id,
        items=[
            task_run(-1, (StateType.MAPPED, 0)),
            task_run(0, (StateType.RUNNING, 1), (StateType.SUCCESS, 2)),
            task_run(
                1, (StateType.RUNNING, 1.5), (StateType.RETRYING, 3), (StateType.RUNNING, 4), (StateType.FAILED, 5)
            ),
        ],
    )
    tasks = view.get_tasks()
    assert tasks.items == [
        FlowRunTask(
            task_slug="inc-1",
            task_run_id=receipt.items[0].task_run_id,
            is_mapped=True,
            state=StateType.FAILED,
            count=3,
            task_run_counts={"Mapped": 1, "Success": 1, "Failed": 1},
            first_start_time=BEGIN + timedelta(seconds=1),
            last_end_time=BEGIN + timedelta(seconds=5),
            retries=1,
        )
    ]
    etag = f'"{tasks.sequence}"'
    assert client.flow_runs.tasks_if_changed(flow_run.id, if_none_match=etag) is None
    async with AsyncClient(service.url) as async_client:
        async_view = await AsyncFlowRunView.from_flow_run_id(flow_run.id, client=async_client)
        assert await async_view.get_tasks() == tasks
        assert await async_client.flow_runs.tasks_if_changed(flow_run.id, if_none_match=etag) is None


def test_tasks_of_no_flow_run_are_not_found(client: Client) -> None:
    with pytest.raises(FlowRunNotFound):
        client.flow_runs.tasks(uuid4())
