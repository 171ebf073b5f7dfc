"""The neighbours and the artifacts of a task run, as clients and views get them."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from taskruns import AsyncClient, AsyncTaskRunView, Client, TaskRunView
from taskruns.errors import TaskRunNotFound
from taskruns.models import StateCreate, StateType, TaskRunReport
from tests.client.artifacts import add_artifacts
from tests.service import Served

BEGIN = datetime(2021, 5, 12, 18, 0, tzinfo=UTC)


def report_map(client: Client, flow_name: str) -> list[str]:
    """Reports a map of three items in a flow run of its own; the ids of the parent and of the children."""
    flow_run = client.flow_runs.create(flow_name=flow_name)
    states = [StateCreate(type=StateType.RUNNING, timestamp=BEGIN + timedelta(seconds=1))]
    items = [TaskRunReport(task_slug="inc-1", map_index=map_index, states=states) for map_index in range(-1, 3)]
    return [str(receipt.task_run_id) for receipt in client.flow_runs.report(flow_run.id, items=items).items]


async def test_client_and_views_get_the_neighbours(client: Client, service: Served) -> None:
    flow_name = f"neighbours-{uuid4()}"
    earlier, (parent, first, second, third) = report_map(client, flow_name), report_map(client, flow_name)
    view = TaskRunView.from_task_run_id(second, client=client)
    neighbours = view.get_neighbours()
    siblings = (neighbours.mapped_parent, neighbours.previous_child, neighbours.next_child)
    assert [None if sibling is None else str(sibling.id) for sibling in siblings] == [parent, first, third]
    assert [str(task_run.id) for task_run in neighbours.earlier_task_runs] == [earlier[2]]
    assert (neighbours.upstream, neighbours.downstream, neighbours.truncated) == ([], [], False)
    assert client.task_runs.neighbours(second) == neighbours
    async with AsyncClient(service.url) as async_client:
        async_view = await AsyncTaskRunView.from_task_run_id(second, client=async_client)
        assert await async_view.get_neighbours() == await async_client.task_runs.neighbours(second) == neighbours


async def test_views_list_the_artifacts(client: Client, service: Served) -> None:
    task_run_id = report_map(client, "artifacts")[0]
    data = [{"link": "https://example.com/1"}, {"markdown": "# Two"}]
    add_artifacts(service.url, task_run_id, data)
    view = TaskRunView.from_task_run_id(task_run_id, client=client)
    artifacts = list(view.get_artifacts())
    assert [artifact.data for artifact in artifacts] == data
    assert [artifact.kind for artifact in artifacts] == ["link", "markdown"]
    async with AsyncClient(service.url) as async_client:
        async_view = await AsyncTaskRunView.from_task_run_id(task_run_id, client=async_client)
        assert [artifact async for artifact in async_view.get_artifacts()] == artifacts


def test_neighbours_of_no_task_run_are_not_found(client: Client) -> None:
    with pytest.raises(TaskRunNotFound):
        client.task_runs.neighbours(uuid4())
