"""Views of the asynchronous client do the same."""

import asyncio
from collections.abc import Callable

import pytest

from taskruns import AsyncClient, AsyncFlowRunView, AsyncTaskRunView, Client, NoSuchTaskRun
from taskruns.errors import ChildMissing, ChildWithoutResult, ResultNotReady
from taskruns.models import StateCreate, StateType
from tests.client.views.recorded import constant, mapped, record, run_of, succeeded


async def test_async_views_do_the_same(client: Client, async_client: AsyncClient) -> None:
    flow_run_id = record(client, run_of("a-1", succeeded(1)), *mapped(*map(succeeded, range(5))))
    view = await AsyncFlowRunView.from_flow_run_id(flow_run_id, client=async_client)
    runs = await view.get_all_task_runs()
    assert [run.task_slug for run in runs] == ["a-1", *["inc-1"] * 6]
    assert await view.get_task_run_ids() == [run.task_run_id for run in runs]
    parent = await view.get_task_run("inc-1")
    results = await asyncio.gather(parent.get_result(), parent.get_result())
    assert list(results) == [[0, 1, 2, 3, 4]] * 2
    assert [child.map_index async for child in parent.iter_mapped()] == [0, 1, 2, 3, 4]
    assert await (await view.get_task_run("inc-1", map_index=3)).get_result() == 3
    assert (await parent.get_latest()) == parent
    by_id = await AsyncTaskRunView.from_task_run_id(runs[0].task_run_id, client=async_client)
    assert await by_id.get_result() == 1
    assert repr(by_id).startswith("AsyncTaskRunView(")
    assert await view.get_task_run(task_run_id=runs[0].task_run_id) is runs[0]
    with pytest.raises(NoSuchTaskRun):
        await view.get_task_run("b-1")
    assert (await view.get_latest()) == view


async def test_async_results_raise_the_same_errors(client: Client, async_client: AsyncClient) -> None:
    flow_run_id = record(client, *mapped(succeeded("a"), StateCreate(type=StateType.FAILED)), run_of("b-1"))
    view = await AsyncFlowRunView.from_flow_run_id(flow_run_id, client=async_client)
    parent = await view.get_task_run("inc-1")
    with pytest.raises(ChildWithoutResult):
        await parent.get_result()
    assert await parent.get_result(missing="none") == ["a", None]
    client.flow_runs.report(flow_run_id, items=[run_of("inc-1", constant("d"), map_index=3)])
    assert await parent.get_result(missing="none") == ["a", None, None, "d"]
    client.flow_runs.report(flow_run_id, items=[run_of("inc-1", constant("b"), map_index=1)])
    with pytest.raises(ChildMissing, match="map index 2"):
        await parent.get_result()
    with pytest.raises(ResultNotReady):
        await (await view.get_task_run("b-1")).get_result()


async def test_async_watching_yields_each_change_until_the_end(client: Client, async_client: AsyncClient) -> None:
    flow_run_id = record(client)
    view = await AsyncFlowRunView.from_flow_run_id(flow_run_id, client=async_client)
    states = []
    async for seen in view.watch(interval=3600):
        states.append(str(seen.state.type))
        following: dict[int, Callable[[], object]] = {
            1: lambda: client.flow_runs.set_state(flow_run_id, type="Running"),
            2: lambda: client.flow_runs.set_state(flow_run_id, type="Cancelled"),
        }
        following.get(len(states), lambda: None)()
    assert states == ["Pending", "Running", "Cancelled"]
