"""`traceback` of views: that of the current state, which a view requests once, and only of runs that may have one."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from taskruns import AsyncClient, AsyncFlowRunView, AsyncTaskRunView, Client, FlowRunView, TaskRunView
from taskruns.models import StateCreate, StateType, TaskRunReport
from tests.service import Served

FAILED, RETRYING, RUNNING, SUCCESS = StateType.FAILED, StateType.RETRYING, StateType.RUNNING, StateType.SUCCESS


def record(client: Client, *states: tuple[StateType, Any]) -> UUID:
    """Records a task run with these states and tracebacks; its flow run has the same."""
    flow_run = client.flow_runs.create(flow_name="tracebacks")
    begin = datetime.now(UTC) - timedelta(hours=1)
    for number, (type, text) in enumerate(states):
        state = StateCreate(
            id=uuid4(), type=type, details={"traceback": text}, timestamp=begin + timedelta(seconds=number)
        )
        client.flow_runs.report(flow_run.id, items=[TaskRunReport(task_slug="load-1", states=[state])])
        client.flow_runs.set_state(flow_run.id, id=uuid4(), type=type, details=state.details, timestamp=state.timestamp)
    return flow_run.id


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([(RUNNING, "a"), (FAILED, "b")], "b"),
        ([(RETRYING, "a")], "a"),
        ([(FAILED, "a"), (RETRYING, "b"), (RUNNING, "c"), (StateType.TIMED_OUT, "d")], "d"),
        ([(FAILED, "a"), (RUNNING, "b")], None),
        ([(FAILED, "a"), (SUCCESS, "b")], None),
        ([(FAILED, None)], None),
        ([(FAILED, {"no": "text"})], None),
    ],
)
async def test_traceback_is_that_of_the_current_state(
    states: list[tuple[StateType, Any]], expected: str | None, service: Served, client: Client
) -> None:
    flow_run_id = record(client, *states)
    view = FlowRunView.from_flow_run_id(flow_run_id, client=client)
    assert view.traceback == expected
    assert TaskRunView.from_task_slug("load-1", flow_run_id, client=client).traceback == expected
    async with AsyncClient(service.url) as async_client:
        of_flow_run = await AsyncFlowRunView.from_flow_run_id(flow_run_id, client=async_client)
        of_task_run = await AsyncTaskRunView.from_task_slug("load-1", flow_run_id, client=async_client)
        assert await of_flow_run.get_traceback() == await of_task_run.get_traceback() == expected


def test_view_keeps_what_it_has_read(service: Served) -> None:
    with Client(service.url) as client:
        view = FlowRunView.from_flow_run_id(record(client, (FAILED, "no")), client=client)
        task_run = view.get_task_run("load-1")
        assert (view.traceback, task_run.traceback) == ("no", "no")
        client.flow_runs.delete(view.flow_run_id)
        assert (view.traceback, task_run.traceback) == ("no", "no")


def test_traceback_is_found_in_a_long_history(client: Client) -> None:
    states = [(RUNNING, None), (FAILED, None)] * 120
    flow_run_id = record(client, *states, (RUNNING, None), (FAILED, "last"))
    assert TaskRunView.from_task_slug("load-1", flow_run_id, client=client).traceback == "last"
